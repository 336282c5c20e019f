"""A run that begins as a copy of another one."""

import pytest

from rlaudio.config.recipe import load_recipe
from rlaudio.runs.copying import begin, go_on_from, is_complete, mark_complete


@pytest.fixture
def done(recipe_file, tmp_path):
    """A run that came to the end of SFT, with weights and rows."""
    begin(tmp_path / "done", load_recipe(recipe_file).to_yaml())
    for name in ("checkpoints/sft-1/model.bin", "models/sft/model.bin", "labels/train/labels.jsonl"):
        file = tmp_path / "done" / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"content")
    mark_complete(tmp_path / "done", "sft")
    return tmp_path / "done"


def test_weights_are_linked_and_what_may_be_written_again_is_copied(done, recipe_file, tmp_path):
    recipe = load_recipe(recipe_file, ["optimizer.lr=2e-3"])
    go_on_from(done, tmp_path / "next", recipe.model_dump(mode="json"), recipe.to_yaml())
    for name in ("checkpoints/sft-1/model.bin", "models/sft/model.bin"):
        assert (done / name).samefile(tmp_path / "next" / name)
    labels = tmp_path / "next" / "labels/train/labels.jsonl"
    assert labels.read_bytes() == b"content" and not labels.samefile(done / "labels/train/labels.jsonl")
    assert load_recipe(tmp_path / "next" / "recipe.yaml").to_yaml() == recipe.to_yaml()
    assert not is_complete(tmp_path / "next", "sft") and not (tmp_path / "next" / "lock").exists()


def test_the_end_of_a_part_is_not_the_end_of_the_run(done):
    assert is_complete(done, "sft") and not is_complete(done, None)
    (done / "summary.json").write_text("{}")
    assert is_complete(done, None)


def test_a_run_that_begins_says_nothing_yet_of_what_it_is_made_with(done):
    assert not (done / "versions.json").exists() and (done / "recipe.yaml").exists()
