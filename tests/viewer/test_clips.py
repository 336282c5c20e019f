"""Clips in a page: small, of the right length, and nothing but what they should be."""

import io

import numpy as np
import pytest
import soundfile

from rlaudio.viewer.clips import PEAKS, decode, encode, peaks_of


def tone(seconds: float, rate: int = 16_000) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_a_clip_takes_24_kilobits_a_second():
    clip = encode(tone(10.0), 16_000)
    assert clip.seconds == 10.0 and len(clip.mp3) * 8 / 10 == pytest.approx(24_000, rel=0.02)


def test_a_clip_of_another_rate_sounds_as_long():
    clip = encode(tone(2.0, 44_100), 44_100)
    samples, rate = decode(clip.mp3, "MP3", "x")
    assert rate == 16_000 and len(samples) / rate == pytest.approx(2.0, abs=0.1) and clip.seconds == 2.0


def test_the_outline_has_the_loudest_value_of_each_stretch():
    samples = np.zeros(2_400, dtype=np.float32)
    samples[2_395] = -0.75
    peaks = peaks_of(samples)
    assert len(peaks) == PEAKS and peaks[-1] == 0.75 and not peaks[:-1].any()
    assert peaks_of(samples[:3]).tolist() == [0.0, 0.0, 0.0]


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="a clip without samples"):
        encode(np.zeros(0, dtype=np.float32), 16_000)


@pytest.mark.parametrize(("format", "channels"), [("WAV", 1), ("FLAC", 2)])
def test_another_format_is_refused(format, channels):
    file = io.BytesIO()
    soundfile.write(file, np.zeros((100, channels)), 16_000, format=format, subtype="PCM_16")
    with pytest.raises(ValueError, match=rf"in FLAC, found {format} with {channels} channels"):
        decode(file.getvalue(), "FLAC", "here")


def test_what_is_no_audio_is_refused():
    with pytest.raises(ValueError, match="here: expected a clip in MP3"):
        decode(b"root:x:0:0", "MP3", "here")
