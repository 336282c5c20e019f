"""The answers of voters in silence, each written to a journal so that none is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from rlaudio.data.option_orders import orders_of
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.runs.journals import Journal
from rlaudio.types import Prompt, Question, Scorer, greedy
from rlaudio.utils.progress import progress

Silence = float | Literal["clip"]  # seconds, or as long as the question's own clip


@dataclass(frozen=True)
class Voter:
    """A model that votes. Its worker is opened when the first answer is missing and closed after the last."""

    prompts: PromptBuilder
    open_worker: Callable[[], RolloutWorker]
    digest: str  # of the weights, see `folder_digest`: kept answers are reused for equal digests only


@dataclass(frozen=True)
class LabelSettings:
    """How voters are asked, whatever the method."""

    folder: Path  # that of the data file; answers and labels go there
    silence: Silence
    orders: int | None  # cyclic orders of the options; None: as many as the method takes by itself
    scorer: Scorer  # says whether a voter is right; the paper does not say which
    batch_questions: int
    max_new_tokens: int
    part: int = 0  # of several processes that ask a share each: keeps its answers in a file of its own

    def describe_silence(self) -> str:
        """The silence as text."""
        return "silence as long as the clip" if self.silence == "clip" else f"{self.silence:g} s of silence"


def folder_digest(folder: Path) -> str:
    """Hex digest of names and contents of the files of a model folder, subfolders left out."""
    digest = blake2b(digest_size=16)
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def ask_in_silence(
    voter: Voter,
    questions: Sequence[Question],
    settings: LabelSettings,
    *,
    journal: Journal,
    label: str,
) -> list[tuple[str, ...]]:
    """The voter's greedy answers, one text per option order (the data's alone, if none is set), by question.

    An answer depends on the prompt alone, so equal prompts are asked once, and a prompt (its token ids, its
    silence, the token limit) whose answer is in `journal` is not asked again. Closes the journal.
    """
    seconds = None if settings.silence == "clip" else settings.silence
    keys: list[list[str]] = []  # of the answers, by question and order
    with ExitStack() as stack:
        answers = stack.enter_context(journal)
        ask = _Batches(voter, answers, stack, settings.batch_questions, settings.max_new_tokens)
        label = answers.labelled(label)
        for question in progress(questions, total=len(questions), label=label, unit="question"):
            prompts = (
                voter.prompts.prompt(variant, "silence", silence_seconds=seconds)
                for variant in orders_of(question, settings.orders or 1)
            )
            keys.append([ask.later(prompt) for prompt in prompts])
        ask.now()
        return [tuple(answers[key] for key in of_question) for of_question in keys]


class _Batches:
    """Collects prompts that have no answer yet and asks them when a batch is full."""

    def __init__(
        self, voter: Voter, answers: Journal, stack: ExitStack, batch_questions: int, max_new_tokens: int
    ) -> None:
        self._voter = voter
        self._answers = answers
        self._stack = stack  # closes the worker
        self._worker: RolloutWorker | None = None
        self._batch_questions = batch_questions
        self._sampling = greedy(max_new_tokens)
        self._waiting: dict[str, Prompt] = {}

    def later(self, prompt: Prompt) -> str:
        """Queue the prompt unless its answer is known; returns the key of its answer."""
        key = key_of(prompt, str(self._sampling.max_new_tokens).encode())
        if key not in self._answers:
            self._waiting[key] = prompt
        if len(self._waiting) == self._batch_questions:
            self.now()
        return key

    def now(self) -> None:
        """Ask the queued prompts."""
        if not self._waiting:
            return
        if self._worker is None:
            self._worker = self._stack.enter_context(closing(self._voter.open_worker()))
        groups = self._worker.generate(list(self._waiting.values()), self._sampling, ("label",))
        texts = [group.completions[0].text for group in groups]
        self._answers.add(dict(zip(self._waiting, texts, strict=True)))
        self._waiting.clear()


def key_of(prompt: Prompt, *also: bytes) -> str:
    """Digest of all that an answer to the prompt depends on, apart from the weights."""
    digest = blake2b(prompt.token_ids.astype("<i8").tobytes(), digest_size=16)
    digest.update(f"\0{prompt.audio_digest}".encode())
    for part in also:
        digest.update(b"\0" + part)
    return digest.hexdigest()
