"""1 if the answer is right, else 0.

`exact` is the paper's rule (arXiv:2509.21060), `robust` forgives spelling and layout, never a wrong option.
The scorer is the evaluation's own, so that reward and accuracy cannot drift apart.
"""

from typing import Literal

from rlaudio.answers import matches
from rlaudio.types import Completion, Question


def answer_correctness(
    question: Question,
    completion: Completion,
    *,
    mode: Literal["exact", "robust"] = "exact",
    letters: bool = False,  # robust: a letter alone is an answer; for prompts that label their options
    numbers: bool = False,  # robust: "three" is "3", "21.2s" is "21.2 sec"
) -> float:
    return float(matches(completion.text, question, mode, letters=letters, numbers=numbers))
