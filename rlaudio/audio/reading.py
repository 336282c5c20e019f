"""Audio files as the models take them: mono, 16 kHz, float32, no longer than the length policy allows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from rlaudio.audio.channels import to_mono
from rlaudio.audio.length_policy import MAX_SECONDS, TOO_LONG, TooLong
from rlaudio.audio.levels import DIGITAL_SILENCE, QUIET, WIDE, level_notes
from rlaudio.audio.opening import OpenAudio, open_audio
from rlaudio.types import Clip

SAMPLE_RATE_HZ = 16_000
KEPT_CHANNEL = "channels that cancel each other out: the loudest kept instead of their average"
_FLOATS = ("FLOAT", "DOUBLE")  # subtypes whose samples may be anything
_MANY_CHANNELS = 2
_PEEK = 2**16  # of their frames looked at without decoding the rest
_LARGEST_SAMPLE = 10.0  # samples of a float file may pass 1 a little; integers as floats reach 128 or 32768


def read_clip(
    path: Path | str,
    *,
    max_seconds: float = MAX_SECONDS,
    too_long: TooLong = TOO_LONG,
    origin: str | None = None,
) -> Clip:
    """The first `max_seconds` of an audio file, averaged over its channels and resampled to 16 kHz.

    Never decodes more than the policy needs. A longer file comes back with `truncated=True`, or is an error
    where `too_long` is "refuse". Of channels that cancel each other out the loudest is kept, and the clip's
    `notes` say so. `origin` (such as the id of a question) is put first in messages.

    Raises FileNotFoundError for a missing file; ValueError for an empty, cut-off or non-audio file, one
    without samples, with NaN, infinity or integers' values in them, and one that is too long to be accepted.
    """
    path = Path(path)
    name = f"{origin}: {path}" if origin else str(path)
    limit = round(max_seconds * SAMPLE_RATE_HZ)
    if limit < 1:
        raise ValueError(f"max_seconds is {max_seconds}; expected a positive number of seconds")
    if too_long not in ("truncate", "refuse"):
        raise ValueError(f'too_long is {too_long!r}; expected "truncate" or "refuse"')
    with open_audio(path, name) as audio:
        rate_hz, notes, subtype = audio.rate_hz, audio.notes, audio.sound.subtype
        wanted = math.ceil(max_seconds * rate_hz)
        samples, found_reading = audio.read(wanted + 1)
    is_longer, samples = len(samples) > wanted, samples[:wanted]
    if is_longer and too_long == "refuse":
        raise ValueError(
            f"{name}: longer than audio.max_seconds = {max_seconds:g} s; raise it, remove the clip or "
            'set audio.too_long to "truncate"'
        )
    _check_values(samples, name)
    mono, kept_channel = to_mono(samples)
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if len(mono) == 0:
        raise ValueError(
            f"{name}: {len(samples)} frames at {rate_hz} Hz are no sample at 16 kHz; expected audio"
        )
    notes += (*found_reading, *level_notes(samples, subtype, whole=not is_longer))
    notes += () if kept_channel is None else (KEPT_CHANNEL,)
    return clip_of(mono[:limit], truncated=is_longer, notes=notes + _silence(mono[:limit]))


def open_clip(
    clip: Path | Clip, *, max_seconds: float = 30.0, too_long: TooLong = "truncate", origin: str | None = None
) -> Clip:
    """A question's clip: a file read as `read_clip` does, or given samples under the same length policy."""
    if isinstance(clip, Path):
        return read_clip(clip, max_seconds=max_seconds, too_long=too_long, origin=origin)
    limit = round(max_seconds * SAMPLE_RATE_HZ)
    if len(clip.samples) <= limit:
        return clip
    if too_long == "refuse":
        raise ValueError(
            f"{origin or clip.digest}: {clip.seconds:.1f} s of samples, longer than audio.max_seconds = "
            f'{max_seconds:g} s; raise it, remove the question or set audio.too_long to "truncate"'
        )
    return clip_of(clip.samples[:limit], truncated=True, notes=clip.notes)


def clip_of(samples: np.ndarray, *, truncated: bool = False, notes: Sequence[str] = ()) -> Clip:
    """A Clip of mono 16 kHz samples `[samples]`; equal samples give an equal digest on every machine."""
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    little_endian = samples.astype("<f4", copy=False)
    digest = hashlib.blake2b(little_endian.tobytes(), digest_size=16).hexdigest()
    return Clip(samples=samples, digest=digest, truncated=truncated, notes=tuple(notes))


@dataclass(frozen=True)
class ClipHeader:
    """What a clip is, as far as it can be told without decoding it."""

    seconds: float  # of the whole file
    notes: tuple[str, ...]  # what is odd about it


def clip_header(path: Path | str) -> ClipHeader:
    """Length and oddities of a file by its header and end. Raises as `read_clip` where these are wrong."""
    with open_audio(Path(path), str(path)) as audio:
        return ClipHeader(audio.frames / audio.rate_hz, (*audio.notes, *_peeked(audio)))


def _peeked(audio: OpenAudio) -> Iterator[str]:
    """What is odd about the level of a file whose numbers may have any, or that has many channels.

    Of a file that is loud enough at its beginning only that is looked at.
    """
    has_many = audio.sound.channels > _MANY_CHANNELS
    if not has_many and audio.sound.subtype not in (*_FLOATS, *WIDE):
        return
    most = min(audio.frames, math.ceil(MAX_SECONDS * audio.rate_hz))
    samples, _ = audio.read(min(_PEEK, most))
    _check_values(samples, audio.name)
    if len(samples) < most and (has_many or np.abs(samples).max() < QUIET):
        samples = np.concatenate([samples, audio.read(most - len(samples))[0]])
    yield from level_notes(samples, audio.sound.subtype, whole=len(samples) == audio.frames)


def _check_values(samples: np.ndarray, name: str) -> None:
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).any(axis=1).sum())
        raise ValueError(
            f"{name}: NaN or infinity in {bad} of {len(samples)} frames; expected finite samples"
        )
    largest = float(np.abs(samples).max())
    if largest > _LARGEST_SAMPLE:
        raise ValueError(
            f"{name}: samples as large as {largest:g}; expected -1 to 1; these look like integers stored as "
            "floats: divide them by 32768, or by their own full scale, or remove the row"
        )


def _silence(mono: np.ndarray) -> tuple[str, ...]:
    return (DIGITAL_SILENCE,) if (mono == mono[0]).all() else ()
