"""The models that a recipe trains from scratch before the run: its base and its voters."""

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
from rlaudio.worlds.corpus import Example
from rlaudio.worlds.pretraining.blank_model import Size, train_tokenizer
from rlaudio.worlds.pretraining.build import show_progress, train_from_scratch
from rlaudio.worlds.pretraining.training import Schedule

Role = Literal["base", "voter"]


def with_built_models(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the models of its `pretrain` section, built below `folder`, as policy and voters.

    Each model takes one process and one thread; models that exist already are used unchanged. A recipe
    without that section is returned unchanged. Raises ValueError where it names no examples.
    """
    if recipe.pretrain is None:
        return recipe
    if recipe.data.pretrain is None:
        raise ValueError(
            "the recipe has a pretrain section but no data.pretrain; name the examples for the models"
        )
    roles: dict[str, Role] = {"base": "base"}
    roles |= {f"voter_{number}": "voter" for number in range(1, recipe.pretrain.voters + 1)}
    missing = [name for name in roles if not (folder / name).is_dir()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        next(iter(recipe.data.pretrain("base")))  # generates the data here once, not in several processes
        context = multiprocessing.get_context("spawn")
        processes = min(len(missing), os.cpu_count() or 1)
        with ProcessPoolExecutor(processes, mp_context=context, initializer=show_progress) as pool:
            build = partial(_build, recipe.to_yaml(), folder)
            list(pool.map(build, missing, [roles[name] for name in missing]))
    built = {name: str(folder / name) for name in roles}
    model = replace(recipe.model, options={**recipe.model.options, "path": built.pop("base")})
    asked = recipe.contribution.model_copy(update={"voters": list(built.values())})
    return recipe.model_copy(update={"model": model, "contribution": asked})


def _build(recipe_yaml: str, folder: Path, name: str, role: Role) -> None:
    """Build one model into `folder`/`name`, complete or not at all."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as copy:
        file = Path(copy) / "recipe.yaml"
        file.write_text(recipe_yaml, encoding="utf-8")
        recipe = load_recipe(file)
    section = recipe.pretrain
    assert section is not None and recipe.data.pretrain is not None
    examples = list(recipe.data.pretrain(role))
    size = Size(hidden=section.hidden, layers=section.layers, feed_forward=3 * section.hidden)
    schedule = _schedule(section, section.steps if role == "base" else section.voter_steps)
    seed = int(generator(recipe.seed, "pretrain", name).integers(2**31))
    building = folder / f".building-{name}"
    tokenizer = train_tokenizer(_texts(examples), section.vocabulary)
    train_from_scratch(building, tokenizer, size, [(examples, schedule)], seed=seed, label=name)
    building.rename(folder / name)


def _schedule(section: PretrainSection, steps: int) -> Schedule:
    return Schedule(steps=steps, tokens=section.tokens, lr=section.lr)


def _texts(examples: list[Example]) -> Iterator[str]:
    """All texts of the examples, which the tokenizer is trained on."""
    for example in examples:
        yield example.system
        for exchange in example.exchanges:
            yield f"{exchange.instruction} {exchange.response}"
