"""What a comparison's file comes to: its arms, their seeds and their budget."""

import re

import pytest

from rlaudio.compare.grid import read_comparison
from rlaudio.config.recipe import load_recipe
from rlaudio.config.shipped import shipped_comparisons


def recipes(path, overrides=()):
    return {arm.name: arm.recipe for arm in read_comparison(path, overrides).arms}


@pytest.mark.parametrize("name", shipped_comparisons())
def test_comparisons_that_ship_are_valid(name):
    comparison = read_comparison(name)
    assert comparison.name == name and len(comparison.seeds) >= 2 and len(comparison.arms) >= 8


def test_dotted_keys_of_all_and_of_an_arm_are_those_of_nested_maps(write):
    path = write("""
base: tiny_weak_to_strong
set: {optimizer.lr: 2e-5, optimizer: {warmup: 0.5}, algorithm.kl: 0}
arms:
  plain:
  fast: {optimizer.lr: 3e-5}
""")
    arms = recipes(path)
    assert [(arm.optimizer.lr, arm.optimizer.warmup) for arm in arms.values()] == [(2e-5, 0.5), (3e-5, 0.5)]
    assert arms["plain"].algorithm.options["kl"] == 0.0


def test_an_unknown_dotted_key_is_named_with_its_line(write):
    path = write("base: tiny_weak_to_strong\nset:\n  optimizer.lrr: 1\narms: {a: }\n")
    with pytest.raises(ValueError, match=r"compare.yaml:3: optimizer.lrr: unknown key 'lrr'"):
        read_comparison(path)


def test_an_arm_is_the_base_with_what_all_say_and_what_it_says(write):
    path = write("""
base: tiny_weak_to_strong
set: {optimizer: {lr: 2e-5, warmup: 0.5}}
arms:
  plain:
  fast: {optimizer: {lr: 3e-5}, algorithm: {kl: 0}}
""")
    arms = recipes(path)
    assert (arms["plain"].optimizer.lr, arms["plain"].optimizer.warmup) == (2e-5, 0.5)
    assert (arms["fast"].optimizer.lr, arms["fast"].optimizer.warmup) == (3e-5, 0.5)
    assert (arms["fast"].algorithm.use, arms["fast"].algorithm.options["kl"]) == ("grpo", 0.0)
    assert arms["plain"].curriculum == load_recipe("tiny_weak_to_strong").curriculum


def test_a_grid_runs_every_arm_with_every_combination(write):
    path = write("""
base: tiny_weak_to_strong
arms: {short: {sampling: {max_new_tokens: 8}}, long: {sampling: {max_new_tokens: 9}}}
grid: {optimizer.lr: [1e-5, 2e-5], algorithm: [grpo, {use: rloo, kl: 0}]}
seeds: [3, 5]
""")
    arms = recipes(path)
    assert list(arms)[:4] == [
        "short,lr=1e-5,grpo",
        "short,lr=1e-5,rloo,kl=0",
        "short,lr=2e-5,grpo",
        "short,lr=2e-5,rloo,kl=0",
    ]
    chosen = arms["long,lr=2e-5,rloo,kl=0"]
    assert (chosen.optimizer.lr, chosen.algorithm.use, chosen.sampling.max_new_tokens) == (2e-5, "rloo", 9)
    runs = read_comparison(path).runs()
    assert [run.seed for run in runs] == [3] * 8 + [5] * 8
    assert runs[0].place == "short,lr=1e-5,grpo/seed-3" and runs[0].recipe.seed == 3


def test_a_grid_alone_names_its_arms(write):
    path = write("base: tiny_weak_to_strong\ngrid: {curriculum.rl_steps: [5, 6]}\n")
    assert list(recipes(path)) == ["rl_steps=5", "rl_steps=6"]


def test_overrides_reach_every_arm(place):
    arms = recipes(place / "two.yaml", ["sampling.max_new_tokens=7"])
    assert {recipe.sampling.max_new_tokens for recipe in arms.values()} == {7}


def test_without_a_budget_the_baselines_plan_is_everybodys(write):
    path = write("""
base: tiny_weak_to_strong
set: {curriculum: {rl_steps: 10}, sampling: {questions: 4, group_size: 8}}
arms:
  grpo:
  wide: {sampling: {group_size: 16}}
  own: {training: {max_rollouts: 77}}
  free: {training: {max_rollouts: null}, algorithm: rloo}
""")
    assert [r.training.max_rollouts for r in recipes(path).values()] == [320, 320, 77, None]


def test_completions_that_the_baseline_plans_in_silence_count_too(write):
    path = write("""
base: tiny_weak_to_strong
set: {curriculum: {rl_steps: 10}, sampling: {questions: 4, group_size: 8}, contribution: {silent_samples: 3}}
arms: {ours: {algorithm: contribution_weighted}, grpo: {}}
""")
    assert {r.training.max_rollouts for r in recipes(path).values()} == {10 * 4 * (8 + 3)}


@pytest.mark.parametrize(
    ("baseline", "in_silence"),
    [
        ("{curriculum: {use: by_contribution, rl_steps: 25, refresh_every: 10}}", 3 * 3),  # steps 0, 10, 20
        ("{curriculum: {use: by_contribution, rl_steps: 25, refresh_every: 0}}", 0),
        ("{rewards: {counterfactual: {weight: 1.0}}}", 25 * 3),
        (
            "{algorithm: contribution_weighted, rewards: {counterfactual: {weight: 1.0}},"
            " curriculum: {use: by_contribution, rl_steps: 25, refresh_every: 10}}",
            25 * (3 + 3),  # measured in every step, as the algorithm needs it
        ),
        ("{contribution: {on_policy: options}, algorithm: contribution_weighted}", 0),
    ],
)
def test_completions_in_silence_are_those_of_rewards_and_of_each_measurement(write, baseline, in_silence):
    path = write(f"""
base: tiny_weak_to_strong
set:
  curriculum: {{rl_steps: 25}}
  sampling: {{questions: 4, group_size: 8}}
  contribution: {{silent_samples: 3}}
arms: {{ours: {baseline}, other: {{}}}}
""")
    [ours, _] = recipes(path).values()
    assert ours.training.max_rollouts == 4 * (25 * 8 + in_silence)


def test_a_file_that_names_a_budget_gets_no_other(write):
    path = write(
        "base: tiny_weak_to_strong\nset: {training: {max_tokens: 9}}\narms: {a: {}, b: {algorithm: rloo}}\n"
    )
    assert {(r.training.max_rollouts, r.training.max_tokens) for r in recipes(path).values()} == {(None, 9)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arms: {a: {}}", r":1: base: is missing; expected: the recipe that every arm extends"),
        ("base: tiny_weak_to_strong", r"nothing to compare; name arms"),
        ("base: tiny_weak_to_strong\narms: {}", r"nothing to compare; name arms"),
        (
            "base: tiny_weak_strong\narms: {a: }",
            r":1: base: unknown recipe .*; did you mean 'tiny_weak_to_strong'",
        ),
        ("base: ./gone.yaml\narms: {a: }", r":1: base: no recipe .*gone\.yaml"),
        ("base: tiny_weak_to_strong\nams: {a: }", r":2: ams: unknown key 'ams'; did you mean 'arms'\?"),
        (
            "base: tiny_weak_to_strong\narms:\n  a: {}\n  b:\n    sampling: {group_sice: 4}",
            r":5: sampling\.group_sice: unknown key 'group_sice'; did you mean 'group_size'\?.*\(arm b\)",
        ),
        (
            "base: tiny_weak_to_strong\narms: {a: {algorithm: {use: rloo, cliip: 1}}}",
            r":2: algorithm\.cliip: .*did you mean 'clip'\?.*\(arm a\)",
        ),
        ("base: tiny_weak_to_strong\narms: {a: 3}", r":2: arms\.a: .*valid dictionary; found 3"),
        ("base: tiny_weak_to_strong\narms:\n  a: {}\n  a: {}", r":4: arms\.a is given twice"),
        ("base: ../../x\narms: {a: {}}", r"c\w+\.yaml:1: base: no recipe /"),
        ("base: ./gone.yaml\narms: {a: {}}", r"c\w+\.yaml:1: base: no recipe /"),
        ("base: tiny_weak_to_strong\narms: {../../x: {}}", r"yaml:2: arms\.\.\./\.\./x: expected a name"),
        (
            "base: tiny_weak_to_strong\nseeds: [9223372036854775808]\narms: {a: {}}",
            r"yaml:2: seeds\.0: .* 64 bits",
        ),
        ("base: tiny_weak_to_strong\nseeds: [true]\narms: {a: {}}", r"yaml:2: seeds\.0: expected a number"),
        ("base: tiny_weak_to_strong\narms: {a: {}, A: {}}", r"arms 'a' and 'A' would share a folder"),
        (
            "base: tiny_weak_to_strong\narms: {a/b: {}}",
            r"c\w+\.yaml:2: arms\.a/b: expected a name, not a path",
        ),
        (
            "base: tiny_weak_to_strong\narms: {shared: {}}",
            r"c\w+\.yaml:2: arms\.shared: an arm cannot be called 'shared'",
        ),
        (
            "base: tiny_weak_to_strong\narms: {comparison.html: {}}",
            r"c\w+\.yaml:2: arms\.comparison\.html: an arm cannot be called 'comparison\.html'",
        ),
        ("base: tiny_weak_to_strong\narms: {Shared: {}}", r"an arm cannot be called 'Shared'"),
        (
            "base: tiny_weak_to_strong\nset:\n  optimizer.lr: 1\n  optimizer: {lr: 2}\narms: {a: {}}",
            r":3: optimizer\.lr is set here and at .*:4, so one of both values would be dropped",
        ),
        (
            "base: tiny_weak_to_strong\nset: {optimizer: 3, optimizer.lr: 1}\narms: {a: {}}",
            r":2: optimizer is set here and at .*:2, so one",
        ),
        (
            "base: tiny_weak_to_strong\narms:\n  a: {optimizer: {lr: 3}}\ngrid:\n  optimizer.lr: [1, 2]",
            r":5: optimizer\.lr is set here and at .*:3, so one",
        ),
        (
            "base: tiny_weak_to_strong\narms: {a: , b: }\ngrid: {optimizer.lr: [%s]}" % ("1, " * 501),
            r":3: 1,002 arms; expected at most 1,000",
        ),
        (
            "base: tiny_weak_to_strong\narms: {a: {curriculum: {rl_steps: 1000000000}}}",
            r":2: arms\.a: plans 128,000,000,000 completions.* at most 1,000,000,000",
        ),
        (
            "base: tiny_weak_to_strong\narms: {a: {}, b: {algorithm: grpo}}",
            r"arms 'a' and 'b' come to the same",
        ),
        ("base: tiny_weak_to_strong\nseeds: [0, 1, 0]\narms: {a: }", r":2: seed 0 is given twice"),
        ("base: tiny_weak_to_strong\nseeds: []\narms: {a: }", r":2: seeds: .*at least 1 item"),
        (
            "base: tiny_weak_to_strong\nseeds: [-1]\narms: {a: }",
            r":2: seeds\.0: .*greater than or equal to 0",
        ),
        (
            "base: tiny_weak_to_strong\nbaseline: gpro\narms: {grpo: }",
            r":2: baseline: unknown arm 'gpro'; did you mean 'grpo'\?",
        ),
        (
            "base: tiny_weak_to_strong\narms: {a: {seed: 4}}",
            r":2: seed is not allowed here; list seeds under",
        ),
        ("base: tiny_weak_to_strong\ngrid: {seed: [4]}", r":2: seed is not allowed here; list seeds under"),
        ("base: tiny_weak_to_strong\nset: {extends: x}\narms: {a: }", r":2: extends is not allowed here"),
        ("base: tiny_weak_to_strong\ngrid: {optimizer.lr: []}", r":2: grid\.optimizer\.lr has no values"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(write, text, said):
    with pytest.raises(ValueError, match=said):
        read_comparison(write(text))


def test_an_error_of_the_baselines_algorithm_is_told_with_the_arms_place(write):
    path = write("base: tiny_weak_to_strong\narms: {a: {algorithm: ./odd.py}, b: {}}\n")
    text = "class Odd:\n    def __init__(self):\n        raise ValueError('no needs')\n"
    path.with_name("odd.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r":2: arms\.a: no needs$"):
        read_comparison(path)


def test_a_problem_that_all_arms_share_is_told_once(write):
    path = write("base: tiny_weak_to_strong\nset: {optimizer: {lr: -1}}\narms: {a: , b: {algorithm: rloo}}\n")
    with pytest.raises(ValueError, match=r"^[^\n]*optimizer\.lr: [^\n]*\(arm a, b\)$"):
        read_comparison(path)


def test_seeds_are_not_set_from_the_command_line(place):
    with pytest.raises(ValueError, match=r"-o seed=3: seed cannot be set for all arms"):
        read_comparison(place / "two.yaml", ["seed=3"])


def test_an_unknown_comparison_is_suggested():
    with pytest.raises(FileNotFoundError, match="unknown comparison 'compare_stong'; did you mean"):
        read_comparison("compare_stong")


def test_the_overlong_reward_of_the_comparison_counts_whole_completions():
    dapo = next(arm for arm in read_comparison("compare_strong").arms if arm.name == "dapo")
    assert dapo.recipe.rewards["cot_length"].options["count"] == "completion"


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (
            "{a: {}, b: {training: {keep: 4}}}",
            "arms 'a' and 'b' differ in training.keep alone and would give the",
        ),
        (
            "{a: {}, b: {report: {completions: 3}, training: {keep: 4}}}",
            "arms 'a' and 'b' differ in report.completions, training.keep alone",
        ),
        ("{a: {}, b: {}}", "arms 'a' and 'b' come to the same recipe and would give the same numbers"),
    ],
)
def test_arms_whose_results_cannot_differ_are_refused_by_name(place, write, arms, said):
    file = write(f"base: {place / 'base.yaml'}\narms: {arms}\n")
    with pytest.raises(ValueError, match=re.escape(said)):
        read_comparison(file)


def test_arms_that_differ_in_rounding_may_be_compared_by_their_time(place, write):
    arms = "{a: {threads: 1}, b: {threads: 2}}"
    assert len(read_comparison(write(f"base: {place / 'base.yaml'}\narms: {arms}\n")).arms) == 2
