"""A penalty for saying the same again: minus the share of n-grams that are repeats (arXiv:2502.03373, C.2).

    -penalty * (1 - different n-grams / n-grams)

0 for completions of fewer than n words. Words are in lower case, split at white space: checked against the
form that open-r1 made of the paper's code. n = 3 and a penalty of 1 are its recipes'; the paper counts
40-grams, which are longer than most answers here.
"""

from rlaudio.types import Completion, Question


def repetition(question: Question, completion: Completion, *, n: int = 3, penalty: float = 1.0) -> float:
    """-penalty * (1 - different n-grams / n-grams), arXiv:2502.03373, C.2. Raises ValueError for n < 1."""
    if n < 1:
        raise ValueError(f"repetition: n is {n}; expected at least 1")
    words = completion.text.lower().split()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return penalty * (len(set(grams)) / len(grams) - 1.0) if grams else 0.0
