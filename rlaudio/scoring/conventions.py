"""Reward functions written for TRL or verl, called as these trainers call them.

TRL's `GRPOTrainer` calls a function with `prompts`, `completions`, `completion_ids` and every column of the
data, all by keyword and one entry per completion, and reads a list of numbers; None adds nothing to the sum.
verl's reward manager calls `compute_score` for one completion with `data_source`, `solution_str`,
`ground_truth` and `extra_info` by keyword, and reads a number or a dict with `score`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rlaudio.prompts.wording import render_user_text
from rlaudio.types import Completion, Group, Question
from rlaudio.utils.messages import shown

Function = Callable[..., Any]


def as_reward(function: Function, style: str) -> Function:
    """The function as a reward of a group (`trl`, `trl_chat`) or of a question and a completion (`verl`).

    An async function stays one.
    """
    if style == "verl":
        return _of_completion(function)
    return _of_group(function, chat=style == "trl_chat")


def columns(question: Question) -> dict[str, Any]:
    """A question as the row of a table: what TRL hands on as columns and verl as `extra_info`.

    The answer stands under the names that rewards look for: answer, solution, ground_truth.
    """
    answers = dict.fromkeys(("answer", "solution", "ground_truth"), question.answer)
    fields = {"id": question.id, "question": question.question, "choices": list(question.choices)}
    return {**question.groups, **fields, **answers, **question.extra}


# --- helpers -------------------------------------------------------------------------------------


def _of_group(function: Function, *, chat: bool) -> Function:
    def arguments(group: Group) -> dict[str, Any]:
        question, number = group.prompt.question, len(group.completions)
        texts = [completion.text for completion in group.completions]
        asked = render_user_text(question)
        given = {
            "prompts": [_messages("user", asked) if chat else asked] * number,
            "completions": [_messages("assistant", text) for text in texts] if chat else texts,
            "completion_ids": [c.token_ids[c.mask].tolist() for c in group.completions],
        }
        row = {name: [value] * number for name, value in columns(question).items()}
        return _taken(function, {**row, **given, "log_extra": _ignored, "log_metric": _ignored})

    if inspect.iscoroutinefunction(function):

        async def score_later(group: Group) -> Any:
            return _without_none(await function(**arguments(group)))

        return score_later

    def score(group: Group) -> Any:
        return _without_none(function(**arguments(group)))

    return score


def _of_completion(function: Function) -> Function:
    def arguments(question: Question, completion: Completion) -> dict[str, Any]:
        given = {
            "data_source": question.groups.get("source", ""),
            "solution_str": completion.text,
            "ground_truth": question.answer,
            "extra_info": columns(question),
        }
        return _taken(function, given)

    if inspect.iscoroutinefunction(function):

        async def score_later(question: Question, completion: Completion) -> Any:
            return _score_in(await function(**arguments(question, completion)))

        return score_later

    def score(question: Question, completion: Completion) -> Any:
        return _score_in(function(**arguments(question, completion)))

    return score


def _taken(function: Function, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the function takes of the arguments. Raises ValueError where it needs others."""
    takes_all, names, needed = _parameters(function)
    if lacking := [name for name in needed if name not in given]:
        raise ValueError(
            f"takes {', '.join(lacking)}, which is no column of the question; there are: "
            f"{', '.join(sorted(given))}; name a column of the data so, or give the parameter a default"
        )
    return {name: value for name, value in given.items() if takes_all or name in names}


@functools.lru_cache(maxsize=64)
def _parameters(function: Function) -> tuple[bool, frozenset[str], tuple[str, ...]]:
    """Whether it takes any keyword, the names of its parameters, and those without a default."""
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    needed = tuple(p.name for p in named if p.default is p.empty)
    return takes_all, frozenset(p.name for p in named), needed


def _messages(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _without_none(returned: Any) -> Any:
    """None as 0: TRL leaves it out of the sum."""
    return [0.0 if value is None else value for value in returned] if isinstance(returned, list) else returned


def _score_in(returned: Any) -> Any:
    if not isinstance(returned, Mapping):
        return returned
    if "score" not in returned:
        raise ValueError(f"returned {shown(returned)}; expected a number, or a dict with 'score'")
    return returned["score"]


def _ignored(*_: Any, **__: Any) -> None:
    """What TRL offers a reward to log by; nothing is logged here."""
