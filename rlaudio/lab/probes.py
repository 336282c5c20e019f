"""Made-up completions with which lints try to cheat a reward, on questions with options."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlaudio.types import Question

Texts = Callable[[Question], Sequence[str]]


def answers(question: Question) -> tuple[str, str]:
    """The right answer and a wrong one, each in its block alone."""
    return _block(question.choices[question.answer_index]), _block(wrong_option(question))


def all_options(question: Question) -> tuple[str, ...]:
    """Answers that name every option, so that they cannot be an answer."""
    listed = ", ".join(question.choices)
    return (
        _block(listed),
        "".join(_block(option) for option in question.choices),
        "".join(_block(option) for option in reversed(question.choices)),
        f"It may be {listed}.",
        f"{_block(wrong_option(question))} {listed}",
    )


def right_in_thought(question: Question) -> tuple[str, str]:
    """A wrong answer whose thought holds the right one in answer tags, and the same with a plain thought."""
    right, wrong = answers(question)
    return f"<think>{right}</think>{wrong}", f"<think>I hear it.</think>{wrong}"


def padded(question: Question) -> tuple[str, ...]:
    """A wrong answer behind thoughts of 5, 50 and 500 words that say nothing."""
    _, wrong = answers(question)
    return tuple(f"<think>{'well ' * words}</think>{wrong}" for words in (5, 50, 500))


def different(question: Question) -> tuple[str, ...]:
    """Completions that no reward of what is said should pay alike: a reward may read the thought alone, its
    length or its last words, or whether an answer is declined."""
    right, wrong = answers(question)
    thought = f"<think>{'well ' * 50}It is {question.choices[question.answer_index]}.</think>"
    declined = _block("I cannot tell.")
    return right, wrong, thought + right, thought + wrong, declined, "", "I hear nothing.", "well " * 50


def has_probes(question: Question) -> bool:
    """Whether probes can be made: two options, of which it is known which is right."""
    return len(set(question.choices)) > 1 and question.is_published and _gold(question)


def wrong_option(question: Question) -> str:
    """The first option that is not right."""
    right = question.choices[question.answer_index]
    return next(option for option in question.choices if option != right)


def _block(text: str) -> str:
    return f"<answer>{text}</answer>"


def _gold(question: Question) -> bool:
    return getattr(question.target, "gold", None) is not None
