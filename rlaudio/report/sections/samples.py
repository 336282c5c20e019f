"""A few groups of completions, with the audio of their prompts."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import soundfile
from markupsafe import Markup

from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.utils.charts import waveform
from rlaudio.utils.number_format import short_number

LARGEST_CLIP = 32 * 2**20  # bytes of a file
LONGEST_CLIP = 2**24  # samples: a small file can hold hours of silence


@dataclass(frozen=True)
class Sample:
    """One group of completions and its clip."""

    question: Json  # as the run folder wrote it
    first: Json  # the completion that is shown
    others: list[Json]
    player: str  # the audio as a data URI; empty where it is damaged
    waveform: Markup
    bars: list[tuple[float, str]]  # height in [0, 1] and total reward of every completion


def samples(run: StoredRun, most: int) -> list[Sample]:
    """The first `most` groups that the run kept; a clip that is not FLAC, or elsewhere, is damage."""
    kept = run.samples["samples"][:most] if run.samples else []
    totals = [c["total"] for sample in kept for c in sample["completions"] if c["total"] is not None]
    return [_sample(run, sample, max(totals, default=0.0)) for sample in kept]


def _sample(run: StoredRun, sample: Json, highest: float) -> Sample:
    player, drawn = run.files.optional(lambda: _clip(run, sample["audio"]), ("", Markup()))
    first, *others = sample["completions"]
    totals = [completion["total"] for completion in sample["completions"]]
    return Sample(
        question=sample,
        first=first,
        others=others,
        player=player,
        waveform=drawn,
        bars=[(max(0.0, (total or 0.0) / max(highest, 1e-9)), short_number(total)) for total in totals],
    )


def _clip(run: StoredRun, name: str) -> tuple[str, Markup]:
    """The audio as a data URI, and its drawing. Raises ValueError for what is not a FLAC file."""
    content = run.files.bytes(f"samples/{name}", LARGEST_CLIP)
    try:
        samples = _samples_of(content)
    except (soundfile.LibsndfileError, ValueError) as error:
        path = run.path / "samples" / name
        raise ValueError(f"{path}: expected a clip in FLAC, found {error}; copy it again") from error
    return f"data:audio/flac;base64,{base64.b64encode(content).decode('ascii')}", waveform(samples)


def _samples_of(content: bytes) -> np.ndarray:
    """The samples [N] of a mono FLAC file, float32."""
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        if file.format != "FLAC" or file.channels != 1:
            raise ValueError(f"{file.format} with {file.channels} channels")
        samples: np.ndarray = file.read(LONGEST_CLIP + 1, dtype="float32")
    if not 0 < len(samples) <= LONGEST_CLIP:
        raise ValueError(f"{len(samples)} samples, or more")
    return samples
