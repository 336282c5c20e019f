"""What an algorithm gives is checked, and errors name it."""

from dataclasses import replace

import pytest
import torch

from rlaudio.algorithms.algorithm import Need, Samples
from rlaudio.algorithms.checks import checked_advantages, checked_needs
from rlaudio.algorithms.grpo import GRPO


def test_needs_are_members_whatever_they_were_written_as():
    assert checked_needs(with_needs({"reference"}), "mine") == {Need.REFERENCE}
    assert checked_needs(GRPO(kl=0.1), "grpo") >= {Need.REFERENCE}


def with_needs(needs):
    return type("Mine", (), {"needs": needs})()


def test_advantages_are_checked_in_every_step_too():
    samples = Samples(rewards=torch.zeros(2, 2), lengths=torch.ones(2, 2, dtype=torch.int64))
    assert checked_advantages(samples.rewards, samples, "mine") is samples.rewards
    with pytest.raises(ValueError, match=r"mine: advantages gave \(2,\)"):
        checked_advantages(replace(samples, rewards=torch.zeros(2)).rewards, samples, "mine")
