"""The page on scoring shows what tools/compare_scorers prints, which reads lmms-eval's rule as published."""

from pathlib import Path

import pytest

from tests.scorers.made_up import QUESTIONS
from tests.tool_scripts import load_tool

tool = load_tool("compare_scorers")
PAGE = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")


def test_the_page_shows_what_every_scorer_says_of_one_question():
    assert tool.one_question() in PAGE, "a scorer has changed; run tools/compare_scorers"


def test_the_page_shows_the_accuracies_of_200_questions():
    assert tool.many_questions() in PAGE, "a scorer has changed; run tools/compare_scorers"


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("B", 1.0),
        ("B.", 1.0),
        ("(B) or A", 1.0),  # brackets go before
        ("A dog, so B it is", 1.0),  # of two letters the last
        ("Option B.A", 1.0),  # the point behind it is enough
        ("A cat", 0.0),  # the article
        ("(A) (B)", 0.0),  # in brackets the first, as both are looked for without
        ("b", None),
        ("a cat", None),
        ("Because", None),
        ("", None),
    ],
)
def test_lmms_eval_reads_letters_and_else_draws_one(text, points):
    assert tool.lmms_eval(QUESTIONS["nothing"], text) == points
