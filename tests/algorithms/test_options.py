"""What algorithms refuse, and what they say then."""

import pytest

from rlaudio.algorithms.contribution_weighted import ContributionWeighted
from rlaudio.algorithms.gspo import GSPO
from rlaudio.algorithms.mapo import MAPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.vespo import VESPO
from rlaudio.config.plugins import bind
from rlaudio.config.shipped import available
from tests.algorithms.batches import ALGORITHMS, samples

SIGNALS = {"contribution": [0.5, 0.5], "values": [[[0.0]], [[0.0]]]}
WITHOUT_GROUPS = {"ReinforcePP", "PPO"}


REFUSED = [
    (algorithm, option, value)
    for algorithm in ALGORITHMS
    for option, value in (("clip", -0.1), ("clip", 1.5), ("kl", -0.001))
    if hasattr(algorithm, option)
]


@pytest.mark.parametrize(("algorithm", "option", "value"), REFUSED)
def test_options_out_of_range_are_refused(algorithm, option, value):
    with pytest.raises(
        ValueError, match=rf"algorithm.{option} is {value}; expected .*; change it in the recipe"
    ):
        algorithm(**{option: value})


@pytest.mark.parametrize(
    ("algorithm", "option", "value", "expected"),
    [
        (PPO, "gamma", 1.1, "0 to 1"),
        (PPO, "lam", -0.5, "0 to 1"),
        (PPO, "value_lr", -1.0, "at least 0"),
        (PPO, "value_clip", -0.2, "at least 0"),
        (GSPO, "clip_high", -4e-4, "at least 0"),
        (VESPO, "decay_negative", 0.0, "at least 0.0001"),
        (MAPO, "limit", 0.5, "at least 1"),
        (MAPO, "temperature", 0.0, "at least 0.001"),
        (ContributionWeighted, "floor", 2.0, "0 to 1"),
        (ContributionWeighted, "token_floor", -0.1, "0 to 1"),
    ],
)
def test_the_message_says_what_was_expected(algorithm, option, value, expected):
    with pytest.raises(ValueError, match=rf"algorithm.{option} is {value:g}; expected {expected};"):
        algorithm(**{option: value})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_groups_of_one_are_refused_where_they_make_no_sense(algorithm):
    given = samples([[1.0], [0.0]], **SIGNALS)
    if algorithm.__name__ in WITHOUT_GROUPS:
        assert not algorithm().advantages(given).isnan().any()
    else:
        with pytest.raises(ValueError, match=r"raise sampling.group_size, or use .* reinforce_pp or ppo"):
            algorithm().advantages(given)


def test_every_algorithm_ships_and_is_found_by_name():
    shipped = {signature.name for signature in available("algorithm").values()}
    assert shipped == {algorithm.__name__ for algorithm in ALGORITHMS} | {"SFT"}


@pytest.mark.parametrize("name", sorted(available("algorithm")))
def test_every_algorithm_is_made_from_a_recipes_entry(name):
    bound = bind("algorithm", {"use": name})
    assert bound().needs is not None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_options_and_defaults_are_read_from_the_source_text(algorithm):
    signature = next(s for s in available("algorithm").values() if s.name == algorithm.__name__)
    assert signature.defaults == vars(algorithm())
