"""What holds of every scorer that ships, and how a user's is tried before a run."""

import pytest

from rlaudio.answers import sft_target
from rlaudio.config.plugins import load
from rlaudio.config.shipped import available
from rlaudio.scorers.calling import try_scorers
from rlaudio.types import Verdict
from tests.answers.texts import ANIMALS
from tests.factories import make_question

every_scorer = pytest.mark.parametrize("name", available("scorer"))


@every_scorer
@pytest.mark.parametrize("kind", ["answer", "structured", "simple"])
@pytest.mark.parametrize("answer", [*ANIMALS, "3", "the dog's bark", "A"])
def test_every_sft_target_is_right(name, kind, answer):
    stages = "".join(f"<stage{n}>the answer may be a cow</stage{n}>" for n in (1, 2, 3))
    question = make_question(
        choices=("a cow", answer, "x"), answer=answer, cot={"simple": "perhaps a cow", "structured": stages}
    )
    assert load("scorer", name)(question, sft_target(question, kind)).right


@every_scorer
def test_an_option_with_the_text_of_the_gold_one_is_right_wherever_it_stands(name):
    question = make_question(choices=("a cat", "a dog", "a dog"), answer="a dog")
    assert load("scorer", name)(question, "a dog") == Verdict(True, 1, "exact")


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
