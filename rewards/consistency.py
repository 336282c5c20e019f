"""1 if the thought ends on the option that the answer names, `undecided` if on none, 0 if on another.

The rule-based stand-in for the judges that Audio-Thinker and MAPO (arXiv:2605.27741) ask whether thinking
and answer agree; not from a paper. The thought's conclusion is the option in its last sentence that names
any: just one, and no word that negates. A line break and a tag end a sentence, too. The answer's option is
the one that the scorer reads, right or wrong. A judge would see more; this rule costs nothing and cannot be
talked round. Audio-Thinker pays 1 where there is no thought; here `undecided` is 0, or an empty thought
would earn it.
"""

import re

from rlaudio.answers import normalise, think_spans
from rlaudio.answers.mentions import NEGATION, mentions
from rlaudio.types import Completion, Question, Scorer


def consistency(
    question: Question, completion: Completion, *, scorer: Scorer, undecided: float = 0.0
) -> float:
    """1.0 where thought and answer name one option, 0.0 where two; `undecided` where the thought names none.

    Ours, after the consistency judges of Audio-Thinker and MAPO (arXiv:2605.27741).
    """
    concluded = conclusion(completion.text, question.choices)
    if concluded is None:
        return undecided
    verdict = scorer(question, completion.text)
    answered = question.answer_index if verdict.right and verdict.read is None else verdict.read
    return float(answered == concluded)


def conclusion(text: str, choices: tuple[str, ...]) -> int | None:
    """Position of the option on which the thought ends; None where it names none, several or denies one."""
    thought = "\n".join(text[span.start : span.end] for span in think_spans(text))
    spellings = [normalise(choice) for choice in choices]
    for sentence in reversed(re.split(r"[.!?;]+(?:\s|$)|\n", re.sub(r"</?\w+>", "\n", thought))):
        plain = normalise(sentence)
        options, _ = mentions(plain, spellings)
        if options:
            return options.pop() if len(options) == 1 and not NEGATION.search(plain) else None
    return None
