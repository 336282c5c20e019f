"""The run folder of the benchmark of the reward lab holds what it says."""

from rlaudio.lab.stored import read_rollouts
from rlaudio.runs.run import open_run
from tests.tool_scripts import load_tool


def test_there_are_as_many_completions_as_asked(tmp_path):
    reward = load_tool("bench_lab").make_run(tmp_path, 320, words=5)
    rollouts = read_rollouts(open_run(tmp_path / "run"))
    assert len(rollouts.stored()) == 320 and len(rollouts.steps) == 2
    assert reward.is_file()
