"""On misleading questions: 1 for what the audio says, minus `penalty` for what the text suggests, 0 else.

A question is misleading where its data names the option that text alone suggests, in the field `field` (of
`Question.extra`): its text, or its position from 0. Other questions, and those where that option is right,
have the value `elsewhere`, so that they add nothing to compare within a group. Not from a paper: it turns
the text's prior into the error that costs most, where `answer_correctness` treats all wrong options alike.
"""

from rlaudio.types import Completion, Question, Scorer


def grounded(
    question: Question,
    completion: Completion,
    *,
    scorer: Scorer,
    penalty: float = 1.0,
    elsewhere: float = 0.0,
    field: str = "tempting",
) -> float:
    tempting = tempting_option(question, field)
    if tempting is None:
        return elsewhere
    verdict = scorer(question, completion.text)
    return 1.0 if verdict.right else -penalty if verdict.read == tempting else 0.0


def tempting_option(question: Question, field: str) -> int | None:
    """Position of the wrong option that text suggests; None where the data names none, or the right one."""
    stated = question.extra.get(field)
    if stated is None or not question.choices:
        return None
    if stated not in question.choices and stated not in range(len(question.choices)):
        raise ValueError(
            f"grounded: question {question.id} has {field} {stated!r}; expected one of its options "
            f"{list(question.choices)} or a position from 0"
        )
    place = question.choices.index(stated) if stated in question.choices else int(stated)
    return None if place == question.answer_index else place
