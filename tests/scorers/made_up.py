"""Questions that are odd in the ways of real ones, each by what is odd, and thousands of made-up answers."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

from rlaudio.types import Question
from tests.answers.texts import TEXTS
from tests.factories import make_question

_ROWS = {  # what is odd: options and the right one
    "nothing": (("a dog", "a cat", "a cow", "a bird"), "a cat"),
    "equal options": (("rain", "wind", "wind", "fire"), "rain"),
    "the right option twice": (("rain", "wind", "fire", "wind"), "wind"),
    "an empty option": (("yes", "no", "maybe", ""), "no"),
    "the empty option is right": (("yes", "no", ""), ""),
    "spaces around options": ((" drums", "bass ", "flute", "harp"), "bass "),
    "different options of the same words": (("man then woman", "woman then man", "man"), "woman then man"),
    "letters as options": (("D", "A", "C", "B"), "A"),
    "an option is the beginning of another": (("Dog", "Dog barks", "Dog barks twice", "Cat"), "Dog barks"),
    "the right option is inside a wrong one": (("happy", "unhappy", "not happy", "happy and calm"), "happy"),
    "a wrong option is inside the right one": (("major", "C major", "minor", "C"), "C major"),
    "None and numbers": (("None", "1", "2", "12"), "None"),
    "other scripts and quotes": (("C♯", "l'été", "“hello”", "don't"), "l'été"),
    "options that differ in case": (("c", "C", "İ", "i"), "C"),
    "one option": (("thunder",), "thunder"),
    "two options": (("Yes", "No"), "No"),
    "eight options": (tuple(f"{n} claps" for n in range(1, 9)), "6 claps"),
    "labelled options": (("A. 1", "B. 2", "C. 3"), "B. 2"),
    "the answer is no option": (("left", "right"), "Left"),
}
QUESTIONS = {
    odd: make_question(id=odd, choices=choices, answer=answer) for odd, (choices, answer) in _ROWS.items()
}
_FORMS = [  # {x} and {y} are options, {l} and {m} letters
    *(
        "{x}",
        "{x}.",
        " {x}\n",
        "{l}",
        "{l}.",
        "({l})",
        "({l}) {x}",
        "{l}) {x}",
        "{l}. {y}",
        "[{l}]- {x}",
        "x{l}.",
    ),
    *(
        "Answer: {l}",
        "The answer is {l}",
        "The answer is {l}.",
        "The answer is {x}.",
        "It is not {x} but {y}",
    ),
    *(
        "<answer>{x}</answer>",
        "<answer>{l}</answer>",
        "<think>{y}? No.</think><answer>{x}</answer>",
        "**{l}**",
    ),
    *(
        "{x} or {y}",
        "{x}\n{y}",
        "{l} {m}",
        "{l}: {y}",
        "None",
        "",
        " \n",
        "A dog barks",
        "Both",
        "Because",
        "d",
        "?",
    ),
    *(
        "({l} )  {x}",
        "{x} {x}",
        "not {x}",
        "{l} - {x} - {y}",
        "No\nne",
        "{l}\n\n{x}",
        "E. {x}",
        "\u3000{l}.\u3000{x}",
    ),
]


def answers(count: int, seed: int = 0) -> Iterator[tuple[Question, str]]:
    """Questions with an answer each: an option in a form, its case changed or cut off every so often."""
    rng = random.Random(seed)
    for _ in range(count):
        question = rng.choice([*QUESTIONS.values()])
        x, y = rng.choice(question.choices), rng.choice(question.choices)
        text = rng.choice(_FORMS).format(x=x, y=y, l=rng.choice("ABCDEabz"), m=rng.choice("ABCD"))
        change = rng.choice(
            [str, str, str, str.lower, str.upper, str.title, lambda t: t[: rng.randint(0, len(t))]]
        )
        yield question, change(text)


ODD_QUESTIONS = st.sampled_from([*QUESTIONS.values()])
ANY_TEXT = TEXTS | st.text() | st.sampled_from([text for _, text in answers(300, seed=1)])
