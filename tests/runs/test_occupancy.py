"""The lock of a run folder, and what a folder must hold to be resumed."""

import os

import pytest

from rlaudio.runs import occupancy
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import computed_nothing, gives_way, held, refuse_without_records, take_lock
from rlaudio.utils.bounded_reading import open_to_append


def test_a_lock_that_is_a_link_or_a_pipe_is_refused_and_its_file_stays(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for number, plant in enumerate((lambda path: path.symlink_to(tmp_path / "mine"), os.mkfifo)):
        run = tmp_path / f"run-{number}"
        run.mkdir()
        plant(run / "run.lock")
        with pytest.raises(ValueError, match=r"run\.lock: expected an ordinary file; delete it"):
            take_lock(run)
    assert (tmp_path / "mine").read_text() == "mine"


TO_COMPARE = ("versions.json", "inputs.json", "data.json", "digests.json")


@pytest.fixture
def labelled(tmp_path):
    """The folder of a run that has computed something."""
    with RunFolder.create(tmp_path / "run", "name: made_up\n") as folder:
        for name, content in (
            ("inputs.json", {"recipe": {}}),
            ("data.json", {"train": {}}),
            ("labels.json", {}),
        ):
            folder.write_json(name, content)
    return tmp_path / "run"


@pytest.mark.parametrize("name", TO_COMPARE)
def test_a_run_without_a_file_that_a_resume_compares_with_is_refused(labelled, name):
    refuse_without_records(labelled)
    (labelled / name).unlink()
    with pytest.raises(
        ValueError, match=f"{name} missing or emptied, without which nothing tells whether the run"
    ):
        refuse_without_records(labelled)


@pytest.mark.parametrize("name", ["versions.json", "inputs.json", "data.json"])
def test_a_run_with_such_a_file_emptied_is_refused(labelled, name):
    (labelled / name).write_text("{}")
    with pytest.raises(ValueError, match=f"{name} missing or emptied"):
        refuse_without_records(labelled)


def test_a_run_whose_digests_were_emptied_is_refused(labelled):
    (labelled / "plugins.json").write_text("{}")
    for text in ("{}", "{\n}\n", "null", "[]", ""):
        (labelled / "digests.json").write_text(text)
        with pytest.raises(ValueError, match=r"digests\.json missing or emptied, without which"):
            refuse_without_records(labelled)


def test_a_run_that_trained_without_digests_of_its_labels_is_refused(labelled):
    (labelled / "plugins.json").write_text("{}")
    (labelled / "digests.json").write_text('{"plugins.json": "0"}')
    refuse_without_records(labelled)  # killed just before the digests of the labels were kept
    (labelled / "metrics.jsonl").touch()
    with pytest.raises(ValueError, match=r"digests\.json missing or emptied"):
        refuse_without_records(labelled)


def test_a_run_that_was_killed_before_it_computed_anything_lacks_nothing(labelled):
    for name in (*TO_COMPARE, "labels.json"):
        (labelled / name).unlink()
    (labelled / ".digests.json.unfinished").touch()
    refuse_without_records(labelled)


def test_a_folder_that_is_held_is_refused_to_another_and_keeps_no_lock_file(tmp_path):
    with held(tmp_path / "out"):
        with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* is writing to this folder"):
            take_lock(tmp_path / "out")
        (tmp_path / "out" / "labels.jsonl").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["labels.jsonl"]


def test_a_folder_that_got_nothing_is_not_left_and_a_runs_lock_file_stays(tmp_path):
    with pytest.raises(ValueError, match="nothing came"), held(tmp_path / "out"):
        raise ValueError("nothing came")
    assert not (tmp_path / "out").exists()
    RunFolder.create(tmp_path / "run", "name: made_up\n").close()
    with held(tmp_path / "run"):
        pass
    assert (tmp_path / "run" / "run.lock").exists()


def test_a_lock_file_that_a_kill_left_in_a_users_folder_is_removed_by_the_next_holder(tmp_path):
    (tmp_path / "run.lock").write_text("process 1 on a machine that was killed\n")
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_was_removed_after_it_was_opened_is_no_lock(tmp_path, monkeypatch):
    opened = []

    def open_then_lose(path):
        opened.append(open_to_append(path))
        if len(opened) == 1:
            path.unlink()  # by a holder that has just ended
        return opened[-1]

    monkeypatch.setattr(occupancy, "open_to_append", open_then_lose)
    with take_lock(tmp_path), pytest.raises(BlockingIOError):
        take_lock(tmp_path)
    assert len(opened) == 3


FOREIGN = (".DS_Store", ".nfs0000000000000001", "slurm-1.out")


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_does_not_make_a_run_that_computed_nothing_unresumable(tmp_path, name):
    RunFolder.create(tmp_path, "name: made_up\n").close()
    (tmp_path / name).touch()
    assert computed_nothing(tmp_path) and not gives_way(tmp_path)
    refuse_without_records(tmp_path)


@pytest.mark.parametrize("name", ["labels/train/base.jsonl", "models/base/config.json", "metrics.jsonl"])
def test_a_run_of_a_version_that_began_its_digests_later_is_resumed(labelled, name):
    for file in ("labels.json", "digests.json"):
        (labelled / file).unlink()
    (labelled / name).parent.mkdir(parents=True, exist_ok=True)
    (labelled / name).touch()
    refuse_without_records(labelled)


@pytest.mark.parametrize(
    "names",
    [
        ("evaluation/base.json",),
        ("final/config.json",),
        ("samples/samples.json",),
        ("checkpoints/1-000010", "rollouts/rl-10.jsonl"),
    ],
)
def test_what_digests_cover_is_not_taken_without_them(labelled, names):
    for file in ("labels.json", "digests.json"):
        (labelled / file).unlink()
    for name in names:
        (labelled / name).parent.mkdir(parents=True)
        (labelled / name).touch()
    with pytest.raises(ValueError, match=r"digests\.json missing"):
        refuse_without_records(labelled)


def test_groups_that_were_sampled_after_the_last_checkpoint_have_no_digests_yet(labelled):
    for file in ("labels.json", "digests.json"):
        (labelled / file).unlink()
    for name in ("checkpoints/0-000010", "rollouts/rl-1.jsonl"):
        (labelled / name).parent.mkdir()
        (labelled / name).touch()
    refuse_without_records(labelled)
