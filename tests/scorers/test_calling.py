"""What holds of every scorer that ships, and how a user's is tried before a run."""

import pytest
from hypothesis import given

from rlaudio.answers import sft_target
from rlaudio.config.plugins import load
from rlaudio.config.shipped import available
from rlaudio.scorers.calling import try_scorers
from rlaudio.types import Verdict
from tests.answers.texts import ANIMALS
from tests.factories import make_question
from tests.scorers.made_up import ANY_TEXT, ODD_QUESTIONS

SHIPPED = {
    name: kind for name, kind in available("scorer").items() if name != "judge"
}  # tests/scorers/test_judge.py
every_scorer = pytest.mark.parametrize("name", SHIPPED)
by_letter_or_model = {"mmsu", "mmau_pro"}  # they read no option's text, or need a model to do it
by_text = pytest.mark.parametrize("name", sorted(SHIPPED.keys() - by_letter_or_model))


@pytest.mark.parametrize("name", ["exact", "robust"])  # those that tell a thought from an answer
@pytest.mark.parametrize("kind", ["answer", "structured", "simple"])
@pytest.mark.parametrize("answer", [*ANIMALS, "3", "the dog's bark", "A"])
def test_every_sft_target_is_right(name, kind, answer):
    stages = "".join(f"<stage{n}>the answer may be a cow</stage{n}>" for n in (1, 2, 3))
    question = make_question(
        choices=("a cow", answer, "x"), answer=answer, cot={"simple": "perhaps a cow", "structured": stages}
    )
    assert load("scorer", name)(question, sft_target(question, kind)).right


@by_text
def test_an_option_with_the_text_of_the_gold_one_is_right_wherever_it_stands(name):
    question = make_question(choices=("a cat", "a dog", "a dog"), answer="a dog")
    verdict = load("scorer", name)(question, "a dog")
    assert verdict.right and question.choices[verdict.read] == "a dog"


@every_scorer
@given(ODD_QUESTIONS, ANY_TEXT)
def test_it_gives_a_verdict_on_any_text_and_reads_an_option_that_is_there(name, question, text):
    verdict = load("scorer", name)(question, text)
    assert verdict.read is None or 0 <= verdict.read < len(question.choices)
    assert verdict.counted or not verdict.right


@pytest.mark.parametrize("name", ["dcase2026", "mmsu"])
@given(ODD_QUESTIONS, ANY_TEXT)
def test_an_answer_is_right_where_the_option_read_in_it_equals_the_published_one(name, question, text):
    verdict = load("scorer", name)(question, text)
    if verdict.read is not None:
        assert verdict.right == (question.choices[verdict.read] == question.answer)


@by_text
@pytest.mark.parametrize(
    "text", ["a dog a cat a cow a bird", "a dog, a cat, a cow, a bird", "\n".join(ANIMALS)]
)
@pytest.mark.parametrize("answer", ANIMALS)
def test_naming_every_option_is_never_right(name, text, answer):
    assert not load("scorer", name)(make_question(choices=ANIMALS, answer=answer), text).right


@every_scorer
def test_what_ships_passes_the_trial(name):
    try_scorers({name: load("scorer", name)}, [make_question()])


@pytest.mark.parametrize(
    ("scorer", "said"),
    [
        (lambda question, text: text == question.answer, "returned False; expected a Verdict"),
        (lambda question, text: Verdict(False, 4), "read option 4; expected one of 0 to 3, or None"),
        (lambda question, text: Verdict(False, -1), "read option -1; expected one of 0 to 3, or None"),
    ],
)
def test_a_scorer_that_gives_no_verdict_is_refused_with_the_answer_that_it_was_tried_on(scorer, said):
    tried = r"scorer mine, tried on the made-up answer '<answer>a dog</answer>', "
    with pytest.raises(ValueError, match=tried + said):
        try_scorers({"mine": scorer}, [make_question()])


def test_an_answer_that_is_right_without_an_option_is_not_unparsed():
    assert not Verdict(right=True, read=None).unparsed
    assert Verdict(right=False, read=None).unparsed
    assert not Verdict(right=False, read=2).unparsed


def test_a_graded_answer_counts_by_its_grade_and_is_not_unparsed():
    graded = Verdict(right=False, read=None, score=0.6)
    assert (graded.points, graded.unparsed) == (0.6, False)


@pytest.mark.parametrize(("right", "points"), [(True, 1.0), (False, 0.0)])
def test_another_answer_counts_one_or_nothing(right, points):
    assert Verdict(right, read=None).points == points
