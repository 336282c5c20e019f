"""What a completion answers: how texts are read, and SFT targets. `rlaudio.scorers` decide what is right.

parsing.py       which choice does a text name?  the layers behind the scorer `robust`
tags.py          where does a text think and answer; SFT targets
reader.py        one answer: a phrase, or its sentences
frames.py        the words around an answer: "I think the answer is"
foreign_frames.py  ... in other languages
reasons.py       clauses beside an answer: "because it meows", "C is wrong"
afterwords.py    sentences that take an answer back
harmless.py      ... that take nothing back, whatever their words
weighed.py       lists of options with shares or marks
labels.py        letters in front of a choice or behind it
mentions.py      choices and doubts inside running text
choices.py       the choices of a question, by spelling and by letter
layout.py        text without Markdown and LaTeX
normalising.py   when are two spellings of a choice the same?
numbers.py       numbers and units in one spelling
parsed.py        what was read, or why nothing was
tempting_options.py  the wrong option that the text suggests
unparsed.py      the warning where most texts name no choice
"""

from rlaudio.answers.normalising import normalise, normalise_but_case
from rlaudio.answers.parsed import Parsed, Status
from rlaudio.answers.parsing import parse
from rlaudio.answers.tags import (
    Span,
    answer_block,
    answer_spans,
    answer_text,
    option_answer,
    sft_target,
    simple_analysis,
    structured_stages,
    think_spans,
)

__all__ = [
    "Parsed",
    "Span",
    "Status",
    "answer_block",
    "answer_spans",
    "answer_text",
    "normalise",
    "normalise_but_case",
    "option_answer",
    "parse",
    "sft_target",
    "simple_analysis",
    "structured_stages",
    "think_spans",
]
