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
from rlaudio.rollout.reopening_worker import ReopeningWorker
from rlaudio.rollout.vllm import server_opening
from rlaudio.rollout.vllm import weights as vllm_weights
from rlaudio.rollout.vllm.setup import CPU_BLOCK
from rlaudio.rollout.vllm.vllm import _Engine
from rlaudio.rollout.vllm.vllm_server import VllmServer
from tests.conftest import TINY
from tests.rollout import without_cuda
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap, tokens
from tests.rollout.vllm.test_vllm import Tampered


@pytest.fixture(scope="module")
def patch():
    """What is put in the place of something else while the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def transfer(needs_vllm, tmp_path_factory, patch):
    """vLLM's weight transfer, here and in every process that vLLM starts, without a GPU."""
    plugin = tmp_path_factory.mktemp("plugins") / "without_cuda-1.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: without_cuda\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text(without_cuda.PLUGIN)
    actual = [str(plugin.parent), str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    patch.setenv("PYTHONPATH", os.pathsep.join(actual))
    patch.syspath_prepend(plugin.parent)  # a process that Python spawns gets this path
    without_cuda.stand_in(patch.setattr)
    patch.setattr(vllm_weights, "torch", without_cuda.OnHost())


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def apart(transfer, patch, family):
    """A worker in the second of two processes, whose engine is in a process of its own; tests may kill it."""
    from vllm.distributed.weight_transfer import packed_tensor

    patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    patch.setenv("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        patch.setenv(name, value)
    largest = max(tensor.nbytes for _, tensor in family.checkpoint_weights())
    patch.setattr(packed_tensor, "DEFAULT_PACKED_BUFFER_SIZE_BYTES", largest // 2)
    with closing(ReopeningWorker(beside, family)) as worker:
        yield worker


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
def test_weights_handed_to_an_engine_that_sleeps_beside_are_those_it_samples_from(apart, family):
    prompts = prompts_of(family)
    before = apart.generate(prompts, WARM, KEY)
    for version in (1, 2):
        apart.sleep()
        assert not apart.worker._engine.awake
        apart.load_weights(nudge(family, seed=version), version=version)
        after = apart.generate(prompts, WARM, KEY)
        assert largest_gap(family, after, WARM) < 1e-4
    apart.sleep()
    assert tokens(apart.generate(prompts, WARM, KEY)) == tokens(after)
    assert largest_gap(family, before, WARM) > 0.1


@pytest.mark.slow
def test_an_engine_beside_that_does_not_wake_is_opened_anew(apart, family):
    """A call that fails in its process, as for want of memory, comes back as a bare Exception."""

    def fail(tags):
        raise Exception("Call to wake_up method failed: out of memory")

    prompts, reopened = prompts_of(family), apart.reopened
    expected = tokens(apart.generate(prompts, WARM, KEY))
    engine = apart.worker._engine
    engine._llm = Tampered(engine._llm, wake_up=fail)
    apart.sleep()
    assert tokens(apart.generate(prompts, WARM, KEY)) == expected
    assert apart.reopened == reopened + 1


@pytest.mark.slow
def test_an_engine_beside_that_is_killed_is_opened_anew(apart, family):
    """vLLM alone would wait for ever for a process that is killed amid a call."""
    prompts, reopened = prompts_of(family), apart.reopened
    apart.load_weights(nudge(family), version=3)
    expected = tokens(apart.generate(prompts, WARM, KEY))
    kill_amid(apart.worker._engine, "sleep")
    apart.sleep()
    apart.load_weights(nudge(family, size=0.0), version=4)
    assert apart.reopened == reopened + 1
    kill_amid(apart.worker._engine, "generate")
    assert tokens(apart.generate(prompts, WARM, KEY)) == expected
    assert apart.reopened == reopened + 2


def kill_amid(engine, call):
    """Have the process of an engine beside killed amid `call`."""
    llm = engine._llm
    (process,) = llm.llm_engine.engine_core.resources.engine_manager.processes

    def killed(*arguments, **options):
        os.kill(process.pid, signal.SIGSTOP)  # so that the call waits for it, however fast the machine is
        Timer(0.2, process.kill).start()
        return getattr(llm, call)(*arguments, **options)

    engine._llm = Tampered(llm, **{call: killed})
