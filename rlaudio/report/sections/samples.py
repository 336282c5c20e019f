"""A few groups of completions, with the audio of their prompts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import soundfile
from markupsafe import Markup

from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.utils.charts import waveform
from rlaudio.utils.number_format import short_number


@dataclass(frozen=True)
class Sample:
    """One group of completions and its clip."""

    question: Json  # as the run folder wrote it
    first: Json  # the completion that is shown
    others: list[Json]
    player: str  # the audio as a data URI
    seconds: float
    waveform: Markup
    bars: list[tuple[float, str]]  # height in [0, 1] and total reward of every completion


def samples(run: StoredRun, most: int) -> list[Sample]:
    """The first `most` groups that the run kept."""
    kept = run.samples["samples"] if run.samples else []
    highest = max((c["total"] for s in kept for c in s["completions"] if c["total"] is not None), default=0)
    return [_sample(run.path / "samples", sample, max(highest, 1e-9)) for sample in kept[:most]]


def _sample(folder: Path, sample: Json, highest: float) -> Sample:
    audio = folder / sample["audio"]
    waves, rate = soundfile.read(audio, dtype="float32")
    first, *others = sample["completions"]
    totals = [completion["total"] for completion in sample["completions"]]
    return Sample(
        question=sample,
        first=first,
        others=others,
        player="data:audio/flac;base64," + base64.b64encode(audio.read_bytes()).decode("ascii"),
        seconds=len(waves) / rate,
        waveform=waveform(waves),
        bars=[(max(0.0, (total or 0.0) / highest), short_number(total)) for total in totals],
    )
