"""Paths of models that can be refused before anything is loaded."""

import pytest

from rlaudio.models.shared.model_paths import refuse_absent


@pytest.mark.parametrize(
    "path",
    [
        "tiny/base",
        "Qwen/Qwen2.5-Omni-7B",
        "Qwen/Qwen2.5-Omni-7B@0123abc",
        "Qwen/Qwen2.5-Omni-7B@refs/pr/3",
        "gpt2",
    ],
)
def test_what_may_be_a_model_is_not_refused(path):
    refuse_absent(path)


@pytest.mark.parametrize("path", ["/no/such/model", "./model", "~/model", "a/b/c", "a/b/c@main"])
def test_a_path_that_no_model_can_have_is_refused_with_what_is_expected(path):
    with pytest.raises(FileNotFoundError, match=f"model {path}: no such folder; expected a "):
        refuse_absent(path)


def test_a_shipped_model_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(FileNotFoundError, match="no shipped model 'tiny/bas'; there are: tiny/base, "):
        refuse_absent("tiny/bas")
