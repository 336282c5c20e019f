"""What is said of files that are not read as audio."""

from pathlib import Path

import pytest

from rlaudio.audio.refusals import NamedClip, refuse_others, several_streams, unreadable

CLIP = NamedClip(Path("a b.bin"), "clip a b.bin")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\0\0\0\x20ftypM4A ", r"mp4 or m4a, which is not read; .*ffmpeg -i 'a b\.bin' 'a b\.flac'$"),
        (b"\xff\xf1\x50\x80", r"aac, which is not read"),
        (b"\xff\xf9\x50\x80", r"aac, which is not read"),
        (b"RIFF\0\0\0\0AVI LIST", r"avi, which is not read"),
        (b"\x89PNG\r\n", r"an image; expected wav, flac, ogg or mp3; remove the row$"),
        (b"\x1f\x8b\x08", r"compressed by gzip; .*unpack it, or remove the row$"),
        (b"version https://git-lfs.github.com/spec/v1", r"a pointer of git LFS.*git lfs pull"),
        (b"\x00\x05\x16\x07\0", r"what macOS notes about a file"),
    ],
)
def test_another_kind_of_file_is_named_with_what_to_do(head, said):
    with pytest.raises(ValueError, match=f"^clip a b.bin: {said}"):
        refuse_others(head, CLIP)


@pytest.mark.parametrize("head", [b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb\x90", b""])
def test_what_is_read_is_let_through(head):
    refuse_others(head, CLIP)


@pytest.mark.parametrize(
    ("problem", "head", "said"),
    [
        ("x", bytes(12), r"begins with zeros, as a download does"),
        ("x", b"not found\n", r"it is text that begins with .*not found"),
        ("Format not recognised.", b"\x01\x02", r"begins with b'\\x01\\x02', as no format does"),
        ("Error : broken chunk.", b"RIFF\xff", r"not readable as audio \(broken chunk\).*ffmpeg"),
    ],
)
def test_what_libsndfile_refuses_is_told_by_what_it_begins_with(problem, head, said):
    with pytest.raises(ValueError, match=said):
        raise unreadable(problem, head, CLIP)


def test_a_file_is_never_converted_to_itself_or_over_another_nor_taken_for_an_option(tmp_path):
    assert str(several_streams(NamedClip(Path("-a.FLAC"), "c"))).endswith("-i ./-a.FLAC ./-a_converted.flac")
    (tmp_path / "a.flac").touch()
    said = str(several_streams(NamedClip(tmp_path / "a.ogg", "c")))
    assert said.endswith(f"ffmpeg -i {tmp_path}/a.ogg {tmp_path}/a_converted.flac")
