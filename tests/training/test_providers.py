"""Every need has one provider, and everything else asks the providers."""

import ast
from pathlib import Path

import pytest

import rlaudio
from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.mapo import MAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.training.providers import (
    PROVIDERS,
    asks_for_contribution,
    asks_for_reference,
    learns_from_equal_groups,
)

PACKAGE = Path(rlaudio.__file__).parent
PROVIDING = Path("training/providers.py")


def asked(source: str) -> list[int]:
    """Lines of a module that read what an algorithm needs."""
    return [
        n.lineno for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute) and n.attr == "needs"
    ]


def test_every_need_has_a_provider():
    assert sorted(provider.need for provider in PROVIDERS) == sorted(Need)


def test_no_module_but_algorithms_and_the_providers_reads_what_an_algorithm_needs():
    others = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
    others = [path for path in others if path.parts[0] != "algorithms" and path != PROVIDING]
    assert {path for path in others if asked((PACKAGE / path).read_text(encoding="utf-8"))} == set()
    assert asked((PACKAGE / PROVIDING).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("algorithm", "reference", "contribution", "equal_groups"),
    [
        (GRPO(kl=0.0), False, False, False),
        (GRPO(kl=0.1), True, False, True),
        (MAPO(kl=0.0), True, False, False),
        (PPO(kl=0.0), False, False, True),
        (ContributionWeighted(kl=0.0), False, True, False),
    ],
)
def test_algorithms_are_given_what_they_need_and_nothing_else(
    algorithm, reference, contribution, equal_groups
):
    assert asks_for_reference(algorithm) == reference
    assert asks_for_contribution(algorithm) == contribution
    assert learns_from_equal_groups(algorithm) == equal_groups
