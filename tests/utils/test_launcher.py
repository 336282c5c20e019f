"""What a launcher says of the processes that it starts."""

import pytest

from rlaudio.utils import launcher


@pytest.fixture(autouse=True)
def without_launcher(monkeypatch):
    for variable in launcher.VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_without_a_launcher_there_is_one_process():
    assert (launcher.rank(), launcher.size(), launcher.local_rank(), launcher.local_size()) == (0, 1, 0, 1)


@pytest.mark.parametrize("of_the_machine", ["LOCAL_WORLD_SIZE", "LOCAL_SIZE"])  # of torchrun, of deepspeed
def test_numbers_are_those_of_the_launcher(monkeypatch, of_the_machine):
    for variable, value in {"RANK": 11, "WORLD_SIZE": 16, "LOCAL_RANK": 3, of_the_machine: 8}.items():
        monkeypatch.setenv(variable, str(value))
    assert (launcher.rank(), launcher.size(), launcher.local_rank(), launcher.local_size()) == (11, 16, 3, 8)
