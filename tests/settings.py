"""Settings for tests, which name those that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlaudio.contribution.voters import LabelSettings
from rlaudio.scorers.robust import robust
from rlaudio.training.learner import Batching, LearnerSettings
from rlaudio.training.strategies.strategy import OptimizerSettings
from rlaudio.types import SamplingParams

# Overrides that leave the main job one held-out set.
ONE_HELD_OUT_SET = tuple(f"data.evaluate.{name}=null" for name in ("misleading", "shifted", "unanswerable"))


def sampling_params(
    group_size: int = 2,
    temperature: float = 1.0,
    *,
    top_k: int = 0,
    top_p: float = 1.0,
    max_new_tokens: int = 8,
) -> SamplingParams:
    """Two short completions from the whole distribution."""
    return SamplingParams(group_size, temperature, top_k, top_p, max_new_tokens)


def optimizer_settings(**changes: Any) -> OptimizerSettings:
    """AdamW without warm-up, weight decay and, so to speak, clipping; `lr` and `steps` must be given."""
    defaults = {
        "warmup": 0.0,
        "schedule": "cosine",
        "weight_decay": 0.0,
        "betas": (0.9, 0.999),
        "max_grad_norm": 1.0,
    }
    return OptimizerSettings(**defaults | changes)


def make_batching(**changes: Any) -> Batching:
    """One update from one micro-batch."""
    defaults = {
        "micro_batch_tokens": 16_384,
        "logprob_chunk": 1024,
        "prompt_once": True,
        "epochs": 1,
        "mini_batches": 1,
    }
    return Batching(**defaults | changes)


def learner_settings(**optimizer: Any) -> LearnerSettings:
    """`make_batching()` and the optimizer that is described, as by `optimizer_settings`."""
    return LearnerSettings(optimizer=optimizer_settings(**optimizer), batching=make_batching())


def label_settings(folder: Path, **changes: Any) -> LabelSettings:
    """The paper's silence, the data's order for a vote and all orders for options."""
    defaults = {
        "silence": 30.0,
        "orders": None,
        "scorer": robust,
        "batch_questions": 64,
        "max_new_tokens": 8,
    }
    return LabelSettings(folder=folder, **defaults | changes)
