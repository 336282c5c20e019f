"""Small trees of data as it is published: rows in their files, and audio that can be decoded."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import soundfile
from pyarrow import parquet

_CODECS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}


def audio_bytes(
    suffix: str = ".wav", *, pitch_hz: int = 440, rate_hz: int = 16_000, channels: int = 1
) -> bytes:
    """A tenth of a second of a tone as an audio file."""
    tone = 0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(rate_hz // 10) / rate_hz)
    encoded = io.BytesIO()
    soundfile.write(encoded, np.stack([tone] * channels, axis=1), rate_hz, format=_CODECS[suffix])
    return encoded.getvalue()


def write_audio(path: Path, **tone: int) -> Path:
    """An audio file of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(audio_bytes(path.suffix, **tone))
    return path


def write_list(path: Path, *rows: Mapping[str, Any]) -> Path:
    """The rows as one list in a .json file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


def write_lines(path: Path, *rows: Mapping[str, Any] | str) -> Path:
    """The rows as one object a line; a text stands there as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_parquet(path: Path, *rows: Mapping[str, Any]) -> Path:
    """The rows as a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys(name for row in rows for name in row)
    parquet.write_table(pyarrow.Table.from_pylist([{n: row.get(n) for n in names} for row in rows]), path)
    return path
