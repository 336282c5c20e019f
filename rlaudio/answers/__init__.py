"""What a completion answers: how texts are read, and SFT targets. `rlaudio.scorers` decide what is right.

parsing.py       which option does a text name?  the layers behind the scorer `robust`
normalising.py   when are two spellings of an option the same?
tags.py          where does a text think and answer; SFT targets
unparsed.py      the warning where most texts name no option
"""

from rlaudio.answers.normalising import normalise, normalise_but_case
from rlaudio.answers.parsed import Parsed, Status
from rlaudio.answers.parsing import parse
from rlaudio.answers.tags import (
    Span,
    answer_block,
    answer_spans,
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
    "normalise",
    "normalise_but_case",
    "parse",
    "sft_target",
    "simple_analysis",
    "structured_stages",
    "think_spans",
]
