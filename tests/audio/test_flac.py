"""FLAC files: whole, cut off, of stated lengths."""

from __future__ import annotations

import struct

import pytest

from tests.audio.encoded import (
    as_file,
    encoded,
    refusal,
    seconds,
    with_bytes,
)


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
