"""What is odd about the level of a clip is told, by its header where that suffices."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.levels import (
    BEYOND_FULL_SCALE,
    CLIPPED,
    DIGITAL_SILENCE,
    PERHAPS_16_BITS,
    SILENT_CHANNELS,
    VERY_QUIET,
    level_notes,
)
from rlaudio.audio.reading import clip_header, read_clip

RATE_HZ = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.1, 2 * RATE_HZ)


def in_more_bits(folder: Path, bits: int, level: float = 1.0) -> Path:
    """Numbers of 16 bits stored in so many, as they are."""
    numbers = (level * NOISE * 32767).astype("<i4")
    data = numbers.tobytes() if bits == 32 else b"".join(number.tobytes()[:3] for number in numbers)
    head = struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, RATE_HZ * bits // 8, bits // 8, bits)
    riff = (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + head
        + b"data"
        + struct.pack("<I", len(data))
    )
    (folder / "more.wav").write_bytes(riff + data)
    return folder / "more.wav"


@pytest.mark.parametrize("bits", [24, 32])
@pytest.mark.parametrize("level", [0.01, 1.0])
def test_numbers_of_16_bits_stored_in_more_are_told_by_the_header(tmp_path, bits, level):
    path = in_more_bits(tmp_path, bits, level)
    assert clip_header(path).notes == read_clip(path).notes == (PERHAPS_16_BITS,)


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("MP3", None)])
def test_a_quiet_clip_that_cannot_hold_such_numbers_is_quiet_and_no_more(tmp_path, kind):
    soundfile.write(tmp_path / "a", 0.003 * NOISE, RATE_HZ, format=kind[0], subtype=kind[1])
    assert read_clip(tmp_path / "a").notes == (VERY_QUIET,)


@pytest.mark.parametrize("bits", [16, 24])
def test_sound_may_follow_where_a_clip_is_not_read_to_its_end(tmp_path, bits):
    samples = np.concatenate([0.003 * np.tile(NOISE, 20), NOISE])
    soundfile.write(
        tmp_path / "a.wav", np.stack([samples, 0 * samples], axis=1), RATE_HZ, subtype=f"PCM_{bits}"
    )
    clip = read_clip(tmp_path / "a.wav", max_seconds=30)
    assert clip.truncated and clip.notes == clip_header(tmp_path / "a.wav").notes == ()


def test_a_clip_of_24_bits_that_begins_quietly_is_nothing_odd(tmp_path):
    samples = np.concatenate([1e-4 * np.tile(NOISE, 4), NOISE])
    soundfile.write(tmp_path / "a.wav", samples, RATE_HZ, subtype="PCM_24")
    assert clip_header(tmp_path / "a.wav").notes == read_clip(tmp_path / "a.wav").notes == ()


def test_samples_beyond_full_scale_are_told_by_the_header_and_kept(tmp_path):
    soundfile.write(tmp_path / "a.wav", 12 * NOISE, RATE_HZ, subtype="FLOAT")
    clip = read_clip(tmp_path / "a.wav")
    assert clip_header(tmp_path / "a.wav").notes == clip.notes == (BEYOND_FULL_SCALE,)
    np.testing.assert_allclose(clip.samples, 12 * NOISE, atol=1e-6)


def test_what_a_recorder_clipped_is_told_and_a_tone_at_full_scale_is_not(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.clip(20 * NOISE, -1, 1), RATE_HZ)
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    soundfile.write(tmp_path / "b.wav", tone, RATE_HZ)
    assert read_clip(tmp_path / "a.wav").notes == (CLIPPED,)
    assert read_clip(tmp_path / "b.wav").notes == ()


@pytest.mark.parametrize("channels", [3, 6])
def test_channels_without_sound_among_many_are_told_by_the_header(tmp_path, channels):
    samples = np.zeros((len(NOISE), channels))
    samples[:, 1] = NOISE
    soundfile.write(tmp_path / "a.wav", samples, RATE_HZ)
    assert clip_header(tmp_path / "a.wav").notes == read_clip(tmp_path / "a.wav").notes == (SILENT_CHANNELS,)


def test_a_silent_side_of_a_stereo_clip_is_told_when_it_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([NOISE, 0 * NOISE], axis=1), RATE_HZ)
    assert read_clip(tmp_path / "a.wav").notes == (SILENT_CHANNELS,)


def test_a_channel_that_begins_late_is_nothing_odd(tmp_path):
    late = np.concatenate([np.zeros(6 * RATE_HZ), NOISE])
    samples = np.stack([late[::-1], late, late], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, RATE_HZ)
    assert clip_header(tmp_path / "a.wav").notes == ()


def test_silence_is_silence_and_nothing_else(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((RATE_HZ, 2)), RATE_HZ)
    assert read_clip(tmp_path / "a.wav").notes == (DIGITAL_SILENCE,)


def test_an_ordinary_recording_has_no_notes():
    assert list(level_notes(np.stack([NOISE, 0.3 * NOISE], axis=1), "PCM_16")) == []
