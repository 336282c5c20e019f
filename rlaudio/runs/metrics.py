"""The one table of what rlaudio logs: every metric's name `group/name`, its meaning and its unit.

A run may log only what is listed here, so every curve on the page or in TensorBoard is explained.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

FEWEST_STEPS = 3  # in which a reward must have had one value to be called stuck
NOT_REWARDS = ("reward/total", "reward/failures")


@dataclass(frozen=True)
class Metric:
    """One row of the table; `<word>` in a name stands for any word, as in `reward/<name>`."""

    name: str
    meaning: str
    unit: str
    wall_clock: bool = False  # of the clock, or of how the work was split: it goes to another file

    @property
    def group(self) -> str:
        """What stands before the slash of its name."""
        return self.name.partition("/")[0]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        literal_parts = re.split(r"<[^>]+>", self.name)
        return re.compile("[^/]+".join(re.escape(part) for part in literal_parts))

    def covers(self, name: str) -> bool:
        """Whether `name` is this metric, or one of the names its pattern stands for."""
        return self._pattern.fullmatch(name) is not None


METRICS: tuple[Metric, ...] = (
    Metric("data/questions", "Questions of this step.", "questions"),
    Metric("data/epoch", "Passes over the stage's questions that are behind us after this step.", "passes"),
    Metric("data/weak_share", "Share of the questions whose audio contribution is weak.", "fraction"),
    Metric("data/truncated_clips", "Clips of this step that the length policy cut.", "clips"),
    Metric("reward/total", "Mean weighted sum of all rewards over the scored completions.", "reward"),
    Metric("reward/failures", "Completions dropped because a reward gave no value for them.", "completions"),
    Metric("reward/<name>", "Mean of one reward of the recipe, before its weight.", "reward"),
    Metric("group/no_spread", "Share of groups whose completions all have one total reward.", "fraction"),
    Metric("group/spread", "Mean over groups of the standard deviation of the total reward.", "reward"),
    Metric("rollout/completions", "Completions sampled in this step.", "completions"),
    Metric("rollout/tokens", "Tokens sampled in this step, stop tokens included.", "tokens"),
    Metric("rollout/length", "Mean length of a completion, its stop token included.", "tokens"),
    Metric("rollout/stop_rate", "Share of completions that ended by themselves, not at a limit.", "fraction"),
    Metric(
        "rollout/mismatch_mean",
        "Mean absolute difference between the log-probs of sampled tokens under sampler and trainer.",
        "nats",
    ),
    Metric("rollout/mismatch_max", "The largest such difference in this step.", "nats"),
    Metric("rollout/mismatch_pearson", "Correlation of those two log-probs over the step's tokens.", "1"),
    Metric(
        "rollout/lag",
        "Mean age of the weights that sampled, counted from those that the step trains.",
        "steps",
    ),
    Metric(
        "rollout/silent_completions",
        "Completions sampled in silence, to see how much the audio contributes or for rewards.",
        "completions",
    ),
    Metric(
        "data/contribution",
        "Mean audio contribution of the step's questions as the policy shows it now.",
        "fraction",
    ),
    Metric("loss/total", "What the optimizer minimised: all terms with their weights.", "nats"),
    Metric("loss/policy", "The policy-gradient term alone, with the weights of mismatch.correct.", "nats"),
    Metric("loss/kl", "Mean estimate of KL(policy || reference) per token, before its weight.", "nats"),
    Metric("loss/entropy", "Mean entropy of the policy's next-token distribution.", "nats"),
    Metric("loss/perception", "Mean KL estimate between the policy with audio and in silence.", "nats"),
    Metric("loss/value", "Mean squared error of the critic, halved.", "reward²"),
    Metric("loss/value_clip_fraction", "Share of tokens whose value the clipping held back.", "fraction"),
    Metric(
        "loss/clip_fraction",
        "Share of tokens whose gradient clipping removed: by their ratio, or in `dppo` by their probability; "
        "in `cispo` of those whose weight it bounds, which keep a gradient.",
        "fraction",
    ),
    Metric("loss/ratio_mean", "Mean ratio of new to old probability of the sampled tokens.", "ratio"),
    Metric("loss/<name>", "A part of an algorithm's loss, under the name that the algorithm gives it.", "1"),
    Metric("optimizer/lr", "Learning rate that this step's updates used; 0 where it made none.", "1"),
    Metric("optimizer/value_lr", "The same of a critic's value head, which has a rate of its own.", "1"),
    Metric("optimizer/grad_norm", "Norm of the whole gradient before it was clipped.", "1"),
    Metric("optimizer/updates", "Optimizer steps made on this step's completions.", "updates"),
    Metric("optimizer/tokens", "Target tokens that entered this step's loss.", "tokens"),
    Metric(
        "optimizer/computed_tokens",
        "Tokens that the model computed for this step's updates, audio and prompts included; what rows and "
        "completions of a micro-batch share counts once.",
        "tokens",
        True,
    ),
    Metric(
        "optimizer/tokens_per_second", "Computed tokens, a second of this step's updates.", "tokens/s", True
    ),
    Metric(
        "optimizer/mfu",
        "Share of the device's measured rate of matrix products that the updates used: 2 operations a token "
        "for every weight of the language model's layers forward, 2 backward, 2 more where it trains.",
        "fraction",
        True,
    ),
    Metric(
        "rollout/tokens_per_second", "Sampled tokens, a second of this step's rollouts.", "tokens/s", True
    ),
    Metric(
        "eval/<contribution>_<control>",
        "Greedy accuracy on held-out questions of a contribution (strong, weak, all) "
        "under a control (audio, silence, mismatch).",
        "fraction",
    ),
    Metric(
        "eval/<contribution>_<control>_<scorer>",
        "Greedy accuracy on the same questions by a reward's scorer, where that is another one.",
        "fraction",
    ),
    Metric("eval/unparsed", "Share of held-out answers with real audio that name no choice.", "fraction"),
    Metric(
        "eval/unparsed_<scorer>",
        "Share of held-out answers with real audio in which a reward's scorer reads no choice.",
        "fraction",
    ),
    Metric("time/<phase>", "Wall-clock time of a phase of the run.", "s", True),
    Metric("time/data_wait", "Part of a step: waiting for its prompts and their decoded audio.", "s", True),
    Metric("time/rollout", "Part of a step: sampling completions.", "s", True),
    Metric("time/reward", "Part of a step: scoring them.", "s", True),
    Metric(
        "time/signals",
        "Part of a step: measuring what the loss needs before the update, such as the reference's log-probs.",
        "s",
        True,
    ),
    Metric("time/update", "Part of a step: forward, backward and optimizer.", "s", True),
    Metric("time/sync", "Part of a step: handing the new weights to the rollout worker.", "s", True),
    Metric("time/write", "Part of a step: writing its rollouts.", "s", True),
)


@cache
def metric_of(name: str) -> Metric:
    """The table's row for `name`; of several that cover it, the one that spells out most of it.

    Raises ValueError if the table has none.
    """
    covering = [metric for metric in METRICS if metric.covers(name)]
    if not covering:
        near = difflib.get_close_matches(name, [metric.name for metric in METRICS], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"metric {name!r} is not declared; {hint}expected one of "
            f"{', '.join(metric.name for metric in METRICS)}; declare a new one in rlaudio/runs/metrics.py"
        )
    return max(covering, key=lambda metric: len(re.sub(r"<[^>]+>", "", metric.name)))


def is_declared(name: str) -> bool:
    """Whether the table covers the name; a run of another rlaudio may have logged others."""
    return any(metric.covers(name) for metric in METRICS)


def known_values(values: Iterable[float | None]) -> list[float]:
    """The values that are there: a step may have none, which is None or NaN."""
    return [float(value) for value in values if value is not None and not math.isnan(value)]


def is_stuck_reward(name: str, low: Sequence[float | None], high: Sequence[float | None]) -> bool:
    """Whether the metric is one of the recipe's rewards and never moved, in enough steps to say so.

    `low` and `high` are its range over runs in every step; steps without a value do not count. Means of equal
    values differ in their last digits.
    """
    if not name.startswith("reward/") or name in NOT_REWARDS:
        return False
    lowest, highest = known_values(low), known_values(high)
    if len(lowest) < FEWEST_STEPS:
        return False
    return math.isclose(min(lowest), max(highest), rel_tol=1e-9, abs_tol=1e-12)


def split_wall_clock(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The names of metrics that are equal in equal runs, and of those of the clock; order is kept.

    Raises ValueError at the first undeclared name.
    """
    reproducible: list[str] = []
    wall_clock: list[str] = []
    for name in names:
        (wall_clock if metric_of(name).wall_clock else reproducible).append(name)
    return reproducible, wall_clock
