"""Files that are not what they seem: what is told when they are opened, and what is read."""

from __future__ import annotations

import gzip
import io
import os
import re
import shlex
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.opening import (
    open_audio,
)
from rlaudio.audio.reading import clip_header, read_clip
from tests.audio.encoded import (
    as_file,
    encoded,
    mp3_without_index,
    noise,
    refusal,
    seconds,
)


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
        (b"\xef\xbb\xbfRIFF" + bytes(100), "begins with b'\\xef\\xbb\\xbfRIFF", "convert it: ffmpeg -i"),
    ],
)
def test_what_is_no_audio_is_named_with_what_to_do(tmp_path, data, what, todo):
    said = refusal(as_file(tmp_path, data))
    assert what in said and "expected wav, flac, ogg or mp3" in said and todo in said


def test_what_macos_lays_beside_a_file_is_named(tmp_path):
    assert "macOS" in refusal(as_file(tmp_path, b"\x00\x05\x16\x07" + bytes(100), "._a.wav"))


@pytest.mark.parametrize("name", ["._", ".AppleDouble"])
def test_what_macos_lays_into_the_working_folder_does_no_harm(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    for stream in (encoded("MP3"), mp3_without_index(noise(2.0)), encoded("WAV")):
        assert seconds(as_file(tmp_path, stream)) == pytest.approx(2, abs=0.1)


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
