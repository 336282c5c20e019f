"""Reading of audio files: what comes out of good ones, and what is said about bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from rlaudio.audio.reading import clip_header, clip_of, read_clip
from rlaudio.audio.writing import write_wav


def write(path: Path, samples: np.ndarray, rate_hz: int = 16_000, **options) -> Path:
    soundfile.write(path, samples, rate_hz, **options)
    return path


def tone(seconds: float, rate_hz: int = 16_000, pitch_hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def test_16_khz_mono_comes_out_as_it_is(tmp_path):
    samples = tone(0.5).astype(np.float32)
    clip = read_clip(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    np.testing.assert_array_equal(clip.samples, samples)
    assert (clip.sample_rate_hz, clip.seconds, clip.truncated) == (16_000, 0.5, False)
    assert clip.samples.dtype == np.float32


def test_channels_are_averaged(tmp_path):
    left_only = np.zeros((8_000, 8))
    left_only[:, 0] = tone(0.5)
    clip = read_clip(write(tmp_path / "a.wav", left_only, subtype="FLOAT"))
    np.testing.assert_allclose(clip.samples, tone(0.5) / 8, atol=1e-7)


def test_96_khz_is_resampled_to_16_khz(tmp_path):
    high = tone(1.0, 96_000).astype(np.float32)
    clip = read_clip(write(tmp_path / "a.wav", high, 96_000, subtype="FLOAT"))
    np.testing.assert_array_equal(clip.samples, soxr.resample(high, 96_000, 16_000, quality="HQ"))
    np.testing.assert_allclose(clip.samples[1000:-1000], tone(1.0)[1000:-1000], atol=1e-3)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3"])
def test_other_formats_are_read(tmp_path, name):
    assert read_clip(write(tmp_path / name, tone(1.0), 44_100)).seconds == pytest.approx(
        16_000 / 44_100, abs=0.1
    )


def test_equal_audio_has_an_equal_digest_in_another_container_and_another_one_differs(tmp_path):
    samples = np.round(32_767 * tone(0.3)).astype(np.int16)
    wav = read_clip(write(tmp_path / "a.wav", samples))
    flac = read_clip(write(tmp_path / "a.flac", samples))
    other = read_clip(write(tmp_path / "b.wav", samples // 2))
    assert wav.digest == flac.digest != other.digest


def test_the_digest_is_the_same_on_every_machine():
    assert clip_of(np.array([0.0, 0.5, -1.0])).digest == "142af2ae02fea94330e746d96e780ec1"


def test_a_long_clip_is_cut_and_says_so(tmp_path):
    clip = read_clip(write(tmp_path / "a.wav", tone(3.0)), max_seconds=2.0)
    assert (clip.seconds, clip.truncated) == (2.0, True)


def test_a_clip_of_exactly_the_limit_is_not_cut(tmp_path):
    assert not read_clip(write(tmp_path / "a.wav", tone(2.0, 44_100), 44_100), max_seconds=2.0).truncated


def test_a_long_clip_can_be_refused(tmp_path):
    path = write(tmp_path / "a.wav", tone(3.0))
    with pytest.raises(ValueError, match=r"a\.wav: longer than audio\.max_seconds = 2 s"):
        read_clip(path, max_seconds=2.0, too_long="refuse")


@pytest.mark.parametrize("too_long", ["truncate", "refuse"])
def test_twenty_minutes_are_never_decoded_beyond_the_limit(tmp_path, monkeypatch, too_long):
    path = write(tmp_path / "a.wav", np.zeros(20 * 60 * 8_000, dtype=np.int16), 8_000)
    decoded = []
    read = soundfile.SoundFile.read

    def counting_read(self, *arguments, **options):
        samples = read(self, *arguments, **options)
        decoded.append(len(samples))
        return samples

    monkeypatch.setattr(soundfile.SoundFile, "read", counting_read)
    if too_long == "truncate":
        assert read_clip(path).seconds == 30.0
    else:
        with pytest.raises(ValueError, match="longer than"):
            read_clip(path, too_long="refuse")
    assert sum(decoded) <= 30 * 8_000 + 1


def test_a_missing_file_is_named_with_the_question_it_belongs_to(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"question q7: .*gone\.wav: no such file.*audio_root"):
        read_clip(tmp_path / "gone.wav", origin="question q7")


def test_a_folder_is_not_a_clip(tmp_path):
    with pytest.raises(FileNotFoundError, match="a folder"):
        read_clip(tmp_path)


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match=r"a\.wav: 0 bytes"):
        read_clip(tmp_path / "a.wav")


def test_a_file_that_is_not_audio_is_an_error(tmp_path):
    (tmp_path / "a.mp3").write_text("<html>404 Not Found</html>" * 20)
    with pytest.raises(ValueError, match=r"a\.mp3: .*expected wav, flac, ogg or mp3"):
        read_clip(tmp_path / "a.mp3")


def test_a_file_without_samples_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"0 frames decoded.*rlaudio check"):
        read_clip(write(tmp_path / "a.wav", np.zeros(0)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_an_error(tmp_path, bad):
    samples = tone(0.1).astype(np.float32)
    samples[[3, 5]] = bad
    with pytest.raises(ValueError, match="NaN or infinity in 2 of 1600 frames"):
        read_clip(write(tmp_path / "a.wav", samples, subtype="FLOAT"))


# An ogg file that is cut between two of its pages cannot be told from a shorter one.
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9])
def test_a_cut_off_file_is_an_error(tmp_path, name, kept):
    path = write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, 32_000))
    whole = path.read_bytes()
    path.write_bytes(whole[: round(kept * len(whole))])
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        read_clip(path)


def test_a_wav_that_was_written_to_a_pipe_is_read(tmp_path):
    path = write(tmp_path / "a.wav", tone(0.5))
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"  # the writer could not go back and fill in the length
    path.write_bytes(data)
    assert read_clip(path).seconds == 0.5


@pytest.mark.parametrize("max_seconds", [0.0, -1.0])
def test_a_limit_that_leaves_nothing_is_an_error(tmp_path, max_seconds):
    with pytest.raises(ValueError, match="expected a positive number of seconds"):
        read_clip(write(tmp_path / "a.wav", tone(0.1)), max_seconds=max_seconds)


def test_an_unknown_length_policy_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='expected "truncate" or "refuse"'):
        read_clip(write(tmp_path / "a.wav", tone(0.1)), too_long="cut")


def test_one_frame_at_a_high_rate_is_an_error_or_a_sample_but_never_an_empty_clip(tmp_path):
    path = write(tmp_path / "a.wav", np.array([0.5]), 96_000)
    with pytest.raises(ValueError, match="no sample at 16 kHz"):
        read_clip(path)


def test_the_length_comes_from_the_header(tmp_path):
    assert clip_header(write(tmp_path / "a.wav", tone(1.5, 8_000), 8_000)).seconds == 1.5


def test_what_is_written_is_read_back_to_16_bits(tmp_path):
    samples = np.array([0.0, 0.25, -1.0, 2.0, -2.0])
    write_wav(tmp_path / "a.wav", samples)
    clip = read_clip(tmp_path / "a.wav")
    np.testing.assert_allclose(clip.samples, np.clip(samples, -1, 1), atol=2**-15)
