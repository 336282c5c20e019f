"""The models that a recipe builds before anything else: its base and its voters."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.config.schema import PretrainSection
from rlaudio.utils.randomness import generator
from rlaudio.worlds.corpus import Lesson
from rlaudio.worlds.pretraining.blank_model import Size, train_tokenizer
from rlaudio.worlds.pretraining.build import show_progress, train_from_nothing
from rlaudio.worlds.pretraining.training import Schedule

Pupil = Literal["base", "voter"]


def with_built_models(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the models of its `pretrain` section, built below `folder`, as policy and voters.

    Each model takes one process and one thread; models that are there already are taken as they are. A
    recipe without that section comes back unchanged. Raises ValueError where it names no lessons.
    """
    if recipe.pretrain is None:
        return recipe
    if recipe.data.lessons is None:
        raise ValueError("the recipe has a pretrain section but no data.lessons; name what models are taught")
    pupils: dict[str, Pupil] = {"base": "base"}
    pupils |= {f"voter_{number}": "voter" for number in range(1, recipe.pretrain.voters + 1)}
    missing = [name for name in pupils if not (folder / name).is_dir()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        next(iter(recipe.data.lessons("base")))  # what is made once is made here, not in two processes
        context = multiprocessing.get_context("spawn")
        processes = min(len(missing), os.cpu_count() or 1)
        with ProcessPoolExecutor(processes, mp_context=context, initializer=show_progress) as pool:
            build = partial(_build, recipe.to_yaml(), folder)
            list(pool.map(build, missing, [pupils[name] for name in missing]))
    built = {name: str(folder / name) for name in pupils}
    model = replace(recipe.model, options={**recipe.model.options, "path": built.pop("base")})
    asked = recipe.contribution.model_copy(update={"voters": list(built.values())})
    return recipe.model_copy(update={"model": model, "contribution": asked})


def _build(recipe_yaml: str, folder: Path, name: str, pupil: Pupil) -> None:
    """Build one model into `folder`/`name`, complete or not at all."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as copy:
        file = Path(copy) / "recipe.yaml"
        file.write_text(recipe_yaml, encoding="utf-8")
        recipe = load_recipe(file)
    section = recipe.pretrain
    assert section is not None and recipe.data.lessons is not None
    lessons = list(recipe.data.lessons(pupil))
    size = Size(hidden=section.hidden, layers=section.layers, feed_forward=3 * section.hidden)
    schedule = _schedule(section, section.steps if pupil == "base" else section.voter_steps)
    seed = int(generator(recipe.seed, "pretrain", name).integers(2**31))
    building = folder / f".building-{name}"
    tokenizer = train_tokenizer(_texts(lessons), section.vocabulary)
    train_from_nothing(building, tokenizer, size, [(lessons, schedule)], seed=seed, label=name)
    building.rename(folder / name)


def _schedule(section: PretrainSection, steps: int) -> Schedule:
    return Schedule(steps=steps, tokens=section.tokens, lr=section.lr)


def _texts(lessons: list[Lesson]) -> Iterator[str]:
    """Everything that lessons say: what a tokenizer is trained on."""
    for lesson in lessons:
        yield lesson.system
        for exchange in lesson.exchanges:
            yield f"{exchange.instruction} {exchange.response}"
