"""Evaluations as logs of Inspect (inspect.aisi.org.uk): what was asked, heard, answered, and its score.

A log is a zip of JSON, `.eval`, of format version 2; Inspect is not needed to write it. There is one for each
held-out set and control. Clips are in it as mp3, as they were heard under the control.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import soundfile

from rlaudio import __version__
from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.scores import score_of
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.prompts.wording import render_user_text
from rlaudio.runs.files import Json, plain, unfinished
from rlaudio.runs.places import ANSWERS
from rlaudio.types import Clip, Control, Question, Verdict

MOST_AUDIO = 200 * 2**20  # bytes of encoded clips in a log, others are named alone
_FORMAT = 2
_NOT_COUNTED = "N"  # Inspect's "no answer"


def write_inspect_logs(
    results: Mapping[str, Evaluation], folder: Path, *, prompts: PromptBuilder, model: str, created: datetime
) -> list[Path]:
    """Write a log for every set and control of evaluations by held-out set, `inspect/SET_CONTROL.eval`.

    `prompts` is what made the prompts: clips are opened again by it. Raises what `PromptBuilder.heard` does.
    """
    paths = []
    for name, result in results.items():
        for control in result.controls:
            log = _Log(name, control, result, prompts, model, created)
            paths.append(folder / ANSWERS / "inspect" / f"{name}_{control}.eval")
            _write(paths[-1], log)
    return paths


@dataclass
class _Log:
    name: str
    control: Control
    result: Evaluation
    prompts: PromptBuilder
    model: str
    created: datetime
    audio_bytes: int = field(default=0, init=False)  # so far

    @property
    def rows(self) -> list[AnswerRow]:
        return [row for row in self.result.rows if row.control == self.control]

    @property
    def scorers(self) -> Sequence[str]:
        return self.result.scorers if self.result.published else ()

    def start(self) -> Json:
        """What was evaluated, before any sample."""
        identity = f"{self.name} {self.control} {self.model} {self.created.isoformat()}"
        digest = blake2b(identity.encode(), digest_size=11).hexdigest()
        spec = {
            "eval_id": digest,
            "run_id": digest,
            "created": self.created.isoformat(timespec="seconds"),
            "task": f"{self.name}_{self.control}",
            "task_id": digest,
            "dataset": {"name": self.name, "samples": len(self.rows), "shuffled": False},
            "model": self.model,
            "config": {"epochs": 1},
            "packages": {"rlaudio": __version__},
            "metadata": {**self.result.provenance, "control": self.control},
        }
        return {"version": _FORMAT, "eval": spec, "plan": {"name": "plan", "steps": [], "config": {}}}

    def header(self) -> Json:
        """All but the samples."""
        count = len(self.rows)
        return {
            "version": _FORMAT,
            "status": "success",
            **{key: value for key, value in self.start().items() if key != "version"},
            "results": {
                "total_samples": count,
                "completed_samples": count,
                "scores": [score for name in self.scorers if (score := self._score(name))],
            },
            "stats": {"started_at": "", "completed_at": "", "model_usage": {}},
        }

    def _score(self, scorer: str) -> Json | None:
        """The accuracy by one scorer; None where it counts no answer."""
        score = score_of(self.rows, scorer, count_all=scorer == self.result.scorers[0])
        if score is None:
            return None
        values = {"accuracy": score.accuracy, "low_95": score.low, "high_95": score.high}
        values |= {"unparsed": score.unparsed, "counted": score.counted}
        metrics = {name: {"name": name, "value": value, "params": {}} for name, value in values.items()}
        return {"name": scorer, "scorer": scorer, "params": {}, "metrics": metrics}

    def samples(self) -> Iterator[Json]:
        """One for every question, with what was heard as attachments."""
        by_id = {row.question.id: row.question for row in self.result.rows}
        for row in self.rows:
            yield self._sample(row, self._attached(row, by_id[row.heard]))

    def _attached(self, row: AnswerRow, partner: Question) -> dict[str, str]:
        """The clips that were heard, by attachment, up to `MOST_AUDIO`."""
        if self.audio_bytes > MOST_AUDIO or not (row.question.clips or partner.clips):
            return {}
        attached = {}
        for clip in self.prompts.heard(row.question, self.control, partner=partner):
            encoded = _as_mp3(clip)
            self.audio_bytes += len(encoded)
            attached[clip.digest] = f"data:audio/mpeg;base64,{base64.b64encode(encoded).decode()}"
        return attached

    def _sample(self, row: AnswerRow, attached: Mapping[str, str]) -> Json:
        question = row.question
        asked: list[Json] = []
        if self.prompts.system:
            asked.append({"role": "system", "content": self.prompts.system})
        audio = [{"type": "audio", "audio": f"attachment://{name}", "format": "mp3"} for name in attached]
        text = {"type": "text", "text": render_user_text(question)}
        asked.append({"role": "user", "content": [*audio, text]})
        said = {"role": "assistant", "content": row.text, "source": "generate", "model": self.model}
        stop = "max_tokens" if row.truncated else "stop"
        return {
            "id": question.id,
            "epoch": 1,
            "input": asked,
            "choices": list(question.choices) or None,
            "target": _target(question),
            "messages": [*asked, said],
            "output": {
                "model": self.model,
                "choices": [{"message": said, "stop_reason": stop}],
                "completion": row.text,
            },
            "scores": {name: _score_of(row.verdicts[name], question) for name in self.scorers},
            "metadata": {
                **row.groups,
                "heard": row.heard,
                "clips": [str(name) for name in question.clip_names],
                "clips_attached": len(attached),
            },
            "attachments": dict(attached),
        }


def _write(path: Path, log: _Log) -> None:
    """Put the log in `path` completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = unfinished(path)
    try:
        with building.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            _put(archive, "_journal/start.json", log.start())
            summaries = []
            for sample in log.samples():
                _put(archive, f"samples/{sample['id']}_epoch_1.json", sample)
                summaries.append(_summary(sample))
            _put(archive, "_journal/summaries/1.json", summaries)
            _put(archive, "summaries.json", summaries)
            _put(archive, "header.json", log.header())
        building.replace(path)
    except BaseException:
        building.unlink(missing_ok=True)
        raise


def _put(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    archive.writestr(name, json.dumps(plain(value), ensure_ascii=False, allow_nan=False))


def _summary(sample: Json) -> Json:
    """The line of a sample in Inspect's list."""
    *_, user = sample["input"]
    keys = ("id", "epoch", "choices", "target", "scores")
    return {
        **{key: sample[key] for key in keys},
        "input": user["content"][-1]["text"],
        "metadata": {key: value for key, value in sample["metadata"].items() if isinstance(value, str)},
        "completed": True,
        "message_count": len(sample["messages"]),
    }


def _target(question: Question) -> str:
    """The right answer: the letter of an option, or a text; empty where it is not published."""
    if not question.choices or not question.is_published:
        return question.answer
    position = question.answer_index if question.answer in question.choices else None
    return (
        question.answer if position is None or position >= len(ascii_uppercase) else ascii_uppercase[position]
    )


def _score_of(verdict: Verdict, question: Question) -> Json:
    value: str | float = "C" if verdict.right else "I"
    if verdict.score is not None:
        value = verdict.score
    answer = None if verdict.read is None else question.choices[verdict.read]
    why = ": ".join(filter(None, [verdict.status, verdict.reason]))
    return {"value": value if verdict.counted else _NOT_COUNTED, "answer": answer, "explanation": why or None}


def _as_mp3(clip: Clip) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, clip.samples, clip.sample_rate_hz, format="MP3")
    return content.getvalue()
