"""A reward for the length of the chain of thought, counted in the policy's own tokens inside `<think>`.

No `<think>` counts 0 tokens; one that is never closed counts to the end of the completion. With
`count: completion` all tokens count, as DAPO's overlong punishment wants it. The shapes:

- `window`: 1 from `low` to `high` tokens, else 0. As in entries to DCASE 2026 Task 5.
- `cosine`, arXiv:2502.03373: right answers from `right[0]` when short down to `right[1]` near `max_tokens`,
  wrong ones from `wrong[0]` up to `wrong[1]`; `exceeding` from `max_tokens` on.
- `soft_overlong`, arXiv:2503.14476: 0, then down to -1 over the last `buffer` of `max_tokens`.
- `kimi`, arXiv:2501.12599: from 0.5 for the shortest of the group to -0.5 for the longest; wrong answers get
  at most 0.
- `lcpo_exact`, arXiv:2503.04697: 1 if right, less `alpha` for each token away from `target`.
- `lcpo_max`, the same paper: right answers `delta` and `alpha` for each token below `target`, within 0 and 1.

`window` and `soft_overlong` do not ask whether the answer is right; the LCPO shapes contain the reward for
it.
"""

import math
from collections.abc import Sequence
from typing import Literal

from rlaudio.answers import think_spans
from rlaudio.types import Completion, Group, Scorer

USED_WITH = {
    "low": {"shape": ["window"]},
    "high": {"shape": ["window"]},
    "max_tokens": {"shape": ["cosine", "soft_overlong"]},
    "right": {"shape": ["cosine"]},
    "wrong": {"shape": ["cosine"]},
    "exceeding": {"shape": ["cosine"]},
    "buffer": {"shape": ["soft_overlong"]},
    "target": {"shape": ["lcpo_exact", "lcpo_max"]},
    "alpha": {"shape": ["lcpo_exact", "lcpo_max"]},
    "delta": {"shape": ["lcpo_max"]},
}


def cot_length(
    group: Group,
    *,
    shape: Literal["window", "cosine", "soft_overlong", "kimi", "lcpo_exact", "lcpo_max"] = "window",
    scorer: Scorer,  # says what is right
    count: Literal["thought", "completion"] = "thought",
    low: int = 20,
    high: int = 120,
    max_tokens: int = 128,
    right: tuple[float, float] = (2.0, 1.0),
    wrong: tuple[float, float] = (-10.0, 0.0),
    exceeding: float = -10.0,
    buffer: int = 32,
    target: int = 64,
    alpha: float = 0.0003,
    delta: float = 0.5,
) -> list[float]:
    """The reward [G] for each completion's length n, by the formula of `shape`: see the functions below.

    Sources: see the file's head. Raises ValueError for bounds that no length could meet.
    """
    count_tokens = count_thought if count == "thought" else count_completion
    lengths = [count_tokens(completion) for completion in group.completions]
    correct = [scorer(group.prompt.question, completion.text).right for completion in group.completions]
    pairs = list(zip(lengths, correct, strict=True))
    match shape:
        case "window":
            return [window(n, low, high) for n in lengths]
        case "cosine":
            return [cosine(n, right if ok else wrong, max_tokens, exceeding) for n, ok in pairs]
        case "soft_overlong":
            return [soft_overlong(n, max_tokens, buffer) for n in lengths]
        case "kimi":
            return kimi(lengths, correct)
        case "lcpo_exact":
            return [float(ok) - alpha * abs(target - n) for n, ok in pairs]  # eq. 1
        case "lcpo_max":
            return [ok * min(max(alpha * (target - n) + delta, 0.0), 1.0) for n, ok in pairs]  # eq. 2


def count_thought(completion: Completion) -> int:
    """Tokens of the policy between `<think>` and `</think>`."""
    return completion.count_tokens([(span.start, span.end) for span in think_spans(completion.text)])


def count_completion(completion: Completion) -> int:
    """All tokens of the policy, the stop token included."""
    return completion.length


def window(n: int, low: int, high: int) -> float:
    """1.0 where low <= n <= high, else 0.0. Raises ValueError where low is above high."""
    if low > high:
        raise ValueError(f"cot_length: low {low} is above high {high}; no length would be rewarded")
    return float(low <= n <= high)


def cosine(n: int, ends: tuple[float, float], max_tokens: int, exceeding: float) -> float:
    """From `ends[0]` at no token to `ends[1]` at `max_tokens`, along half a cosine."""
    if n >= max_tokens:
        return exceeding
    short, long = ends
    return long + 0.5 * (short - long) * (1.0 + math.cos(math.pi * n / max_tokens))


def soft_overlong(n: int, max_tokens: int, buffer: int) -> float:
    """DAPO's eq. 13."""
    over = n - (max_tokens - buffer)
    if over <= 0:
        return 0.0
    return -1.0 if over >= buffer else -over / buffer


def kimi(lengths: Sequence[int], correct: Sequence[bool]) -> list[float]:
    """The length reward of Kimi k1.5, section 2.3.3; 0 for all where the lengths are equal."""
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return [0.0] * len(lengths)
    scores = [0.5 - (n - shortest) / (longest - shortest) for n in lengths]
    return [score if ok else min(0.0, score) for score, ok in zip(scores, correct, strict=True)]
