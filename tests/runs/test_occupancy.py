"""The lock of a run folder."""

import os

import pytest

from rlaudio.runs.occupancy import take_lock


def test_a_lock_that_is_a_link_or_a_pipe_is_refused_and_its_file_stays(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for number, plant in enumerate((lambda path: path.symlink_to(tmp_path / "mine"), os.mkfifo)):
        run = tmp_path / f"run-{number}"
        run.mkdir()
        plant(run / "run.lock")
        with pytest.raises(ValueError, match=r"run\.lock: expected an ordinary file; delete it"):
            take_lock(run)
    assert (tmp_path / "mine").read_text() == "mine"
