"""What would stop a run, found before it computes anything.

`rlaudio check` prints what it looks at; a run makes the same checks, by the same functions, before it builds
models, asks voters or evaluates. All problems are collected and told together.
"""

from __future__ import annotations

import logging
import os
import tempfile
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlaudio.audio.controls import lenders
from rlaudio.builder.answering import model_that_answers, prompt_builder
from rlaudio.builder.audited_data import check_system_prompt, load_data_set, special_tokens_of
from rlaudio.builder.built_models import with_blank_base
from rlaudio.builder.odd_settings import odd_settings
from rlaudio.builder.rl_settings import contribution_by, sampling_params
from rlaudio.builder.stage_checks import check_stages_can_train, labels_to_come
from rlaudio.config.plugins import Bound
from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage
from rlaudio.data.audit import Audit, odd_lines
from rlaudio.data.splits import check_disjoint
from rlaudio.models.family import ModelFamily
from rlaudio.models.shared.checkpoint_files import described_folder
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.rollout.endpoint_worker import EndpointModel
from rlaudio.runs.occupancy import check_place
from rlaudio.types import Dataset, Datasets, Question
from rlaudio.utils.endpoint.address import is_endpoint
from rlaudio.utils.endpoint.client import impatient
from rlaudio.utils.number_format import counted, thousands
from rlaudio.utils.processes import PeerFailed, Processes

logger = logging.getLogger(__name__)

_STOPS = (ValueError, OSError, ImportError)  # what is wrong with a recipe or a machine; all else is a bug
_TRY_SECONDS = 5.0  # for which a judge that does not answer is asked again
_TRAIN = ""  # key of the training set among those by name: no held-out set can have it
_QUESTION_BYTES = 1024  # of a question in memory, at least
_TRAINED_BYTES = 16  # of a weight: itself, its gradient and AdamW's two averages


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    notes: Sequence[str]  # what stops nothing, and is to be known
    looked_at: Sequence[str]  # a line for each thing
    problems: Sequence[Exception]  # what would stop a run

    @property
    def verdict(self) -> str:
        """How many problems there are, as text."""
        if not self.problems:
            return "nothing found that would stop a run"
        return f"found {counted(len(self.problems), 'problem')} that would stop a run, listed at the end"

    def refuse(self) -> None:
        """Raise the only problem as a run would raise it, or ValueError with all of them."""
        _tell(self.problems)


def check(recipe: Recipe, out: Path | None = None, *, decode: bool = False, processes: int = 1) -> Checked:
    """Look at all that a run into `out` would do, and tell what would stop it.

    Without `out`, a run that is already in the recipe's default folder is no problem, only a note.

    Plug-ins are imported, tokenizers and audio front ends loaded, of weights only names and shapes are read;
    those of a model of the hub are not downloaded for it.
    `decode` reads every clip whole instead of its header.
    """
    problems = _Problems()
    notes = [*_checked_place(problems, recipe, out)]
    plugins = [*_imported_plugins(problems, recipe)]
    looked = _look_at_data(recipe, problems, decode)
    to_come = [*_labels_to_come(problems, recipe, looked.data)]
    with impatient(_TRY_SECONDS):
        tried = _collect(
            problems, recipe, looked.data, Processes(0, processes), wait=False, refused=looked.refused
        )
    return Checked(
        notes=[*notes, *tried, *odd_lines(looked.audits), *looked.left_out],
        looked_at=[
            *plugins,
            *looked.counts(),
            *to_come,
            *looked.disjoint,
            "tried: models, scorers, rewards, algorithm, stages, prompts",
            *looked.bad_rows(),
        ],
        problems=problems.errors,
    )


def refuse_what_would_stop(recipe: Recipe, data: Datasets, processes: Processes) -> None:
    """Raise what would stop the run later: the only problem itself, or ValueError with all of them.

    All processes must call; where one has a problem the first raises and the others raise PeerFailed.
    """
    problems = _Problems()
    odd = _collect(problems, recipe, data, processes, wait=True)
    everywhere = processes.gather([str(error) for error in problems.errors])
    if any(everywhere) and not processes.first:
        raise PeerFailed
    more = (
        f"process {rank}: {text}"
        for rank, texts in enumerate(everywhere)
        for text in texts
        if text not in everywhere[0]
    )
    _tell(problems.errors, more)
    for line in odd if processes.first else ():
        logger.warning("%s", line)


class _Problems:
    """What would stop a run, collected so that all of it is told at once."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error that is raised within; what comes after it in there is not tried."""
        try:
            yield
        except _STOPS as error:
            if str(error) not in map(str, self.errors):
                self.errors.append(error)


def _tell(errors: Sequence[Exception], more: Iterable[str] = ()) -> None:
    """Raise the only problem as it was raised, or ValueError with all of them, `more` at the end."""
    texts = [*map(str, errors), *more]
    if len(texts) == len(errors) == 1:
        raise errors[0]
    if texts:
        listed = [textwrap.indent(text, "  ").replace("  ", "- ", 1) for text in texts]
        raise ValueError("\n".join([f"{len(texts)} problems would stop a run:", *listed]))


def _imported_plugins(problems: _Problems, recipe: Recipe) -> Iterator[str]:
    for name, plugin in _plugins(recipe):
        with problems.collected():
            yield f"{plugin.kind} {name}: {plugin.function.func.__name__} in {plugin.path}"


def _checked_place(problems: _Problems, recipe: Recipe, out: Path | None) -> Iterator[str]:
    with problems.collected():
        try:
            check_place(out or Path("runs") / recipe.name)
        except FileExistsError as error:
            if out:
                raise
            yield str(error)


# --- data ----------------------------------------------------------------------------------------


@dataclass
class _LookedAt:
    """The data of a recipe, as a check finds it."""

    data: Datasets | None = None  # the usable questions; None where those of train cannot be read
    audits: dict[str, Audit] = field(default_factory=dict)  # by key of the recipe
    refused: set[str] = field(default_factory=set)  # names of the sets with rows that stop a run
    left_out: list[str] = field(default_factory=list)  # what a run leaves out
    disjoint: list[str] = field(default_factory=list)

    def counts(self) -> Iterator[str]:
        for name, audit in self.audits.items():
            yield from (f"{name}: {line}" for line in audit.lines())

    def bad_rows(self) -> Iterator[str]:
        for name, audit in self.audits.items():
            yield from (f"{name}: bad row {row}" for row in audit.bad_rows)


def _look_at_data(recipe: Recipe, problems: _Problems, decode: bool) -> _LookedAt:
    looked = _LookedAt()
    sets: dict[str, Dataset] = {}
    special_tokens: frozenset[str] = frozenset()
    with problems.collected():
        of_models = special_tokens_of(recipe)
        special_tokens = frozenset().union(*of_models.values())
        check_system_prompt(recipe, of_models)
    for name, load in {_TRAIN: recipe.data.train, **recipe.data.evaluate}.items():
        key = f"data.evaluate.{name}" if name else "data.train"
        with problems.collected():
            questions, audit = load_data_set(
                recipe, key, load, special_tokens, for_training=name == _TRAIN, decode=decode
            )
            looked.audits[key] = audit
            sets[name] = audit.without_bad_rows(questions)
            refusal = _refusal(recipe, audit, any_left=bool(sets[name]))
            if refusal:
                looked.refused.add(name)
                raise ValueError(f"{key}: {audit.problems()}; {refusal}")
            if not audit.usable:
                rest = counted(len(sets[name]), "question")
                looked.left_out.append(
                    f"{key}: {audit.problems()}; a run leaves these rows out (see below) and has {rest}"
                )
    train = sets.pop(_TRAIN, None)
    if train is None:
        return looked
    looked.data = Datasets(train, sets)
    if recipe.data.clips_disjoint:
        looked.disjoint += _disjoint(recipe, problems, looked.data)
    return looked


def _refusal(recipe: Recipe, audit: Audit, *, any_left: bool) -> str | None:
    """What to do where bad rows of a set stop a run; None where they do not."""
    if not audit.usable and recipe.data.bad_rows == "refuse":
        return "fix or remove these rows, listed above, or leave them out with data.bad_rows=drop"
    return None if audit.usable or any_left else "none is left without these rows"


def _disjoint(recipe: Recipe, problems: _Problems, data: Datasets) -> Iterator[str]:
    apart = []
    for name, questions in data.held_out.items():
        with problems.collected():
            check_disjoint(data.train, questions, names=("train", name), max_seconds=recipe.audio.max_seconds)
            apart.append(name)
    if apart:
        yield f"no clip of train in {', '.join(apart)}"


def _labels_to_come(problems: _Problems, recipe: Recipe, data: Datasets | None) -> Iterator[str]:
    if data is None:
        return
    with problems.collected():
        if number := labels_to_come(recipe, data.train):
            yield (
                f"data.train: voters will label {thousands(number)} of "
                f"{counted(len(data.train), 'question')}; stages that depend on these labels are tried with "
                "made-up ones"
            )


# --- what a run does -----------------------------------------------------------------------------


def _collect(
    problems: _Problems,
    recipe: Recipe,
    data: Datasets | None,
    processes: Processes,
    *,
    wait: bool,
    refused: Collection[str] = (),
) -> list[str]:
    """Try all that a run will do, with `wait` also for a server that does not answer yet; what is odd in it.

    Of sets that were `refused` for their bad rows it is not told what too few questions lead to.
    """
    for name, questions in data.held_out.items() if data else ():
        if name in refused:
            continue
        with problems.collected():
            _check_evaluation(recipe, name, questions)
    stages: list[Stage] = []
    by_rollouts = False
    with problems.collected():
        by_rollouts = contribution_by(recipe) == "rollouts"
    with problems.collected():
        _check_counts(recipe, by_rollouts=by_rollouts)  # what follows may need as much memory as a step
        if data:
            with problems.collected():
                whole = _TRAIN not in refused
                stages = check_stages_can_train(recipe, data.train, processes, whole=whole)
        with tempfile.TemporaryDirectory() as folder:
            built = with_blank_base(recipe, Path(folder))
            _collect_models(problems, built, data, wait)
    with problems.collected():
        return odd_settings(recipe, stages)
    return []


def _collect_models(problems: _Problems, recipe: Recipe, data: Datasets | None, wait: bool) -> None:
    """Open policy and voters without their weights, and try strategy, rollout worker and prompts on them."""
    sets = {"data.train": data.train, **data.held_out} if data else {}
    with problems.collected():
        path = recipe.model.options.get("path")
        policy: ModelFamily = recipe.model(path=_described(recipe, path)) if path else recipe.model()
        with problems.collected():
            _check_plugin(recipe.rollout, policy, sampling_params(recipe), wait=wait)
        with problems.collected():
            blank = _blank(policy)
            if blank is not None:
                _check_plugin(recipe.strategy, blank)
            for name, questions in sets.items():
                _check_prompt(recipe, policy, blank, name, questions, "audio")
    for voter in recipe.contribution.voters:
        with problems.collected():
            family = model_that_answers(recipe, _described(recipe, voter))
            blank = _blank(family)
            for name, questions in sets.items():
                _check_prompt(recipe, family, blank, name, questions, "silence")


def _check_evaluation(recipe: Recipe, name: str, questions: Dataset) -> None:
    """Refuse a held-out set that cannot be evaluated. Raises ValueError."""
    if not questions:
        raise ValueError(f"data.evaluate.{name} has no questions; expected at least one, or leave it out")
    if not all(question.is_published for question in questions):
        raise ValueError(
            f"data.evaluate.{name}: its answers are not published, so a run could not report accuracies; "
            "leave it out, and ask the trained model with rlaudio evaluate"
        )
    for control in (*recipe.evaluation.controls, *recipe.evaluation.between_stages):
        try:
            lenders(questions, control, recipe.seed)
        except ValueError as error:
            raise ValueError(
                f"data.evaluate.{name}: {error}; add clips, or leave {control} out of evaluation.controls"
            ) from error


def _check_counts(recipe: Recipe, *, by_rollouts: bool) -> None:
    """Refuse numbers for which the memory of this machine does not suffice. Raises ValueError."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for keys, needed in _bytes_needed(recipe, by_rollouts):
        if needed > memory:
            raise ValueError(
                f"{keys}: needs at least {needed / 2**30:,.0f} GiB, and this machine has "
                f"{memory / 2**30:,.0f}; lower it"
            )


def _bytes_needed(recipe: Recipe, by_rollouts: bool) -> Iterator[tuple[str, int]]:
    """Keys of the recipe and the least memory that their values ask for."""
    tokens, section = recipe.sampling.max_new_tokens, recipe.pretrain
    number = np.dtype(float).itemsize  # a random one for every token
    yield "sampling.group_size x max_new_tokens", number * recipe.sampling.group_size * tokens
    if by_rollouts or recipe.hears_silence():
        silent = recipe.contribution.silent_samples
        yield "contribution.silent_samples x sampling.max_new_tokens", number * silent * tokens
    yield "contribution.orders", _QUESTION_BYTES * (recipe.contribution.orders or 1)
    yield "sft.questions", _QUESTION_BYTES * recipe.sft.questions
    if section:
        weights = 13 * section.layers * section.hidden**2 + 2 * section.vocabulary * section.hidden
        yield "pretrain.layers, hidden and vocabulary", _TRAINED_BYTES * weights
        yield "pretrain.tokens x hidden", number * section.tokens * section.hidden


def _described(recipe: Recipe, path: str) -> str:
    """A model's path; of a model of the hub the folder of what describes it, without weights."""
    here = is_endpoint(path) or Path(resolve_model_path(path)).is_dir()
    return path if here or recipe.model.use not in MODEL_TYPES else described_folder(path)


def _blank(family: ModelFamily | EndpointModel) -> Any:
    """The family's model without weights; None for a family that makes none."""
    return family.blank() if hasattr(family, "blank") else None


def _check_plugin(plugin: Bound, *given: Any, **options: Any) -> None:
    """Call the plug-in's own `check`, if it has one, with its options. Raises what that raises."""
    function = plugin.function
    if hasattr(function.func, "check"):
        function.func.check(*given, **function.keywords, **options)


def _check_prompt(
    recipe: Recipe,
    family: ModelFamily | EndpointModel,
    blank: Any,
    name: str,
    questions: Sequence[Question],
    control: Literal["audio", "silence"],
) -> None:
    """Make the prompts of the questions with most text and most clips; they must leave room for an answer.

    Raises ValueError.
    """
    if not questions:
        return
    most_text = max(questions, key=lambda question: len(question.question) + sum(map(len, question.choices)))
    most_clips = max(questions, key=lambda question: len(question.clips))
    same = len(most_clips.clips) <= len(most_text.clips)
    for question in [most_text] if same else [most_text, most_clips]:
        _check_room(recipe, family, blank, name, question, control)


def _check_room(
    recipe: Recipe,
    family: ModelFamily | EndpointModel,
    blank: Any,
    name: str,
    question: Question,
    control: Literal["audio", "silence"],
) -> None:
    """Make a question's prompt. Raises ValueError where it leaves no room for an answer."""
    seconds = recipe.contribution.silence
    silence = seconds if control == "silence" and seconds != "clip" else None
    prompt = prompt_builder(recipe, family).prompt(question, control, silence_seconds=silence)
    tokens, context = len(prompt.token_ids), _context_tokens(blank)
    if context is None or tokens + recipe.sampling.max_new_tokens <= context:
        return
    size = f"{family.path}: the prompt of question {question.id} of {name} has {tokens} tokens"
    if tokens >= context:
        length = "contribution.silence" if control == "silence" else "audio.max_seconds"
        raise ValueError(f"{size}; expected fewer than its {context}; lower {length}")
    raise ValueError(
        f"{size} of its {context}, and sampling.max_new_tokens is {recipe.sampling.max_new_tokens}; "
        f"expected at most {context - tokens}"
    )


def _context_tokens(blank: Any) -> int | None:
    """Tokens that the model takes at most; None where its config does not say."""
    config = getattr(blank, "config", None)
    return getattr(config.get_text_config(), "max_position_embeddings", None) if config else None


def _plugins(recipe: Recipe) -> Iterator[tuple[str, Bound]]:
    """Every plug-in of the recipe, by what its line calls it."""
    others = (
        recipe.model,
        recipe.strategy,
        recipe.algorithm,
        recipe.curriculum,
        recipe.rollout,
        *recipe.scorers().values(),
    )
    yield from ((plugin.use, plugin) for plugin in others)
    yield from ((name, spec.reward) for name, spec in recipe.rewards.items())
