"""Clips as a page carries them: mono MP3 at 24 kbit/s with the outline of their wave."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from rlaudio.audio.decoder_output import decoder_output

SAMPLE_RATE_HZ = 16_000
PEAKS = 240  # points of the drawn outline
LARGEST_CLIP = 32 * 2**20  # bytes of a file
LONGEST_CLIP = 2**24  # frames: a small file can hold hours of silence
_COMPRESSION = 0.9  # libsndfile's level for 24 kbit/s at 16 kHz


@dataclass(frozen=True, eq=False)
class PageClip:
    """An encoded clip."""

    mp3: bytes
    peaks: np.ndarray  # [PEAKS] largest absolute values, in [0, 1]
    seconds: float


def encode(samples: np.ndarray, sample_rate_hz: int) -> PageClip:
    """Mono samples [N] float as MP3, at 16 kHz whatever the rate was. Raises ValueError for no samples."""
    if len(samples) == 0:
        raise ValueError("a clip without samples; expected audio")
    if sample_rate_hz != SAMPLE_RATE_HZ:
        samples = soxr.resample(samples, sample_rate_hz, SAMPLE_RATE_HZ)
    file = io.BytesIO()
    soundfile.write(
        file,
        np.clip(samples, -1.0, 1.0),
        SAMPLE_RATE_HZ,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=_COMPRESSION,
        bitrate_mode="CONSTANT",
    )
    return PageClip(file.getvalue(), peaks_of(samples), len(samples) / SAMPLE_RATE_HZ)


def decode(content: bytes, expected: str, name: str) -> tuple[np.ndarray, int]:
    """Mono samples [N] float32 and their rate of a whole file of the format "FLAC" or "MP3".

    Raises ValueError for another file, one with several channels, and one that is too long.
    """
    try:
        with decoder_output(), soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.format != expected or file.channels != 1:
                raise ValueError(f"{file.format} with {file.channels} channels")
            samples: np.ndarray = file.read(LONGEST_CLIP + 1, dtype="float32")
            rate = int(file.samplerate)
        if not 0 < len(samples) <= LONGEST_CLIP:
            raise ValueError(f"{len(samples)} samples, or more")
    except (soundfile.LibsndfileError, ValueError) as error:
        raise ValueError(f"{name}: expected a clip in {expected}, found {error}; copy it again") from error
    return samples, rate


def peaks_of(samples: np.ndarray) -> np.ndarray:
    """The largest absolute value in each of at most PEAKS stretches of equal length, in [0, 1]."""
    edges = np.linspace(0, len(samples), min(PEAKS, len(samples)) + 1).astype(int)
    return np.minimum(np.maximum.reduceat(np.abs(samples), edges[:-1]), 1.0)
