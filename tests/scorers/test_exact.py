"""The paper's rule, against a second writing of it and in its odd cases."""

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlaudio.scorers.exact import exact
from rlaudio.types import Verdict
from tests.answers.texts import ANIMALS, PIECES, TEXTS
from tests.factories import make_question


def paper_rule(completion: str, solution: str) -> bool:
    """A second writing of the authors' accuracy rule, by string search instead of a regular expression."""

    def answer(text: str) -> str:
        opening = re.search("<answer>", text, re.IGNORECASE)
        closing = opening and re.compile("</answer>", re.IGNORECASE).search(text, opening.end())
        if opening and closing:
            return text[opening.end() : closing.start()].strip()
        return text.strip()

    return answer(completion).lower() == answer(solution).lower()


def right(completion: str, solution: str) -> bool:
    return exact(make_question(choices=(solution, "x"), answer=solution), completion).right


@given(TEXTS, st.sampled_from([*ANIMALS, "<answer>a dog</answer>", "İ", ""]) | TEXTS)
@example("a dog", "a dog")
@example("<answer>x</answer><answer>a dog</answer>", "a dog")
@example("a dog", "<answer>a dog</answer>")
def test_it_agrees_with_a_second_writing_of_the_papers_rule(completion, solution):
    assert right(completion, solution) == paper_rule(completion, solution)


def test_it_agrees_with_the_papers_rule_on_20_000_random_answers_many_of_them_right():
    rng = random.Random(0)
    agreed = []
    for _ in range(20_000):
        completion = "".join(rng.choices(PIECES, k=rng.randrange(6)))
        solution = rng.choice(["a dog", "A Cat", "cat", ""])
        agreed.append(right(completion, solution))
        assert agreed[-1] == paper_rule(completion, solution), (completion, solution)
    assert 1_000 < sum(agreed) < 19_000


@pytest.mark.parametrize(
    ("completion", "is_right"),
    [
        ("<answer>a dog</answer>", True),
        ("a dog", True),  # no tags are needed
        ("  A DOG\n", True),
        ("<ANSWER> a dog </Answer>", True),
        ("<answer>\na dog\n</answer> and more", True),
        ("<answer>a dog</answer><answer>a cat</answer>", True),  # the first block wins
        ("<answer>a cat</answer><answer>a dog</answer>", False),
        ("<think><answer>a dog</answer></think><answer>a cat</answer>", True),  # even inside a thought
        ("<think>hm</think>a dog", False),
        ("<answer>a dog", False),
        ("<answer>a  dog</answer>", False),  # spaces inside count
        ("<answer>a dog.</answer>", False),
        ("<answer>'a dog'</answer>", False),
        ("<answer></answer>", False),
        ("", False),
    ],
)
def test_it_keeps_the_odd_cases_of_the_papers_rule(completion, is_right):
    assert right(completion, "a dog") is is_right


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("A cat", Verdict(True, 1, "exact")),
        ("<answer>a cow</answer>", Verdict(False, 2, "exact")),
        ("the cat", Verdict(False, None, "none", "no option")),
        ("<answer> </answer>", Verdict(False, None, "none", "no answer")),
        ("<answer>a cat", Verdict(False, None, "none", "unfinished")),
    ],
)
def test_the_verdict_names_the_option_that_was_read_or_why_there_is_none(text, verdict):
    assert exact(make_question(choices=ANIMALS, answer="a cat"), text) == verdict


@given(TEXTS)
def test_it_is_right_only_when_it_reads_the_gold_option(text):
    verdict = exact(make_question(choices=ANIMALS, answer="a cat"), text)
    assert verdict.right == (verdict.read == 1)
