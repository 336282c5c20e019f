"""Audio files as the models take them: mono, 16 kHz, float32, no longer than the length policy allows."""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

from rlaudio.audio.length_policy import MAX_SECONDS, TOO_LONG, TooLong
from rlaudio.types import Clip

SAMPLE_RATE_HZ = 16_000


def read_clip(
    path: Path | str,
    *,
    max_seconds: float = MAX_SECONDS,
    too_long: TooLong = TOO_LONG,
    origin: str | None = None,
) -> Clip:
    """The first `max_seconds` of an audio file, averaged over its channels and resampled to 16 kHz.

    Never decodes more than the policy needs. A longer file comes back with `truncated=True`, or is an error
    where `too_long` is "refuse". `origin` (such as the id of a question) is put first in messages.

    Raises FileNotFoundError for a missing file; ValueError for an empty, cut-off or non-audio file, one
    without samples or with NaN or infinity in them, and one that is too long to be accepted.
    """
    path = Path(path)
    name = f"{origin}: {path}" if origin else str(path)
    limit = round(max_seconds * SAMPLE_RATE_HZ)
    if limit < 1:
        raise ValueError(f"max_seconds is {max_seconds}; expected a positive number of seconds")
    if too_long not in ("truncate", "refuse"):
        raise ValueError(f'too_long is {too_long!r}; expected "truncate" or "refuse"')
    samples, rate_hz, is_longer = _decode(path, name, max_seconds)
    if is_longer and too_long == "refuse":
        raise ValueError(
            f"{name}: longer than audio.max_seconds = {max_seconds:g} s; raise it, remove the clip or "
            'set audio.too_long to "truncate"'
        )
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).any(axis=1).sum())
        raise ValueError(
            f"{name}: NaN or infinity in {bad} of {len(samples)} frames; expected finite samples"
        )
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if len(mono) == 0:
        raise ValueError(
            f"{name}: {len(samples)} frames at {rate_hz} Hz are no sample at 16 kHz; expected audio"
        )
    return clip_of(mono[:limit], truncated=is_longer)


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
    return clip_of(clip.samples[:limit], truncated=True)


def clip_of(samples: np.ndarray, *, truncated: bool = False) -> Clip:
    """A Clip of mono 16 kHz samples `[samples]`; equal samples give an equal digest on every machine."""
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    little_endian = samples.astype("<f4", copy=False)
    digest = hashlib.blake2b(little_endian.tobytes(), digest_size=16).hexdigest()
    return Clip(samples=samples, digest=digest, truncated=truncated)


def clip_seconds(path: Path | str) -> float:
    """Seconds of audio in a file by its header alone. Raises as `read_clip`, where the header is wrong."""
    with _open(Path(path), str(path)) as file:
        if file.frames == 0:
            raise ValueError(_no_frames(str(path)))
        return file.frames / file.samplerate


def _decode(path: Path, name: str, max_seconds: float) -> tuple[np.ndarray, int, bool]:
    """Samples [frames, channels] of at most `max_seconds`, their rate, and whether there were more."""
    with _open(path, name) as file:
        rate_hz = file.samplerate
        wanted = math.ceil(max_seconds * rate_hz)
        promised = min(file.frames, wanted + 1) if _knows_its_length(path, file.format) else 1
        try:
            samples = file.read(wanted + 1, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"{name}: cannot be decoded ({error.error_string}); the file is damaged"
            ) from error
    if len(samples) == 0:
        raise ValueError(_no_frames(name))
    if len(samples) < promised:
        raise ValueError(
            f"{name}: {len(samples)} frames decoded, {promised} or more promised by its header; the file is "
            "cut off; fetch it again or remove the row"
        )
    return samples[:wanted], rate_hz, len(samples) > wanted


def _knows_its_length(path: Path, file_format: str) -> bool:
    """False for an mp3 without a Xing or Info header, whose length libsndfile estimates, often badly."""
    if file_format != "MP3":
        return True
    with path.open("rb") as file:
        head = file.read(2**14)
    return b"Xing" in head or b"Info" in head


def _open(path: Path, name: str) -> soundfile.SoundFile:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"{name}: {what}; expected an audio file; is audio_root right?")
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{name}: 0 bytes; expected audio; fetch the file again or remove the row")
    missing = _bytes_missing_from_wav(path, size)
    if missing > 1:  # one byte may be the padding of an odd chunk, which some writers leave out
        raise ValueError(
            f"{name}: {size} bytes, {size + missing} promised by its header; the file is cut off; fetch it "
            "again or remove the row"
        )
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{name}: not readable as audio ({error.error_string}); expected wav, flac, ogg or mp3"
        ) from error


def _no_frames(name: str) -> str:
    return f'{name}: 0 frames decoded; expected audio; run "rlaudio check" to list such rows'


def _bytes_missing_from_wav(path: Path, size: int) -> int:
    """How many bytes the RIFF header promises beyond the end of the file (libsndfile hides this)."""
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return 0
    promised = struct.unpack("<I", head[4:8])[0] + 8
    written_to_a_pipe = promised >= 2**31  # the writer never knew the length: 0xFFFFFFFF or near it
    return 0 if written_to_a_pipe else promised - size
