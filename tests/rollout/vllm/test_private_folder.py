"""Folders that one process makes and removes: never what is not its own."""

import os
import subprocess
import sys

import pytest

from rlaudio.rollout.vllm.private_folder import MARK, OWNER, private_folder

PREFIX = "rlaudio-test-"


def left(parent, mode=0o700, mark=MARK):
    """A folder as a killed process leaves it."""
    folder = parent / f"{PREFIX}left"
    folder.mkdir(mode=mode)
    folder.chmod(mode)
    (folder / "weights").write_text("weights")
    if mark is not None:
        (folder / OWNER).write_bytes(mark)
    return folder


def test_a_folder_is_its_users_alone_and_gone_afterwards(tmp_path):
    with private_folder(PREFIX, tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "weights").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_another_one_uses_is_not(tmp_path):
    left(tmp_path)
    with private_folder(PREFIX, tmp_path) as first, private_folder(PREFIX, tmp_path) as second:
        assert sorted(tmp_path.iterdir()) == sorted([first, second])


@pytest.mark.parametrize(
    "of_another_kind",
    [{"mode": 0o755}, {"mark": b"mine"}, {"mark": MARK + b"!"}, {"mark": None}],
    ids=["open to others", "another mark", "a longer mark", "no mark"],
)
def test_a_folder_of_that_name_which_rlaudio_did_not_make_is_left_alone(tmp_path, of_another_kind):
    folder = left(tmp_path, **of_another_kind)
    with private_folder(PREFIX, tmp_path):
        pass
    assert (folder / "weights").read_text() == "weights"


def test_links_and_pipes_are_neither_followed_nor_waited_for(tmp_path):
    (tmp_path / "mine").mkdir(mode=0o700)
    mine = left(tmp_path / "mine")
    (tmp_path / f"{PREFIX}link").symlink_to(mine)
    piped = left(tmp_path, mark=None)
    os.mkfifo(piped / OWNER)
    with private_folder(PREFIX, tmp_path):
        pass
    assert (mine / "weights").exists() and (piped / "weights").exists()


def test_another_folder_that_took_its_place_is_not_removed(tmp_path):
    with private_folder(PREFIX, tmp_path) as folder:
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        (folder / "others").touch()
    assert (folder / "others").exists()


def test_a_kill_leaves_a_folder_that_the_next_process_removes(tmp_path):
    code = (
        "import os, pathlib, sys\n"
        "from rlaudio.rollout.vllm.private_folder import private_folder\n"
        f"with private_folder({PREFIX!r}, pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with private_folder(PREFIX, tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
