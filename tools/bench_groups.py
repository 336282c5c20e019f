"""What a group costs where a step has few of them, and where it has many."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from bench_rows import Figure
from bench_thinker import MIDDLE, learner, rows_of_noise, thinker

COUNTS, NEW_TOKENS = (1, 4, 16, 64), 24


def measure_groups(repeats: int) -> Iterator[Figure]:
    """Seconds per group of updates of 1 to 64 groups, each on 30 s of audio of its own."""
    family = thinker(MIDDLE)
    rows = rows_of_noise(family, range(COUNTS[-1]), NEW_TOKENS)
    one = learner(family)
    one.step(rows[: COUNTS[-2]], 0)  # memory that grows is no cost of a group
    seconds: dict[int, list[float]] = {count: [] for count in COUNTS}
    for number in range(repeats):
        for count in COUNTS:
            start = time.perf_counter()
            one.step(rows[:count], 1 + number)
            seconds[count].append((time.perf_counter() - start) / count)
    medians = {count: statistics.median(taken) for count, taken in seconds.items()}
    for count, median in medians.items():
        yield Figure(f"groups: seconds per group, {count} groups a step", median, "s")
    spread = max(medians.values()) / min(medians.values())
    yield Figure("groups: dearest over cheapest", spread, "ratio", "<= 1.25")
