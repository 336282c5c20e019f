"""Warnings above the tables of a comparison: arms that did not help or learn, noise, budgets, few seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rlaudio.answers.unparsed import MANY_UNPARSED
from rlaudio.compare.estimates import HeldOutComparison
from rlaudio.compare.learning_curves import ArmResult, Band
from rlaudio.runs.metrics import is_stuck_reward

UNEQUAL = 0.05  # relative difference of budgets above which there is a warning


def comparison_warnings(
    arms: Sequence[ArmResult], held_out: Sequence[HeldOutComparison], baseline: str
) -> tuple[str, ...]:
    """One sentence each; tests and noise are those of the first held-out set."""
    return (
        *_of_the_base(held_out),
        *_of_unparsed(held_out),
        *_of_learning(arms),
        *_of_noise(held_out, baseline),
        *_of_budgets(arms, baseline),
        *_of_seeds(arms),
    )


def _of_the_base(every: Sequence[HeldOutComparison]) -> list[str]:
    """Where all arms are below the model that they began with."""
    sentences = []
    for held_out in every[:1]:
        for group in held_out.question_counts:
            before = held_out.base.get(group, {}).get("audio")
            after = [of[group]["audio"].value for of in held_out.accuracy.values() if "audio" in of[group]]
            if before is not None and after and max(after) < before and not math.isclose(max(after), before):
                who = {1: "The arm", 2: "Both arms"}.get(len(after), f"All {len(after)} arms")
                sentences.append(
                    f"{who} fell below the base on {_questions(group)}: {100 * before:.1f} % before "
                    f"training, at best {100 * max(after):.1f} % after it."
                )
    return sentences


def _of_unparsed(every: Sequence[HeldOutComparison]) -> list[str]:
    """Arms many of whose answers name no choice."""
    many = (
        [f"{arm} {100 * share:.1f} %" for arm, share in every[0].unparsed.items() if share >= MANY_UNPARSED]
        if every
        else []
    )
    return [f"Answers that name no choice count as wrong: {_listed(many)}."] if many else []


def _of_learning(arms: Sequence[ArmResult]) -> list[str]:
    """Arms whose groups, or one of whose rewards, had no differences in any step, by what they lacked."""
    arms_by_fault: dict[str, list[str]] = {}
    for arm in arms:
        for fault in _taught_nothing(arm):
            arms_by_fault.setdefault(fault, []).append(arm.name)
    return [f"{_listed(names)}{fault}" for fault, names in arms_by_fault.items()]


def _taught_nothing(arm: ArmResult) -> Iterator[str]:
    spread = arm.curves.get("group/no_spread")
    if spread is not None and min(spread.low) == 1.0:
        steps = _steps(arm, spread)
        yield f" had no learning signal: in {steps} all completions of a group had one reward."
    for name, band in arm.curves.items():
        if is_stuck_reward(name, band.low, band.high):
            yield f": reward {name.removeprefix('reward/')} was {band.mean[0]:.3g} in {_steps(arm, band)}."


def _steps(arm: ArmResult, band: Band) -> str:
    every = arm.curves.get("optimizer/tokens", band)  # which each step of RL has
    return "every step" if len(band.low) == len(every.low) else "every step that had a value"


def _of_noise(every: Sequence[HeldOutComparison], baseline: str) -> list[str]:
    sentences = []
    for held_out in every[:1]:
        group = next(iter(held_out.question_counts))
        noise = held_out.seed_noise[group]
        inside = [a for a, tests in held_out.tests.items() if group in tests and tests[group].inside_noise]
        if noise and inside:
            sentences.append(
                f"Inside the noise of seeds on {_questions(group)}: {_listed(inside)} "
                f"{'differs' if len(inside) == 1 else 'differ'} from {baseline} by no more than the "
                f"{100 * noise:.1f} points that two arms can be apart by their seeds alone."
            )
        sure = [a for a, tests in held_out.tests.items() if group in tests and tests[group].holm < 0.05]
        if held_out.tests and not sure:
            several = len(held_out.tests) > 1
            together = f" once all {len(held_out.tests)} tests are taken together (Holm)" if several else ""
            sentences.append(f"No arm differs from {baseline} on {_questions(group)} at 5 %{together}.")
        if held_out.unpaired:
            sentences.append(
                f"{_listed(held_out.unpaired)}: asked other held-out questions than {baseline}, so "
                "there is no paired test."
            )
    return sentences


def _of_budgets(arms: Sequence[ArmResult], baseline: str) -> list[str]:
    sentences = []
    for what, of in (("completions", "rollouts"), ("optimizer tokens", "tokens")):
        used = {arm.name: getattr(arm.cost, of) for arm in arms}
        reference = used.get(baseline)
        if not reference:
            continue
        apart = [
            f"{name} {100 * (value / reference - 1):+.0f} %".replace("-", "\u2212")
            for name, value in used.items()
            if abs(value / reference - 1) > UNEQUAL
        ]
        if apart:
            sentences.append(f"Unequal budgets, {what} against {baseline}: {', '.join(apart)}.")
    return sentences


def _of_seeds(arms: Sequence[ArmResult]) -> list[str]:
    fewest = min(len(arm.seeds) for arm in arms)
    if fewest == 1:
        return [
            "One seed: nothing is known about its noise; intervals are over questions and hold for this very "
            "seed alone."
        ]
    if fewest < 5:
        return [
            f"With {fewest} seeds intervals are wide: how far seeds lie apart is known from {fewest} values."
        ]
    return []


def _questions(group: str) -> str:
    return "all questions" if group == "all" else f"{group} questions"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
