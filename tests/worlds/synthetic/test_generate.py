"""The embedded world tells the truth about itself, and its audio-only questions leak nothing."""

from __future__ import annotations

import collections
import re

import numpy as np
import pytest

from rlaudio.worlds.synthetic import synthetic
from rlaudio.worlds.synthetic.generate import Split, items
from rlaudio.worlds.synthetic.kinds import KindShares
from rlaudio.worlds.synthetic.signal import SAMPLE_RATE_HZ
from rlaudio.worlds.synthetic.sources import SOURCES
from rlaudio.worlds.synthetic.subjects import CATEGORIES, NONE_OF_THESE, SUBJECTS, make_item


@pytest.fixture(scope="module")
def world():
    return list(items(Split("test-of-the-world"), 1600))


@pytest.fixture(scope="module")
def audio_only(world):
    return [item for item in world if not item.text_answerable]


def test_an_item_does_not_depend_on_how_many_are_made(world):
    few = list(items(Split("test-of-the-world"), 20))
    for item, same in zip(few, world[:20], strict=True):
        assert (item.question, item.choices, item.answer) == (same.question, same.choices, same.answer)
        np.testing.assert_array_equal(item.scene.samples, same.scene.samples)


def test_splits_and_seeds_share_no_clip():
    makes = [("train", 0), ("test", 0), ("train", 1)]
    clips = [
        {item.scene.samples.tobytes() for item in items(Split(split, seed), 60)} for split, seed in makes
    ]
    assert len(set.union(*clips)) == 180


def test_types_and_the_share_of_text_answerable_items_are_exact(world):
    counts = collections.Counter((item.subject.category, item.text_answerable) for item in world)
    assert counts == {(category, answerable): 200 for category in CATEGORIES for answerable in (True, False)}


def test_the_gold_position_is_uniform(world):
    counts = np.bincount([item.choices.index(item.answer) for item in world], minlength=4)
    assert np.all(np.abs(counts - 400) < 4 * np.sqrt(1600 * 0.25 * 0.75))


def test_choices_are_four_different_texts_with_the_answer_among_them(world):
    for item in world:
        assert len(set(item.choices)) == 4
        assert item.answer in item.choices


def test_no_option_is_the_answer_more_often_than_chance_in_audio_only_questions(audio_only):
    offered, right = collections.Counter(), collections.Counter()
    for item in audio_only:
        offered.update((item.subject.name, choice) for choice in item.choices)
        right[item.subject.name, item.answer] += 1
    for option, times in offered.items():
        assert abs(right[option] - times / 4) < 4.5 * np.sqrt(times * 0.25 * 0.75) + 1, option


def test_an_audio_only_question_is_worded_before_its_answer_is_known(audio_only):
    for item in audio_only:
        shapes = {ask.format(named=name) for ask in item.subject.asks for name in item.subject.named or [""]}
        assert item.question in shapes
        assert not any(f" {choice} " in item.question for choice in item.choices)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_the_length_of_a_clip_tells_nothing_about_the_answer(subject):
    rng = np.random.default_rng(3)
    lengths = collections.defaultdict(list)
    for _ in range(100):
        item = make_item(rng, subject, None)
        lengths[item.answer].append(len(item.scene.samples))
    everything = np.concatenate(list(lengths.values()))
    for answer, seconds in lengths.items():
        error = (everything.std() + 1.0) / np.sqrt(len(seconds))
        assert abs(np.mean(seconds) - everything.mean()) < 4.5 * error, answer


def test_clips_last_one_to_three_seconds_and_can_be_heard(world):
    for item in world[::4]:
        samples = item.scene.samples
        assert samples.dtype == np.float32
        assert 1.0 <= len(samples) / SAMPLE_RATE_HZ <= 3.0
        assert np.isfinite(samples).all()
        assert 0.15 < np.abs(samples).max() <= 1.0


def test_captions_name_the_answer_of_identification(audio_only):
    for item in audio_only:
        if item.subject.name in ("source", "background", "instrument", "voice", "first", "last", "after"):
            assert item.answer in item.scene.caption


def test_sources_sound_different():
    """A nearest neighbour over coarse spectrograms tells the twenty sources apart, every pair of them."""
    rng = np.random.default_rng(6)

    def features(source):
        samples = source.render(rng, 0.5)
        samples = np.pad(samples[:8000], (0, max(0, 8000 - len(samples))))
        frames = np.abs(np.fft.rfft(samples.reshape(25, 320) * np.hanning(320)))  # [25, 161]
        bands = np.log(frames[:, :160].reshape(25, 32, 5).mean(2) + 0.05)
        return np.concatenate([bands.mean(0), bands.std(0), np.sort(bands.mean(1))])

    known = [(source.name, features(source)) for source in SOURCES for _ in range(5)]
    right = 0
    for source in SOURCES:
        for _ in range(5):
            heard = features(source)
            right += min(known, key=lambda pair: float(((pair[1] - heard) ** 2).sum()))[0] == source.name
    assert len(SOURCES) >= 16
    assert right >= 95


def test_a_split_on_disk_reads_back_with_its_truth(tmp_path):
    questions = synthetic(split="small", count=16, folder=tmp_path)
    assert [q.text_answerable for q in questions] == [False] * 4 + [True] * 4 + [False] * 4 + [True] * 4
    assert {q.groups["category"] for q in questions} == set(CATEGORIES)
    assert all(q.clips[0].is_file() and q.extra["caption"] for q in questions)
    assert not questions.contributions
    before = questions[0].clips[0].stat().st_mtime_ns
    again = synthetic(split="small", count=16, folder=tmp_path)
    assert list(again) == list(questions)
    assert again[0].clips[0].stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "split",
    ["trian", "tain", "trainn", "Test", "misleding", "shfted", "shifetd", "validate-me/../x", "", "a b"],
)
def test_a_misspelt_split_is_refused_and_not_made_of_other_questions(tmp_path, split):
    with pytest.raises(ValueError, match=r"split is .*(did you mean '\w+'|expected a name such as train)"):
        synthetic(split=split, count=4, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "validation", "train-2", "test_b", "kinds", "dev"])
def test_any_other_name_makes_a_split(tmp_path, split):
    assert len(synthetic(split=split, count=1, folder=tmp_path)) == 1


WORDS = "training trained rain text tests best rest latest unshifted shift mislead one nine done note tone"


@pytest.mark.parametrize("split", WORDS.split())
def test_a_word_that_is_close_to_a_split_that_ships_makes_one_of_its_own(tmp_path, split):
    assert len(synthetic(split=split, count=1, folder=tmp_path)) == 1


def test_a_split_without_text_answerable_items_is_possible(tmp_path):
    assert not any(q.text_answerable for q in synthetic(count=8, folder=tmp_path, text_answerable_share=0.0))


@pytest.mark.parametrize(
    "options",
    [
        {"count": 0},
        {"text_answerable_share": 1.5},
        {"misleading_share": -0.1},
        {"misleading_share": 0.4, "unanswerable_share": 0.2},
    ],
)
def test_impossible_options_are_refused(options, tmp_path):
    with pytest.raises(ValueError, match="expected"):
        synthetic(folder=tmp_path, **options)


# --- questions whose text misleads, or that no clip answers --------------------------------------------


@pytest.fixture(scope="module")
def tempting():
    shares = KindShares(text_answerable=0.4, misleading=0.3, unanswerable=0.1)
    return list(items(Split("test-of-temptation", shares=shares), 800))


def test_every_type_has_the_shares_of_all_kinds(tempting):
    counts = collections.Counter((item.subject.category, item.kind) for item in tempting)
    expected = {"text_answerable": 80, "misleading": 60, "unanswerable": 20, "audio_only": 40}
    assert counts == {(category, kind): n for category in CATEGORIES for kind, n in expected.items()}


def test_a_misleading_text_speaks_for_each_wrong_position_equally(tempting):
    places = [
        (item.choices.index(item.tempting) - item.choices.index(item.answer)) % 4
        for item in tempting
        if item.tempting
    ]
    counts = np.bincount(places, minlength=4)
    assert counts[0] == 0
    assert np.all(np.abs(counts[1:] - 80) < 4 * np.sqrt(240 * 2 / 9))


def test_only_misleading_questions_are_tempting(tempting):
    assert {item.kind for item in tempting if item.tempting} == {"misleading"}


def test_the_clip_of_an_unanswerable_question_is_about_something_else():
    """A voice says none of the instruments that a question about instruments offers."""
    instruments = next(subject for subject in SUBJECTS if subject.name == "instrument")
    captions = set()
    for seed in range(60):
        item = make_item(np.random.default_rng(seed), instruments, "absent")
        assert item.answer == NONE_OF_THESE
        assert item.choices.count(NONE_OF_THESE) == 1
        captions.add(item.scene.caption)
    assert any(" says " in caption for caption in captions)
    assert not any(re.search(r", (two|three) notes", caption) for caption in captions)


def test_the_wording_does_not_tell_an_unanswerable_question_from_an_audio_only_one(tempting):
    """Both offer the option, equally often at every position."""
    for kind in ("unanswerable", "audio_only"):
        offering = [item for item in tempting if item.kind == kind]
        assert all(item.choices.count(NONE_OF_THESE) == 1 for item in offering)
        assert all((item.answer == NONE_OF_THESE) == (kind == "unanswerable") for item in offering)
        counts = np.bincount([item.choices.index(NONE_OF_THESE) for item in offering], minlength=4)
        spread = np.sqrt(len(offering) * 0.25 * 0.75)
        assert np.all(np.abs(counts - len(offering) / 4) < 4 * spread)


def test_shifted_clips_differ_in_sound_and_not_in_question():
    plain = list(items(Split("shift"), 40))
    moved = list(items(Split("shift", is_shifted=True), 40))
    for item, other in zip(plain, moved, strict=True):
        assert (item.question, item.choices, item.answer) == (other.question, other.choices, other.answer)
        assert item.scene.caption == other.scene.caption
        longer = (len(other.scene.samples) - len(item.scene.samples)) / SAMPLE_RATE_HZ
        assert 0.8 - 0.16 * 3.0 < longer < 2.0 + 0.19 * 3.0
        assert other.scene.samples.dtype == np.float32
        assert np.abs(other.scene.samples).max() <= 1.0


def test_the_truth_of_every_kind_is_on_disk(tmp_path):
    shares = {"text_answerable_share": 0.25, "misleading_share": 0.25, "unanswerable_share": 0.25}
    questions = synthetic(split="kinds", count=16, folder=tmp_path, **shares)
    for question in questions:
        mechanism = question.groups.get("mechanism", "")
        assert question.text_answerable is (mechanism in ("knowledge", "logic"))
        assert ("tempting" in question.extra) == (mechanism in ("prior", "suggestion"))
        assert (question.extra.get("unanswerable") is True) == (mechanism == "absent")
        assert question.extra.get("tempting") in {None, *question.choices} - {question.answer}
