"""The shipped model, loaded and described, and a step of it."""

import numpy as np

from rlaudio.config.plugins import bind
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.describing import model_size
from rlaudio.models.shared.front_ends import pooled_tokens
from rlaudio.planning import flops
from rlaudio.planning.tokens import StepTokens
from rlaudio.training.packing import Branch, PackedRow
from tests.conftest import make_prompt

SEVEN_B = "weak_to_strong_qwen2_5_omni_7b"
GROUP, COMPLETION, ROWS, SECONDS = 4, 20, 2, 4.0


def options_of(**given):
    return bind("model", {"use": "qwen2_5_omni", "path": "tiny/base", "device": "cpu", **given}).options


def size_of(**given):
    return model_size("qwen2_5_omni", options_of(**given))


def loaded(**given):
    family = Qwen2_5Omni(**options_of(**given))
    assert family.model is not None
    return family


def rows_of(family, advantages=1.0):
    prompts = [make_prompt(family, seed, seconds=SECONDS) for seed in (1, 1)]
    branches = tuple(  # of equal completions only one would be computed
        Branch(
            np.arange(first, first + COMPLETION),
            np.zeros(COMPLETION, np.float32),
            np.full(COMPLETION, advantages),
            0.01,
        )
        for first in range(30, 30 + GROUP)
    )
    return [PackedRow(prompt, branches) for prompt in prompts]


def tokens_of(family, budget=10_000):
    prompt = make_prompt(family, 1, seconds=SECONDS)
    return StepTokens(
        question_count=ROWS,
        group_size=GROUP,
        prompt=len(prompt.token_ids),
        audio=pooled_tokens(prompt.features["input_features"].shape[1]),
        frames=prompt.features["input_features"].shape[1],
        completion=COMPLETION,
        packed=True,
        budget=budget,
    )


def pass_of(tokens, attention, clips=ROWS):
    return flops.ForwardPass(
        tokens=tokens.computed,
        pairs=tokens.pairs(attention),
        targets=tokens.targets,
        clips=clips,
        frames=tokens.frames,
    )
