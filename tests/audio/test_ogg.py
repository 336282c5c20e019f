"""Ogg files: whole, cut off, of stated lengths."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from rlaudio.audio.ogg import Pages
from rlaudio.audio.opening import (
    MORE_BEHIND,
    NOT_MARKED_AS_ENDED,
    ODD_END,
    PAGES_DAMAGED,
    PAGES_LOST,
)
from rlaudio.audio.reading import clip_header, read_clip
from tests.audio.encoded import (
    as_file,
    encoded,
    noise,
    refusal,
)


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


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_with_a_damaged_page_is_told(tmp_path, subtype):
    data = encoded("OGG", noise(9.0), subtype=subtype)
    assert not Pages.of(data, 0).are_damaged
    damaged = bytearray(data)
    damaged[Pages.of(data, 0).pages[3].start + 500] ^= 1
    assert PAGES_DAMAGED in clip_header(as_file(tmp_path, bytes(damaged), "damaged.ogg")).notes
