"""Questions whose options tempt by their form: the truth about them is known, and others are as they were."""

from __future__ import annotations

import collections
import hashlib

import numpy as np
import pytest

from rlaudio.worlds.synthetic import synthetic
from rlaudio.worlds.synthetic.cues import QUALIFICATION, misled
from rlaudio.worlds.synthetic.generate import MISLEADING, Split, items
from rlaudio.worlds.synthetic.kinds import KindShares
from rlaudio.worlds.synthetic.subjects import SUBJECTS, make_item

ALL = tuple(MISLEADING)
ONLY_MISLEADING = KindShares(text_answerable=0.0, misleading=1.0)
ONLY_TEXT_ANSWERABLE = KindShares(text_answerable=1.0)
AUDIO_ONLY = KindShares(text_answerable=0.0)


def made(count, shares=ONLY_MISLEADING, name="cues", **options):
    return list(items(Split(name, shares=shares, **options), count))


def texts(of):
    return [(item.question, item.choices, item.answer, item.mechanism, item.tempting) for item in of]


@pytest.fixture(scope="module")
def by_length():
    return made(800, misleading_by=("length",))


@pytest.fixture(scope="module")
def by_position():
    return made(800, misleading_by=("position",))


def plain(option):
    """An option without its qualification."""
    return option.removesuffix(QUALIFICATION)


def is_uniform(counts):
    total = counts.sum()
    share = 1 / len(counts)
    return bool(np.all(np.abs(counts - total * share) < 4 * np.sqrt(total * share * (1 - share))))


# --- length -------------------------------------------------------------------------------------------


def test_the_tempting_option_is_wrong_and_half_longer_again_than_any_other(by_length):
    for item in by_length:
        assert item.tempting in item.choices and item.tempting != item.answer
        others = [choice for choice in item.choices if choice != item.tempting]
        assert len(item.tempting) >= 1.5 * max(map(len, others)), item.choices


def test_the_answer_is_in_the_options_once_and_without_a_qualification(by_length):
    for item in by_length:
        assert item.choices.count(item.answer) == 1
        assert plain(item.answer) == item.answer


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_whatever_the_subject_the_longest_option_is_clear(subject):
    rng = np.random.default_rng(7)
    for _ in range(40):
        item = misled(rng, make_item(rng, subject, "length"), "length")
        lengths = sorted(map(len, item.choices))
        assert lengths[-1] >= 1.5 * lengths[-2]
        assert max(item.choices, key=len) == item.tempting


def test_without_the_qualification_the_options_are_four_values_of_the_subject(by_length):
    for item in by_length:
        values = [plain(choice) for choice in item.choices]
        assert len(set(values)) == 4
        assert set(values) <= set(item.subject.values)


@pytest.mark.parametrize("fixture", ["by_length", "by_position"])
def test_the_text_before_the_options_is_that_of_an_audio_only_question(fixture, request):
    for item in request.getfixturevalue(fixture):
        named = item.subject.named or [""]
        assert item.question in {ask.format(named=name) for ask in item.subject.asks for name in named}


def test_the_longest_option_stands_at_every_position_equally(by_length):
    assert is_uniform(np.bincount([i.choices.index(i.tempting) for i in by_length], minlength=4))
    assert is_uniform(np.bincount([i.choices.index(i.answer) for i in by_length], minlength=4))


# --- position -----------------------------------------------------------------------------------------


def test_the_first_option_is_tempting_and_wrong_and_no_longer_for_it(by_position):
    for item in by_position:
        assert item.choices[0] == item.tempting != item.answer
        assert item.answer in item.choices[1:]
        assert set(item.choices) <= set(item.subject.values)


def test_the_answer_stands_at_the_other_positions_equally(by_position):
    counts = np.bincount([item.choices.index(item.answer) for item in by_position], minlength=4)
    assert counts[0] == 0
    assert is_uniform(counts[1:])


def test_no_option_tempts_more_often_than_others_of_its_subject(by_position):
    """It is drawn among the wrong ones, whatever it is."""
    offered, tempting = collections.Counter(), collections.Counter()
    for item in by_position:
        offered.update((item.subject.name, choice) for choice in item.choices)
        tempting[item.subject.name, item.tempting] += 1
    for option, times in offered.items():
        assert abs(tempting[option] - times / 4) < 4.5 * np.sqrt(times * 0.25 * 0.75) + 1, option


# --- shares and seeds ----------------------------------------------------------------------------------


def test_mechanisms_are_drawn_by_their_weights_among_those_that_are_named():
    counts = collections.Counter(item.mechanism for item in made(600, misleading_by=ALL))
    for mechanism, weight in MISLEADING.items():
        share = weight / sum(MISLEADING.values())
        assert abs(counts[mechanism] - 600 * share) < 4 * np.sqrt(600 * share * (1 - share)), mechanism
    assert set(counts) == set(ALL)


def test_the_shares_of_kinds_stay_exact_whatever_misleads():
    shares = KindShares(text_answerable=0.4, misleading=0.3, unanswerable=0.1)
    counts = collections.Counter(item.kind for item in made(400, shares, misleading_by=ALL))
    assert counts == {"text_answerable": 160, "misleading": 120, "unanswerable": 40, "audio_only": 80}


def test_the_order_in_which_mechanisms_are_named_makes_no_difference():
    assert texts(made(60, misleading_by=ALL)) == texts(made(60, misleading_by=ALL[::-1]))


def test_a_seed_makes_the_same_questions_and_another_seed_others():
    options = {"misleading_by": ALL, "gold_cues": ("length", "position")}
    shares = KindShares(text_answerable=0.5, misleading=0.5)
    first = texts(made(80, shares, seed=3, **options))
    assert texts(made(40, shares, seed=3, **options)) == first[:40]
    assert texts(made(80, shares, seed=4, **options)) != first


# --- cues of the gold option -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def helpful():
    return made(800, ONLY_TEXT_ANSWERABLE, gold_cues=("length", "position"))


def test_in_three_of_four_text_answerable_questions_the_longest_option_is_right(helpful):
    longest = [max(item.choices, key=len) == item.answer for item in helpful]
    assert abs(sum(longest) - 600) < 4 * np.sqrt(800 * 0.75 * 0.25)
    assert all(sum(plain(choice) != choice for choice in item.choices) == 1 for item in helpful)


def test_in_three_of_four_text_answerable_questions_the_first_option_is_right(helpful):
    first = [item.choices[0] == item.answer for item in helpful]
    assert abs(sum(first) - 600) < 4 * np.sqrt(800 * 0.75 * 0.25)


def test_a_question_with_cues_keeps_its_text_and_its_answer(helpful):
    without = made(300, ONLY_TEXT_ANSWERABLE)
    for item, before in zip(helpful[:300], without, strict=True):
        assert (item.question, plain(item.answer)) == (before.question, before.answer)
        assert sorted(map(plain, item.choices)) == sorted(before.choices)
        assert item.choices.count(item.answer) == 1
        assert item.tempting is None


def test_cues_of_gold_options_leave_all_other_questions_as_they_are():
    shares = KindShares(text_answerable=0.4, misleading=0.3)
    pairs = zip(made(200, shares), made(200, shares, gold_cues=("length", "position")), strict=True)
    assert all(texts([a]) == texts([b]) for a, b in pairs if a.kind != "text_answerable")


def test_audio_only_questions_may_have_the_cue_and_the_others_not():
    shares = KindShares(text_answerable=0.25)
    items = made(1200, shares, gold_cues=("position",), cued=("audio_only",))
    cued = [item.choices[0] == item.answer for item in items if item.kind == "audio_only"]
    assert abs(sum(cued) - 675) < 4 * np.sqrt(900 * 0.75 * 0.25)
    pairs = zip(items, made(1200, shares), strict=True)
    assert all(texts([a]) == texts([b]) for a, b in pairs if a.kind == "text_answerable")


# --- bad input -------------------------------------------------------------------------------------------

REFUSED = {
    "an unknown mechanism": (
        {"misleading_by": ["priors"]},
        r"misleading_by names 'priors'; expected some of prior, suggestion, length, position",
    ),
    "a mechanism of another kind": ({"misleading_by": ["logic"]}, "misleading_by names 'logic'; expected"),
    "a mechanism twice": ({"misleading_by": ["prior", "prior"]}, "misleading_by names 'prior' twice"),
    "none, with a share": (
        {"misleading_by": [], "misleading_share": 0.25},
        r"misleading_share is 0.25 and misleading_by names no mechanism; expected some of prior, .* of 0",
    ),
    "an unknown cue": (
        {"gold_cues": ["colour"]},
        r"gold_cues names 'colour'; expected some of length, position",
    ),
    "a cue of a kind that has none": (
        {"cued": ["misleading"]},
        "cued names 'misleading'; expected some of text_answerable, audio_only",
    ),
    "a cue twice": ({"gold_cues": ["length", "length"]}, "gold_cues names 'length' twice"),
}


@pytest.mark.parametrize(("options", "said"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_questions_is_refused_with_what_there_is(options, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        synthetic(folder=tmp_path, count=4, **options)
    assert not list(tmp_path.iterdir())


def test_no_mechanism_is_needed_where_no_question_misleads(tmp_path):
    assert len(synthetic(folder=tmp_path, count=4, misleading_by=[])) == 4


# --- on disk -----------------------------------------------------------------------------------------------


def test_splits_by_other_mechanisms_and_cues_lie_in_other_folders(tmp_path):
    options = [
        {},
        {"misleading_share": 0.5},
        {"misleading_share": 0.5, "misleading_by": ["length"]},
        {"misleading_share": 0.5, "misleading_by": ["length", "position"]},
        {"gold_cues": ["length"]},
        {"gold_cues": ["position"]},
        {"gold_cues": ["position"], "cued": ["audio_only"]},
        {"gold_cues": ["position"], "cued": ["audio_only", "text_answerable"]},
    ]
    folders = [synthetic(folder=tmp_path, count=4, **given)[0].clips[0].parent for given in options]
    assert len(set(folders)) == len(options)


def test_the_tempting_option_is_on_disk(tmp_path):
    given = {"text_answerable_share": 0.0, "misleading_share": 1.0, "misleading_by": ["length", "position"]}
    questions = synthetic(folder=tmp_path, count=24, **given)
    assert {q.groups["mechanism"] for q in questions} == {"length", "position"}
    for question in questions:
        tempting = question.choices.index(question.extra["tempting"])
        assert tempting != question.answer_index
        assert tempting == (
            0 if question.groups["mechanism"] == "position" else np.argmax([*map(len, question.choices)])
        )
        assert question.text_answerable is False
        short = question.extra.get("tempting_short", question.extra["tempting"])
        assert short == plain(question.extra["tempting"])


def test_questions_are_grouped_by_subject_where_that_is_asked_for(tmp_path):
    grouped = synthetic(folder=tmp_path, count=8, by_subject=True)
    assert all(q.groups["subject"] == q.extra["subject"] for q in grouped)
    assert not any("subject" in q.groups for q in synthetic(folder=tmp_path, count=8))


# Texts and lengths of clips as they were before options could tempt by their form; samples may differ in the
# last bit between machines.
BEFORE = {
    "train": ({"count": 96, "misleading_share": 0.15}, "4589a41de58d4788", "80f2c373caba7298"),
    "test": ({"count": 48}, "bdebefc72c8ec2f8", "f9b5ce13ccd7c7fc"),
    "misleading": (
        {"count": 48, "text_answerable_share": 0.0, "misleading_share": 1.0},
        "b8af7a4b47b5b875",
        "c8ab697835a42e88",
    ),
    "none": (
        {"count": 48, "text_answerable_share": 0.0, "unanswerable_share": 0.5},
        "04578694b46e7461",
        "628ec84df38db378",
    ),
    "shifted": (
        {"count": 24, "shifted": True, "seed": 3, "misleading_share": 0.3},
        "256297b9521532c7",
        "8f5042dc69bed9cf",
    ),
}


@pytest.mark.parametrize("split", BEFORE)
def test_data_sets_without_these_options_are_what_they_were(split, tmp_path):
    options, rows, lengths = BEFORE[split]
    folder = synthetic(split=split, folder=tmp_path, **options)[0].clips[0].parent.parent
    sizes = "".join(str(clip.stat().st_size) for clip in sorted((folder / "clips").iterdir()))
    digests = [
        hashlib.blake2b(content, digest_size=8).hexdigest()
        for content in ((folder / "data.jsonl").read_bytes(), sizes.encode())
    ]
    assert digests == [rows, lengths]
