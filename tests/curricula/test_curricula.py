"""Which questions go where, and in which order they are drawn."""

from collections import Counter

import numpy as np
import pytest

from rlaudio.curricula.mixed_to_mixed import mixed_to_mixed
from rlaudio.curricula.mixed_to_strong import mixed_to_strong
from rlaudio.curricula.random_split import random_split
from rlaudio.curricula.rl_only import rl_only
from rlaudio.curricula.sft_only import sft_only
from rlaudio.curricula.stage import Stage, check_stages
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


def test_rl_only_and_sft_only_need_no_labels():
    bare = [make_question(id="a")]
    assert rl_only(bare, {}, rng())[0].questions == sft_only(bare, {}, rng())[0].questions == tuple(bare)


def test_a_question_without_a_label_is_named_where_labels_are_needed():
    with pytest.raises(ValueError, match=r"1 of 1 questions have no .*first: a.*rlaudio label"):
        weak_to_strong([make_question(id="a")], {}, rng())


def stages_on(*parts, shared=()):
    """A stage of RL on each slice of the questions; those with the numbers in `shared` say so."""
    asked = questions()
    return [Stage("rl", tuple(asked[part]), steps=1, shared=n in shared) for n, part in enumerate(parts)]


def test_stages_that_share_questions_are_refused_with_both_and_the_curriculum():
    said = r"mine: stage 1 \(rl\) and stage 3 \(rl\) have 2 questions in common, such as q1.*shared=True"
    with pytest.raises(ValueError, match=said):
        check_stages(stages_on(slice(0, 3), slice(3, 5), slice(1, 3), shared={2}), "mine")


def test_stages_that_state_it_share_questions_with_each_other():
    check_stages(stages_on(slice(0, 3), slice(0, 16), slice(0, 3), shared={0, 1, 2}), "mine")


def test_an_empty_stage_is_refused():
    with pytest.raises(ValueError, match=r"curriculum weak_to_strong: stage 2 \(rl\) has no questions"):
        check_stages(weak_to_strong(questions(strong=0), stated(strong=0), rng()), "weak_to_strong")


def test_a_curriculum_without_stages_is_refused():
    with pytest.raises(ValueError, match="curriculum mine gave no stages"):
        check_stages([], "mine")


def test_an_epoch_draws_every_question_once_and_epochs_differ_in_order():
    stage = Stage("rl", tuple(questions()), steps=100)
    drawn = [q.id for step in range(8) for q in stage.draw(4 * step, 4, 0, "rl")]
    assert sorted(drawn[:16]) == sorted(drawn[16:]) == sorted(q.id for q in questions())
    assert drawn[:16] != drawn[16:]


def test_a_draw_depends_on_its_step_and_key_alone():
    stage = Stage("rl", tuple(questions()), steps=100)
    assert stage.draw(5, 4, 0, "rl") == stage.draw(5, 4, 0, "rl") != stage.draw(5, 4, 1, "rl")


def test_a_batch_larger_than_the_stage_runs_into_the_next_epoch():
    stage = Stage("rl", tuple(questions(weak=1, strong=2)), steps=1)
    assert len(stage.draw(0, 7, 0)) == 7


def test_steps_follow_from_epochs_rounded_up():
    assert Stage("sft", tuple(questions()), epochs=2.0).total_steps(5) == 7
    assert Stage("sft", tuple(questions()), epochs=2.0, steps=3).total_steps(5) == 3


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


def test_a_curriculum_of_which_no_stage_has_a_step_is_refused():
    for lengths in ({"sft_steps": 0, "rl_steps": 0}, {"sft_epochs": 0.0, "rl_steps": 0}):
        stages = weak_to_strong(questions(), stated(), rng(), **lengths)
        with pytest.raises(ValueError, match="nothing would be trained; expected at least one stage with a"):
            check_stages(stages, "weak_to_strong")
    for lengths in ({"sft_steps": 0, "rl_steps": 1}, {"sft_steps": 1, "rl_steps": 0}):
        check_stages(weak_to_strong(questions(), stated(), rng(), **lengths), "weak_to_strong")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ({"steps": -1}, "at least 0"),
        ({"steps": 10**10}, "at most 1,000,000,000"),
        ({"epochs": np.nan}, "at least"),
    ],
)
def test_a_stage_of_impossible_length_is_refused(length, expected):
    with pytest.raises(ValueError, match=f"expected {expected}"):
        Stage("rl", tuple(questions()), **length)
