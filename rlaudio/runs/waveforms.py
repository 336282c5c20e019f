"""Audio of rollouts that exists in no file of the user's: clips given as samples, or made by an environment.

rollouts/clips/DIGEST.wav     float32 as it was, once however often it was heard
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from rlaudio.runs.files import LARGEST_FILE, write_bytes
from rlaudio.runs.places import ROLLOUT_CLIPS
from rlaudio.runs.stored_files import StoredFiles
from rlaudio.types import Clip, Group


def waveform_name(clip: Clip) -> str:
    """The file of a clip in its folder."""
    return f"{clip.digest}.wav"


def write_waveforms(run: Path, groups: Iterable[Group]) -> None:
    """Keep the clips of these groups that were given as samples, those that are not kept yet."""
    import soundfile

    for clip in _given_as_samples(groups):
        path = run / ROLLOUT_CLIPS / waveform_name(clip)
        if not path.exists():
            content = io.BytesIO()
            soundfile.write(content, clip.samples, clip.sample_rate_hz, format="WAV", subtype="FLOAT")
            write_bytes(path, content.getvalue())


def waveform_path(files: StoredFiles, name: str) -> Path:
    """Where the samples of a clip are; it is not looked whether the file is there."""
    return files.folder / ROLLOUT_CLIPS / name


class WaveformError(ValueError):
    """A clip's file is damaged or missing; the rows that name it are whole."""


def waveform_reader(files: StoredFiles) -> Callable[[str], np.ndarray]:
    """What gives the samples in a file [samples] float32, read once; it raises WaveformError."""
    return functools.cache(functools.partial(_read_waveform, files))


def _read_waveform(files: StoredFiles, name: str) -> np.ndarray:
    import soundfile

    try:
        content = files.bytes(f"{ROLLOUT_CLIPS}/{name}", LARGEST_FILE)
        samples: np.ndarray = soundfile.read(io.BytesIO(content), dtype="float32")[0]
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        raise WaveformError(
            f"{waveform_path(files, name)}: expected audio, found {error}; copy the file again"
        ) from error
    return samples


def _given_as_samples(groups: Iterable[Group]) -> Iterator[Clip]:
    for group in groups:
        segments = (segment for completion in group.completions for segment in completion.segments)
        clips = [*group.prompt.question.clips, *(clip for segment in segments for clip in segment.clips)]
        yield from (clip for clip in clips if isinstance(clip, Clip))
