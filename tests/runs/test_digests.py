"""Digests of what a run wrote: kept as they were, compared file by file."""

import pytest

from rlaudio.runs.digests import check_recorded, is_recorded, record, record_new
from rlaudio.runs.files import read_json


@pytest.fixture
def run(tmp_path):
    """A run folder with two evaluations, of which the first is recorded."""
    for name in ("evaluation/base.json", "evaluation/base/test.jsonl", "evaluation/final.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    record(tmp_path, "evaluation/base.json", "evaluation/base")
    return tmp_path


def test_only_what_the_run_recorded_counts_as_written(run):
    assert is_recorded(run, "evaluation/base.json", "evaluation/base")
    assert not is_recorded(run, "evaluation/final.json")
    assert not is_recorded(run, "evaluation/base", "evaluation/final.json")
    assert set(read_json(run / "digests.json")) == {"evaluation/base.json", "evaluation/base/test.jsonl"}


def test_a_place_from_which_a_file_is_gone_is_written_again(run):
    (run / "evaluation" / "base" / "test.jsonl").unlink()
    check_recorded(run)
    assert not is_recorded(run, "evaluation/base")


@pytest.mark.parametrize("name", ["evaluation/base.json", "evaluation/base/test.jsonl"])
def test_a_changed_file_is_named_with_both_digests(run, name):
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[:-1] + b"~")
    with pytest.raises(
        ValueError, match=rf"{name} \(digest \w{{12}} when it was written, digest \w{{12}} now\)"
    ):
        check_recorded(run)
    (run / name).write_bytes(content)
    check_recorded(run)


def test_what_is_recorded_stays_so_where_new_files_are(run):
    (run / "evaluation" / "base.json").write_text("edited")
    record_new(run, "evaluation/base.json", "evaluation/final.json")
    assert is_recorded(run, "evaluation/final.json")
    with pytest.raises(ValueError, match=r"base\.json"):
        check_recorded(run)


def test_other_places_may_change(run):
    (run / "notes.txt").write_text("other notes")
    (run / "evaluation" / "final.json").write_text("computed again")
    check_recorded(run)
    (run / "evaluation" / "base.json").write_text("edited")
    check_recorded(run, "evaluation/final.json")


def test_a_place_is_recorded_anew_and_the_others_stay(run):
    (run / "evaluation" / "base.json").write_text("evaluated again")
    record(run, "evaluation/base.json")
    check_recorded(run)
    assert is_recorded(run, "evaluation/base.json", "evaluation/base")


def test_a_folder_is_recorded_under_the_name_that_it_will_have(run):
    (run / ".building").mkdir()
    (run / ".building" / "weights").write_text("trained")
    record(run, "final", written_as=run / ".building")
    assert not is_recorded(run, "final")
    (run / ".building").rename(run / "final")
    assert is_recorded(run, "final")
