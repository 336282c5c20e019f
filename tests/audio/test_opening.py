"""Files that are not what they seem: what is told when they are opened, and what is read."""

from __future__ import annotations

import gzip
import io
import os
import re
import shlex
import struct
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.mpeg import Stream
from rlaudio.audio.ogg import Pages
from rlaudio.audio.opening import (
    DAMAGED_FRAMES,
    FRAME_FEWER,
    INTERRUPTED,
    MORE_BEHIND,
    NOT_MARKED_AS_ENDED,
    ODD_END,
    PAGES_LOST,
    open_audio,
)
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


# --- mp3 -----------------------------------------------------------------------------------------


def test_mp3_frames_of_any_size_are_read_to_the_end_without_an_index(tmp_path):
    loud_then_quiet = np.concatenate([noise(1.0), np.zeros(9 * RATE_HZ)])
    data = mp3_without_index(loud_then_quiet)
    guessed = soundfile.info(io.BytesIO(data)).duration
    assert guessed < 5 and seconds(as_file(tmp_path, data)) == pytest.approx(10, abs=0.2)


def test_an_mp3_without_an_index_begins_with_the_samples_that_libsndfile_gives(tmp_path):
    data = mp3_without_index(np.concatenate([noise(1.0), noise(2.0, level=0.001)]))
    given = soundfile.SoundFile(io.BytesIO(data)).read(dtype="float32")
    read = read_clip(as_file(tmp_path, data)).samples
    assert len(read) > len(given)
    np.testing.assert_array_equal(read[: len(given)], given)


def test_an_mp3_with_an_index_is_what_libsndfile_gives(tmp_path):
    data = encoded("MP3")
    given = soundfile.SoundFile(io.BytesIO(data)).read(dtype="float32")
    np.testing.assert_array_equal(read_clip(as_file(tmp_path, data)).samples, given)


def test_tags_around_an_mp3_change_nothing(tmp_path):
    plain = mp3_without_index(noise(2.0))
    in_front = b"ID3\x04\0\0\0\0\x0a\x0a" + b"\xff\xfb" * 645
    tagged = in_front + plain + b"TAG" + bytes(125)
    np.testing.assert_array_equal(
        read_clip(as_file(tmp_path, tagged, "b.mp3")).samples, read_clip(as_file(tmp_path, plain)).samples
    )


@pytest.mark.parametrize("make", [mp3_without_index, lambda samples: encoded("MP3", samples)])
def test_a_cut_off_mp3_is_refused_by_its_header(tmp_path, make):
    data = make(noise(2.0))
    assert "the file is cut off" in refusal(as_file(tmp_path, data[: len(data) // 2 + 1]))


def test_two_mp3s_in_one_file_are_read_both(tmp_path):
    assert seconds(as_file(tmp_path, 2 * encoded("MP3"))) == pytest.approx(4, abs=0.3)


def test_two_mp3s_with_a_tag_between_them_are_read_both(tmp_path):
    tag = b"ID3\x04\0\0\0\0\x0a\x0a" + b"\xff\xfb" * 645
    joined = as_file(tmp_path, encoded("MP3") + tag + encoded("MP3"))
    assert seconds(joined) == pytest.approx(4, abs=0.3)
    assert clip_header(joined).notes == ()


@pytest.mark.parametrize("make", [mp3_without_index, lambda samples: encoded("MP3", samples)])
@pytest.mark.parametrize("size", [0, 1000, 12_345])
def test_an_mp3_with_a_tag_of_any_kind_behind_it_is_nothing_odd(tmp_path, make, size):
    ape = b"APETAGEX" + struct.pack("<IIII8x", 2000, size + 32, 1, 1 << 31 | 1 << 29) + bytes(size)
    ape += b"APETAGEX" + struct.pack("<IIII8x", 2000, size + 32, 1, 1 << 31)
    tags = b"ID3\x04\0\0\0\0\x0a\x0a" + bytes(1290) + ape + b"LYRICSBEGIN" + bytes(size) + b"LYRICS200"
    path = as_file(tmp_path, make(noise(2.0)) + tags + b"TAG" + bytes(125))
    assert clip_header(path).notes == read_clip(path).notes == ()


@pytest.mark.parametrize("make", [mp3_without_index, lambda samples: encoded("MP3", samples)])
@pytest.mark.parametrize(
    "behind",
    [np.random.default_rng(1).bytes(20_000), b"<html>" + b"<p>oh</p>" * 600, bytes(50_000)],
    ids=["random", "a page", "zeros"],
)
@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125)], ids=["", "tag"])
def test_bytes_behind_an_mp3_are_told(tmp_path, make, behind, tag):
    data = make(noise(2.0))
    path = as_file(tmp_path, data + tag + behind)
    assert clip_header(path).notes == read_clip(path).notes == (MORE_BEHIND,)
    assert seconds(path) == seconds(as_file(tmp_path, data, "whole.mp3"))


@pytest.mark.parametrize("cut", [1, 100, 5001])
def test_an_mp3_without_an_index_from_which_bytes_were_cut_is_told(tmp_path, cut):
    data = mp3_without_index(noise(8.0))
    middle = len(data) // 2
    path = as_file(tmp_path, data[:middle] + data[middle + cut :])
    assert clip_header(path).notes == read_clip(path).notes == (INTERRUPTED,)
    assert seconds(path) <= seconds(as_file(tmp_path, data, "whole.mp3"))


def test_zeros_in_the_middle_of_an_mp3_without_an_index_are_told(tmp_path):
    data = mp3_without_index(noise(8.0))
    path = as_file(tmp_path, with_bytes(data, len(data) // 2, bytes(3000)))
    assert clip_header(path).notes == read_clip(path).notes == (INTERRUPTED,)


@pytest.mark.parametrize("stated", [0, 10])
def test_an_index_that_states_too_few_frames_is_not_believed(tmp_path, stated):
    data = encoded("MP3")
    lying = with_bytes(data, data.index(b"Xing") + 8, struct.pack(">I", stated))
    assert seconds(as_file(tmp_path, lying)) == pytest.approx(2, abs=0.3)


def test_an_mp3_with_fewer_frames_than_its_index_states_is_cut_off(tmp_path):
    data = encoded("MP3")
    lying = with_bytes(data, data.index(b"Xing") + 8, struct.pack(">I", 10**6))
    assert "1000000 promised by its header" in refusal(as_file(tmp_path, lying))


def wav_of_mp3(data: bytes) -> bytes:
    fields = struct.pack("<HHIIHHHIHHH", 0x55, 1, RATE_HZ, 8000, 1, 0, 12, 1, 2, 576, 1)
    chunks = b"fmt " + struct.pack("<I", len(fields)) + fields + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_a_whole_mp3_in_a_wav_is_read(tmp_path):
    data = mp3_without_index(noise(2.0))
    inside = read_clip(as_file(tmp_path, wav_of_mp3(data)))
    np.testing.assert_array_equal(inside.samples, read_clip(as_file(tmp_path, data, "b.mp3")).samples)


def test_a_cut_off_mp3_in_a_wav_is_refused(tmp_path):
    data = wav_of_mp3(mp3_without_index(noise(2.0)))
    assert "promised by its header" in refusal(as_file(tmp_path, data[:-500]))


# --- flac ----------------------------------------------------------------------------------------


def of_length(data: bytes, samples: int) -> bytes:
    """A flac stream that says it has so many samples."""
    return with_bytes(data, 22, struct.pack(">I", samples))


@pytest.mark.parametrize("stated", [0, 16_000, 32_000])
def test_a_flac_that_says_nothing_or_too_little_of_its_length_is_read_to_its_end(tmp_path, stated):
    assert seconds(as_file(tmp_path, of_length(encoded("FLAC"), stated))) == 2.0


def test_a_flac_that_says_too_much_is_refused(tmp_path):
    said = refusal(as_file(tmp_path, of_length(encoded("FLAC"), 64_000)))
    assert "32000 frames, 64000 promised" in said


@pytest.mark.parametrize("stated", [0, 32_000])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_cut_off_flac_is_refused_by_its_last_frame(tmp_path, stated, kept):
    data = of_length(encoded("FLAC"), stated)
    assert "a.wav" in refusal(as_file(tmp_path, data[: round(kept * len(data))]))


@pytest.mark.parametrize("behind", [b"TAG" + bytes(125), bytes(5000)])
def test_what_stands_behind_a_flac_does_no_harm(tmp_path, behind):
    assert seconds(as_file(tmp_path, encoded("FLAC") + behind)) == 2.0


# --- wav and its like ----------------------------------------------------------------------------


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


@pytest.mark.parametrize("container", ["RF64", "W64", "AIFF", "CAF", "AU", "NIST"])
def test_a_cut_off_file_of_another_container_is_refused(tmp_path, container):
    data = encoded(container)
    assert seconds(as_file(tmp_path, data)) == 2.0
    assert "promised by its header" in refusal(as_file(tmp_path, data[: len(data) // 2]))


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


# --- ogg -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_that_is_cut_within_a_page_is_refused(tmp_path, subtype):
    data = encoded("OGG", noise(5.0), subtype=subtype)
    assert "its last page lacks" in refusal(as_file(tmp_path, data[: len(data) // 2]))
    assert "its last page lacks" in refusal(as_file(tmp_path, data[:-1]))


def test_an_ogg_that_is_cut_between_pages_is_told(tmp_path):
    data = encoded("OGG", noise(5.0))
    assert clip_header(as_file(tmp_path, data)).notes == ()
    cut = as_file(tmp_path, data[: data.rfind(b"OggS")])
    assert clip_header(cut).notes == read_clip(cut).notes == (NOT_MARKED_AS_ENDED,)


def test_bytes_behind_an_ogg_are_told(tmp_path):
    assert clip_header(as_file(tmp_path, encoded("OGG") + bytes(5000))).notes == (MORE_BEHIND,)


# --- joined files --------------------------------------------------------------------------------


def ogg_stream(serial: int, subtype: str = "VORBIS") -> bytes:
    """An ogg file whose stream has this number; the checksums of its pages are left as they were."""
    data = bytearray(encoded("OGG", subtype=subtype))
    for at in (match.start() for match in re.finditer(b"OggS", bytes(data))):
        data[at + 14 : at + 18] = struct.pack("<I", serial)
    return bytes(data)


JOINED = {
    "flac": 2 * encoded("FLAC"),
    "flac, then a longer one": encoded("FLAC") + encoded("FLAC", noise(3.0)),
    "flac, then a shorter one": encoded("FLAC") + encoded("FLAC", noise(1.0)),
    "flac, cut off": (encoded("FLAC") + encoded("FLAC", noise(3.0)))[:-100],
    "ogg": ogg_stream(1) + ogg_stream(2),
    "ogg, one number": ogg_stream(1) + ogg_stream(1),
    "ogg, the last as the first": ogg_stream(1) + ogg_stream(2) + ogg_stream(1),
    "opus": ogg_stream(1, "OPUS") + ogg_stream(1, "OPUS"),
    "mp3, another channel": encoded("MP3") + encoded("MP3", np.stack([noise(1.0)] * 2, axis=1)),
    **{name.lower(): 2 * encoded(name) for name in ("WAV", "AIFF", "AU", "CAF", "W64", "NIST", "RF64")},
    "wav and flac": encoded("WAV") + encoded("FLAC"),
}


@pytest.mark.parametrize("name", JOINED)
def test_streams_of_which_only_the_first_would_be_read_are_refused(tmp_path, name):
    said = refusal(as_file(tmp_path, JOINED[name]))
    assert "several streams in one file" in said and "convert it: ffmpeg" in said


def test_an_mp3_joined_with_one_of_another_rate_is_refused(tmp_path):
    other = io.BytesIO()
    soundfile.write(other, noise(2.0), 8000, format="MP3")
    assert "several streams" in refusal(as_file(tmp_path, encoded("MP3") + other.getvalue()))


# --- files that are no audio ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.au", "a.vox", "a.raw", "a.gsm"])
def test_text_is_no_audio_whatever_its_name(tmp_path, name):
    assert "not readable as audio" in refusal(as_file(tmp_path, b"hello " * 1000, name))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypM4A ", "mp4 or m4a"),
        (b"\x1a\x45\xdf\xa3" + bytes(8), "webm or mkv"),
        (b"\xff\xf1\x50\x80" + bytes(8), "aac"),
    ],
)
def test_what_is_not_read_is_named_with_the_command_that_converts_it(tmp_path, head, kind):
    path = as_file(tmp_path, head + bytes(1000), "my clip.x")
    said = refusal(path)
    assert f"{kind}, which is not read" in said
    assert said.endswith(f"convert it: ffmpeg -i '{path}' '{path.with_suffix('.flac')}'")


@pytest.mark.parametrize("name", ["a.flac", "a.FLAC", "a b.x"])
def test_the_command_that_converts_a_file_writes_over_no_file(tmp_path, name):
    as_file(tmp_path, b"", "a b.flac")
    path = as_file(tmp_path, b"\0\0\0\x20ftypM4A " + bytes(1000), name)
    with pytest.raises(ValueError) as refused:
        read_clip(path, origin="question 1")
    _, command = str(refused.value).split("convert it: ")
    assert shlex.split(command) == ["ffmpeg", "-i", str(path), str(tmp_path / f"{path.stem}_converted.flac")]


def test_the_command_that_converts_a_file_takes_a_name_that_looks_like_an_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    as_file(tmp_path, b"\0\0\0\x20ftypM4A " + bytes(1000), "-y.m4a")
    assert refusal(Path("-y.m4a")).endswith("ffmpeg -i ./-y.m4a ./-y.flac")


@pytest.mark.parametrize(
    ("data", "what", "todo"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git LFS", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "HTML or XML page", "fetch the file again"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "HTML or XML page", "fetch the file again"),
        (b'{"error": "no such file"}', "text that begins with '{\"error", "fetch the file again"),
        (bytes(5000), "begins with zeros", "fetch the file again"),
        (gzip.compress(b"a" * 1000, mtime=0), "compressed by gzip", "unpack it"),
        (b"PK\x03\x04" + bytes(100), "a zip archive", "unpack it"),
        (b"clip.wav".ljust(257, b"\0") + b"ustar" + bytes(300), "a tar archive", "unpack it"),
        (b"RIFF\x10\0\0\0AVI LIST" + bytes(100), "avi, which is not read", "convert it: ffmpeg -i"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "an image", "remove the row"),
        (b"\x07\x01some other format" + bytes(100), "not readable as audio", "convert it: ffmpeg -i"),
    ],
)
def test_what_is_no_audio_is_named_with_what_to_do(tmp_path, data, what, todo):
    said = refusal(as_file(tmp_path, data))
    assert what in said and "expected wav, flac, ogg or mp3" in said and todo in said


def test_what_macos_lays_beside_a_file_is_named(tmp_path):
    assert "macOS" in refusal(as_file(tmp_path, b"\x00\x05\x16\x07" + bytes(100), "._a.wav"))


def test_a_pipe_a_device_and_a_name_that_is_too_long_do_not_hang_or_crash(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    for path, said in [
        (tmp_path / "a.wav", "a pipe, socket or device"),
        (Path("/dev/zero"), "a pipe, socket or device"),
        (tmp_path / ("a" * 300), "name too long"),
        (tmp_path / "a\0b", "null byte"),
    ]:
        with pytest.raises(FileNotFoundError, match=f"(?i){said}"):
            clip_header(path)


@pytest.mark.parametrize(("asked", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_in_another_unicode_form_is_found(tmp_path, asked, stored):
    folder = tmp_path / unicodedata.normalize(stored, "données")
    folder.mkdir()
    as_file(folder, encoded("WAV"), unicodedata.normalize(stored, "café.wav"))
    assert seconds(tmp_path / unicodedata.normalize(asked, "données/café.wav")) == 2.0


def tone_in(kind, seconds=1.0):
    content = io.BytesIO()
    soundfile.write(content, np.sin(np.arange(round(16_000 * seconds)) / 9) / 3, 16_000, format=kind)
    return content.getvalue()


@pytest.mark.parametrize("second", ["WAV", "OGG", "FLAC"])
@pytest.mark.parametrize("first", ["FLAC", "MP3"])
def test_a_stream_of_another_format_behind_the_first_is_not_lost_without_a_word(tmp_path, first, second):
    path = tmp_path / f"joined.{first.lower()}"
    path.write_bytes(tone_in(first) + tone_in(second, 2.0))
    with pytest.raises(ValueError, match="several streams in one file"), open_audio(path, str(path)):
        pass


def test_the_header_of_a_wav_in_the_metadata_of_a_flac_is_no_second_stream(tmp_path):
    plain = tone_in("FLAC")
    kept = b"riff" + tone_in("WAV")[:44]  # as flac --keep-foreign-metadata does
    block = bytes([2]) + len(kept).to_bytes(3, "big") + kept
    path = tmp_path / "kept.flac"
    path.write_bytes(plain[:42] + block + plain[42:])
    with open_audio(path, str(path)) as audio:
        assert audio.frames == 16_000


# --- lengths that are stated and wrong -----------------------------------------------------------


def mp3_frames(data: bytes) -> list[int]:
    """Where the frames of an mp3 begin, that of its index first."""
    stream = Stream.find(data)
    starts, at = [], stream.start
    while size := stream._bytes_at(at):
        starts.append(at)
        at += size
    return starts


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("lost", [1, 2, 20])
def test_an_mp3_with_an_index_that_is_cut_between_two_frames_is_refused(tmp_path, mode, lost):
    data = encoded("MP3", bitrate_mode=mode)
    cut = as_file(tmp_path, data[: mp3_frames(data)[-lost]], "cut.mp3")
    assert re.search(r"\d+ mp3 frames, \d+ promised by its header; the file is cut off", refusal(cut))


def without_stated_bytes(data: bytes, frames: int) -> bytes:
    """An mp3 whose index states so many frames more, and not how many bytes there are."""
    at = data.find(b"Info") if b"Info" in data[:400] else data.find(b"Xing")
    stated = int.from_bytes(data[at + 8 : at + 12], "big") + frames
    flags = data[at + 7] & ~2
    return with_bytes(data, at + 7, bytes([flags]) + stated.to_bytes(4, "big"))


def test_an_mp3_with_one_frame_fewer_than_stated_is_read_and_told(tmp_path):
    fewer = as_file(tmp_path, without_stated_bytes(encoded("MP3"), 1), "fewer.mp3")
    assert clip_header(fewer).notes == read_clip(fewer).notes == (FRAME_FEWER,)


def test_an_mp3_whose_index_counts_itself_is_nothing_odd(tmp_path):
    data = encoded("MP3")
    at = data.find(b"Info") if b"Info" in data[:400] else data.find(b"Xing")
    stated = int.from_bytes(data[at + 8 : at + 12], "big") + 1
    counted = as_file(tmp_path, with_bytes(data, at + 8, stated.to_bytes(4, "big")), "itself.mp3")
    assert clip_header(counted).notes == ()


def damaged_mp3(folder: Path) -> Path:
    data = bytearray(encoded("MP3", noise(4.0), bitrate_mode="CONSTANT"))
    for start in mp3_frames(bytes(data))[20:60]:
        data[start + 4 : start + 13] = b"\xff" * 9  # how its samples are stored
    return as_file(folder, bytes(data), "damaged.mp3")


def test_an_mp3_of_which_frames_cannot_be_decoded_is_told_and_nothing_is_printed(
    tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # threads of other tests may go on
    assert DAMAGED_FRAMES in read_clip(damaged_mp3(tmp_path)).notes
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("stated", [0, -1, 1, 20_000, 480_000, 2**40, 2**62])
def test_an_ogg_whose_last_page_states_an_impossible_end_is_read_to_its_end_and_told(
    tmp_path, subtype, stated
):
    data = encoded("OGG", noise(4.0), subtype=subtype)
    whole = read_clip(as_file(tmp_path, data, "whole.ogg"))
    odd = as_file(tmp_path, with_end(data, stated), "odd.ogg")
    assert clip_header(odd).notes == read_clip(odd).notes == (ODD_END,)
    assert clip_header(odd).seconds == pytest.approx(whole.seconds, abs=0.03)
    np.testing.assert_allclose(read_clip(odd).samples[: len(whole.samples)], whole.samples, atol=1e-6)


def with_end(data: bytes, samples: int) -> bytes:
    """An ogg file whose last page states so many samples, its checksum right."""
    last = Pages.of(data, 0).pages[-1].start
    page = bytearray(Pages.of(data, 0).with_open_end()[last:])
    page[6:14], page[22:26] = struct.pack("<q", samples), bytes(4)
    rest = 0
    for bit in (byte >> 7 - n & 1 for byte in (*page, 0, 0, 0, 0) for n in range(8)):
        rest = (rest << 1 | bit) ^ (0x104C11DB7 if rest >> 31 else 0)
    page[22:26] = struct.pack("<I", rest)
    return data[:last] + bytes(page)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("less", [0, 1, 100])
def test_an_ogg_that_ends_within_its_last_packet_is_nothing_odd(tmp_path, subtype, less):
    data = encoded("OGG", noise(4.0), subtype=subtype)
    end = Pages.of(data, 0).pages[-1].granule
    assert clip_header(as_file(tmp_path, with_end(data, end - less), "a.ogg")).notes == ()


@pytest.mark.parametrize(("subtype", "front"), [("VORBIS", 0), ("OPUS", 104)])  # an encoder's, that stays
def test_an_ogg_that_was_recorded_from_the_middle_of_a_stream_is_nothing_odd(tmp_path, subtype, front):
    data = encoded("OGG", noise(4.0), subtype=subtype)
    pages = Pages.of(data, 0).pages
    ends = [page.granule and page.granule + 10**7 for page in pages]
    edges = [page.start for page in pages] + [len(data)]
    later = [with_end(data[a:b], end) for a, b, end in zip(edges[:-1], edges[1:], ends, strict=True)]
    whole, cut_out = as_file(tmp_path, data, "whole.ogg"), as_file(tmp_path, b"".join(later), "later.ogg")
    assert clip_header(cut_out) == clip_header(whole) and clip_header(cut_out).notes == ()
    samples = read_clip(whole).samples
    np.testing.assert_array_equal(read_clip(cut_out).samples[front:], samples[: len(samples) - front])


IN_OGG = {
    "half a header of Vorbis": [b"\x01vorbis"],
    "FLAC": [b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + bytes(34), b"\x84\0\0\0", b"\xff\xf8\xff"],
    "Speex": [b"Speex   1.2" + bytes(69), b"\0", b"\xff" * 300],
    "nothing known": [b"\xff"],
    "empty packets": [b"", b""],
    "a header of Opus alone": [b"OpusHead", b"\xff"],
}


@pytest.mark.parametrize("packets", IN_OGG.values(), ids=IN_OGG)
@pytest.mark.parametrize("stated", [0, 10**6])
def test_an_ogg_with_anything_else_in_it_is_refused(tmp_path, packets, stated):
    pages = [ogg_page(packet, number, len(packets)) for number, packet in enumerate(packets)]
    said = refusal(as_file(tmp_path, with_end(b"".join(pages), stated), "a.ogg"))
    assert "expected wav, flac, ogg or mp3; convert it: ffmpeg" in said


def ogg_page(packet: bytes, number: int, of: int) -> bytes:
    """A page with one packet."""
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    flags = (number == 0) * 2 | (number == of - 1) * 4
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 7, number, 0, len(sizes))
    return with_end(head + sizes + packet, 0)


def test_an_ogg_from_which_a_page_was_lost_is_told(tmp_path):
    data = encoded("OGG", noise(9.0), subtype="VORBIS")
    pages = Pages.of(data, 0).pages
    lost = as_file(tmp_path, data[: pages[4].start] + data[pages[5].start :], "lost.ogg")
    assert PAGES_LOST in clip_header(lost).notes
