"""A wrong audio root is told at the first rows; a few missing files are left to the audit."""

import pytest

from rlaudio.data.audio_root import check_audio_root
from tests.factories import make_question


def asked(there, count, missing):
    """Questions of which so many name a file that is not there."""
    clips = [there.with_name("gone.wav")] * missing + [there] * (count - missing)
    return [make_question(id=str(n), clip=clip, place="q.jsonl:1") for n, clip in enumerate(clips)]


@pytest.fixture
def there(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    return tmp_path / "a.wav"


@pytest.mark.parametrize(("count", "missing"), [(3, 3), (5, 3), (100, 51), (300, 100)])
def test_most_of_the_first_rows_without_audio_are_a_wrong_root(there, count, missing):
    with pytest.raises(ValueError, match=r"q\.jsonl: of the first \d+ rows .*gone\.wav; .*set audio_root"):
        check_audio_root(asked(there, count, missing))


@pytest.mark.parametrize(("count", "missing"), [(2, 2), (6, 3), (100, 50), (10, 0), (0, 0)])
def test_fewer_are_bad_rows(there, count, missing):
    check_audio_root(asked(there, count, missing))
