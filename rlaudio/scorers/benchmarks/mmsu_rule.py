"""Right where the answer begins or ends with the letter of the right option: the rule of MMSU.

As `mmsu_evaluation.py` of MMSU (arXiv:2506.04779): the first character, or else the last but one ("The
answer is B."), is taken for a letter, whatever word it belongs to. So "Both" is B, "A dog" is A, and an
answer without a capital A, B, C or D in these two places is left out of the denominator. The option of the
letter must equal the answer exactly. An empty answer and "None" are wrong.
"""

from rlaudio.types import Question, Verdict

_LETTERS = ("A", "B", "C", "D")


def mmsu_rule(question: Question, text: str) -> Verdict:
    """Right by a letter in one of two places, arXiv:2506.04779; not counted where there is none."""
    answer = text.strip().replace("\n", "")
    if answer in ("", "None"):
        return Verdict(False, None, "none", "no answer")
    letter = next((character for character in (answer[0], answer[-2:-1]) if character in _LETTERS), None)
    if letter is None:
        return Verdict(False, None, "none", "no letter", counted=False)
    position = _LETTERS.index(letter)
    options = (
        *question.choices,
        *[""] * len(_LETTERS),
    )  # those that a row does not have are empty in the script
    read = position if position < len(question.choices) else None
    return Verdict(
        options[position] == question.answer, read, "letter", "" if read is not None else "no option"
    )
