"""The same audio in two sets is found by its samples, whatever files are called."""

import numpy as np
import pytest

from rlaudio.audio.writing import write_wav
from rlaudio.data.splits import check_disjoint, shared_clips
from tests.factories import make_question


@pytest.fixture
def asked(tmp_path):
    """A question about a file of noise: `asked("a.wav", seed=1)`."""

    def asked(name, seed, seconds=0.1):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write_wav(path, np.random.default_rng(seed).uniform(-0.5, 0.5, round(16_000 * seconds)))
        return make_question(id=name, clip=path)

    return asked


def test_equal_audio_is_shared_though_its_names_differ(asked):
    train, test = [asked("a/1.wav", 1), asked("a/2.wav", 2)], [asked("b/x.wav", 2), asked("b/y.wav", 3)]
    assert [(left.name, right.name) for left, right in shared_clips(train, test)] == [("2.wav", "x.wav")]


def test_clips_are_compared_as_far_as_they_are_heard(asked):
    train, test = [asked("a/1.wav", 1, seconds=0.1)], [asked("b/1.wav", 1, seconds=0.2)]
    assert shared_clips(train, test) == [] and len(shared_clips(train, test, max_seconds=0.1)) == 1


def test_shared_clips_are_refused_with_examples_and_what_to_do(asked):
    train, test = [asked("a/1.wav", 1)], [asked("b/1.wav", 1)]
    with pytest.raises(
        ValueError, match=r"1 clips of held_out are in train .*remove them(.|\n)*a/1\.wav = .*b/1"
    ):
        check_disjoint(train, test, names=("train", "held_out"))
    check_disjoint(train, [asked("b/2.wav", 2)])
