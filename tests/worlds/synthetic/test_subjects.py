"""What questions ask for, and how their texts give answers away."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rlaudio.worlds.synthetic.generate import Split, items
from rlaudio.worlds.synthetic.kinds import KindShares
from rlaudio.worlds.synthetic.scenes import NUMBERS
from rlaudio.worlds.synthetic.subjects import CATEGORIES, SUBJECTS, SUGGESTIONS, make_item


@pytest.fixture(scope="module")
def world():
    return list(items(Split("test-of-the-world"), 400))


def test_every_type_is_given_away_by_knowledge_and_by_logic(world):
    mechanisms = {(item.subject.category, item.mechanism) for item in world if item.mechanism}
    assert mechanisms == {(c, m) for c in CATEGORIES for m in ("knowledge", "logic")}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_knowledge_names_one_option_only(subject):
    assert set(subject.values) <= set(subject.clues)
    pieces = [piece for value in subject.values for piece in subject.clues[value]]
    assert len(pieces) == len(set(pieces))
    rng = np.random.default_rng(4)
    for _ in range(30):
        item = make_item(rng, subject, "knowledge")
        told = [
            c for c in item.choices if any(subject.clue.format(p) in item.question for p in subject.clues[c])
        ]
        assert told == [item.answer]


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if not s.logic], ids=lambda s: s.name)
def test_logic_leaves_one_option(subject):
    """Either all other options are ruled out, or one of two alternatives is no option."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        item = make_item(rng, subject, "logic")
        sentence = item.question.split(".")[0]
        named = {c for c in item.choices if f"'{c}'" in sentence}
        assert named == (set(item.choices) - {item.answer} if "not" in sentence else {item.answer})


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.logic], ids=lambda s: s.name)
def test_small_sums_come_out_right(subject):
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(40):
        item = make_item(rng, subject, "logic")
        match = re.match(r"It is (\w+) (and|less) (\w+)", item.question)
        if match:
            a, b = (NUMBERS.index(match[k]) + 1 for k in (1, 3))
            assert NUMBERS[a + b - 1 if match[2] == "and" else a - b - 1] == item.answer
            seen += 1
    assert seen >= 10


@pytest.fixture(scope="module")
def tempting():
    shares = KindShares(text_answerable=0.4, misleading=0.3, unanswerable=0.1)
    return list(items(Split("test-of-temptation", shares=shares), 400))


def test_a_misleading_text_speaks_for_one_wrong_option(tempting):
    for item in (item for item in tempting if item.kind == "misleading"):
        assert item.tempting in item.choices
        assert item.tempting != item.answer
        if item.mechanism == "suggestion":
            sentence = item.question.split(". ")[0] + "."
            assert sentence in {suggestion.format(item.tempting) for suggestion in SUGGESTIONS}
        else:
            sentence = item.question.removeprefix("Usually ")
            clues = item.subject.clues
            pieces = [item.subject.clue.format(piece)[1:] for piece in clues[item.tempting]]
            assert item.question.startswith("Usually ")
            assert any(sentence[1:].startswith(piece) for piece in pieces)
