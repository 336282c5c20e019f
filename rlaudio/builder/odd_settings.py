"""Settings of a recipe that change nothing, and those under which a run would hardly learn or hardly end.

None of them stops a run. What a recipe inherits is not named as unused: a base sets what only some use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic_core import PydanticUndefined

from rlaudio.builder.rl_settings import contribution_by
from rlaudio.config.recipe import Recipe
from rlaudio.config.sections import Section
from rlaudio.curricula.stage import Stage
from rlaudio.utils.number_format import counted, thousands

LARGE_LR = 0.01  # AdamW moves every weight by about this in a step; weights are about 0.02
MANY_PASSES = 1000  # of a stage over its questions


def odd_settings(recipe: Recipe, stages: Sequence[Stage] = ()) -> list[str]:
    """One line for every kind of oddity, with its keys, the reason and what to do.

    Without stages, which may not have been made, nothing is said of what depends on them.
    """
    unused = [*_unused_keys(recipe, stages), *_unused_options(recipe)]
    return [*unused, *_large_rates(recipe, stages), *_long_stages(recipe, stages)]


# --- what changes nothing ------------------------------------------------------------------------


def _unused_keys(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[str]:
    for why, keys in _reasons(recipe, stages):
        unused = [key for key in keys if _is_changed(recipe, key) and key not in recipe.inherited]
        if unused:
            yield f"{', '.join(unused)}: not used, since {why}"


def _reasons(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[tuple[str, Sequence[str]]]:
    """Why keys change nothing, and which do."""
    has_rl, has_sft = (any(s.kind == kind and s.trains for s in stages) for kind in ("rl", "sft"))
    contribution, pretrain = recipe.contribution, recipe.pretrain
    if stages and not has_rl:
        yield (
            f"curriculum {recipe.curriculum.use} has no steps of RL",
            (
                *_of("sampling", "temperature", "top_k", "top_p", "rounds", "max_lag"),
                *_of("mismatch", "logprobs", "correct", "cap"),
                *_of("training", "epochs", "mini_batches", "max_rollouts", "max_tokens"),
            ),
        )
    if stages and not has_sft:
        yield f"curriculum {recipe.curriculum.use} has no steps of SFT", _of("sft", "target")
    if not contribution.voters and not (pretrain and pretrain.voters):
        keys = _of("contribution", "silence", "orders", "on_labelled", "scorer")
        yield "contribution.voters names nobody", keys
    if stages:
        measures = contribution_by(recipe) is not None or any(stage.selector for stage in stages)
        if not measures:
            why = "neither algorithm nor curriculum asks for the audio's contribution on policy"
            yield why, _of("contribution", "on_policy", "success")
        if not recipe.hears_silence() and not (measures and contribution.on_policy == "rollouts"):
            yield "nothing is sampled in silence", _of("contribution", "silent_samples")
    if recipe.mismatch.correct == "none":
        yield "mismatch.correct is none", _of("mismatch", "cap")
    if not recipe.data.evaluate:
        keys = _of("evaluation", "scorer", "controls", "orders", "between_stages")
        yield "data.evaluate names no set", keys
    if not recipe.rewards:
        yield "the recipe has no rewards", ("reward_failures",)
    if pretrain is None:
        yield "there is no section pretrain", _of("data", "pretrain")
    elif not pretrain.voters:
        yield "pretrain.voters is 0", _of("pretrain", "voter_steps")


def _of(section: str, *names: str) -> list[str]:
    return [f"{section}.{name}" for name in names]


def _is_changed(recipe: Recipe, key: str) -> bool:
    """Whether the value of a key is not its default."""
    section, _, name = key.rpartition(".")
    values: Section = getattr(recipe, section) if section else recipe
    field = type(values).model_fields[name]
    default = field.get_default(call_default_factory=True)
    return bool(getattr(values, name) != default) or field.default is PydanticUndefined


def _unused_options(recipe: Recipe) -> Iterator[str]:
    """Options of plug-ins that change nothing beside another option."""
    plugins = {
        "algorithm": recipe.algorithm,
        "curriculum": recipe.curriculum,
        "rollout": recipe.rollout,
        "strategy": recipe.strategy,
        **{f"rewards.{name}": spec.reward for name, spec in recipe.rewards.items()},
        "model": recipe.model,
    }
    unused = [(key, name, why) for key, plugin in plugins.items() for name, why in plugin.unused()]
    for key, name, switch in (
        ("model", "lora_alpha", "lora_rank"),
        ("model", "lora_targets", "lora_rank"),
        ("algorithm", "kl_estimate", "kl"),
    ):
        values = {**plugins[key].defaults, **plugins[key].options}
        if name in plugins[key].changed and not values.get(switch):
            unused.append((key, name, f"{key}.{switch} is 0"))
    for key, name, why in unused:
        if f"{key}.{name}" not in recipe.inherited:
            yield f"{key}.{name}: not used, since {why}"


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
