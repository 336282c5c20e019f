"""The file of a new reward, commented, and its test; both run as they are written."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from pathlib import Path

from rlaudio.lab.rescoring import Candidate
from rlaudio.scoring import made_up_group
from rlaudio.types import Question

_OF_COMPLETION = '''"""Pays for NAME: say here what for, and how that could be cheated."""

from rlaudio.types import Completion, Question


def NAME(question: Question, completion: Completion, *, bonus: float = 1.0) -> float:
    # Called once for each completion. `question` has .question, .choices, .answer, .clips (paths of audio);
    # `completion` has .text, .length in tokens, .stop_reason. Keyword-only parameters are a recipe's options.
    # Return a finite number; where there is none to give raise an exception, which is told and counted.
    named = question.answer.lower() in completion.text.lower()
    others = [option for option in question.choices if option != question.answer]
    several = any(option.lower() in completion.text.lower() for option in others)
    return bonus if named and not several else 0.0
'''
_OF_GROUP = '''"""Pays for NAME: say here what for, and how that could be cheated."""

from rlaudio.types import Group


def NAME(group: Group, *, bonus: float = 1.0) -> list[float]:
    # Called once for each question, with all its completions, so that they can be compared with each other.
    # `group.prompt.question` has .question, .choices, .answer; a completion has .text, .length, .stop_reason.
    # Return one finite number for each completion, in their order. Keyword-only parameters are options.
    answer = group.prompt.question.answer.lower()
    named = [answer in completion.text.lower() for completion in group.completions]
    shortest = min((c.length for c, right in zip(group.completions, named, strict=True) if right), default=0)
    return [
        bonus * shortest / max(1, completion.length) if right else 0.0
        for completion, right in zip(group.completions, named, strict=True)
    ]
'''
_ASYNC = '''"""Pays for NAME: say here what for, and how that could be cheated."""

import asyncio

from rlaudio.types import Completion, Question

AT_A_TIME = asyncio.Semaphore(8)  # calls that wait for the server at once


async def NAME(question: Question, completion: Completion, *, bonus: float = 1.0) -> float:
    # Called once for each completion; all calls of a step are awaited together, on an event loop of the run.
    # No call is made twice: try again here where a server may fail, and raise where it gives no number.
    async with AT_A_TIME:
        score = await ask(question.answer, completion.text)
    return bonus * score


async def ask(answer: str, text: str) -> float:
    """Put the request to your server here; this stands in for it."""
    await asyncio.sleep(0)
    return float(answer.lower() in text.lower())
'''
_TEMPLATES = {"completion": _OF_COMPLETION, "group": _OF_GROUP, "async": _ASYNC}
KINDS = tuple(_TEMPLATES)

_TEST = '''"""pytest test_NAME.py: what NAME.py pays, and what it must not pay."""

from pathlib import Path

import pytest

from rlaudio.config.plugins import bind
from rlaudio.lab.new_reward import values_of
from rlaudio.types import Question

QUESTION = Question.multiple_choice("q1", "Which animal is heard?", ["a dog", "a cat", "a cow"], "a dog")


def paid(*texts: str, **options: object) -> list[float]:
    reward = bind("reward", {"use": "./NAME.py", **options}, relative_to=Path(__file__).parent)
    return values_of(reward.function, QUESTION, texts)


def test_a_right_answer_is_paid_more_than_a_wrong_one():
    right, wrong = paid("<answer>a dog</answer>", "<answer>a cat</answer>")
    assert right > wrong


@pytest.mark.parametrize("text", ["", "<answer>", "I hear nothing.", "well " * 1000])
def test_what_is_no_answer_is_paid_no_more_than_a_wrong_one(text):
    nothing, wrong = paid(text, "<answer>a cat</answer>")
    assert nothing <= wrong


def test_the_option_scales_what_is_paid():
    assert paid("<answer>a dog</answer>", bonus=3.0) == [3.0 * v for v in paid("<answer>a dog</answer>")]
'''


def write_reward(name: str, kind: str, folder: Path) -> tuple[Path, Path]:
    """Write `NAME.py` and `test_NAME.py` into the folder; returns both paths.

    Raises ValueError for a name that no function can have, FileExistsError where one of them is there.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise ValueError(f"reward {name!r}: no name of a function; expected letters, digits and '_'")
    paths = folder / f"{name}.py", folder / f"test_{name}.py"
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} is there already; give the reward another name, or move the file")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, (_TEMPLATES[kind], _TEST), strict=True):
        path.write_text(text.replace("NAME", name), encoding="utf-8")
    return paths


def values_of(reward: object, question: Question, texts: Sequence[str]) -> list[float]:
    """What a reward pays for these completions of one question; NaN where it gives no value."""
    assert callable(reward)
    candidate = Candidate("reward", reward, 1.0, None)
    return [float(value) for value in candidate.values([[made_up_group(question, texts)]]).values]
