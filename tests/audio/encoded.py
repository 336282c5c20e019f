"""Files of audio that are whole, cut off, joined or damaged, and what opening them says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.mpeg import Stream
from rlaudio.audio.reading import clip_header, read_clip

RATE_HZ = 16_000


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, round(seconds * RATE_HZ))


def encoded(container: str, samples: np.ndarray | None = None, **options) -> bytes:
    file = io.BytesIO()
    samples = noise(2.0) if samples is None else samples
    soundfile.write(file, samples, RATE_HZ, format=container, **options)
    return file.getvalue()


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def mp3_without_index(samples: np.ndarray) -> bytes:
    """mp3 frames of different sizes, and no Xing header."""
    data = encoded("MP3", samples, bitrate_mode="VARIABLE")
    header = Stream.find(data).header
    kbits = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[(data[2] >> 4) - 1]
    return data[header.bytes_of(kbits, data[2] >> 1 & 1) :]


def as_file(folder: Path, data: bytes, name: str = "a.wav") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def refusal(path: Path) -> str:
    """What is said about a file, by its header and by reading it: the same."""
    with pytest.raises(ValueError) as by_header:
        clip_header(path)
    with pytest.raises(ValueError) as by_reading:
        read_clip(path)
    assert str(by_header.value) == str(by_reading.value)
    return str(by_header.value)


def seconds(path: Path) -> float:
    """The length of a file, by its header and by reading it: the same."""
    by_header, by_reading = clip_header(path).seconds, read_clip(path).seconds
    assert by_header == pytest.approx(by_reading, abs=1 / RATE_HZ)
    return by_reading
