"""MP3 files: whole, cut off, with and without an index."""

from __future__ import annotations

import io
import re
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.mpeg import Stream
from rlaudio.audio.opening import (
    DAMAGED_FRAMES,
    FRAME_FEWER,
    INTERRUPTED,
    MORE_BEHIND,
)
from rlaudio.audio.reading import clip_header, read_clip
from tests.audio.encoded import (
    RATE_HZ,
    as_file,
    encoded,
    mp3_without_index,
    noise,
    refusal,
    seconds,
    with_bytes,
)


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
