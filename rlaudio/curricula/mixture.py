"""RL on a mixture of groups of questions in stated shares, as far as their gates are open."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rlaudio.curricula.selector import Observed, Weighted
from rlaudio.curricula.stage import RL_STEPS, Stage
from rlaudio.types import Contributions, Question


def mixture(
    questions: Sequence[Question],
    contributions: Contributions,
    rng: np.random.Generator,
    *,
    shares: dict[str, float],
    by: str = "category",
    opens_at: float | None = None,
    rl_steps: int = RL_STEPS,
) -> list[Stage]:
    """One stage of RL that draws from each group of the grouping `by` in proportion to `shares`.

    A group that is smaller than its share of a step is drawn again within the step.
    With `opens_at` groups open in the order of `shares`: the next one once the latest success rates of the
    group before it are `opens_at` on average; a gate closes again where they fall. Other groups are left out.
    """
    chosen = tuple(question for question in questions if question.groups.get(by) in shares)
    sizes, names = Counter(question.groups[by] for question in chosen), list(shares)
    if missing := [name for name in names if not sizes[name]]:
        there = sorted({question.groups.get(by, "") for question in questions})
        raise ValueError(f"curriculum mixture: no question has {by} {missing[0]!r}; expected one of {there}")
    members = {name: [q.id for q in chosen if q.groups[by] == name] for name in names}

    def passed(name: str, seen: Observed) -> bool:
        rates = [seen.success_rates[i] for i in members[name] if i in seen.success_rates]
        return opens_at is None or (bool(rates) and float(np.mean(rates)) >= opens_at)

    def weigh(chosen: Sequence[Question], seen: Observed) -> list[float]:
        ahead = [number for number, name in enumerate(names) if not passed(name, seen)]
        open_ones = names[: ahead[0] + 1] if ahead else names
        weights = {name: shares[name] / sizes[name] for name in open_ones}
        return [weights.get(question.groups[by], 0.0) for question in chosen]

    def group(question: Question) -> str:
        return question.groups[by]

    return [Stage("rl", chosen, steps=rl_steps, selector=Weighted(weigh=weigh, group=group))]
