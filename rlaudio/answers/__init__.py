"""What a completion answers: one reading for rewards, SFT targets and evaluation, so that they cannot drift.

matching.py      is this completion right?  `exact`, the paper's rule, and `robust`
parsing.py       which option does a text name?  the layers behind `robust`
normalising.py   when are two spellings of an option the same?
tags.py          where does a text think and answer; what SFT teaches
unparsed.py      what to say where most texts name no option
"""

from rlaudio.answers.matching import Mode, exact_match, extract_answer, matches, read_answer
from rlaudio.answers.normalising import normalise
from rlaudio.answers.parsing import Parsed, Status, parse
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
    "Mode",
    "Parsed",
    "Span",
    "Status",
    "answer_block",
    "answer_spans",
    "exact_match",
    "extract_answer",
    "matches",
    "normalise",
    "parse",
    "read_answer",
    "sft_target",
    "simple_analysis",
    "structured_stages",
    "think_spans",
]
