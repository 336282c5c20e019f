"""1 if the answer is right, else 0, as the scorer says: the recipe's, or the one that the reward names.

`exact` is the paper's rule (arXiv:2509.21060), `robust` forgives spelling and layout, never a wrong option.
Where the evaluation uses another scorer, it shows the accuracies by both.
"""

from rlaudio.types import Completion, Question, Scorer


def answer_correctness(question: Question, completion: Completion, *, scorer: Scorer) -> float:
    """1.0 where the scorer finds the answer right, else 0.0; the accuracy reward of arXiv:2509.21060."""
    return float(scorer(question, completion.text).right)
