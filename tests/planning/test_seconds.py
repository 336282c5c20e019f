"""Time of a step's phases, by hand."""

from dataclasses import replace

import pytest

from rlaudio.config.recipe import load_recipe
from rlaudio.planning import flops, seconds
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.hardware import GPUS, probe_cpu
from rlaudio.planning.memory import Sharding
from rlaudio.planning.plan import plan
from tests.planning.small_model import SEVEN_B, size_of


def test_time_by_hand():
    device = replace(GPUS["h100"], flops={"float32": 1e12}, bandwidth=1e9, interconnect=1e8, host_link=1e7)
    size = size_of()
    work = flops.Flops(layers=4e11)
    assert seconds.compute_phase("x", work, 4e11).seconds == 1.0
    trained = size.trained
    step = seconds.optimizer_phase(size, Sharding(), device, updates=2)
    assert step.seconds == pytest.approx(2 * 32 * trained / 1e9)
    plain = seconds.exchange_phase(size, Sharding(devices=4), device, updates=1, micro_batches=3)
    two = seconds.exchange_phase(size, Sharding(stage=2, devices=4), device, updates=1, micro_batches=3)
    assert plain.seconds == pytest.approx(0.75 * 8 * trained / 1e8)
    assert two.seconds == pytest.approx(0.75 * (3 + 1) * 4 * trained / 1e8)
    assert seconds.exchange_phase(size, Sharding(), device, updates=1, micro_batches=3) is None


def test_short_decoding_steps_are_bound_by_reading_the_weights():
    planned = plan(load_recipe(SEVEN_B), GPUS["h100"], Assumptions(devices=8))
    decode = next(phase for phase in planned.stages[1].phases if phase.name == "rollout: decode")
    weights = 2 * (6_525_621_760 + 544_997_376)
    assert decode.bound == "memory bandwidth"
    assert decode.seconds == pytest.approx(127 * weights / 3.35e12, rel=0.01)  # the cache is small


def test_a_cpu_is_measured():
    cpu = probe_cpu("float32", threads=1)
    assert cpu.flops["float32"] > 1e8
    assert cpu.bandwidth > 1e7
    assert cpu.measured
