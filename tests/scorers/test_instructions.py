"""MMAU-Pro's instructions: both sides of every rule, odd cases, and second writings of its patterns."""

import random
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.scorers.cannot_score import CannotScoreError
from rlaudio.scorers.instructions import follows

QUESTION = " What is heard? "


def check(rule, text, **arguments):
    return follows(rule, arguments, QUESTION, text)


@pytest.mark.parametrize(
    ("rule", "arguments", "followed", "not_followed"),
    [
        ("Include Keywords", {"keywords": "Dog, cat"}, "Cats and DOGS", "a dog"),
        ("Keyword Frequency", {"keyword": "dog", "N": 2}, "Dog, dog, dogs", "dog dog dog"),
        ("Forbidden Words", {"forbidden_words": "Dog, cat"}, "a cow", "catalogue"),  # a part of a word counts
        ("Number Paragraphs", {"N": 2}, "one *** two ***", "one\n\ntwo"),
        ("Number Words (at least)", {"N": 3}, "a b  c", "a-b c"),
        ("Number Words (at most)", {"N": 2}, "", "a b c"),
        ("Number Words (range)", {"N1": 2, "N2": 3}, "a b", "a"),
        ("Number Words (range)", {"N1": 2, "N2": 3}, "a b c", "a b c d"),
        ("Postscript", {"postscript_marker": "P.S."}, "That is all. P.P.S. bye", "That is all."),
        ("Postscript", {"postscript_marker": "P.S."}, "cups", "cup"),  # letters alone are compared
        ("Number Placeholder", {"N": 2}, "[a] and [b c]", "[a] and [] and [b"),
        ("Number Bullets", {"N": 2}, "* a\n  * b\n*c", "* a\n- b"),
        ("Number Bullets", {"N": 1}, "a:\n\n\t* b * c", "a * b"),
        ("Number Bullets", {"N": 1}, "* \n* b", "* a\n* b"),  # the space behind a mark is used up
        ("Title", {}, "see <<A>> there", "<<>>"),
        ("Title", {}, "<<<a>>", "<<a> >"),
        ("Minimum Number Highlighted Section", {"N": 2}, "*a* and *b*", "*a* b*"),
        ("Minimum Number Highlighted Section", {"N": 1}, "**bold**", "** **"[:2]),
        ("Multiple Sections", {"N": 2, "section_splitter": "Section"}, "Section 1 a Section 2", "Section 1"),
        ("Multiple Sections", {"N": 2, "section_splitter": "--- ---"}, "a --- --- --- --- b", "a --- b"),
        ("Multiple Sections", {"N": 3}, "a b\nc", "ab"),  # without a splitter, characters
        ("Repeat Prompt", {}, "  what is HEARD? A dog.", "A dog. What is heard?"),
        ("Two Responses", {}, "a ****** b", "a ****** A "),
        ("Two Responses", {}, "a ******", "a"),
        ("All Uppercase", {}, "A DOG 1", "A dog"),
        ("All Lowercase", {}, "a dog", "12"),
        ("All-capital Words (at least)", {"N": 2}, "A DOG barks", "A dog"),
        ("All-capital Words (at most)", {"N": 1}, "A dog", "A DOG"),
        ("All-capital Words (range)", {"N1": 1, "N2": 2}, "A DOG", "a dog"),
        ("Start Checker", {"start_phrase": "Yes, it"}, "yes it, is", " Yes, it is"),
        ("End Checker", {"end_phrase": "the end."}, "this is The End!", "the end of it"),
        ("Quotation", {}, ' "a" ', '"a'),
        ("Quotation", {}, '"', "a"),
        ("No Commas", {}, "a; b", "a, b"),
    ],
)
def test_a_text_follows_an_instruction_or_does_not(rule, arguments, followed, not_followed):
    assert check(rule, followed, **arguments)
    assert not check(rule, not_followed, **arguments)


@pytest.mark.parametrize("rule", ["Sing It", "", "include keywords", "No commas"])
def test_an_unknown_instruction_is_never_followed(rule):
    assert not check(rule, "a", N=0)


@pytest.mark.parametrize(
    ("rule", "text", "followed"),
    [
        ("Include Keywords", "a", True),  # the empty text is in every text
        ("Forbidden Words", "a", False),
        ("Keyword Frequency", "dog", False),
        ("Number Words (at least)", "", True),
        ("Number Words (at most)", "a", False),
        ("Number Words (range)", "a " * 999, True),
        ("Number Words (range)", "a " * 1000, False),
        ("Number Bullets", "* a", False),
        ("Start Checker", "a", True),
    ],
)
def test_a_missing_argument_is_empty_or_zero(rule, text, followed):
    assert check(rule, text) is followed


@pytest.mark.parametrize("number", [2, 2.0])
def test_a_number_may_be_whole_or_not(number):
    assert check("Number Bullets", "* a\n* b", N=number)


@pytest.mark.parametrize(
    ("rule", "arguments", "said"),
    [
        ("Number Bullets", {"N": "2"}, "the argument N of Number Bullets is '2'; expected a number"),
        ("Number Words (at least)", {"N": None}, "is None; expected a number"),
        ("Include Keywords", {"keywords": ["a"]}, r"is \['a'\]; expected a text"),
    ],
)
def test_an_argument_of_another_type_gives_no_verdict(rule, arguments, said):
    with pytest.raises(CannotScoreError, match=said):
        check(rule, "a", **arguments)


# --- sentences: NLTK's ---

SENTENCES = [
    ("Number Sentences (at least)", {"N": 2}, True),
    ("Number Sentences (at least)", {"N": 3}, False),
    ("Number Sentences (at most)", {"N": 2}, True),
    ("Number Sentences (at most)", {"N": 1}, False),
    ("Number Sentences (range)", {"N1": 1, "N2": 2}, True),
    ("Number Sentences (range)", {"N1": 3, "N2": 4}, False),
]


@pytest.mark.parametrize(("rule", "arguments", "followed"), SENTENCES)
def test_sentences_are_those_of_nltk(monkeypatch, rule, arguments, followed):
    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace(sent_tokenize=lambda text: text.split("|")))
    assert check(rule, "Dr. Who|said so.", **arguments) is followed


def test_without_nltk_sentences_are_not_counted(monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk", None)
    with pytest.raises(CannotScoreError, match="needs NLTK to count sentences: pip install nltk"):
        check("Number Sentences (at least)", "a", N=1)


def test_without_the_data_of_nltk_sentences_are_not_counted(monkeypatch):
    def missing(text):
        raise LookupError("punkt_tab")

    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace(sent_tokenize=missing))
    with pytest.raises(CannotScoreError, match="needs NLTK's data to count sentences: python"):
        check("Number Sentences (at least)", "a", N=1)


# --- second writings, character by character ---


def bullets(text):
    """Marks with space behind them, and before them the text's start or space with a line break in it."""
    count, place = 0, 0
    while place < len(text):
        mark = place
        while mark < len(text) and text[mark].isspace():
            mark += 1
        begins = place == 0 or "\n" in text[place:mark]
        if begins and text[mark : mark + 1] == "*" and text[mark + 1 : mark + 2].isspace():
            count, place = count + 1, mark + 1
            while place < len(text) and text[place].isspace():
                place += 1
        else:
            place = max(mark, place + 1)
    return count


def placeholders(text):
    count = 0
    while "[" in text:
        text = text[text.index("[") + 1 :]
        if "]" not in text:
            return count
        if text[0] != "]":
            count, text = count + 1, text[text.index("]") + 1 :]
    return count


def has_title(text):
    for start in range(len(text)):
        if text[start : start + 2] == "<<":
            end = start + 2
            while end < len(text) and text[end] != ">":
                end += 1
            if end > start + 2 and text[end : end + 2] == ">>":
                return True
    return False


def sections(text, splitter):
    count, part = 0, ""
    while text:
        if text.startswith(splitter):
            count, part, text = count + bool(part.strip()), "", text[len(splitter) :]
        else:
            part, text = part + text[0], text[1:]
    return count + bool(part.strip())


MARKS = st.text(alphabet="* \n\t[]<>a-", max_size=14)


@given(MARKS)
def test_bullets_placeholders_and_titles_are_those_of_second_writings(text):
    assert check("Number Bullets", text, N=bullets(text))
    assert check("Number Placeholder", text, N=placeholders(text))
    assert not check("Number Placeholder", text, N=placeholders(text) + 1)
    assert check("Title", text) is has_title(text)


@given(MARKS, st.sampled_from(["***", "-", "a", "<>"]))
def test_sections_are_those_of_a_second_writing(text, splitter):
    assert check("Multiple Sections", text, N=sections(text, splitter), section_splitter=splitter)


def test_they_agree_with_second_writings_on_5_000_made_up_texts():
    rng = random.Random(0)
    titles = 0
    for _ in range(5_000):
        text = "".join(rng.choices("* \n[]<>a-", k=rng.randrange(16)))
        assert check("Number Bullets", text, N=bullets(text)), repr(text)
        assert check("Number Placeholder", text, N=placeholders(text)), repr(text)
        assert check("Multiple Sections", text, N=sections(text, "-"), section_splitter="-"), repr(text)
        titles += has_title(text)
        assert check("Title", text) is has_title(text), repr(text)
    assert titles > 4


LONG = 100_000  # a rule that is quadratic in this would not end


@pytest.mark.parametrize(
    "text", ["\n" * LONG, " " * LONG, "[" * LONG, "<<" * LONG, "*" * LONG, "<<a> " * LONG]
)
def test_long_texts_take_time_in_proportion_to_their_length(text):
    for rule in ("Number Bullets", "Title", "Number Placeholder", "Multiple Sections", "Number Paragraphs"):
        assert not check(rule, f"{text}x", N=7, section_splitter="]")
    assert not check("Minimum Number Highlighted Section", text, N=LONG)
