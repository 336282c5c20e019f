"""What `rlaudio reward new` writes runs."""

import subprocess
import sys

import pytest

from rlaudio.config.plugins import bind
from rlaudio.lab.examination import examine
from rlaudio.lab.new_reward import KINDS, write_reward
from rlaudio.lab.rescoring import Candidate
from rlaudio.scorers.robust import robust


@pytest.mark.slow
def test_the_tests_that_are_written_pass(tmp_path):
    for kind in KINDS:
        write_reward(f"mine_{kind}", kind, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(KINDS) * 6} passed" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_reward_that_is_written_passes_its_examination(tmp_path, kind):
    write_reward("mine", kind, tmp_path)
    reward = bind("reward", "./mine.py", tmp_path).function
    assert examine(Candidate("mine", reward, 1.0, 60.0), robust).passed


@pytest.mark.parametrize("name", ["my-reward", "class", "", "1st", "_hidden", "a/b"])
def test_a_name_that_no_function_can_have_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected letters, digits and '_'"):
        write_reward(name, "completion", tmp_path)


def test_a_file_that_is_there_stays(tmp_path):
    (tmp_path / "test_mine.py").write_text("kept", encoding="utf-8")
    with pytest.raises(FileExistsError, match="give the reward another name, or move the file"):
        write_reward("mine", "completion", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]
