"""What `rlaudio run` says at its end."""

import json

from rlaudio.cli.run_commands import _again, accuracies
from rlaudio.runs.folder import RunFolder
from tests.made_up_run import made_up_run


def test_a_run_ends_with_the_accuracies_of_every_held_out_set(tmp_path):
    run = made_up_run(tmp_path / "run", sft_steps=1, rl_steps=2, questions=(4, 4, 4))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    summary["held_out"] = {"test": {"base": 0.25, "sft": None, "final": 0.5}, "none": {"base": None}}
    (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert list(accuracies(run)) == ["test, per cent right with the clip: base 25.0, final 50.0"]


def test_a_run_that_is_not_finished_ends_without(tmp_path):
    run = made_up_run(tmp_path / "run", sft_steps=1, rl_steps=2, questions=(4, 4, 4))
    (run / "summary.json").unlink()
    assert list(accuracies(run)) == []


def test_a_run_in_a_folder_that_a_new_one_may_not_take_is_continued(tmp_path):
    RunFolder.create(tmp_path, "name: made_up\n").close()
    assert "start again, since nothing is computed yet" in _again(tmp_path, None)
    (tmp_path / "slurm-1.out").touch()
    assert _again(tmp_path, None).startswith("continue with: ") and "--resume" in _again(tmp_path, None)
