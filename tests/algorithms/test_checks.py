"""What an algorithm gives is checked, and errors name it."""

from dataclasses import replace

import pytest
import torch

from rlaudio.algorithms.algorithm import Need, Samples
from rlaudio.algorithms.checks import advantages_by_token, checked_needs
from rlaudio.algorithms.grpo import GRPO


def test_needs_are_members_whatever_they_were_written_as():
    assert checked_needs(with_needs({"reference"}), "mine") == {Need.REFERENCE}
    assert checked_needs(GRPO(kl=0.1), "grpo") >= {Need.REFERENCE}


def with_needs(needs):
    return type("Mine", (), {"needs": needs})()


def test_advantages_are_checked_in_every_step_too():
    samples = Samples(rewards=torch.eye(2), lengths=torch.full((2, 2), 3))
    given = advantages_by_token(samples.rewards, samples, "mine")
    assert given.tolist() == [[[1.0] * 3, [0.0] * 3], [[0.0] * 3, [1.0] * 3]]
    assert advantages_by_token(given, samples, "mine") is given
    with pytest.raises(ValueError, match=r"mine: advantages gave \(2,\)"):
        advantages_by_token(replace(samples, rewards=torch.zeros(2)).rewards, samples, "mine")
