"""A file is read if it is an ordinary one up to the limit, else refused with its name."""

import pytest

from rlaudio.utils.bounded_reading import read_bytes


def test_a_file_of_the_largest_size_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"


def test_a_larger_file_is_refused_with_its_size_and_what_was_expected(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1001)
    with pytest.raises(ValueError) as caught:
        read_bytes(tmp_path / "a", 1000, "YAML")
    expected = "1,001 bytes; expected YAML of at most 1,000; delete it, or copy the file again"
    assert str(caught.value) == f"{tmp_path / 'a'}: {expected}"


def test_a_file_that_is_not_there_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "a", 5)
