"""Rates of a step from its seconds and counts."""

from types import SimpleNamespace

import pytest
import torch

from rlaudio.training import throughput as module
from rlaudio.training.throughput import Throughput

SECONDS = {"rollout": 2.0, "update": 4.0}
COUNTS = {"rollout/tokens": 100.0, "optimizer/computed_tokens": 600.0}


def learner_of(layers, processes=1):
    model = SimpleNamespace(get_decoder=lambda: SimpleNamespace(layers=layers))
    family = SimpleNamespace(model=model, device=torch.device("cpu"), dtype=torch.float32)
    return SimpleNamespace(family=family, strategy=SimpleNamespace(processes=SimpleNamespace(size=processes)))


def test_rates_of_a_step(monkeypatch):
    monkeypatch.setattr(module, "matrix_rate", lambda device, dtype: 1e4)
    frozen = torch.nn.Linear(3, 4, bias=False).requires_grad_(False)
    layers = torch.nn.Sequential(torch.nn.Linear(5, 2), frozen)  # 10 weights that train, 12 that do not
    rates = Throughput(learner_of(layers, processes=2)).describe(SECONDS, COUNTS)
    assert rates.pop("optimizer/mfu") == pytest.approx(150 * (6 * 10 + 4 * 12) / (2 * 1e4))
    assert rates == {
        "time/rollout": 2.0,
        "time/update": 4.0,
        "rollout/tokens_per_second": 50.0,
        "optimizer/tokens_per_second": 150.0,
    }


def test_a_step_without_an_update_or_rollouts_has_no_rates():
    nothing = Throughput(learner_of(torch.nn.Linear(2, 2))).describe({"write": 1.0}, COUNTS)
    assert nothing == {"time/write": 1.0}
    idle = Throughput(learner_of(torch.nn.Linear(2, 2))).describe(SECONDS, {"optimizer/computed_tokens": 0.0})
    assert idle == {"time/rollout": 2.0, "time/update": 4.0}
