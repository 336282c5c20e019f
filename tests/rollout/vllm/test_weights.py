"""Weights by vLLM's own weight transfer, on its CPU build.

What is sent, when and to whom is as on a GPU; `without_cuda` stands in for how a GPU sends it.
"""

import os
import signal
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.engine_worker import EngineWorker
from rlaudio.rollout.reopened import Reopened
from rlaudio.rollout.vllm import server_opening
from rlaudio.rollout.vllm import weights as vllm_weights
from rlaudio.rollout.vllm.setup import CPU_BLOCK
from rlaudio.rollout.vllm.vllm import _Engine
from rlaudio.rollout.vllm.vllm_server import VllmServer
from tests.conftest import TINY
from tests.rollout import without_cuda
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_contract import largest_gap, tokens
from tests.rollout.vllm.test_vllm import Tampered


@pytest.fixture
def transfer(needs_vllm, tmp_path, monkeypatch):
    """vLLM's weight transfer, here and in every process that vLLM starts, without a GPU."""
    plugin = tmp_path / "plugins" / "without_cuda-1.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: without_cuda\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text(without_cuda.PLUGIN)
    actual = [str(plugin.parent), str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(actual))
    monkeypatch.syspath_prepend(plugin.parent)  # a process that Python spawns gets this path
    without_cuda.stand_in(monkeypatch.setattr)
    monkeypatch.setattr(vllm_weights, "torch", without_cuda.OnHost())


@pytest.fixture
def family():
    return Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower",))


@pytest.mark.slow
def test_weights_broadcast_to_a_server_are_those_it_samples_from(transfer, family, monkeypatch):
    flags = server_opening.device_flags
    transferring = {"weight_transfer_config": {"backend": "nccl"}}
    monkeypatch.setattr(server_opening, "device_flags", lambda *given: flags(*given) | transferring)
    prompts = prompts_of(family)
    with closing(VllmServer(family)) as worker:
        services = [server.service for server in worker._engine.live]
        worker._engine.sender = vllm_weights.NcclSender(services, 120.0)
        before = worker.generate(prompts, WARM, KEY)
        for version in (1, 2):
            worker.load_weights(nudge(family, seed=version), version=version)
            after = worker.generate(prompts, WARM, KEY)
            assert largest_gap(family, after, WARM) < 1e-4
            assert {c.weights_version for group in after for c in group.completions} == {version}
    assert largest_gap(family, before, WARM) > 0.1


# --- beside ---------------------------------------------------------------------------------------


@pytest.fixture
def apart(transfer, monkeypatch):
    """The second of two processes, whose engine is in a process of its own."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    monkeypatch.setenv("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)


def beside(family):
    """What `engine: beside` opens; a recipe is refused it on a CPU, where there is no memory to give back."""
    size = {"max_model_len": 1024, "max_num_seqs": 16, "max_num_batched_tokens": 16 * 1024}
    memory = {"block_size": CPU_BLOCK, "kv_cache_memory_bytes": 2**28}
    engine = _Engine(family, beside=True, sleep=False, threads=None, arguments=size | memory)
    engine._sleeps = True  # the CPU build takes the calls, and keeps its memory
    return EngineWorker(
        family, engine, max_model_len=1024, support_tokens=1024, too_long="refuse", canary_tolerance=None
    )


@pytest.mark.slow
def test_weights_handed_to_an_engine_that_sleeps_beside_are_those_it_samples_from(apart, family, monkeypatch):
    from vllm.distributed.weight_transfer import packed_tensor

    largest = max(tensor.nbytes for _, tensor in family.checkpoint_weights())
    monkeypatch.setattr(packed_tensor, "DEFAULT_PACKED_BUFFER_SIZE_BYTES", largest // 2)
    prompts = prompts_of(family)
    with closing(beside(family)) as worker:
        before = worker.generate(prompts, WARM, KEY)
        for version in (1, 2):
            worker.sleep()
            assert not worker._engine.awake
            worker.load_weights(nudge(family, seed=version), version=version)
            after = worker.generate(prompts, WARM, KEY)
            assert largest_gap(family, after, WARM) < 1e-4
        worker.sleep()
        assert tokens(worker.generate(prompts, WARM, KEY)) == tokens(after)
    assert largest_gap(family, before, WARM) > 0.1


@pytest.mark.slow
def test_an_engine_beside_that_does_not_wake_is_opened_anew(apart, family):
    """A call that fails in its process, as for want of memory, comes back as a bare Exception."""

    def fail(tags):
        raise Exception("Call to wake_up method failed: out of memory")

    prompts = prompts_of(family)
    with closing(Reopened(beside, family)) as worker:
        expected = tokens(worker.generate(prompts, WARM, KEY))
        engine = worker.worker._engine
        engine._llm = Tampered(engine._llm, wake_up=fail)
        worker.sleep()
        assert tokens(worker.generate(prompts, WARM, KEY)) == expected
        assert worker.reopened == 1


@pytest.mark.slow
def test_an_engine_beside_that_is_killed_is_opened_anew(apart, family):
    """vLLM alone would wait for ever for a process that is killed amid a call."""
    prompts = prompts_of(family)
    with closing(Reopened(beside, family)) as worker:
        worker.load_weights(nudge(family), version=1)
        expected = tokens(worker.generate(prompts, WARM, KEY))
        kill_amid(worker.worker._engine, "sleep")
        worker.sleep()
        worker.load_weights(nudge(family, size=0.0), version=2)
        assert worker.reopened == 1
        kill_amid(worker.worker._engine, "generate")
        assert tokens(worker.generate(prompts, WARM, KEY)) == expected
        assert worker.reopened == 2


def kill_amid(engine, call):
    """Have the process of an engine beside killed amid `call`."""
    llm = engine._llm
    (process,) = llm.llm_engine.engine_core.resources.engine_manager.processes

    def killed(*arguments, **options):
        os.kill(process.pid, signal.SIGSTOP)  # so that the call waits for it, however fast the machine is
        Timer(0.2, process.kill).start()
        return getattr(llm, call)(*arguments, **options)

    engine._llm = Tampered(llm, **{call: killed})
