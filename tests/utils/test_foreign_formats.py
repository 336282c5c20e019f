"""What a file is that should be text in UTF-8, by its first bytes."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from rlaudio.utils.foreign_formats import HEAD, no_text

ROWS = '{"id": "q1", "question": "Was hört man?"}\n'


def packed_by(kind):
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a", ROWS)
    else:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a"))
    return file.getvalue()


ARCHIVES = {
    "compressed by gzip": gzip.compress(ROWS.encode()),
    "compressed by bzip2": bz2.compress(ROWS.encode()),
    "compressed by xz": lzma.compress(ROWS.encode()),
    "a zip archive": packed_by("zip"),
    "a tar archive": packed_by("tar"),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_archives_are_named_and_to_be_unpacked(what):
    assert no_text(ARCHIVES[what][:HEAD]) == (what, "unpack it")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_text_in_other_encodings_is_named_with_or_without_a_mark(encoding):
    what, todo = no_text(ROWS.encode(encoding)[:HEAD])
    assert what == f"text in UTF-{encoding[4:6]}"
    name = todo.removeprefix("convert it: iconv -f ").removesuffix(" -t UTF-8")
    assert ROWS.encode(encoding).decode(name) == ROWS


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of git LFS, not the file itself"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html>", "an HTML or XML page, such as a server's message"),
        (b"<?xml version='1.0'?>", "an HTML or XML page, such as a server's message"),
    ],
)
def test_what_stands_in_the_place_of_a_file_is_named(head, what):
    assert no_text(head).what == what


@pytest.mark.parametrize("text", [ROWS, "\ufeff" + ROWS, "[]", "", "id,question\n", "<answer>"])
def test_text_in_utf_8_may_be_it(text):
    assert no_text(text.encode()) is None
