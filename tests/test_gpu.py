"""What only a GPU shows. Skipped where there is none."""

import numpy as np
import pytest
import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Learner
from rlaudio.training.packing import pack, repeated
from rlaudio.training.policy import token_logprobs
from rlaudio.training.strategies.strategy import OptimizerSettings
from rlaudio.types import SamplingParams, ScoredGroup, greedy
from tests.conftest import TINY, make_prompt
from tests.training.test_learner import sampled
from tests.training.test_packing import assert_same_gradients, forward_backward, make_rows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
KEY = (0, "gpu", 0)


@pytest.fixture(autouse=True)
def exact_matmul():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def on_gpu(**options) -> Qwen2_5Omni:
    return Qwen2_5Omni(path=TINY, device="cuda", **options)


def test_packed_rows_give_the_logprobs_and_gradients_of_repeated_prompts_on_a_gpu():
    family = on_gpu()
    rows = make_rows(family)
    packed, packed_gradients = forward_backward(family, _batches([rows]))
    plain, plain_gradients = forward_backward(family, _batches([[r] for r in repeated(rows)]))
    torch.testing.assert_close(packed, plain, atol=5e-5, rtol=0)
    assert_same_gradients(packed_gradients, plain_gradients, 1e-4)


def test_greedy_tokens_on_a_gpu_are_those_on_a_cpu():
    answers = []
    for device in ("cpu", "cuda"):
        family = Qwen2_5Omni(path=TINY, device=device)
        prompts = [make_prompt(family, seed, words=1 + seed) for seed in range(4)]
        groups = Transformers(family).generate(prompts, greedy(8), KEY)
        answers.append([g.completions[0].token_ids.tolist() for g in groups])
    assert answers[0] == answers[1]


def test_in_bfloat16_training_and_sampling_agree_within_its_precision():
    family = on_gpu(dtype="bfloat16")
    prompts = [make_prompt(family, seed) for seed in range(4)]
    groups = Transformers(family).generate(prompts, SamplingParams(8, 1.0, max_new_tokens=8), KEY)
    behaviour = np.concatenate([c.logprobs for g in groups for c in g.completions])
    rows = assign_credit(_zero_scores(groups), GRPO())
    with torch.no_grad():
        trained = token_logprobs(family, pack(rows)).logprobs.cpu().numpy()
    assert np.abs(trained - behaviour).mean() < 0.05


def test_gradient_checkpointing_changes_memory_and_not_the_update():
    norms = []
    for checkpointing in (False, True):
        family = on_gpu(gradient_checkpointing=checkpointing)
        rows = assign_credit(sampled(family), GRPO(kl=0.0))
        learner = Learner(family, GRPO(kl=0.0), OptimizerSettings(lr=1e-4, steps=1))
        norms.append(learner.step(rows, 0)["optimizer/grad_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def _batches(lists_of_rows):
    return [pack(rows).to(torch.device("cuda")) for rows in lists_of_rows]


def _zero_scores(groups):
    return [ScoredGroup(g, {}, np.zeros(len(g.completions))) for g in groups]
