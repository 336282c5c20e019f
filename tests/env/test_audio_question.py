"""The one-step environment: Gymnasium's own check, and the trainer's questions, rewards and scorer."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import rlaudio.env
from rlaudio.builder.answering import model_that_answers, prompt_builder, worker_that_answers
from rlaudio.builder.audited_data import load_data
from rlaudio.builder.rl_settings import reward_sum
from rlaudio.config.recipe import load_recipe
from rlaudio.env import AudioQuestion, AudioQuestions
from rlaudio.prompts.wording import render_user_text
from rlaudio.types import SamplingParams
from tests.settings import ONE_HELD_OUT_SET

ID = "rlaudio/AudioQuestion-v0"
RECIPE = "tiny_weak_to_strong"
OVERRIDES = [
    "data.train.count=24",
    "data.evaluate.test.count=8",
    *ONE_HELD_OUT_SET,
    "rewards.cot_length={weight: 0.3, low: 1, high: 6}",
]
BEST_OF_GROUP = """
def best_of_group(group, *, bonus: float = 1.0):
    longest = max(completion.length for completion in group.completions)
    return [bonus * (completion.length == longest) for completion in group.completions]
"""


def make(**options):
    return gymnasium.make(ID, recipe=RECIPE, overrides=OVERRIDES, **options)


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(RECIPE, OVERRIDES)


@pytest.fixture(scope="module")
def answered(recipe):
    """What the recipe's model answers to four questions, as a step of training samples it."""
    questions = load_data(recipe).train[:4]
    family = model_that_answers(recipe, recipe.model.options["path"])
    prompts = prompt_builder(recipe, family)
    worker = worker_that_answers(recipe, family)
    params = SamplingParams(group_size=4, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=24)
    return worker.generate([prompts.prompt(question) for question in questions], params, (0, "rl", 0))


@pytest.mark.parametrize("actions", ["text", "option"])
def test_it_passes_the_check_of_gymnasium_without_a_warning(actions):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(actions=actions, render_mode="ansi").unwrapped)


def test_rewards_are_those_that_the_trainer_gives_for_the_same_completions(recipe, answered):
    env = make()
    for scored in reward_sum(recipe).score(answered):
        for sample, completion in enumerate(scored.group.completions):
            env.reset(options={"question": scored.group.prompt.question.id})
            _, reward, ended, cut, result = env.step(completion)
            assert (ended, cut) == (True, False)
            assert reward == scored.total[sample]
            assert result["rewards"] == {name: values[sample] for name, values in scored.rewards.items()}


def test_a_text_gets_what_its_completion_gets_from_rewards_that_count_no_tokens(answered):
    env = make()
    for group in answered:
        results = []
        for action in (group.completions[0], group.completions[0].text):
            env.reset(options={"question": group.prompt.question.id})
            results.append(env.step(action)[-1])
        assert results[0]["right"] == results[1]["right"]
        assert results[0]["rewards"]["format"] == results[1]["rewards"]["format"]


def test_a_text_is_counted_in_tokens_of_the_recipes_model():
    task = make().unwrapped.task
    completion = task.completion(task.questions[0], "<answer>dog</answer>")
    assert completion.token_ids.tolist() == task.family.encode_completion("<answer>dog</answer>").tolist()
    assert "".join(completion.token_texts) == "<answer>dog</answer>"


def test_rewards_of_a_group_see_the_answers_of_the_group(tmp_path, answered):
    (tmp_path / "best_of_group.py").write_text(BEST_OF_GROUP, encoding="utf-8")
    more = [*OVERRIDES, f"rewards.best={{use: {tmp_path}/best_of_group.py, weight: 1.0}}"]
    envs = gymnasium.make_vec(ID, num_envs=16, recipe=RECIPE, overrides=more, group_size=4)
    envs.reset(options={"questions": [group.prompt.question.id for group in answered]})
    _, rewards, *_ = envs.step([c for group in answered for c in group.completions])
    expected = reward_sum(load_recipe(RECIPE, more)).score(answered)
    assert rewards.tolist() == np.concatenate([scored.total for scored in expected]).tolist()


def test_questions_are_those_of_the_recipe(recipe):
    data, env = load_data(recipe), make(split="test")
    assert env.unwrapped.task.questions.questions == data.held_out["test"].questions
    question = data.held_out["test"][3]
    observation, info = env.reset(options={"question": question.id})
    assert (observation["question"], observation["options"]) == (question.question, question.choices)
    assert [len(clip) > 8000 for clip in observation["clips"]] == [True]
    assert info["prompt"] == render_user_text(question)


def test_the_right_option_is_right_and_the_scorer_is_the_recipes():
    env = make(actions="option")
    for seed in range(5):
        _, asked = env.reset(seed=seed)
        question = next(q for q in env.unwrapped.task.questions if q.id == asked["question_id"])
        _, reward, _, _, result = env.step(question.answer_index)
        assert result["right"] and result["answer"] == question.answer
        assert reward >= 2.5  # 2 for the answer, 0.5 for its form


def test_an_option_that_the_question_does_not_have_is_no_answer():
    task = make(actions="option").unwrapped.task
    question = task.questions[0]
    texts = [task.completion(question, option).text for option in (0, len(question.choices), -1)]
    assert texts == [f"<answer>{question.choices[0]}</answer>", "", ""]


@pytest.mark.parametrize(("mode", "vector"), [(None, {}), ("sync", {}), ("async", {"shared_memory": False})])
def test_it_is_vectorised_in_each_mode(mode, vector):
    options = {"vector_kwargs": vector} if vector else {}
    envs = gymnasium.make_vec(
        ID, 3, vectorization_mode=mode, recipe=RECIPE, overrides=OVERRIDES, actions="option", **options
    )
    try:
        observation, infos = envs.reset(seed=1)
        assert observation in envs.observation_space and len(observation["options"]) == 3
        assert infos["action_mask"].shape[0] == 3
        envs.action_space.seed(0)
        _, rewards, ended, _, _ = envs.step(envs.action_space.sample())
        assert set(rewards.tolist()) <= {0.5, 2.5} and ended.tolist() == [True] * 3
    finally:
        envs.close()


def test_the_next_questions_come_with_the_rewards_of_the_last_ones():
    envs = gymnasium.make_vec(ID, 4, recipe=RECIPE, overrides=OVERRIDES, group_size=2)
    first, infos = envs.reset(seed=3)
    assert infos["question_id"][0] == infos["question_id"][1] != infos["question_id"][2]
    second, *_, later = envs.step(["a", "b", "c", "d"])
    assert later["final_obs"]["question"] == first["question"]
    assert later["final_info"]["question_id"].tolist() == infos["question_id"].tolist()
    assert second["question"] != first["question"]


def test_text_as_a_user_reads_it():
    env = make(render_mode="ansi")
    _, info = env.reset(seed=0)
    assert env.render() == info["prompt"]
    env.step("I hear nothing")
    assert env.render() == f"{info['prompt']}\nI hear nothing\nreward 0, wrong"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, "split is 'tset'; expected one of train, test"),
        ({"actions": "letters"}, 'actions is \'letters\'; expected "text" or "option"'),
        ({"num_envs": 3, "group_size": 2}, "num_envs is 3; expected a multiple of group_size, 2"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        AudioQuestions(RECIPE, OVERRIDES, **options)


def test_misuse_says_what_to_do():
    env = AudioQuestion(RECIPE, OVERRIDES)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step("a dog")
    with pytest.raises(ValueError, match="no question has the id 'nine'"):
        env.reset(options={"question": "nine"})
    with pytest.raises(ValueError, match="reset has no option id; expected question"):
        env.reset(options={"id": "nine"})
    with pytest.raises(ValueError, match="reset has no option question; expected questions, a list"):
        AudioQuestions(RECIPE, OVERRIDES).reset(options={"question": "nine"})


def test_the_baseline_of_the_documents_learns(capsys):
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# text_baseline.py\n.*?)```", page, re.DOTALL)
    assert len(code.splitlines()) <= 38
    smaller = {"STEPS = 2**16, 0.1, 100": "STEPS = 2**16, 0.1, 20", "count=400": "count=20"}
    for whole, small in smaller.items():
        assert whole in code
        code = code.replace(whole, small)
    exec(code, {})
    rewards = [float(line.split()[2]) for line in capsys.readouterr().out.splitlines()]
    assert len(rewards) == 20
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.2


def test_importing_rlaudio_after_gymnasium_registers_it_and_loads_no_torch():
    code = (
        "import gymnasium, rlaudio, sys; assert 'rlaudio/AudioQuestion-v0' in gymnasium.registry; "
        "assert 'torch' not in sys.modules and 'rlaudio.pipeline' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert rlaudio.env.ID == ID
