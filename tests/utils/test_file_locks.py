"""Locks among processes, and file systems that have none."""

import errno
import os
import socket

import pytest

from rlaudio.runs.journals import Journal
from rlaudio.utils import file_locks
from rlaudio.utils.file_locks import locked_folder, try_lock, unlock


def test_a_lock_is_one_processs_until_it_gives_it_back(tmp_path):
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert try_lock(first) and not try_lock(second)
        unlock(first)
        assert try_lock(second)


def test_a_forked_process_keeps_no_lock_of_one_that_has_ended(tmp_path):
    ours, theirs = socket.socketpair()
    with (tmp_path / "lock").open("w") as file, ours, theirs:
        assert try_lock(file)
        if not (copy := os.fork()):
            theirs.send(b"begun")
            theirs.recv(5)
            os._exit(0)
        ours.recv(5)
        file.close()
        with (tmp_path / "lock").open("w") as again:
            assert try_lock(again)
        ours.send(b"end")
        os.waitpid(copy, 0)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_hinders_nothing(tmp_path, monkeypatch, number):
    def no_locks(file, how):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(file_locks.fcntl, "flock", no_locks)
    with Journal(tmp_path / "labels.a.journal") as kept:
        kept.add({"q": "a dog"})
    with Journal(tmp_path / "labels.a.journal") as kept:
        assert dict(kept) == {"q": "a dog"}


def test_a_folder_is_locked_while_the_block_runs_and_gets_no_file(tmp_path):
    other = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(KeyboardInterrupt), locked_folder(tmp_path):
        assert not try_lock(other)
        raise KeyboardInterrupt
    assert try_lock(other) and not list(tmp_path.iterdir())
    os.close(other)
