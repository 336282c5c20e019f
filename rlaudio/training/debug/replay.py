"""A kept step computed again, from its folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from rlaudio.config import plugins
from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.curricula.stage import Stage
from rlaudio.models.family import ModelFamily
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.build import build_rl_stage, build_sft_stage
from rlaudio.training.debug.inspection import Inspection, inspect
from rlaudio.training.debug.step_dump import HEAD, MODEL, RECIPE, KeptStep, read_step
from rlaudio.training.learner import Learner
from rlaudio.types import Prompt


def replay(folder: Path, overrides: Sequence[str] = ()) -> tuple[KeptStep, Inspection]:
    """The step in `folder` and what is found in it, in this process and on the recipe's device.

    `overrides` change the recipe: another option of the algorithm, another precision. Advantages, the
    reference's log-probs and all else that was measured before the update stay as they were kept.
    Raises FileNotFoundError where the folder holds no step.
    """
    step = read_step(folder)
    recipe = load_recipe((folder / RECIPE).resolve(), overrides)
    learner = _learner(recipe, step, folder)
    return step, inspect(step, learner)


def _learner(recipe: Recipe, step: KeptStep, folder: Path) -> Learner:
    """The learner as the run had it at that step; the optimizer does not matter."""
    whole = {"gradient_checkpointing": False} if "gradient_checkpointing" in recipe.model.options else {}
    family: ModelFamily = recipe.model(path=str(folder / MODEL), **whole)  # nothing is computed twice
    recipe = recipe.model_copy(update={"strategy": plugins.bind("strategy", "plain")})
    stage = Stage(step.kind, tuple(kept.row.prompt.question for kept in step.rows), steps=1)
    if step.kind == "sft":
        learner = build_sft_stage(step.stage, stage, recipe, family).learner
    else:
        prompts = PromptBuilder(family)  # asked for nothing: prompts in silence are kept beside the others
        worker = Transformers(family)
        # the reference's log-probs are kept too, so any model may stand for it
        learner = build_rl_stage(step.stage, stage, recipe, family, worker, family, prompts).learner
    silent = {kept.row.prompt.question.id: kept.silent for kept in step.rows if kept.silent}

    def silent_prompt(prompt: Prompt) -> Prompt:
        return silent[prompt.question.id]

    learner.silent_prompt = silent_prompt
    if learner.policy.value_head is not None:
        learner.policy.value_head.load_state_dict(_value_head(folder))
    return learner


def _value_head(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of the critic's head. Raises FileNotFoundError where the step was kept without one."""
    if not (folder / HEAD).is_file():
        raise FileNotFoundError(
            f"{folder}: found no {HEAD}; expected the critic's head; the step was kept under an algorithm "
            "without a critic"
        )
    return load_file(folder / HEAD)
