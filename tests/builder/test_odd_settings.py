"""Settings that change nothing, and those under which a run would hardly learn or hardly end."""

import numpy as np
import pytest

from rlaudio.builder.odd_settings import odd_settings
from rlaudio.config.recipe import load_recipe
from rlaudio.config.shipped import shipped_recipes
from rlaudio.curricula.stage import Stage
from rlaudio.types import Contribution
from tests.factories import make_question

QUESTIONS = tuple(make_question(id=f"q{n}") for n in range(64))
SFT, RL = Stage("sft", QUESTIONS, steps=4), Stage("rl", QUESTIONS, steps=8)


def odd(*overrides, stages=(SFT, RL)):
    return odd_settings(load_recipe("tiny_weak_to_strong", overrides), stages)


def stages_of(recipe):
    """The stages that the recipe's own curriculum makes of questions every other one of which is strong."""
    questions = [make_question(id=f"q{n}") for n in range(8000)]
    labels = {q.id: Contribution(q.id, "strong" if n % 2 else "weak") for n, q in enumerate(questions)}
    return recipe.curriculum(questions, labels, np.random.default_rng(0))


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if not name.startswith("base/")])
def test_a_recipe_as_it_ships_has_nothing_odd(name):
    recipe = load_recipe(name)
    assert odd_settings(recipe, stages_of(recipe)) == []


def test_what_a_recipe_a_file_laid_over_it_or_a_key_sets_is_named_and_what_it_inherits_is_not(tmp_path):
    base, mine, over = (tmp_path / f"{name}.yaml" for name in ("base", "mine", "over"))
    base.write_text(
        "extends: tiny_weak_to_strong\nsampling: {top_k: 4}\nalgorithm: {kl_estimate: k1, kl: 0}\n"
    )
    mine.write_text("extends: base.yaml\nsampling: {top_p: 0.5}\n")
    over.write_text("mismatch: {logprobs: paper}\n")
    recipe = load_recipe(mine, [str(over), "training.max_rollouts=100"])
    [line] = odd_settings(recipe, [SFT])
    assert line.partition(":")[0].split(", ") == [
        "sampling.top_p",
        "mismatch.logprobs",
        "training.max_rollouts",
    ]
    assert any(line.startswith("sampling.top_k") for line in odd_settings(load_recipe(base), [SFT]))
    again = load_recipe(mine, ["sampling.top_k=4"])  # as the base has it, and yet asked for
    assert odd_settings(again, [SFT])[0].startswith("sampling.top_k, sampling.top_p: ")


def test_without_stages_nothing_is_said_of_what_depends_on_them():
    assert (
        odd("contribution.success=format", "contribution.silent_samples=9", "sft.target=simple", stages=())
        == []
    )


def test_an_option_of_a_users_plugin_is_named_as_its_file_says(tmp_path):
    reward = tmp_path / "shout.py"
    reward.write_text(
        "raise SystemExit('is run')\nUSED_WITH = {'volume': {'loud': [True]}}\n"
        "def shout(question, completion, *, loud: bool = False, volume: int = 1): ...\n"
    )
    key = f"rewards.shout={{use: {reward}, volume: 2"
    assert odd(key + "}") == ["rewards.shout.volume: not used, since loud is False, not True"]
    assert odd(key + ", loud: true}") == []


@pytest.mark.parametrize(
    ("overrides", "stages", "key", "why"),
    [
        (
            ["contribution.success=format"],
            (RL,),
            "contribution.success",
            "neither algorithm nor curriculum asks",
        ),
        (["contribution.on_policy=options"], (RL,), "contribution.on_policy", "neither algorithm nor"),
        (
            ["contribution.silent_samples=9"],
            (RL,),
            "contribution.silent_samples",
            "nothing is sampled in silence",
        ),
        (
            [
                "algorithm=contribution_weighted",
                "contribution.on_policy=options",
                "contribution.silent_samples=9",
            ],
            (RL,),
            "contribution.silent_samples",
            "nothing is sampled in silence",
        ),
        (
            ["contribution.voters=[]", "contribution.on_labelled=relabel"],
            (RL,),
            "contribution.on_labelled",
            "nobody",
        ),
        (
            ["contribution.voters=[]", "contribution.orders=2"],
            (RL,),
            "contribution.orders",
            "voters names nobody",
        ),
        (["mismatch.cap=3"], (RL,), "mismatch.cap", "mismatch.correct is none"),
        (
            ["data.evaluate=null", "evaluation.orders=2"],
            (RL,),
            "evaluation.orders",
            "data.evaluate names no set",
        ),
        (["sampling.top_k=4"], (SFT,), "sampling.top_k", "has no steps of RL"),
        (["training.max_rollouts=4"], (SFT,), "training.max_rollouts", "has no steps of RL"),
        (["mismatch.correct=token"], (SFT,), "mismatch.correct", "has no steps of RL"),
        (["sft.target=simple"], (RL,), "sft.target", "has no steps of SFT"),
        (["sft.target=simple"], (Stage("sft", QUESTIONS, steps=0), RL), "sft.target", "has no steps of SFT"),
        (["algorithm.kl=0", "algorithm.kl_estimate=k1"], (RL,), "algorithm.kl_estimate", "algorithm.kl is 0"),
        (["model.lora_alpha=4"], (RL,), "model.lora_alpha", "model.lora_rank is 0"),
        (
            ["rewards.cot_length={shape: kimi, low: 3}"],
            (RL,),
            "rewards.cot_length.low",
            "shape is kimi, not window",
        ),
        (
            ["rewards.cot_length={buffer: 3}"],
            (RL,),
            "rewards.cot_length.buffer",
            "is window, not soft_overlong",
        ),
    ],
)
def test_a_setting_that_nothing_uses_is_named_with_the_reason(overrides, stages, key, why):
    lines = [line for line in odd(*overrides, stages=stages) if line.split(":")[0].split(", ").count(key)]
    assert len(lines) == 1 and why in lines[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["algorithm=contribution_weighted", "contribution.success=format", "contribution.silent_samples=9"],
        ["algorithm=contribution_weighted", "contribution.on_policy=options"],
        ["mismatch.correct=token", "mismatch.cap=3"],
        ["evaluation.orders=2", "contribution.orders=2", "contribution.on_labelled=relabel"],
        ["rewards.counterfactual={}", "contribution.silent_samples=9"],
        ["rewards.cot_length={shape: cosine, max_tokens: 20, right: [1, 2]}"],
        ["model.lora_rank=4", "model.lora_alpha=4"],
        ["sampling.top_k=4", "sft.target=simple", "training.max_rollouts=100"],
    ],
)
def test_a_setting_that_is_used_is_not_named(overrides):
    assert odd(*overrides) == []


def test_a_learning_rate_that_would_leave_nothing_of_the_model_is_named():
    assert any(line.startswith("optimizer.lr is 10: AdamW moves") for line in odd("optimizer.lr=10"))
    assert any(line.startswith("sft.lr is 0.1: AdamW moves") for line in odd("sft.lr=0.1"))
    assert odd("sft.lr=0.1", stages=(RL,)) == odd("optimizer.lr=0.01") == []


def test_a_stage_of_very_many_passes_is_named_with_their_number():
    endless = Stage("rl", QUESTIONS, steps=10**9)
    assert ": 250,000,000 passes over its 64 questions;" in odd(stages=(endless,))[0]
    assert odd("training.max_rollouts=1000", stages=(endless,)) == []
