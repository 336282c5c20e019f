"""Every ZeRO stage in two processes makes the updates of plain torch in one."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

from rlaudio.training.strategies.plain import Plain
from tests.several_processes import CASES, SETTINGS, Result, cases_of, train

pytestmark = pytest.mark.slow

STRATEGIES = ("plain", "zero 0", "zero 1", "zero 2", "zero 3")
RARER = ("zero 2, offloaded", "zero 3, offloaded", "zero 3, small parameters whole")
PAIRS = [(case, strategy) for strategy in (*STRATEGIES, *RARER) for case in cases_of(strategy)]
EXACT = [pair for pair in PAIRS if pair[0] != "bfloat16"]
RESUMED = "ppo, one process without rows"
SHARED_OUT = {"zero 1": 2, "zero 2": 2, "zero 3": 2}  # processes among which a state is shared


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What every strategy made of every case in two processes on the CPU."""
    out: Path = tmp_path_factory.mktemp("two") / "results.pt"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, "-m", "tests.several_processes", str(out)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return torch.load(out, weights_only=False)


@cache
def alone(case: str) -> Result:
    """What plain torch makes of a case in one process."""
    return train(CASES[case], Plain)


def close(actual: dict[str, float], expected: dict[str, float], tolerance: float) -> bool:
    assert actual.keys() == expected.keys()
    # each process computes what its own rows share
    names = expected.keys() - {"optimizer/computed_tokens"}
    return all(actual[n] == pytest.approx(expected[n], rel=tolerance, abs=tolerance) for n in names)


@pytest.mark.parametrize(("case", "strategy"), EXACT)
def test_two_processes_of_any_strategy_make_the_updates_of_one(two, case, strategy):
    expected = alone(case)
    for results in two["results"]:
        actual = results[case, strategy]
        for number, (metrics, wanted) in enumerate(zip(actual.metrics, expected.metrics, strict=True)):
            assert close(metrics, wanted, 1e-4), (number, metrics, wanted)
        assert (actual.weights - expected.weights).abs().max() <= 1e-5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bfloat16_is_trained_alike_within_its_precision(two, strategy):
    expected = alone("bfloat16")
    for results in two["results"]:
        actual = results["bfloat16", strategy]
        assert actual.metrics[0]["loss/total"] == pytest.approx(expected.metrics[0]["loss/total"], abs=5e-3)
        moved = (actual.weights - expected.weights).abs()
        assert float(moved.mean()) <= 0.1 * SETTINGS.lr


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_learner_that_loads_the_state_goes_on_to_the_last_bit(two, strategy):
    for results in two["results"]:
        actual = results[RESUMED, strategy]
        metrics, weights = actual.resumed
        assert metrics == actual.metrics[CASES[RESUMED].resumed_after]
        assert torch.equal(weights, actual.weights)


@pytest.mark.parametrize("strategy", (*STRATEGIES, *RARER))
def test_an_update_whose_gradient_is_infinite_is_told_and_not_made(two, strategy):
    for refused in two["refused"]:
        said, stayed = refused[strategy]
        assert said.startswith("pass 1, mini-batch 1: optimizer/grad_norm came out as")
        assert "the update was not made" in said
        assert stayed


@pytest.mark.parametrize(("strategy", "shares"), SHARED_OUT.items())
def test_a_process_keeps_its_share_of_the_state(two, strategy, shares):
    whole = alone("sft").state_size
    kept = sum(results["sft", strategy].state_size for results in two["results"])
    assert kept < 1.7 * whole  # averages and master weights, once over both processes
    assert two["results"][0]["sft", "plain"].state_size == whole


def test_stage_3_takes_the_parameters_apart(two):
    whole = alone("sft").held
    assert [results["sft", "zero 3"].held for results in two["results"]] == pytest.approx(
        [whole / 2] * 2, rel=0.01
    )
    assert two["results"][0]["sft", "zero 2"].held == whole


def test_deepspeed_leaves_torch_as_it_was(two):
    assert two["linear_untouched"]
