"""Rewards of TRL and verl give here what they give where they come from."""

import re

import pytest

from rlaudio.config.plugins import bind
from rlaudio.prompts.wording import render_user_text
from rlaudio.scoring import RewardError, RewardSum
from tests.factories import make_group, make_question

TEXTS = ["<answer>a dog</answer>", "a cat", "<think>...</think> a dog", ""]
QUESTION = make_question(groups={"source": "FSD50K", "level": "hard"}, extra={"split": "train"})
GROUP = make_group(*TEXTS, question=QUESTION)

TRL = '''
import re

def format_reward(completions, **kwargs):
    """As in TRL's own documentation, for completions that are texts."""
    return [1.0 if re.match(r"^<answer>.*?</answer>$", content) else 0.0 for content in completions]

def chat_reward(completions, solution, level, **kwargs):
    contents = [completion[0]["content"] for completion in completions]
    return [2.0 * (s in c) + (l == "hard") for c, s, l in zip(contents, solution, level)]

def prompt_reward(prompts, completions, completion_ids):
    return [float(len(p) + 100 * len(ids)) for p, c, ids in zip(prompts, completions, completion_ids)]

def some_reward(completions, **kwargs):
    kwargs["log_metric"]("share", 0.5)
    return [len(c) if c else None for c in completions]

async def later_reward(completions, answer, **kwargs):
    return [float(a in c) for a, c in zip(answer, completions)]

def lacking_reward(completions, difficulty):
    return [1.0 for _ in completions]
'''
VERL = """
def compute_score(data_source, solution_str, ground_truth, extra_info, **kwargs):
    assert data_source == "FSD50K" and extra_info["split"] == "train"
    extra_info["seen"] = True
    return float(ground_truth in solution_str)

def graded(data_source, solution_str, ground_truth, extra_info=None, scale=1.0):
    return {"score": scale * len(solution_str), "acc": 1.0, "pred": solution_str}

def nothing(solution_str, ground_truth):
    return {"acc": 1.0}

async def later(data_source, solution_str, ground_truth, extra_info):
    return float(len(extra_info["choices"]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "theirs.py").write_text(TRL, encoding="utf-8")
    (tmp_path / "verl.py").write_text(VERL, encoding="utf-8")
    return tmp_path


def bound(folder, style, function, **options):
    file = "./verl.py" if style == "verl" else "./theirs.py"
    return bind("reward", {"use": file, "style": style, "function": function, **options}, folder).function


def score(reward, **settings):
    return list(RewardSum({"mine": (reward, 1.0)}, **settings).score([GROUP])[0].rewards["mine"])


def theirs(text, name):
    """The function itself, to be called as its trainer calls it."""
    namespace = {}
    exec(text, namespace)
    return namespace[name]


def columns(number):
    """What TRL hands on of a data set with these columns, one entry per completion."""
    row = {"solution": "a dog", "level": "hard", "answer": "a dog"}
    return {name: [value] * number for name, value in row.items()}


def test_texts_are_scored_as_trl_scores_them(folder):
    at_trl = theirs(TRL, "format_reward")(
        prompts=["?"] * 4, completions=TEXTS, completion_ids=[], **columns(4)
    )
    assert score(bound(folder, "trl", "format_reward")) == at_trl == [1.0, 0.0, 0.0, 0.0]


def test_messages_are_scored_as_trl_scores_them(folder):
    chat = [[{"role": "assistant", "content": text}] for text in TEXTS]
    at_trl = theirs(TRL, "chat_reward")(prompts=["?"] * 4, completions=chat, completion_ids=[], **columns(4))
    assert score(bound(folder, "trl_chat", "chat_reward")) == at_trl == [3.0, 1.0, 3.0, 1.0]


def test_a_function_without_kwargs_gets_what_it_names(folder):
    asked = len(render_user_text(QUESTION))
    tokens = [completion.length for completion in GROUP.completions]
    assert score(bound(folder, "trl", "prompt_reward")) == [asked + 100 * n for n in tokens]


def test_none_adds_nothing_to_the_sum_as_in_trl(folder):
    assert score(bound(folder, "trl", "some_reward")) == [len(text) for text in TEXTS]


def test_async_functions_of_both_are_awaited(folder):
    assert score(bound(folder, "trl", "later_reward")) == [1.0, 0.0, 1.0, 0.0]
    assert score(bound(folder, "verl", "later")) == [4.0] * 4


def test_completions_are_scored_as_verl_scores_them(folder):
    at_verl = [
        theirs(VERL, "compute_score")(
            data_source="FSD50K", solution_str=text, ground_truth="a dog", extra_info={"split": "train"}
        )
        for text in TEXTS
    ]
    assert score(bound(folder, "verl", "compute_score")) == at_verl == [1.0, 0.0, 1.0, 0.0]


def test_a_dict_of_verl_is_read_by_its_score(folder):
    assert score(bound(folder, "verl", "graded", scale=2)) == [2.0 * len(text) for text in TEXTS]


def test_a_dict_without_score_is_a_failure(folder):
    with pytest.raises(RewardError, match="expected a number, or a dict with 'score'"):
        score(bound(folder, "verl", "nothing"))


def test_a_column_that_the_data_lacks_is_named_with_those_that_are_there(folder):
    with pytest.raises(RewardError, match="takes difficulty, which is no column of the question"):
        score(bound(folder, "trl", "lacking_reward"))


def test_messages_given_to_a_reward_of_texts_fail_with_its_own_error(folder):
    with pytest.raises(RewardError, match=re.escape("TypeError")):
        score(bound(folder, "trl_chat", "format_reward"))
