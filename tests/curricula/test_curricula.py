"""Which questions go where, and in which order they are drawn."""

from collections import Counter

import numpy as np
import pytest

from rlaudio.curricula.mixed_to_mixed import mixed_to_mixed
from rlaudio.curricula.mixed_to_strong import mixed_to_strong
from rlaudio.curricula.random_split import random_split
from rlaudio.curricula.rl_only import rl_only
from rlaudio.curricula.sft_only import sft_only
from rlaudio.curricula.stage import check_stages
from rlaudio.curricula.strong_to_weak import strong_to_weak
from rlaudio.curricula.weak_only import weak_only
from rlaudio.curricula.weak_to_strong import weak_to_strong
from tests.factories import make_contributions, make_question


def questions(weak=6, strong=10):
    return [make_question(id=f"q{n}") for n in range(weak + strong)]


def stated(weak=6, strong=10):
    """Contributions of `questions` of the same numbers: the weak ones first."""
    return make_contributions(**{f"q{n}": "weak" if n < weak else "strong" for n in range(weak + strong)})


def rng():
    return np.random.default_rng(0)


def labels(stage, contributions=None):
    return {(contributions or stated())[q.id].label for q in stage.questions}


def test_weak_to_strong_tunes_on_the_weak_and_reinforces_on_the_strong():
    sft, rl = weak_to_strong(questions(), stated(), rng())
    assert (sft.kind, labels(sft), len(sft.questions)) == ("sft", {"weak"}, 6)
    assert (rl.kind, labels(rl), len(rl.questions)) == ("rl", {"strong"}, 10)


def test_mixed_to_strong_tunes_on_as_many_as_there_are_weak_and_keeps_them_out_of_rl():
    sft, rl = mixed_to_strong(questions(), stated(), rng())
    assert len(sft.questions) == 6 and labels(sft) == {"weak", "strong"} and labels(rl) == {"strong"}
    check_stages([sft, rl], "mixed_to_strong")


def test_mixed_to_mixed_uses_every_question_once():
    sft, rl = mixed_to_mixed(questions(), stated(), rng(), sft_questions=5)
    assert sorted(q.id for s in (sft, rl) for q in s.questions) == sorted(q.id for q in questions())


def test_a_mixture_of_a_given_size_needs_no_labels():
    sft, rl = mixed_to_mixed(questions(), {}, rng(), sft_questions=5)
    assert (len(sft.questions), len(rl.questions)) == (5, 11)


def test_rl_only_and_sft_only_need_no_labels():
    bare = [make_question(id="a")]
    assert rl_only(bare, {}, rng())[0].questions == sft_only(bare, {}, rng())[0].questions == tuple(bare)


def test_a_question_without_a_label_is_named_where_labels_are_needed():
    with pytest.raises(ValueError, match=r"1 of 1 questions have no .*first: a.*rlaudio label"):
        weak_to_strong([make_question(id="a")], {}, rng())


def test_strong_to_weak_is_weak_to_strong_turned_around():
    sft, rl = strong_to_weak(questions(), stated(), rng())
    assert (sft.kind, labels(sft), len(sft.questions)) == ("sft", {"strong"}, 10)
    assert (rl.kind, labels(rl), len(rl.questions)) == ("rl", {"weak"}, 6)


def test_weak_only_shares_the_weak_ones_out():
    sft, rl = weak_only(questions(), stated(), rng())
    assert (len(sft.questions), len(rl.questions)) == (3, 3)
    assert labels(sft) == labels(rl) == {"weak"}
    check_stages([sft, rl], "weak_only")
    assert [len(stage.questions) for stage in weak_only(questions(), stated(), rng(), sft_questions=5)] == [
        5,
        1,
    ]


def of_types(*counts):
    """Questions of types with (weak, strong) of each, and their contributions."""
    labels = {
        f"{kind}-{label}-{n}": label
        for kind, (weak, strong) in zip(("sound", "music"), counts, strict=True)
        for label, count in (("weak", weak), ("strong", strong))
        for n in range(count)
    }
    asked = [make_question(id=id, groups={"category": id.partition("-")[0]}) for id in labels]
    return asked, make_contributions(**labels)


def test_a_random_split_has_the_sizes_and_the_types_of_weak_to_strong():
    asked, contributions = of_types((30, 10), (5, 25))
    split = random_split(asked, contributions, rng())
    model = weak_to_strong(asked, contributions, rng())
    for stage, other in zip(split, model, strict=True):
        kinds = [Counter(q.groups["category"] for q in s.questions) for s in (stage, other)]
        assert stage.kind == other.kind and kinds[0] == kinds[1]
        assert labels(stage, contributions) == {"weak", "strong"}
    assert sorted(q.id for s in split for q in s.questions) == sorted(q.id for q in asked)


def test_a_random_split_of_all_keeps_the_sizes_alone():
    asked, contributions = of_types((30, 0), (0, 30))
    kept = random_split(asked, contributions, rng())
    assert {q.groups["category"] for q in kept[0].questions} == {"sound"}
    mixed = random_split(asked, contributions, rng(), within="all")
    assert len(mixed[0].questions) == 30 and {q.groups["category"] for q in mixed[0].questions} == {
        "sound",
        "music",
    }


def test_a_random_split_follows_its_generator():
    asked, contributions = of_types((30, 10), (5, 25))
    other = random_split(asked, contributions, np.random.default_rng(1))
    again = random_split(asked, contributions, rng())
    assert random_split(asked, contributions, rng()) == again != other
