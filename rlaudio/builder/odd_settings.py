"""Settings of a recipe that change nothing, and those under which a run would hardly learn or hardly end.

None of them stops a run. What a recipe inherits is not named as unused: a base sets what only some use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic_core import PydanticUndefined

from rlaudio.builder.rl_settings import contribution_by
from rlaudio.config.plugins import Bound
from rlaudio.config.recipe import Recipe
from rlaudio.config.sections import Section
from rlaudio.curricula.stage import Stage
from rlaudio.utils.number_format import counted, thousands

LARGE_LR = 0.01  # AdamW moves every weight by about this in a step; weights are about 0.02
MANY_PASSES = 1000  # of a stage over its questions


class _Unused(NamedTuple):
    """Keys, given as a section and its fields, that change nothing, and why."""

    why: str
    prefix: str
    section: Section
    fields: Sequence[str]


def odd_settings(recipe: Recipe, stages: Sequence[Stage] = ()) -> list[str]:
    """One line for every kind of oddity, with its keys, the reason and what to do.

    Without stages, which may not have been made, nothing is said of what depends on them.
    """
    unused = [*_unused(recipe, stages), *_pointless_options(recipe)]
    return [*unused, *_large_rates(recipe, stages), *_long_stages(recipe, stages)]


# --- what changes nothing ------------------------------------------------------------------------


def _unused(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for why, prefix, section, fields in _sections_unused(recipe, stages):
        changed = (f"{prefix}.{name}".removeprefix(".") for name in _changed(section, fields))
        by_reason.setdefault(why, []).extend(key for key in changed if key not in recipe.inherited)
    for why, keys in by_reason.items():
        if keys:
            yield f"{', '.join(dict.fromkeys(keys))}: not used, since {why}"


def _sections_unused(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[_Unused]:
    training, mismatch, asked = recipe.training, recipe.mismatch, recipe.contribution
    has_rl, has_sft = (any(s.kind == kind and s.trains for s in stages) for kind in ("rl", "sft"))
    if stages and not has_rl:
        why = f"curriculum {recipe.curriculum.use} has no steps of RL"
        of_sampling = ("temperature", "top_k", "top_p", "rounds", "max_lag")
        yield _Unused(why, "sampling", recipe.sampling, of_sampling)
        yield _Unused(why, "mismatch", mismatch, ("logprobs", "correct", "cap"))
        of_training = ("epochs", "mini_batches", "max_rollouts", "max_tokens")
        yield _Unused(why, "training", training, of_training)
    if stages and not has_sft:
        why = f"curriculum {recipe.curriculum.use} has no steps of SFT"
        yield _Unused(why, "sft", recipe.sft, ("target",))
    if not asked.voters and not (recipe.pretrain and recipe.pretrain.voters):
        why = "contribution.voters names nobody"
        yield _Unused(why, "contribution", asked, ("silence", "orders", "on_labelled", "scorer"))
    if stages:
        yield from _contribution_unused(recipe, stages)
    if mismatch.correct == "none":
        yield _Unused("mismatch.correct is none", "mismatch", mismatch, ("cap",))
    if not recipe.data.evaluate:
        why = "data.evaluate names no set"
        of_evaluation = ("scorer", "controls", "orders", "between_stages")
        yield _Unused(why, "evaluation", recipe.evaluation, of_evaluation)
    if not recipe.rewards:
        yield _Unused("the recipe has no rewards", "", recipe, ("reward_failures",))
    if recipe.pretrain is None:
        yield _Unused("there is no section pretrain", "data", recipe.data, ("pretrain",))
    elif not recipe.pretrain.voters:
        yield _Unused("pretrain.voters is 0", "pretrain", recipe.pretrain, ("voter_steps",))


def _contribution_unused(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[_Unused]:
    """What is measured on the policy, where neither algorithm nor curriculum nor reward asks for it."""
    asked, selects = recipe.contribution, any(stage.selector for stage in stages)
    measures = contribution_by(recipe) is not None or selects
    by_rollouts = measures and asked.on_policy == "rollouts"
    if not measures:
        why = "neither algorithm nor curriculum asks for the audio's contribution on policy"
        yield _Unused(why, "contribution", asked, ("on_policy", "success"))
    if not by_rollouts and not recipe.hears_silence():
        why = "nothing is sampled in silence"
        yield _Unused(why, "contribution", asked, ("silent_samples",))


def _changed(section: Section, fields: Iterable[str]) -> list[str]:
    """The fields that are not at their defaults."""
    values = {name: (getattr(section, name), type(section).model_fields[name]) for name in fields}
    return [
        name
        for name, (value, field) in values.items()
        if value != field.get_default(call_default_factory=True) or field.default is PydanticUndefined
    ]


def _pointless_options(recipe: Recipe) -> Iterator[str]:
    """Options of plug-ins that change nothing beside another option."""
    plugged = {f"rewards.{name}": spec.reward for name, spec in recipe.rewards.items()}
    others = {"curriculum": recipe.curriculum, "rollout": recipe.rollout, "strategy": recipe.strategy}
    for key, plugin in {"algorithm": recipe.algorithm, **others, **plugged}.items():
        for name, why in plugin.unused():
            if f"{key}.{name}" not in recipe.inherited:
                yield f"{key}.{name}: not used, since {why}"
    for key, plugin, names, switch in (
        ("model", recipe.model, ("lora_alpha", "lora_targets"), "lora_rank"),
        ("algorithm", recipe.algorithm, ("kl_estimate",), "kl"),
    ):
        for name in names:
            if (
                name in plugin.changed
                and not _value(plugin, switch)
                and f"{key}.{name}" not in recipe.inherited
            ):
                yield f"{key}.{name}: not used, since {key}.{switch} is 0"


def _value(plugin: Bound, option: str) -> Any:
    """The value of an option, its default where it is not given."""
    given = plugin.options.get(option, PydanticUndefined)
    return plugin.defaults.get(option) if given is PydanticUndefined else given


# --- what would hardly learn, or end -------------------------------------------------------------


def _large_rates(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[str]:
    kinds = {stage.kind for stage in stages}
    rates = {}
    if "rl" in kinds or ("sft" in kinds and recipe.sft.lr is None):
        rates["optimizer.lr"] = recipe.optimizer.lr
    if "sft" in kinds and recipe.sft.lr is not None:
        rates["sft.lr"] = recipe.sft.lr
    if recipe.pretrain:
        rates["pretrain.lr"] = recipe.pretrain.lr
    for key, rate in rates.items():
        if rate > LARGE_LR:
            yield (
                f"{key} is {rate:g}: AdamW moves every weight by about as much in a step, and weights of "
                "models are about 0.02, so nothing of the model would be left; expected 1e-6 to 1e-3"
            )


def _long_stages(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[str]:
    for stage in stages:
        questions = recipe.sampling.questions if stage.kind == "rl" else recipe.sft.questions
        steps, number = stage.total_steps(questions), len(stage.questions)
        passes = steps * questions / max(number, 1)
        ends = stage.kind == "rl" and (recipe.training.max_rollouts or recipe.training.max_tokens)
        if passes > MANY_PASSES and not ends and not recipe.training.run_tokens:
            yield (
                f"the {stage.kind} stage has {counted(steps, 'step')} of {counted(questions, 'question')}: "
                f"{thousands(round(passes))} passes over its {counted(number, 'question')}; expected at most "
                f"{thousands(MANY_PASSES)}; lower its steps or epochs, unless that is meant"
            )
