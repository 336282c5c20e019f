"""The models that a run builds before anything else: its base and its voters."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import torch

from rlaudio.utils.randomness import generator
from rlaudio.worlds.corpus import Example
from rlaudio.worlds.pretraining.blank_model import Size, train_tokenizer, write_blank_model
from rlaudio.worlds.pretraining.build import show_progress, train_from_scratch
from rlaudio.worlds.pretraining.training import Schedule

Role = Literal["base", "voter"]
_TRIED = 50  # examples


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What makes a base and its voters. It goes to other processes, so `corpus` must be picklable."""

    corpus: Callable[[Role], Iterable[Example]]  # what each of them is taught
    seed: int
    vocabulary: int  # tokens of the tokenizer, which is trained on the examples
    size: Size
    base: Schedule
    voter: Schedule
    voters: int


def build_base_and_voters(pretraining: Pretraining, folder: Path) -> tuple[Path, list[Path]]:
    """The folders of the base and of its voters, built below `folder`.

    Each model takes one process and one thread; models that are there already are taken as they are.
    """
    roles: dict[str, Role] = {"base": "base"}
    roles |= {f"voter_{number}": "voter" for number in range(1, pretraining.voters + 1)}
    missing = [name for name in roles if not (folder / name).is_dir()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        next(iter(pretraining.corpus("base")))  # what is made once is made here, not in two processes
        context = multiprocessing.get_context("spawn")
        processes = min(len(missing), os.cpu_count() or 1)
        with ProcessPoolExecutor(processes, mp_context=context, initializer=show_progress) as pool:
            build = partial(_build, pretraining, folder)
            list(pool.map(build, missing, [roles[name] for name in missing]))
    base, *voters = (folder / name for name in roles)
    return base, voters


def write_blank_base(pretraining: Pretraining, folder: Path) -> None:
    """Write an untrained base into `folder`, its tokenizer trained on a few examples: to try what follows.

    Raises ValueError where there are no examples, and what the corpus raises.
    """
    examples = list(islice(pretraining.corpus("base"), _TRIED))
    if not examples or (pretraining.voters and not next(iter(pretraining.corpus("voter")), None)):
        raise ValueError("data.pretrain gives no examples; expected some to train the base and voters on")
    tokenizer = train_tokenizer(_texts(examples), pretraining.vocabulary)
    write_blank_model(folder, tokenizer, pretraining.size, seed=0)


def _build(pretraining: Pretraining, folder: Path, name: str, role: Role) -> None:
    """Build one model into `folder`/`name`, complete or not at all."""
    torch.set_num_threads(1)
    examples = list(pretraining.corpus(role))
    schedule = pretraining.base if role == "base" else pretraining.voter
    seed = int(generator(pretraining.seed, "pretrain", name).integers(2**31))
    building = folder / f".building-{name}"
    tokenizer = train_tokenizer(_texts(examples), pretraining.vocabulary)
    train_from_scratch(building, tokenizer, pretraining.size, [(examples, schedule)], seed=seed, label=name)
    building.rename(folder / name)


def _texts(examples: list[Example]) -> Iterator[str]:
    """Everything that examples say: what a tokenizer is trained on."""
    for example in examples:
        yield example.system
        for exchange in example.exchanges:
            yield f"{exchange.instruction} {exchange.response}"
