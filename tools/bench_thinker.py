"""Random thinkers and random work for them: what the benchmarks of training measure on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.algorithms.grpo import GRPO
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.training.learner import Batching, Learner, LearnerSettings, OpenStrategy
from rlaudio.training.packing import Branch, PackedRow
from rlaudio.training.strategies.plain import Plain
from rlaudio.training.strategies.strategy import OptimizerSettings
from rlaudio.types import Clip, Prompt, Question, SamplingParams
from rlaudio.worlds.pretraining.blank_model import Size, train_tokenizer, write_blank_model

# About 8, 10 and 55 million parameters.
SMALL = Size(hidden=320, layers=5, feed_forward=896, audio_hidden=192, audio_layers=3, mels=128)
MIDDLE = Size(hidden=320, layers=6, feed_forward=1024, audio_hidden=224, audio_layers=3, mels=128)
LARGE = Size(hidden=640, layers=9, feed_forward=2048, audio_hidden=384, audio_layers=4, mels=128)
GROUP, SECONDS = 8, 30.0
LR = 1e-6  # small: a policy that learned would sample groups without spread, which rlaudio does not compute


def write_thinker(folder: Path, size: Size) -> None:
    """Write an untrained thinker and its tokenizer."""
    tokenizer = train_tokenizer(["What is heard? Please choose the answer."] * 10, vocabulary=1024)
    write_blank_model(folder, tokenizer, size, seed=0)


def thinker(size: Size, **options: Any) -> Qwen2_5Omni:
    """An untrained thinker on the CPU."""
    with tempfile.TemporaryDirectory() as temporary:
        write_thinker(Path(temporary), size)
        family = Qwen2_5Omni(path=temporary, device="cpu", **options)
        _ = family.model  # read the weights while the folder is there
    return family


def noise(seconds: float, seed: int) -> np.ndarray:
    """Samples of faint noise at 16 kHz."""
    rng = np.random.default_rng(seed)
    return 0.1 * rng.standard_normal(int(seconds * 16_000)).astype(np.float32)


def prompt_of_noise(family: Qwen2_5Omni, number: int, seconds: float = SECONDS) -> Prompt:
    """A question on noise of its own."""
    question = Question.multiple_choice(
        f"noise-{number}", "What is heard?", ("a", "b"), "a", Path("noise.wav")
    )
    clip = Clip(noise(seconds, number), f"noise-{number}")
    return family.encode_prompt(question, "You listen.", question.question, [clip])


def whole_sampling(new_tokens: int) -> SamplingParams:
    """Groups of 8 from the whole distribution."""
    return SamplingParams(GROUP, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=new_tokens)


def rows_of_noise(
    family: Qwen2_5Omni, numbers: Iterable[int], new_tokens: int, seconds: float = SECONDS
) -> list[PackedRow]:
    """For each number a question on noise of its own, with 8 random completions."""
    plain = [t for t in range(100) if t not in family.forbidden_token_ids]
    rows = []
    for number in numbers:
        rng = np.random.default_rng(number)
        branches = tuple(
            Branch(
                rng.choice(plain, new_tokens),
                np.full(new_tokens, -4.0, dtype=np.float32),
                np.full(new_tokens, rng.normal()),
                1.0 / (GROUP * new_tokens),
            )
            for _ in range(GROUP)
        )
        rows.append(PackedRow(prompt_of_noise(family, number, seconds), branches))
    return rows


def learner(
    family: Qwen2_5Omni,
    *,
    prompt_once: bool = True,
    micro_batch_tokens: int = 16_384,
    strategy: OpenStrategy = Plain,
) -> Learner:
    """GRPO with AdamW on all that is not frozen."""
    optimizer = OptimizerSettings(
        lr=LR,
        steps=1000,
        warmup=0.0,
        schedule="constant",
        weight_decay=0.0,
        betas=(0.9, 0.999),
        max_grad_norm=1.0,
        value_lr=0.0,
    )
    batching = Batching(
        micro_batch_tokens=micro_batch_tokens,
        logprob_chunk=1024,
        prompt_once=prompt_once,
        epochs=1,
        mini_batches=1,
    )
    settings = LearnerSettings(optimizer=optimizer, batching=batching, strategy=strategy)
    return Learner(family, GRPO(kl=0.0), settings)
