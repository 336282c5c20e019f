"""The folder of one run and its writers: every file of a run is written through here.

    recipe.yaml            the resolved recipe, itself a valid recipe
    versions.json          what the run was made with
    data.json              digests of the questions and audio files that the run began with
    plugins.json           digests of the user's plug-ins, by file, when it began; empty where it has none
    inputs.json            the recipe that the run goes by, digests of its models' files
    stamps.json            when digested files were last changed: a resume reads those that were touched
    digests.json           digests of what the run wrote and reads again, see rlaudio.runs.digests
    metrics.jsonl          one row per logged step: {"stage", "step", "group/name": value, ...}
    timings.jsonl          the same for wall-clock metrics, which two equal runs do not share
    tensorboard/<stage>/   the same curves, distributions, a few completions with their audio, the recipe
    rollouts/<stage>-<step>.jsonl   one group a line, see rlaudio.runs.rollouts
    rollouts/clips/        clips of theirs that were given as samples, see rlaudio.runs.waveforms
    samples/               the latest few groups with their audio, for TensorBoard
    clips/                 clips of the completions that the page shows, see rlaudio.viewer.kept_clips
    labels.json            what the voters found, by data set
    evaluation/base.json, evaluation/final.json     tables before and after the run, by held-out set
    evaluation/base/<set>.jsonl, ...                every single answer behind them
    summary.json, report.html
    checkpoints/           written by rlaudio.training
    replay/<stage>-<step>/  a step with NaN or infinity, written by rlaudio.training.debug.step_dump

A stage's name is unique within its run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rlaudio.runs import shapes
from rlaudio.runs.digests import record
from rlaudio.runs.files import (
    LARGEST_FILE,
    Json,
    append_row,
    read_json,
    read_rows,
    write_json,
    write_rows,
    write_text,
)
from rlaudio.runs.metrics import split_wall_clock
from rlaudio.runs.occupancy import refuse_contents, remove_beginning, remove_events, take_lock
from rlaudio.runs.places import (
    DIGESTS,
    LABEL_TABLES,
    LOCK,
    METRICS,
    RECIPE,
    SAMPLES,
    SAMPLES_INDEX,
    SUMMARY,
    TENSORBOARD,
    TIMINGS,
    VERSIONS,
    check_run_to_resume,
    rollouts_file,
)
from rlaudio.runs.rollouts import LearnedGroup, from_json, to_json
from rlaudio.runs.tensorboard import add_clip, add_hparams, add_rollouts, as_markdown, is_shown
from rlaudio.runs.versions import refuse_other_format, versions
from rlaudio.runs.waveforms import write_waveforms
from rlaudio.types import Choice, Clip, Dataset, Question, ScoredGroup
from rlaudio.utils.number_format import counted

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

logger = logging.getLogger(__name__)


class RunFolder:
    """A run's folder, locked by one process from `create` or `reopen` until `close` or the end of `with`."""

    def __init__(self, path: Path, lock: TextIO):
        self.path = path
        self._lock = lock
        self._writers: dict[str, SummaryWriter] = {}
        self._purge_from: dict[str, int] = {}  # stage -> first step that TensorBoard drops

    @classmethod
    def create(cls, path: Path, recipe_yaml: str) -> RunFolder:
        """A new run in `path`; writes recipe.yaml and versions.json.

        The folder must not exist, be empty, or hold a run that ended before it computed anything, whose
        files are replaced. Raises FileExistsError for a folder with anything else in it, BlockingIOError
        while another run holds its lock.
        """
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        if not (path / LOCK).exists():  # never a run's folder: if it is refused, no lock file is left in it
            refuse_contents(path)
        folder = cls(path, take_lock(path))
        try:
            refuse_contents(path)
            remove_beginning(path)
        except OSError:
            folder.close()
            raise
        write_text(path / RECIPE, recipe_yaml)  # first: from here on the run can be resumed
        folder.write_json(VERSIONS, versions())
        folder.write_json(DIGESTS, {})
        return folder

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """The run that `path` already holds, to continue it.

        Raises FileNotFoundError if there is none, BlockingIOError while another process holds its lock.
        """
        path = Path(path)
        check_run_to_resume(path)
        refuse_other_format(path, read_json(path / VERSIONS, shapes.MAP) or {})
        folder = cls(path, take_lock(path))
        for rows in (path / METRICS, path / TIMINGS):
            if rows.exists():  # drops a last line that a kill cut off, before other rows follow it
                write_rows(rows, read_rows(rows, shapes.METRICS, appended=True))
        return folder

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close TensorBoard's files and release the lock."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._lock.close()

    def write_json(self, name: str, value: Any) -> Path:
        """Write `value` to the file `name` of this folder, all or nothing; numbers not finite become null."""
        write_json(self.path / name, value)
        return self.path / name

    def write_labels(self, tables: Mapping[str, Json]) -> None:
        """Write what the voters' labels come to, by data set."""
        self.write_json(LABEL_TABLES, tables)

    def write_summary(self, summary: Json) -> None:
        """Write the main numbers: with them the run is finished."""
        self.write_json(SUMMARY, summary)

    def remove_damaged_summary(self) -> None:
        """Let a summary go that nothing can read: until it is written again it would stop every reader.

        Raises ValueError where a folder has its name.
        """
        try:
            read_json(self.path / SUMMARY, shapes.SUMMARY)
        except ValueError:
            if (self.path / SUMMARY).is_dir():
                raise
            (self.path / SUMMARY).unlink()

    @property
    def has_samples(self) -> bool:
        """Whether `write_samples` was called."""
        return (self.path / SAMPLES_INDEX).exists()

    def log_metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Add the values to metrics.jsonl (those of the clock to timings.jsonl) and to TensorBoard.

        Raises ValueError for a name that rlaudio/runs/metrics.py does not declare.
        """
        reproducible, wall_clock = split_wall_clock(values)
        for file, names in ((METRICS, reproducible), (TIMINGS, wall_clock)):
            if names:
                row = {"stage": stage, "step": step, **{name: float(values[name]) for name in names}}
                append_row(self.path / file, row)
        writer = self._writer(stage)
        for name, value in values.items():
            writer.add_scalar(name, float(value), step)
        writer.flush()

    @contextmanager
    def clock(self, phase: str) -> Iterator[None]:
        """Log how long a phase of the run took; one that is interrupted logs what it took so far."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.log_metrics("run", 0, {f"time/{phase}": time.perf_counter() - start})

    def truncate_metrics(self, stage: str, step: int) -> None:
        """Drop all that was logged after `step` of `stage`, so that a resumed run logs every step once.

        Rows up to there are kept byte for byte; those that follow in the file, of later stages too, are
        removed. Step 0 is the start of the stage. Timings of whole phases (step 0) are kept: that time was
        spent.
        """
        metrics = self.path / METRICS
        rows = read_rows(metrics, shapes.METRICS, appended=True)
        kept = _rows_until(rows, stage, step)
        write_rows(metrics, kept)
        if dropped := len(rows) - len(kept):
            logger.info(
                "%s: %s behind step %d of stage %s dropped; a run that goes on from there logs them again",
                *(metrics, counted(dropped, "row"), step, stage),
            )
        timings = self.path / TIMINGS
        write_rows(timings, _timings_until(read_rows(timings, shapes.METRICS, appended=True), stage, step))
        for gone in {row["stage"] for row in rows} - {row["stage"] for row in kept}:
            remove_events(self.path / TENSORBOARD / gone)
        self._purge_from = {stage: step + 1}

    def write_rollouts(self, stage: str, step: int, groups: Iterable[LearnedGroup]) -> Path:
        """Write every group of a step whole, one line each; TensorBoard shows some steps, see `is_shown`."""
        path, groups = self._rollouts(stage, step), list(groups)
        write_waveforms(self.path, (learned.scored.group for learned in groups))
        write_rows(path, map(to_json, groups))
        if is_shown(step):
            add_rollouts(self._writer(stage), step, groups)
        return path

    def write_hparams(self, recipe: Mapping[str, Any], results: Mapping[str, float]) -> None:
        """Show the recipe's values beside the run's results in TensorBoard's table of runs."""
        add_hparams(self._writer("run"), recipe, results)

    def write_samples(
        self,
        stage: str,
        step: int,
        questions: Dataset,
        read: Callable[[Question], Clip],
        most: int,
    ) -> None:
        """Keep the first `most` groups of a step about clips, with their audio, for the page and TensorBoard.

        `read` gives the clip that was heard. Takes the place of the samples before; TensorBoard shows each
        group under its clip.
        """
        import soundfile

        known = {question.id: question for question in questions}
        rows = read_rows(self._rollouts(stage, step), longest=LARGEST_FILE)
        of_step = (from_json(row).scored for row in rows)
        heard = (group for group in of_step if known[group.group.prompt.question.id].clips)
        groups = list(islice(heard, most))
        folder = self.path / SAMPLES
        folder.mkdir(exist_ok=True)
        before = _audio_of(read_json(self.path / SAMPLES_INDEX))
        writer = self._writer(stage)
        samples = []
        for number, scored in enumerate(groups):
            question = known[scored.group.prompt.question.id]
            clip = read(question)
            audio = f"{clip.digest}.flac"
            soundfile.write(folder / audio, clip.samples, clip.sample_rate_hz, subtype="PCM_16")
            stated = questions.contributions.get(question.id)
            label = stated.label if stated else None
            samples.append(_sample(question, scored) | {"contribution": label, "audio": audio})
            add_clip(writer, f"clip/{number}", question, clip, step)
            writer.add_text(f"sample/{number}", as_markdown(question, scored), step)
        writer.flush()
        self.write_json(SAMPLES_INDEX, {"stage": stage, "step": step, "samples": samples})
        for name in before - {sample["audio"] for sample in samples}:
            (folder / name).unlink(missing_ok=True)
        record(self.path, SAMPLES)

    def _rollouts(self, stage: str, step: int) -> Path:
        return self.path / rollouts_file(stage, step)

    def _writer(self, stage: str) -> SummaryWriter:
        if stage not in self._writers:
            from torch.utils.tensorboard import SummaryWriter  # takes two seconds

            self._writers[stage] = SummaryWriter(
                str(self.path / TENSORBOARD / stage), purge_step=self._purge_from.pop(stage, None)
            )
        return self._writers[stage]


class FollowedFolder(RunFolder):
    """A run's folder in any process but the first: it writes nothing and reads what the first one wrote."""

    def __init__(self, path: Path):
        self.path = Path(path)

    def close(self) -> None:
        """There is no lock to release."""

    def write_json(self, name: str, value: Any) -> Path:
        """The path to which the first process writes it."""
        return self.path / name

    def log_metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Done by the first process."""

    def truncate_metrics(self, stage: str, step: int) -> None:
        """Done by the first process."""

    def write_rollouts(self, stage: str, step: int, groups: Iterable[LearnedGroup]) -> Path:
        """The path to which the first process writes them."""
        return self._rollouts(stage, step)

    def write_hparams(self, recipe: Mapping[str, Any], results: Mapping[str, float]) -> None:
        """Done by the first process."""

    def write_samples(
        self,
        stage: str,
        step: int,
        questions: Dataset,
        read: Callable[[Question], Clip],
        most: int,
    ) -> None:
        """Done by the first process."""


def _audio_of(samples: Any) -> set[str]:
    """The audio files in `samples/` that a samples.json names; never a path to elsewhere."""
    named = [str(sample["audio"]) for sample in (samples or {}).get("samples", [])]
    return {name for name in named if Path(name).name == name}


def _rows_until(rows: Sequence[Json], stage: str, step: int) -> Sequence[Json]:
    """The rows before the first one that was logged after `step` of `stage`; rows are in order of time."""
    of_stage = [index for index, row in enumerate(rows) if row["stage"] == stage]
    until_step = [index for index in of_stage if rows[index]["step"] <= step]
    if until_step:
        return rows[: until_step[-1] + 1]
    return rows[: of_stage[0]] if of_stage else rows


def _timings_until(rows: Sequence[Json], stage: str, step: int) -> list[Json]:
    """The same, and all rows of whole phases."""
    kept = len(_rows_until(rows, stage, step))
    return [row for number, row in enumerate(rows) if number < kept or row["step"] == 0]


def _sample(question: Question, scored: ScoredGroup) -> Json:
    return {
        "question_id": question.id,
        "question": question.question,
        "choices": question.choices,
        "gold": question.target.gold if isinstance(question.target, Choice) else None,
        "answer": question.answer,
        "groups": dict(question.groups),
        "completions": [
            {
                "text": completion.text,
                "stop_reason": completion.stop_reason,
                "rewards": {name: values[number] for name, values in scored.rewards.items()},
                "total": scored.total[number],
                "tokens": completion.length,
            }
            for number, completion in enumerate(scored.group.completions)
        ],
    }
