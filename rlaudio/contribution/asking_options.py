"""Ask a model how likely it finds the options of questions: the estimator of labels, evaluation and training.

    worker = Transformers(family)
    of_options = spelled_out(worker, family)
    heard = ask_options(questions, prompts, of_options, "audio", orders=4)
    unheard = ask_options(questions, prompts, of_options, "silence", orders=4)
    gains = [AudioGain.of(a, b) for a, b in zip(heard, unheard)]

A model that is being trained is asked in the same way, at temperature 1 as here, by
`rlaudio.training.signals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Literal

import numpy as np

from rlaudio.answers import option_answer
from rlaudio.contribution.option_shares import OptionLogprobs
from rlaudio.contribution.voters import Silence
from rlaudio.data.option_orders import orders_of
from rlaudio.models.family import PromptFamily
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.worker import LogprobWorker
from rlaudio.types import Choice, Prompt, Question

OfOptions = Callable[[Sequence[Prompt]], Sequence[np.ndarray]]  # log-probs [O] of each prompt's options
BATCH = 256  # prompts asked at a time


def spelled_out(worker: LogprobWorker, family: PromptFamily) -> OfOptions:
    """Log-probs of the options as the prompt asks for them: the whole answer, stop token included."""

    def of_options(prompts: Sequence[Prompt]) -> list[np.ndarray]:
        return worker.completion_logprobs(prompts, [option_tokens(family, prompt) for prompt in prompts])

    return of_options


def option_tokens(family: PromptFamily, prompt: Prompt) -> list[np.ndarray]:
    """Token ids [C] of an answer with each of the prompt's options, in their order."""
    question = prompt.question
    return [family.encode_completion(option_answer(question, n)) for n in range(len(question.choices))]


def ask_options(
    questions: Sequence[Question],
    prompts: PromptBuilder,
    of_options: OfOptions,
    control: Literal["audio", "silence"],
    *,
    silence: Silence = "clip",
    orders: int | None = None,
    batch: int = BATCH,
) -> list[OptionLogprobs]:
    """How likely the model finds each question's options, under `orders` cyclic orders (None: all).

    Raises ValueError for a question without options or without a known right one, and where no option of a
    question has a finite log-prob.
    """
    for question in questions:
        check_options(question)
    seconds = None if silence == "clip" else silence
    asked = (
        prompts.prompt(variant, control, silence_seconds=seconds if control == "silence" else None)
        for question in questions
        for variant in orders_of(question, orders or len(question.choices))
    )
    answers = _in_batches(asked, of_options, batch)
    return [
        _measured(question, [next(answers) for _ in orders_of(question, orders or len(question.choices))])
        for question in questions
    ]


def is_answerable(question: Question) -> bool:
    """Whether the question has options, and it is known which one is right."""
    return isinstance(question.target, Choice) and question.target.gold is not None


def check_options(question: Question) -> None:
    """Raises ValueError for a question without options or without a known right one."""
    if not is_answerable(question):
        what = "no options" if not question.choices else "no option that is known to be right"
        raise ValueError(
            f"question {question.id}: {what}; expected options and the right one among them, to tell "
            "whether text gives it away: leave it out"
        )


def _in_batches(prompts: Iterator[Prompt], of_options: OfOptions, batch: int) -> Iterator[np.ndarray]:
    while some := list(islice(prompts, batch)):
        yield from of_options(some)


def _measured(question: Question, answers: Sequence[np.ndarray]) -> OptionLogprobs:
    """The answers under each order, back in the order of the data."""
    logprobs = np.stack([np.roll(answer, shift) for shift, answer in enumerate(answers)]).astype(np.float64)
    if np.isnan(logprobs).any() or not np.isfinite(logprobs).any(axis=1).all():
        raise ValueError(
            f"question {question.id}: its options have log-probs {logprobs.tolist()}; expected numbers, at "
            "least one of an order finite: the model's weights may be damaged, or its precision too low"
        )
    return OptionLogprobs(logprobs, question.choices, question.answer_index)
