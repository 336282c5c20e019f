"""Groups as JSON has them; tests/runs/test_run.py reads whole folders back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlaudio.runs.files import plain
from rlaudio.runs.rollouts import LearnedGroup, from_json, question_to_json, shortest_decimals, to_json
from rlaudio.types import Clip, Completion, Group, ScoredGroup, Segment
from tests.factories import make_completion, make_prompt, make_question

SAMPLES = Clip(np.linspace(-1, 1, 9, dtype=np.float32), "d" * 32, True, 8_000, ("clipped",))


def stored(*completions: Completion, read=None) -> LearnedGroup:
    """A group with these completions, through JSON."""
    total = np.zeros(len(completions))
    scored = ScoredGroup(Group(make_prompt(), completions), {"right": total}, total)
    return from_json(json.loads(json.dumps(plain(to_json(LearnedGroup(scored))))), read)


def segments_of(*segments: Segment, read=None) -> tuple[Segment, ...]:
    (completion,) = stored(Completion(segments, "stop", 3), read=read).scored.group.completions
    return completion.segments


def inserted(*clips: Path | Clip) -> Segment:
    return Segment(np.array([4, 5]), None, "ab", ("a", "b"), clips=clips)


def test_an_inserted_segment_has_its_clips_again_file_or_samples():
    asked = []

    def read(name):
        asked.append(name)
        return SAMPLES.samples

    (segment,) = segments_of(inserted(Path("a b.wav"), SAMPLES), read=read)
    path, clip = segment.clips
    assert path == Path("a b.wav") and asked == [f"{SAMPLES.digest}.wav"] and not segment.sampled
    assert replace(clip, samples=None).__dict__ == replace(SAMPLES, samples=None).__dict__
    np.testing.assert_array_equal(clip.samples, SAMPLES.samples)


def test_without_a_reader_samples_are_left_out_and_files_stay():
    (segment,) = segments_of(inserted(SAMPLES, Path("a.wav")))
    assert segment.clips == (Path("a.wav"),)


def test_segments_keep_their_order_and_which_was_sampled():
    sampled = make_completion("yes it is").segments[0]
    back = segments_of(sampled, inserted(), sampled)
    assert [segment.sampled for segment in back] == [True, False, True]
    assert [segment.text for segment in back] == ["yes it is", "ab", "yes it is"]


@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_the_support_has_a_row_for_each_token_even_of_none(tokens):
    support = np.arange(2 * tokens).reshape(tokens, 2)
    segment = Segment(np.arange(tokens), np.zeros(tokens, np.float32), "", ("",) * tokens, support)
    (back,) = segments_of(segment)
    assert back.support.shape == (tokens, 2 if tokens else 0) and back.support.tolist() == support.tolist()
    assert len(Completion((back, back), "stop", 0).support) == 2 * tokens


def test_floats_are_written_in_as_few_digits_as_give_them_back():
    values = np.random.default_rng(0).normal(size=50).astype(np.float32) * np.float32(1e-3)
    written = shortest_decimals(values)
    np.testing.assert_array_equal(np.array(written, dtype=np.float32), values)
    assert max(len(repr(number)) for number in written) < 16


def test_a_kind_of_target_is_named():
    assert question_to_json(make_question())["target"]["kind"] == "choice"
