"""What `rlaudio run` says at its end."""

import json

from rlaudio.cli.run_commands import accuracies
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
