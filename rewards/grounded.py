"""On misleading questions: 1 for what the audio says, minus `penalty` for what the text suggests, 0 else.

A question is misleading where its data names the option that text alone suggests, in the field `field` (of
`Question.extra`): its text, or its position from 0; an answer of the field `{field}_short` counts as it.
Other questions, and those where that option is right, have the value `elsewhere`, so that they add nothing to
compare within a group. Not from a paper: it turns the text's prior into the error that costs most, where
`answer_correctness` treats all wrong options alike.
"""

from rlaudio.answers.tempting_options import is_tempted, stated_options, tempting_options
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
    """1.0 if right, -`penalty` if the answer is the tempting option, else 0.0; `elsewhere` where none tempts.

    Not from a paper. Raises ValueError where the field names no option of the question.
    """
    if not tempting_options(question, field):
        _refuse_unknown(question, field)
        return elsewhere
    verdict = scorer(question, completion.text)
    if verdict.right:
        return 1.0
    return -penalty if is_tempted(question, completion.text, verdict.read, field) else 0.0


def _refuse_unknown(question: Question, field: str) -> None:
    """Refuse a field that names no option: it would teach nothing, and nobody would see it."""
    stated = question.extra.get(field)
    if stated is None or not question.choices or stated_options(question, field):
        return
    raise ValueError(
        f"grounded: question {question.id} has {field} {stated!r}; expected one of its options "
        f"{list(question.choices)} or a position from 0"
    )
