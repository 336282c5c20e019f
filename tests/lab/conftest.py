"""Verdicts on rewards do not depend on how busy the machine is."""

import pytest


@pytest.fixture(autouse=True)
def no_call_is_slow(monkeypatch):
    """A machine that stands still for a second makes no call of a reward slow."""
    monkeypatch.setattr("rlaudio.lab.examination.SLOW_SECONDS", float("inf"))
