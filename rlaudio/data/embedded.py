"""Audio that a data file holds itself, as files: each clip is written to the cache once, by its content.

Nothing is decoded here, and no more than one clip is in memory: a question names the file, which is opened
like any other when it is heard.
"""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import soundfile

from rlaudio.utils.cache_root import cache_root
from rlaudio.utils.messages import shown

_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a")


def write_embedded(content: bytes, name: str = "") -> Path:
    """The file in the cache with this content; its ending is that of `name`, where that is one of audio."""
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    suffix = PurePosixPath(name).suffix.lower()
    path = cache_root() / "clips" / digest[:2] / (digest + (suffix if suffix in _SUFFIXES else ""))
    if not path.is_file():
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(content)
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise type(error)(
                f"{path}: {error.strerror}; expected audio of the data to be kept there; make room, or set "
                "XDG_CACHE_HOME to another folder"
            ) from error
    return path


def encode_samples(samples: Any, sample_rate_hz: int) -> bytes:
    """Samples [frames] or [frames, channels] as a wav file that holds them unchanged, as float32.

    Raises ValueError for what are no samples.
    """
    encoded = io.BytesIO()
    try:
        waveform = np.asarray(samples)
        soundfile.write(encoded, waveform, sample_rate_hz, format="WAV", subtype="FLOAT")
    except (TypeError, ValueError, IndexError, OverflowError, soundfile.LibsndfileError) as error:
        raise ValueError(
            f"array {shown(samples, 80)} of sampling_rate {shown(sample_rate_hz, 80)}, which are no samples"
        ) from error
    return encoded.getvalue()
