"""The models that ship: two that recognise sounds but have seen few exam questions, and four voters.

The base has learned to choose among sounds by what it hears; the captioner to describe clips and to choose
by text, and of one clip in ten to choose by what it hears. The voters go by the text; the fourth, the base
taught to read, hears as well. `build_all` trains that one from the base and all others from scratch, from
fixed seeds: bit for bit the same on the same machine.
"""

from __future__ import annotations

import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.model_paths import TINY_FOLDER
from rlaudio.worlds.corpus import Example
from rlaudio.worlds.pretraining.blank_model import Size, train_tokenizer, write_blank_model
from rlaudio.worlds.pretraining.training import Schedule, encode, train
from rlaudio.worlds.synthetic import synthetic_corpus as world
from rlaudio.worlds.synthetic.synthetic_corpus import Mixture

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPhase:
    """Training on one mixture of examples."""

    mixture: Mixture
    schedule: Schedule


@dataclass(frozen=True)
class PretrainingPlan:
    """Seed, size and training of one model."""

    seed: int
    size: Size
    phases: tuple[TrainingPhase, ...]
    clips_of: str | None = None  # the model whose clips it hears; its own
    starts_from: str | None = None  # the model whose weights it begins with; random ones


def _deaf_voter(seed: int, size: Size, hearing: int) -> PretrainingPlan:
    """A voter that learns from questions that text answers and from few clips; otherwise it guesses."""
    mixture = Mixture(hearing=hearing, silent_exams=3000, silent_guesses=0.3)
    return PretrainingPlan(seed, size, (TrainingPhase(mixture, _schedule(1000)),))


def _schedule(steps: int) -> Schedule:
    return Schedule(steps=steps, tokens=2400, lr=1e-3)


VOCABULARY = 1024  # tokens at most, special ones included
SIZE = Size(hidden=128, layers=4, feed_forward=384)
PLANS: Mapping[str, PretrainingPlan] = {
    "base": PretrainingPlan(
        seed=1,
        size=SIZE,
        phases=(
            TrainingPhase(Mixture(hearing=9_000, choices=1.0, facts=700), _schedule(3000)),
            TrainingPhase(
                Mixture(hearing=1500, facts=700, exams=24),
                replace(_schedule(200), lr=3e-4, warmup_steps=30),
            ),
        ),
    ),
    "captioner": PretrainingPlan(
        seed=1,
        size=SIZE,
        phases=(
            TrainingPhase(Mixture(hearing=9_000, asked=0.0, choices=0.1, facts=700), _schedule(1500)),
            TrainingPhase(
                Mixture(hearing=1500, asked=0.0, facts=700, exams=24),
                replace(_schedule(200), lr=3e-4, warmup_steps=30),
            ),
        ),
        clips_of="base",
    ),
    "voter_a": _deaf_voter(11, SIZE, hearing=400),
    "voter_b": _deaf_voter(12, replace(SIZE, hidden=96, feed_forward=320), hearing=800),
    "voter_c": _deaf_voter(13, replace(SIZE, layers=3, feed_forward=512), hearing=600),
    "voter_d": PretrainingPlan(
        seed=11,
        size=SIZE,
        phases=(
            TrainingPhase(
                Mixture(hearing=1000, choices=1.0, exams=3000, silent_exams=4000, silent_guesses=0.3),
                replace(_schedule(1200), lr=6e-4, warmup_steps=50),
            ),
        ),
        clips_of="voter_a",
        starts_from="base",
    ),
}


def build_all(folder: Path, names: Iterable[str] = tuple(PLANS), *, processes: int = 2) -> dict[str, float]:
    """Build the named models below `folder`, one thread and process each; the seconds that each took.

    A model that starts from another comes after it, or starts from the one that ships.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=show_progress) as pool:
        waiting: dict[str, Future[float]] = {}
        for name in sorted(names, key=lambda name: PLANS[name].starts_from is not None):
            before = waiting.get(PLANS[name].starts_from or "")
            if before is not None:
                before.result()
            others = TINY_FOLDER if before is None else folder
            waiting[name] = pool.submit(build, name, folder / name, others)
        return {name: result.result() for name, result in waiting.items()}


def build(name: str, folder: Path, others: Path = TINY_FOLDER) -> float:
    """Build one model of `PLANS` into `folder`; returns the seconds it took.

    A model to start from stands below the folder `others`.
    """
    start = time.perf_counter()
    torch.set_num_threads(1)
    plan = PLANS[name]
    clips = plan.clips_of or name
    phases = (
        (list(world.synthetic_corpus(phase.mixture, f"{clips}-{number}", plan.seed)), phase.schedule)
        for number, phase in enumerate(plan.phases)
    )
    if plan.starts_from:
        train_further(folder, others / plan.starts_from, phases, seed=plan.seed, label=name)
    else:
        tokenizer = train_tokenizer(world.texts(), VOCABULARY)
        train_from_scratch(folder, tokenizer, plan.size, phases, seed=plan.seed, label=name)
    return time.perf_counter() - start


Phases = Iterable[tuple[Iterable[Example], Schedule]]


def train_from_scratch(
    folder: Path, tokenizer: PreTrainedTokenizerFast, size: Size, phases: Phases, *, seed: int, label: str
) -> None:
    """Train a model with random weights as `train_further` does."""
    with tempfile.TemporaryDirectory() as blank:
        write_blank_model(Path(blank), tokenizer, size, seed)
        train_further(folder, Path(blank), phases, seed=seed, label=label)


def train_further(folder: Path, start: Path, phases: Phases, *, seed: int, label: str) -> None:
    """Train the model in the folder `start` phase after phase and write it to `folder`, weights in float16.

    The weights are loaded as float32 by default; float16 only halves the size on disk.
    """
    family = Qwen2_5Omni(path=str(start), device="cpu")
    for number, (examples, schedule) in enumerate(phases):
        encoded = [encode(family, example) for example in examples]
        logger.info("%s: phase %d, %d examples, %d steps", label, number + 1, len(encoded), schedule.steps)
        train(family, encoded, schedule, seed=seed + number, on_step=_log_losses(label))
    family.save(folder)
    _halve(folder / "model.safetensors")


def show_progress() -> None:
    """Log to stderr; a new process has no logging set up."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def _halve(file: Path) -> None:
    weights = {name: tensor.half() for name, tensor in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})


def _log_losses(label: str, every: int = 100) -> Callable[[int, float], None]:
    recent: list[float] = []

    def on_step(step: int, loss: float) -> None:
        recent.append(loss)
        if len(recent) == every:
            logger.info("%s: step %d, mean loss %.3f", label, step + 1, sum(recent) / every)
            recent.clear()

    return on_step
