"""What would stop a stage, or train nothing, is refused before a run."""

from dataclasses import replace

import pytest
import torch

from rlaudio.builder.rl_settings import rl_algorithm
from rlaudio.builder.stage_checks import check_stages_can_train
from rlaudio.config.recipe import load_recipe
from rlaudio.config.shipped import available
from rlaudio.types import OpenText
from rlaudio.utils.processes import Processes
from tests.pipeline.test_training_run import RECIPE as SMALL_RUN

RECIPE = SMALL_RUN


@pytest.mark.parametrize(("key", "least"), [("sampling.questions", 4), ("sft.questions", 6)])
def test_questions_that_two_processes_cannot_share_evenly_are_refused_at_once(recipe_file, key, least):
    recipe = load_recipe(recipe_file, ["sampling.questions=4", "sft.questions=4", f"{key}={least - 1}"])
    said = f"{key} is {least - 1} and there are 2 processes; expected a multiple of 2, such as {least}"
    with pytest.raises(ValueError, match=said):
        check_stages_can_train(recipe, recipe.data.train(), Processes(0, 2))


@pytest.mark.parametrize("algorithm", sorted({*available("algorithm")} - {"sft"}))
def test_every_algorithm_passes_the_trial_before_a_run(recipe_file, algorithm):
    recipe = load_recipe(recipe_file, [f"algorithm={algorithm}"])
    check_stages_can_train(recipe, recipe.data.train())


@pytest.mark.parametrize(("given", "expected"), [("", 6), (", length: 9", 9)])
def test_dr_grpo_divides_by_the_recipes_token_limit_unless_a_length_is_given(recipe_file, given, expected):
    recipe = load_recipe(recipe_file, [f"algorithm={{use: grpo, scale: none, aggregate: constant{given}}}"])
    check_stages_can_train(recipe, recipe.data.train())
    assert rl_algorithm(recipe).weights(torch.tensor([2, 8])).tolist() == [0.5 / expected] * 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("algorithm=sft", "algorithm.use is sft, which makes every sample likelier; expected one for RL"),
        ("sampling.questions=1000", "sampling.questions is 1000 and data.train has 60; expected no more"),
        ("training.mini_batches=9", "training.mini_batches is 9 and a step has 3 groups; expected no more"),
        ("curriculum.rl_steps=-3", "the rl stage has -3 steps; expected at least 0"),
        (
            "curriculum=sft_until_format",
            "sft_until_format ends its sft stage by a held-out evaluation, and evaluation.every is 0",
        ),
    ],
)
def test_what_would_train_nothing_or_without_end_is_refused(recipe_file, override, said):
    recipe = load_recipe(recipe_file, [override])
    with pytest.raises(ValueError, match=said):
        check_stages_can_train(recipe, recipe.data.train())


def test_a_curriculum_that_observes_cannot_wait_for_steps_that_are_sampled_ahead(recipe_file):
    ahead = ["curriculum=by_trainability", "sampling.max_lag=1", "mismatch.correct=token"]
    recipe = load_recipe(recipe_file, ahead)
    with pytest.raises(ValueError, match=r"chooses questions by the step before, and sampling\.max_lag is 1"):
        check_stages_can_train(recipe, recipe.data.train())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["curriculum=by_trainability", "sampling.rounds=2"],
            r"chooses the questions of a step together, and sampling\.rounds is 2, .* expected 1",
        ),
        (
            ["curriculum=sft_until_format", "evaluation.every=1", "evaluation.controls=[silence]"],
            r"held-out answers to the audio, and evaluation\.controls is \['silence'\]; expected audio",
        ),
        (
            [
                "rewards={answer_correctness: {weight: 1.0}, counterfactual: {weight: 1.0}}",
                "sampling.max_lag=1",
                "mismatch.correct=token",
            ],
            r"sampling\.max_lag is 1 and a reward compares with answers in silence, .* expected 0",
        ),
    ],
)
def test_settings_under_which_a_plugin_would_not_do_what_it_says_are_refused(recipe_file, overrides, said):
    recipe = load_recipe(recipe_file, overrides)
    with pytest.raises(ValueError, match=said):
        check_stages_can_train(recipe, recipe.data.train())


STUBBORN = """
from rlaudio.curricula.selector import Weighted
from rlaudio.curricula.stage import Stage


def stubborn(questions, contributions, rng, *, last: float = 0.0):
    weigh = lambda given, seen: [1.0, last] + [0.0] * (len(given) - 2)
    return [Stage("rl", tuple(questions), steps=2, selector=Weighted(weigh=weigh))]
"""


@pytest.mark.parametrize(
    ("last", "said"),
    [(0.0, "3 times for one step, of 60 in the stage; expected different"), (-1.0, "weight -1")],
)
def test_a_curriculum_that_would_draw_one_question_for_ever_is_refused_at_once(
    recipe_file, tmp_path, last, said
):
    file = tmp_path / "stubborn.py"
    file.write_text(STUBBORN, encoding="utf-8")
    recipe = load_recipe(recipe_file, [f"curriculum={{use: {file}, last: {last}}}"])
    with pytest.raises(ValueError, match=said):
        check_stages_can_train(recipe, recipe.data.train())


def test_a_curriculum_that_ends_its_stage_before_a_step_is_refused(recipe_file, tmp_path):
    file = tmp_path / "stubborn.py"
    file.write_text(STUBBORN.replace("weigh=weigh", "ends=lambda seen: True"), encoding="utf-8")
    recipe = load_recipe(recipe_file, [f"curriculum={file}"])
    with pytest.raises(ValueError, match=r"stubborn\.py ends its rl stage before its first step"):
        check_stages_can_train(recipe, recipe.data.train())


FAILING = "def clumsy(question, completion):\n    return len(completion.tokens)\n"


def test_rewards_are_tried_on_a_made_up_completion(recipe_file, tmp_path, caplog):
    (tmp_path / "clumsy.py").write_text(FAILING, encoding="utf-8")
    given = [f"rewards.clumsy={{use: {tmp_path / 'clumsy.py'}}}"]
    recipe = load_recipe(recipe_file, given)
    with pytest.raises(ValueError, match=r"tried on a made-up completion, reward clumsy .* raised Attribute"):
        check_stages_can_train(recipe, recipe.data.train())
    forgiving = load_recipe(recipe_file, [*given, "reward_failures=0.5"])
    check_stages_can_train(forgiving, forgiving.data.train())
    assert "tried on a made-up completion, reward clumsy" in caplog.text


def test_a_stage_that_made_up_labels_leave_empty_is_told(recipe_file, tmp_path, caplog):
    (tmp_path / "none.py").write_text(
        "from rlaudio.curricula.stage import Stage\n\n"
        "def none(questions, contributions, rng):\n"
        "    return [Stage('rl', [q for q in questions if contributions[q.id] == 'strong'], steps=2)]\n"
    )
    recipe = load_recipe(recipe_file, [f"curriculum={tmp_path / 'none.py'}"])
    check_stages_can_train(recipe, recipe.data.train())
    assert "stage 1 has no questions" in caplog.text


def test_a_question_without_options_cannot_be_asked_about_them_in_training(recipe_file):
    overrides = ["algorithm=contribution_weighted", "contribution.on_policy=options"]
    recipe = load_recipe(recipe_file, overrides)
    data = recipe.data.train()
    opened = replace(data, questions=tuple(replace(q, target=OpenText(q.answer)) for q in data))
    with pytest.raises(ValueError, match=r"contribution\.on_policy is options: question .*no options"):
        check_stages_can_train(recipe, opened)
    check_stages_can_train(recipe, data)
