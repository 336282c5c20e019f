"""WAV files and their like: whole, cut off, of stated sizes."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from rlaudio.audio.opening import (
    MORE_BEHIND,
)
from rlaudio.audio.reading import clip_header, read_clip
from tests.audio.encoded import (
    as_file,
    encoded,
    noise,
    refusal,
    seconds,
    with_bytes,
)


@pytest.mark.parametrize("stated", [100, 64_036 + 8, 64_036 + 44, 10**6])
def test_the_data_chunk_decides_and_not_the_riff_size(tmp_path, stated):
    assert seconds(as_file(tmp_path, with_bytes(encoded("WAV"), 4, struct.pack("<I", stated)))) == 2.0


def test_a_data_chunk_that_promises_more_than_there_is_is_cut_off(tmp_path):
    data = with_bytes(encoded("WAV"), 40, struct.pack("<I", 100_000))
    assert "64044 bytes, 100044 promised" in refusal(as_file(tmp_path, data))


def without_size(container: str, size: bytes, samples: np.ndarray | None = None, **options) -> bytes:
    """A file whose writer could not go back to its header, and left `size` there, repeated."""
    data = encoded(container, samples, **options)
    at, width = {
        "WAV": (data.find(b"data") + 4, 4),
        "RF64": (data.find(b"ds64") + 16, 8),
        "W64": (data.find(b"data", 40) + 16, 8),
        "AIFF": (data.find(b"SSND") + 4, 4),
        "AU": (8, 4),
        "CAF": (data.find(b"data") + 4, 8),
    }[container]
    return with_bytes(data, at, size * width)


@pytest.mark.parametrize("size", [b"\0", b"\xff"])
@pytest.mark.parametrize("container", ["WAV", "RF64", "W64", "AIFF", "CAF", "AU"])
def test_a_size_that_was_never_filled_in_is_read_to_the_end_of_the_file(tmp_path, container, size):
    streamed = as_file(tmp_path, without_size(container, size))
    assert seconds(streamed) == 2.0
    whole = read_clip(as_file(tmp_path, encoded(container), "whole.wav"))
    np.testing.assert_array_equal(read_clip(streamed).samples, whole.samples)


@pytest.mark.parametrize("riff_size", [0, 8, 36, 2**32 - 1])
@pytest.mark.parametrize("subtype", ["PCM_U8", "FLOAT", "IMA_ADPCM", "MS_ADPCM", "ULAW", "GSM610"])
def test_a_wav_of_any_codec_that_a_pipe_took_is_read_whole(tmp_path, subtype, riff_size):
    whole = seconds(as_file(tmp_path, encoded("WAV", subtype=subtype), "whole.wav"))
    streamed = with_bytes(without_size("WAV", b"\0", subtype=subtype), 4, struct.pack("<I", riff_size))
    assert seconds(as_file(tmp_path, streamed)) == whole


@pytest.mark.parametrize("behind", [b"", b"LIST" + struct.pack("<I", 400) + bytes(400)])
def test_a_wav_of_size_0_behind_which_no_samples_stand_is_empty(tmp_path, behind):
    data = without_size("WAV", b"\0")
    said = refusal(as_file(tmp_path, data[: data.find(b"data") + 8] + behind))
    assert "0 frames decoded" in said


def test_bw64_is_read_as_rf64_is(tmp_path):
    data = encoded("RF64").replace(b"RF64", b"BW64", 1)
    assert seconds(as_file(tmp_path, data)) == 2
    samples = read_clip(tmp_path / "a.wav").samples
    assert np.array_equal(samples, read_clip(as_file(tmp_path, encoded("RF64"), "b.wav")).samples)
    assert "cut off" in refusal(as_file(tmp_path, data[:-100], "c.wav"))


@pytest.mark.parametrize("container", ["RF64", "W64", "AIFF", "CAF", "AU", "NIST"])
def test_a_cut_off_file_of_another_container_is_refused(tmp_path, container):
    data = encoded(container)
    assert seconds(as_file(tmp_path, data)) == 2.0
    assert "promised by its header" in refusal(as_file(tmp_path, data[: len(data) // 2]))


@pytest.mark.parametrize("power", [43, 60, 61])
@pytest.mark.parametrize("container", ["RF64", "W64", "CAF", "NIST"])
def test_a_size_at_which_no_file_can_be_read_is_refused(tmp_path, container, power):
    data, huge = encoded(container), 2**power
    if container == "NIST":
        data = data.replace(b"-i 32000", f"-i {huge}".encode()).replace(b"\n" * len(str(huge)), b"\n", 1)
    else:
        at, layout = {"RF64": (28, "<Q"), "W64": (56, "<Q"), "CAF": (12, ">Q")}[container]
        data = with_bytes(data, at, struct.pack(layout, huge))
    assert "expected" in refusal(as_file(tmp_path, data)) or "promised" in refusal(as_file(tmp_path, data))


def test_a_cut_off_au_of_small_endian_numbers_is_refused(tmp_path):
    data = encoded("AU", endian="LITTLE")
    assert data.startswith(b"dns.") and seconds(as_file(tmp_path, data)) == 2.0
    assert "promised by its header" in refusal(as_file(tmp_path, data[: len(data) // 2]))


@pytest.mark.parametrize("kept", [0.5, 1])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [(name, None) for name in ("AVR", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SVX")]
    + [("VOC", None), ("SDS", None), ("HTK", None), ("XI", "DPCM_16"), ("WVE", "ALAW")],
)
def test_a_container_that_is_not_checked_for_being_whole_is_not_read(tmp_path, container, subtype, kept):
    data = encoded(container, subtype=subtype)
    path = as_file(tmp_path, data[: round(kept * len(data))], "a.x")
    said = refusal(path)
    assert "expected wav, flac, ogg or mp3; convert it: ffmpeg" in said
    assert container == "HTK" or "which is not read" in said


def test_a_chunk_behind_the_audio_is_nothing_odd(tmp_path):
    data = encoded("WAV", noise(0.5)[:-1], subtype="PCM_U8")  # an odd number of bytes
    chunk = b"LIST" + struct.pack("<I", 4000) + bytes(4000)
    assert clip_header(as_file(tmp_path, data + chunk)).notes == ()


def test_a_data_chunk_that_is_too_small_for_what_follows_is_told(tmp_path):
    data = with_bytes(encoded("WAV"), 40, struct.pack("<I", 3200))
    header = clip_header(as_file(tmp_path, data))
    assert (header.seconds, header.notes) == (0.1, (MORE_BEHIND,))


@pytest.mark.parametrize("rate_hz", [1, 10_000_000])
def test_a_rate_that_no_recording_has_is_refused(tmp_path, rate_hz):
    data = with_bytes(encoded("WAV"), 24, struct.pack("<I", rate_hz))
    assert f"{rate_hz} Hz by its header; expected 1000 to" in refusal(as_file(tmp_path, data))


def test_integers_as_floats_are_refused(tmp_path):
    data = encoded("WAV", 32_768 * noise(0.5), subtype="FLOAT")
    with pytest.raises(ValueError, match=r"samples as large as \d+.*expected -1 to 1.*divide"):
        read_clip(as_file(tmp_path, data))


def test_floats_a_little_beyond_one_are_as_they_are(tmp_path):
    samples = (3 * noise(0.5, level=1.0).clip(-1, 1)).astype(np.float32)
    read = read_clip(as_file(tmp_path, encoded("WAV", samples, subtype="FLOAT")))
    np.testing.assert_array_equal(read.samples, samples)
