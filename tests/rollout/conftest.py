"""Workers under test, and the policy behind those that have one.

tools/test sets RLAUDIO_TEST_VLLM=1: then tests of vLLM fail, where they would be skipped, if it is missing.
With 0, as for tools/test --fast, they are left out.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.canary import text_prompt
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.scripted import Scripted
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.vllm.setup import check_vllm
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.types import Prompt, Question
from tests.conftest import TINY, make_prompt
from tests.settings import sampling_params

KEY = (0, "test", 0)
WARM = sampling_params(3, temperature=1.3, max_new_tokens=6)
ENGINES = ("vllm", "vllm_server")
WORKERS = ("scripted", "transformers", "one_step_off", *ENGINES)


@dataclass(frozen=True)
class Case:
    """A worker and what its answers can be compared with."""

    worker: RolloutWorker
    open_another: Callable[[], RolloutWorker]
    family: Qwen2_5Omni  # makes the prompts; the policy of all workers but the scripted one
    stop_token_ids: tuple[int, ...]


@pytest.fixture(scope="session")
def policy() -> Qwen2_5Omni:
    """The policy that every engine here samples from; a test that changes it asks for `changeable`."""
    return Qwen2_5Omni(path=TINY, device="cpu")


@pytest.fixture(scope="session")
def needs_vllm() -> None:
    """Skips where vLLM's CPU build is missing, unless RLAUDIO_TEST_VLLM is 1, and where that is 0."""
    wanted = os.environ.get("RLAUDIO_TEST_VLLM")
    if wanted == "0":
        pytest.skip("RLAUDIO_TEST_VLLM=0 leaves the tests of vLLM out")
    if torch.cuda.is_available():
        pytest.skip("these are tests of vLLM's CPU build; those of the other are marked gpu")
    try:
        check_vllm(on_gpu=False)
    except ImportError as error:
        if wanted == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def vllm_worker(needs_vllm, policy) -> Iterator[Vllm]:
    worker = Vllm(policy)
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def vllm_server_worker(needs_vllm, policy) -> Iterator[VllmServer]:
    worker = VllmServer(policy)
    yield worker
    worker.close()


@pytest.fixture(params=["transformers", *ENGINES])
def sampler(request, policy) -> Transformers | Vllm | VllmServer:
    """A worker that samples from a model."""
    if request.param in ENGINES:
        return request.getfixturevalue(f"{request.param}_worker")
    return Transformers(policy)


@pytest.fixture(params=WORKERS)
def case(request, policy) -> Case:
    """Any worker."""
    if request.param == "scripted":
        worker = Scripted(_words)
        return Case(worker, lambda: Scripted(_words), policy, (0,))
    if request.param == "transformers":
        worker = Transformers(policy)
        return Case(worker, lambda: Transformers(policy), policy, policy.stop_token_ids)
    if request.param == "one_step_off":
        worker = OneStepOff(Transformers(policy))
        return Case(worker, lambda: OneStepOff(Transformers(policy)), policy, policy.stop_token_ids)
    worker = request.getfixturevalue(f"{request.param}_worker")
    another = VllmServer if request.param == "vllm_server" else Vllm
    return Case(worker, lambda: another(policy), policy, policy.stop_token_ids)


@pytest.fixture
def changeable(request, policy) -> Iterator[Qwen2_5Omni]:
    """The policy for a test that changes its weights, and vLLM's: afterwards both are what they were."""
    kept = {name: tensor.clone() for name, tensor in policy.named_weights()}
    yield policy
    policy.load_weights(kept.items())
    for name in ENGINES:
        if f"{name}_worker" in request.fixturenames or f"[{name}" in request.node.name:
            request.getfixturevalue(f"{name}_worker").load_weights(policy.named_weights(), version=0)


def nudge(family: Qwen2_5Omni, seed: int = 1, size: float = 0.05) -> list[tuple[str, torch.Tensor]]:
    """Weights a little off those of the family, which are left as they are."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (name, tensor + size * torch.randn(tensor.shape, generator=generator).to(tensor))
        for name, tensor in family.named_weights()
    ]


def prompts_of(family: Qwen2_5Omni) -> list[Prompt]:
    """Four prompts about clips of different lengths, and one without audio."""
    heard = [make_prompt(family, seed, seconds=0.4 + 0.5 * seed, words=1 + 2 * seed) for seed in range(4)]
    question = Question.multiple_choice("text", "Which animal barks?", ("a dog", "a cat"), "a dog")
    return [*heard, text_prompt(question, family.encode_completion(question.question)[:-1])]


def _words(prompt: Prompt, sample: int) -> str:
    return " ".join([f"word{prompt.question.id}"] * (1 + sample))
