"""Comparisons: what a file comes to, what is shared, that sharing changes no number, what the page says."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from rlaudio import pipeline
from rlaudio.cli import main
from rlaudio.compare import compare_folder
from rlaudio.compare.compare import compare
from rlaudio.compare.compare_folder import open_folder
from rlaudio.compare.compare_page import write_comparison_page
from rlaudio.compare.grid import read_comparison
from rlaudio.compare.results import read_results
from rlaudio.compare.running import Failure, run_jobs
from rlaudio.compare.sharing import NOT_READ_BY, Job, digest, jobs, prepare
from rlaudio.compare.table import markdown_table
from rlaudio.config.recipe import load_recipe
from rlaudio.config.schema import field_table
from rlaudio.config.shipped import shipped_comparisons
from rlaudio.evaluation.statistics import mcnemar_p_value
from rlaudio.runs.files import append_row, read_rows, write_json, write_rows, write_text
from rlaudio.runs.places import VERSIONS
from tests.conftest import TINY
from tests.pipeline.test_run import assert_same_numbers, wait_for
from tests.report.test_page import Outline, data_of

BASE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 24, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 8, folder: {folder}}}}}
contribution: {{voters: [{model}], threshold: 1, silence: 1.0}}
curriculum: {{use: mixed_to_mixed, sft_questions: 8, sft_steps: 2, rl_steps: 3}}
rewards: {{answer_correctness: {{weight: 2.0}}, format: {{weight: 0.5}}}}
sampling: {{questions: 2, group_size: 3, temperature: 1.2, max_new_tokens: 5}}
optimizer: {{lr: 1.0e-3, schedule: constant}}
sft: {{questions: 4, lr: 1.0e-3}}
evaluation: {{every: 2, controls: [audio, silence]}}
"""
FILE = """
base: base.yaml
arms:
  grpo: {{}}
  other:  # other in everything that only RL reads
    algorithm: {{use: grpo, scale: none, kl: 0}}
    rewards: {{format: null, loud: {{use: ./loud.py, weight: 0.3}}}}
    sampling: {{questions: 3, group_size: 2, temperature: 0.9, top_k: 8, top_p: 0.9, rounds: 2}}
    optimizer: {{lr: 5.0e-4, warmup: 0.5}}
    training: {{mini_batches: 2, epochs: 2, max_rollouts: 8, save_every: 1, keep: 1}}
    contribution: {{on_policy: options, silent_samples: 1, success: loud}}
    mismatch: {{correct: token}}
    report: {{completions: 1}}
seeds: {seeds}
note: <b>trial</b>
"""
LOUD = """
def loud(question, completion):
    return sum(c.isupper() for c in completion.text) / max(1, len(completion.text))
"""
BROKEN = """
def broken(question, completion):
    raise RuntimeError("<i>no</i> value")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the files of a small comparison."""
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "base.yaml").write_text(BASE.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    (folder / "two.yaml").write_text(FILE.format(seeds=[0, 1]), encoding="utf-8")
    (folder / "loud.py").write_text(LOUD, encoding="utf-8")
    (folder / "broken.py").write_text(BROKEN, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(place) -> Path:
    torch.set_num_threads(1)
    compare(read_comparison(place / "two.yaml"), place / "out", pipeline.run)
    return place / "out"


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return shutil.copytree(finished, tmp_path / "copy")


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "compare.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# --- files --------------------------------------------------------------------------------------------


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


# --- sharing ------------------------------------------------------------------------------------------


def test_every_key_that_does_not_count_is_a_key_of_a_recipe():
    known = {key for key, *_ in field_table()}
    sections = {key.partition(".")[0] for key in known}
    assert set().union(*NOT_READ_BY.values()) <= known | sections


SHARED_BY = [  # an override, and the parts that two recipes share which differ in it
    ("algorithm=rloo", {"labels", "base", "sft"}),
    ("rewards.format=null", {"labels", "base", "sft"}),
    ("sampling.temperature=0.5", {"labels", "base", "sft"}),
    ("optimizer.warmup=0.4", {"labels", "base", "sft"}),
    ("optimizer.lr=1e-5", {"labels", "base", "sft"}),  # SFT has its own there
    ("training.max_tokens=10", {"labels", "base", "sft"}),
    ("sft.lr=1e-5", {"labels", "base"}),
    ("optimizer.weight_decay=0.1", {"labels", "base"}),
    ("curriculum.rl_steps=9", {"labels", "base"}),
    ("training.micro_batch_tokens=99", {"labels", "base"}),
    ("evaluation.every=1", {"labels", "base"}),
    ("seed=1", {"labels"}),
    ("evaluation.batch_questions=9", {"labels"}),
    ("rollout.batch_tokens=99", set()),  # voters answer through it as well
    ("scorer=exact", set()),  # voters' as well
    ("contribution.scorer=exact", set()),
    ("evaluation.scorer=exact", {"labels"}),
    ("rewards.answer_correctness.scorer=exact", {"labels"}),  # evaluations show its accuracies too
    (
        "rewards.answer_correctness.scorer=robust",
        {"labels", "base", "sft"},
    ),  # the recipe's, which it has anyway
    ("sampling.max_new_tokens=9", set()),
    ("contribution.silence=2.0", set()),
    ("data.train.count=30", set()),
    ("prompt.style=thinking", set()),
    ("threads=2", set()),
]


@pytest.mark.parametrize(("override", "shared"), SHARED_BY)
def test_runs_share_the_parts_that_a_key_does_not_reach(place, override, shared):
    plain, other = (load_recipe(place / "base.yaml", given) for given in ([], [override]))
    assert {part for part in NOT_READ_BY if digest(plain, part) == digest(other, part)} == shared


def test_sft_that_takes_the_learning_rate_of_rl_is_not_shared_where_that_differs(place):
    plain, other = (
        load_recipe(place / "base.yaml", ["sft.lr=null", *given]) for given in ([], ["optimizer.lr=1e-5"])
    )
    assert digest(plain, "sft") != digest(other, "sft")


def test_the_seed_counts_from_the_start_where_models_are_made_from_nothing():
    plain, other = (load_recipe("spoken_digits_weak_to_strong", [f"seed={seed}"]) for seed in (0, 1))
    assert plain.pretrain is not None and digest(plain, "labels") != digest(other, "labels")


def test_labels_are_shared_by_all_and_a_warm_start_by_the_arms_of_a_seed(place):
    listed = jobs(read_comparison(place / "two.yaml").runs(), "two")
    by_place = {job.place: job for job in listed}
    assert [job.until for job in listed] == ["labels", "sft", None, None, "sft", None, None]
    assert [job.place for job in listed if job.until is None] == [
        "grpo/seed-0",
        "other/seed-0",
        "grpo/seed-1",
        "other/seed-1",
    ]
    for job in listed[1:]:
        assert by_place[job.after].until == ("labels" if job.until else "sft")
    assert by_place["grpo/seed-0"].after == by_place["other/seed-0"].after != by_place["grpo/seed-1"].after


def test_a_run_that_nobody_shares_with_begins_empty(place):
    runs = [run for run in read_comparison(place / "two.yaml").runs() if run.place == "grpo/seed-0"]
    assert jobs(runs, "two") == [Job("grpo/seed-0", runs[0].recipe)]


@pytest.mark.slow
def test_a_run_says_in_which_versions_it_ran_not_in_which_it_was_prepared(place, finished, tmp_path):
    (run, *_) = read_comparison(place / "two.yaml").runs()
    assert not (prepare(Job(run.place, run.recipe), tmp_path) / VERSIONS).exists()
    assert (finished / run.place / VERSIONS).exists()


def test_arms_of_other_curricula_share_the_base_evaluation(write):
    path = write("""
base: tiny_weak_to_strong
arms: {a: {curriculum: {sft_steps: 1}}, b: {curriculum: {sft_steps: 2}}}
seeds: [0]
""")
    assert [job.until for job in jobs(read_comparison(path).runs(), "x")] == ["base", None, None]


# --- running ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("run", ["other/seed-0", "grpo/seed-1"])
def test_an_arm_gives_the_numbers_of_the_same_recipe_run_on_its_own(finished, tmp_path, run):
    """Bit for bit, though it began with what another arm's recipe had made."""
    pipeline.run(load_recipe(finished / run / "recipe.yaml"), tmp_path / "alone")
    assert_same_numbers(tmp_path / "alone", finished / run)
    for file in ("evaluation/base.json", "labels/train/labels.jsonl"):
        assert (tmp_path / "alone" / file).read_bytes() == (finished / run / file).read_bytes()


def test_what_arms_share_stays_as_it_was(finished):
    for shared in (finished / "shared").glob("sft-*"):
        rows = [json.loads(line) for line in (shared / "metrics.jsonl").read_text().splitlines()]
        assert {row["stage"] for row in rows} == {"sft"}
        assert not (shared / "final").exists() and any((shared / "checkpoints").iterdir())


def test_an_arm_is_an_ordinary_run_that_can_be_resumed(finished):
    run = finished / "other" / "seed-1"
    assert load_recipe(run / "recipe.yaml").name == "two-other-seed-1"
    assert (run / "report.html").stat().st_size and not (run / "complete.json").exists()


def test_what_is_done_is_not_done_again(place, copy):
    before = {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-*/*.json*")}
    compare(read_comparison(place / "two.yaml"), copy, pipeline.run, resume=True)
    assert before and before == {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-*/*.json*")}


def test_a_plugin_that_changed_after_an_arm_was_done_is_warned_of_and_the_arm_stays(place, copy, caplog):
    loud = place / "loud.py"
    before, page = loud.read_text(), (copy / "other" / "seed-0" / "report.html").stat().st_mtime_ns
    try:
        loud.write_text(before + "# mended\n", encoding="utf-8")
        compare(read_comparison(place / "two.yaml"), copy, pipeline.run, resume=True)
    finally:
        loud.write_text(before, encoding="utf-8")
    (message,) = [r.getMessage() for r in caplog.records if "changed since" in r.getMessage()]
    assert str(loud) in message and "they keep the old file's numbers" in message
    assert (copy / "other" / "seed-0" / "report.html").stat().st_mtime_ns == page


@pytest.mark.slow
def test_seeds_are_added_to_a_finished_comparison(place, copy):
    command = ["compare", str(place / "two.yaml"), "--out", str(copy)]
    before = {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-[01]/*.json*")}
    done = CliRunner().invoke(main, [*command, "--add-seeds", "2,1"])
    assert done.exit_code == 0, done.output
    assert before and before == {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-[01]/*.json*")}
    results = json.loads((copy / "comparison.json").read_text())
    assert sorted(path.name for path in copy.glob("grpo/seed-*")) == ["seed-0", "seed-1", "seed-2"]
    assert results["seeds"] == [0, 1, 2]
    refused = CliRunner().invoke(main, [*command, "--resume"])
    assert refused.exit_code != 0
    assert "seed 2 is gone (--add-seeds 2 keeps it)" in refused.output


@pytest.mark.parametrize(
    ("text", "told", "status"),
    [
        *((text, "expected numbers from 0", 2) for text in ("3,x", "-1", "3,,4", "1.5")),
        ("9223372036854775808", "seed 9223372036854775808: expected a number from 0 that fits into 64", 1),
    ],
)
def test_added_seeds_that_are_no_numbers_are_refused(place, tmp_path, text, told, status):
    words = ["compare", str(place / "two.yaml"), "--out", str(tmp_path / "out"), "--add-seeds", text]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status
    assert told in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_arm_may_be_added_and_an_arm_that_fails_costs_no_other(place, copy, capsys):
    text = (place / "two.yaml").read_text() + "grid: {}\n"
    added = "  broken: {rewards: {broken: {use: ./broken.py}}}\n  late: {algorithm: {kl: 0.5}}\nseeds"
    file = place / "more.yaml"
    file.write_text(text.replace("seeds", added, 1).replace("[0, 1]", "[0]"), encoding="utf-8")
    comparison = replace(read_comparison(file), name="two", seeds=(0, 1))
    comparison = replace(comparison, arms=tuple(a for a in comparison.arms if a.name != "other"))
    with pytest.raises(ValueError, match="arm other is gone"):
        compare(comparison, copy, pipeline.run, resume=True)
    done = compare(replace(read_comparison(file), name="two", seeds=(0, 1)), copy, pipeline.run, resume=True)
    assert [failure.place for failure in done.results.failures] == ["broken/seed-0", "broken/seed-1"]
    failed = done.results.failures[0]
    assert "broken" in failed.reason and "no</i> value" in failed.log.read_text()
    assert "Traceback" in failed.log.read_text() and "Traceback" not in capsys.readouterr().err
    assert [arm.name for arm in done.results.arms] == ["grpo", "other", "late"]
    page = done.page.read_text()
    assert "<b>broken/seed-0 failed.</b>" in page and "<i>no" not in page
    assert "Still missing: broken/seed-0, broken/seed-1." in page


@pytest.mark.slow
def test_runs_on_devices_give_the_same_numbers_and_one_that_fails_takes_only_those_after_it_along(
    place, finished, copy
):
    todo = jobs(read_comparison(place / "two.yaml").runs(), "two")
    shared = next(job.after for job in todo if job.place == "grpo/seed-0")
    for folder in ("grpo/seed-0", "other/seed-0", shared):
        shutil.rmtree(copy / folder)
    gone = load_recipe(place / "base.yaml", ["model.path=./gone"])
    bad = [Job("bad/seed-0", gone), Job("worse/seed-0", gone, None, "bad/seed-0")]
    two_at_a_time = ["0", "0"]
    failed = run_jobs([*bad, *todo], copy, pipeline.run, two_at_a_time)
    failures = {failure.place: failure for failure in failed}
    for arm in ("grpo", "other"):
        assert_same_numbers(finished / arm / "seed-0", copy / arm / "seed-0")
    assert json.loads((copy / shared / "complete.json").read_text()) == {"until": "sft"}
    assert not (copy / shared / "final").exists()
    assert list(failures) == ["bad/seed-0", "worse/seed-0"]
    assert "gone" in failures["bad/seed-0"].reason and failures["bad/seed-0"].log.exists()
    assert failures["worse/seed-0"].reason == "not run: it starts from bad/seed-0, which failed"


def test_a_launcher_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="start it without a launcher"):
        run_jobs(jobs(read_comparison(place / "two.yaml").runs(), "two"), tmp_path, pipeline.run)


@pytest.mark.slow
def test_ctrl_c_saves_the_step_and_says_how_to_go_on(place, finished, tmp_path):
    out = tmp_path / "out"
    file = place / "one.yaml"
    file.write_text(FILE.format(seeds=[0]), encoding="utf-8")
    command = [sys.executable, "-m", "rlaudio", "compare", str(file), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(out.glob("grpo/seed-0/rollouts/rl-1.jsonl")), process)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert f"continue with: rlaudio compare {file} --out {out} --resume" in said
    assert not (out / "comparison.html").exists()
    assert compare(read_comparison(file), out, pipeline.run, resume=True).results.missing == ()
    assert_same_numbers(finished / "grpo" / "seed-0", out / "grpo" / "seed-0")


# --- the folder ---------------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_refused(place, copy, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with (
        pytest.raises(FileExistsError, match=r"holds a comparison.*--resume"),
        open_folder(copy, comparison, resume=False),
    ):
        pass
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    with (
        pytest.raises(FileExistsError, match=r"holds mine\.txt"),
        open_folder(tmp_path / "notes", comparison, resume=True),
    ):
        pass


def test_a_comparison_that_changed_says_what_differs(place, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with open_folder(tmp_path / "out", comparison, resume=False):
        pass
    changed = replace(read_comparison(place / "two.yaml", ["optimizer.lr=2e-3"]), seeds=(1,))
    with (
        pytest.raises(ValueError, match=r"arm grpo: optimizer\.lr was 0\.001, is 0\.002; .*seed 0 is gone"),
        open_folder(tmp_path / "out", changed, resume=True),
    ):
        pass
    with open_folder(tmp_path / "out", replace(comparison, seeds=(0, 1, 2), note="more"), resume=True):
        pass
    assert yaml.safe_load((tmp_path / "out" / "comparison.yaml").read_text())["seeds"] == [0, 1, 2]


def test_a_comparison_from_before_a_key_existed_goes_on_with_its_default(place, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with open_folder(tmp_path / "out", comparison, resume=False):
        pass
    file = tmp_path / "out" / "comparison.yaml"
    begun = yaml.safe_load(file.read_text())
    for arm in begun["arms"].values():
        del arm["training"]["keep"]
    file.write_text(yaml.safe_dump(begun))
    plain = tuple(arm for arm in comparison.arms if arm.name == "grpo")
    with (
        pytest.raises(ValueError, match=r"otherwise: arm other: training\.keep was 2, is 1;"),
        open_folder(tmp_path / "out", comparison, resume=True),
    ):
        pass
    del begun["arms"]["other"]
    file.write_text(yaml.safe_dump(begun))
    with open_folder(tmp_path / "out", replace(comparison, arms=plain), resume=True):
        pass


def test_one_folder_is_held_by_one_comparison(place, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with (
        open_folder(tmp_path / "out", comparison, resume=False),
        pytest.raises(BlockingIOError, match="is writing to this folder"),
        open_folder(tmp_path / "out", comparison, resume=True),
    ):
        pass


# --- results ------------------------------------------------------------------------------------------


NO_SCORES = {"questions": 8, "chance": 0.25, "scores": {}, "gains": {}, "other_scores": {}}
TABLES = {
    "scorer": "robust",
    "baselines": {"chance": 0.25, "always_first": 0.25, "longest_option": 0.25, "gold_positions": [8]},
    "predicted_positions": {},
    "tables": {"all": {"all": NO_SCORES}},
}


def made_up_arm(
    folder: Path,
    right: np.ndarray,
    *,
    steps=4,
    completions=10.0,
    tokens=100.0,
    controls=("audio", "silence"),
    base=None,
    metrics=None,
) -> None:
    """Run folders seed-0, ... without runs: answers [S, Q] with audio (none right in silence), RL steps."""
    for seed, answers in enumerate(right):
        run = folder / f"seed-{seed}"
        rows = [
            {
                "id": f"q{number}",
                "control": control,
                "right": bool(is_right) and control == "audio",
                "contribution": "strong" if number % 2 else "weak",
                "choices": ["a", "b", "c", "d"],
                "text_answerable": None,
                "groups": {},
            }
            for control in controls
            for number, is_right in enumerate(answers)
        ]
        write_text(run / "recipe.yaml", "name: made_up\n")
        write_rows(run / "evaluation" / "final" / "test.jsonl", rows)
        write_json(run / "evaluation" / "final.json", {"test": TABLES})
        append_row(run / "metrics.jsonl", {"stage": "sft", "step": 1, "optimizer/tokens": 50.0})
        for step in range(1, (steps if isinstance(steps, int) else steps[seed]) + 1):
            row = {"rollout/completions": completions, "optimizer/tokens": tokens, "rollout/length": 7.0}
            row["reward/answer_correctness"] = 0.1 * step + 0.2 * seed
            append_row(run / "metrics.jsonl", {"stage": "rl", "step": step, **row, **(metrics or {})})
        if base is not None:
            write_json(run / "evaluation" / "base.json", {"test": base})
        costs = {"peak_memory_gb": 1.0, "rollouts": 40, "optimizer_tokens": 450}
        write_json(run / "summary.json", {"seconds": {"train": 4.0, "label": 1.0}, **costs})


@pytest.fixture
def made_up(tmp_path, write):
    """Results of arms with the given answers: `made_up(a=[[...]], b=...)`; `a` is the baseline."""

    def read(failures=(), **arms):
        text = "".join(f"  {name}: {{sampling: {{top_k: {n}}}}}\n" for n, name in enumerate(arms))
        for name, made in arms.items():
            right, more = made if isinstance(made, tuple) else (made, {})
            made_up_arm(tmp_path / "out" / name, np.array(right), **more)
        seeds = len(next(iter(arms.values())))
        path = write(f"base: tiny_weak_to_strong\nseeds: {list(range(seeds))}\narms:\n{text}")
        return read_results(read_comparison(path), tmp_path / "out", failures)

    return read


RIGHT, HALF = [1] * 8, [1, 0] * 4


def arm_of(results, name):
    return next(arm for arm in results.arms if arm.name == name)


def test_accuracies_are_means_over_seeds_and_questions(made_up):
    [held_out] = made_up(a=[RIGHT, HALF]).held_out
    accuracy = held_out.accuracy["a"]
    assert (accuracy["all"]["audio"].value, accuracy["all"]["audio"].by_seed) == (0.75, (1.0, 0.5))
    assert (accuracy["weak"]["audio"].value, accuracy["strong"]["audio"].by_seed) == (1.0, (1.0, 0.0))
    assert accuracy["all"]["silence"].value == 0.0
    assert held_out.question_counts == {"strong": 4, "weak": 4, "all": 8} and held_out.chance["all"] == 0.25


def test_a_test_is_paired_over_questions_and_seeds(made_up):
    better, worse = [1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1, 0]
    [held_out] = made_up(a=[worse], b=[better]).held_out
    test = held_out.tests["b"]["all"]
    assert test.difference.value == pytest.approx(4 / 8)
    assert test.p_value == pytest.approx(mcnemar_p_value(np.array(better, bool), np.array(worse, bool)))
    assert test.inside_noise is None and "a" not in held_out.tests


def test_arms_that_are_always_right_have_intervals_with_a_width_and_nothing_to_test(made_up):
    [held_out] = made_up(a=[RIGHT, RIGHT], b=[RIGHT, RIGHT]).held_out
    accuracy, test = held_out.accuracy["b"]["all"]["audio"], held_out.tests["b"]["all"]
    assert accuracy.value == accuracy.high == 1.0 and 0.55 < accuracy.low < 0.7  # Wilson, one seed: 0.68
    assert test.difference.value == 0.0
    assert (
        0.25 < test.difference.high < 0.35 and test.difference.low == -test.difference.high
    )  # one seed: 0.28
    assert (test.p_value, test.holm) == (None, 1.0)


def test_tests_of_several_arms_are_taken_together(made_up):
    [held_out] = made_up(a=[[0] * 8], b=[RIGHT], c=[HALF]).held_out
    p_values = [held_out.tests[arm]["all"].p_value for arm in "bc"]
    assert p_values == pytest.approx([2 / 2**8, 2 / 2**4])
    assert [held_out.tests[arm]["all"].holm for arm in "bc"] == pytest.approx([4 / 2**8, 2 / 2**4])


def test_a_difference_that_seeds_make_is_called_noise(made_up):
    noisy = made_up(a=[RIGHT, HALF], b=[HALF, RIGHT], c=[RIGHT, RIGHT])
    assert noisy.held_out[0].tests["b"]["all"].inside_noise
    assert any("Inside the noise of seeds on strong questions: b, c" in w for w in noisy.warnings)


def test_a_difference_that_every_seed_shows_is_not_called_noise(made_up):
    results = made_up(a=[HALF, HALF], b=[RIGHT, RIGHT])
    assert results.held_out[0].tests["b"]["strong"].inside_noise is False
    assert not any("noise of seeds" in warning for warning in results.warnings)


def test_arms_that_were_asked_other_questions_are_not_tested(made_up):
    results = made_up(a=[RIGHT], b=[RIGHT + RIGHT])
    assert results.held_out[0].unpaired == ("b",) and results.held_out[0].tests == {}
    assert any("b: asked other held-out questions than a" in warning for warning in results.warnings)


def test_arms_that_were_asked_in_silence_alone_get_a_table_and_a_page_without_tests(made_up, tmp_path):
    results = made_up(a=([RIGHT], {"controls": ["silence"]}), b=([HALF], {"controls": ["silence"]}))
    assert results.held_out[0].tests == {} and results.held_out[0].accuracy["b"]["all"].keys() == {"silence"}
    assert len(markdown_table(results).splitlines()) == 4
    assert write_comparison_page(results, ["a", "b"], tmp_path).exists()


def test_what_arms_used_is_counted_and_unequal_budgets_are_told(made_up):
    results = made_up(
        a=[RIGHT], b=([RIGHT], {"tokens": 104.0}), c=([RIGHT], {"completions": 20.0, "steps": 1})
    )
    cost = arm_of(results, "a").cost
    assert (cost.rollouts, cost.tokens, cost.sft_tokens, cost.rl_tokens) == (40.0, 450.0, 50.0, 400.0)
    assert (cost.seconds, cost.train_seconds, cost.rl_steps, cost.ended_by) == (5.0, 4.0, 4.0, "steps")
    said = [warning.replace("\N{MINUS SIGN}", "-") for warning in results.warnings]
    assert "Unequal budgets, completions against a: c -50 %." in said
    assert "Unequal budgets, optimizer tokens against a: c -67 %." in said


def test_curves_are_bands_over_seeds_at_the_completions_sampled(made_up):
    band = arm_of(made_up(a=[RIGHT, RIGHT]), "a").curves["reward/answer_correctness"]
    assert band.rollouts == (10.0, 20.0, 30.0, 40.0)
    assert band.low == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert band.mean == pytest.approx((0.2, 0.3, 0.4, 0.5))
    assert band.high == pytest.approx((0.3, 0.4, 0.5, 0.6))


def test_a_curve_ends_where_each_seed_ended(made_up):
    results = made_up(a=([RIGHT, RIGHT], {"steps": (3, 5)}))
    band = arm_of(results, "a").curves["reward/answer_correctness"]
    assert band.rollouts == (10.0, 20.0, (30.0 + 50.0) / 2)
    assert (band.low[-1], band.high[-1]) == pytest.approx((0.3, 0.7))


def test_held_out_curves_go_from_the_end_of_sft_to_the_end_of_rl(finished):
    results = json.loads((finished / "comparison.json").read_text())
    curve = results["arms"][0]["curves"]["eval/all_audio"]
    assert curve["rollouts"] == [0.0, 12.0, 18.0]  # every second step, and the final evaluation
    assert curve["mean"][-1] == results["held_out"][0]["accuracy"]["grpo"]["all"]["audio"]["value"]


def test_a_seed_that_is_not_finished_leaves_the_others_to_be_compared(made_up, tmp_path, write):
    made_up(a=[RIGHT, HALF], b=[HALF, HALF])
    (tmp_path / "out" / "b" / "seed-1" / "summary.json").unlink()
    results = read_results(read_comparison(tmp_path / "compare.yaml"), tmp_path / "out")
    assert results.missing == ("b/seed-1",)
    assert results.held_out[0].tests["b"]["all"].difference.by_seed == (-0.5,)


def test_a_damaged_run_counts_as_failed_and_the_others_are_compared(made_up, tmp_path):
    made_up(a=[RIGHT, HALF], b=[HALF, HALF])
    (tmp_path / "out" / "a" / "seed-1" / "evaluation" / "final" / "test.jsonl").write_text("{}\n")
    (tmp_path / "out" / "b" / "seed-0" / "summary.json").write_text("[]")
    results = read_results(read_comparison(tmp_path / "compare.yaml"), tmp_path / "out")
    assert {arm.name: arm.seeds for arm in results.arms} == {"a": (0,), "b": (1,)}
    answers, summary = sorted(failure.reason for failure in results.failures)
    assert "test.jsonl, line 1: id: the key is missing" in answers
    assert "summary.json: expected a valid dictionary, found []" in summary


def test_a_run_whose_answers_were_edited_counts_as_failed(place, copy):
    answers = copy / "grpo" / "seed-0" / "evaluation" / "final" / "held_out.jsonl"
    text = answers.read_text(encoding="utf-8")
    answers.write_text(text.replace('"right": true', '"right": false', 1), encoding="utf-8")
    results = read_results(read_comparison(place / "two.yaml"), copy)
    (failure,) = results.failures
    assert "not what the run wrote: evaluation/final/held_out.jsonl (digest" in failure.reason
    assert {arm.name: arm.seeds for arm in results.arms} == {"grpo": (1,), "other": (0, 1)}


def test_the_command_names_a_damaged_run_and_ends_with_status_1(place, copy):
    summary = copy / "grpo" / "seed-0" / "summary.json"
    summary.write_text("{}", encoding="utf-8")
    done = CliRunner().invoke(main, ["compare", str(place / "two.yaml"), "--out", str(copy), "--resume"])
    assert done.exit_code == 1
    assert f"grpo/seed-0 failed: {summary}: seconds: the key is missing" in done.output
    assert "(None)" not in done.output


def test_of_many_differences_some_are_named(tmp_path, place):
    (tmp_path / "comparison.yaml").write_text("seeds: [0, 1]\narms: {grpo: {model: 3}}\n")
    with (
        pytest.raises(ValueError, match=r"model was 3, is None.*; and \d+ more; undo that") as error,
        open_folder(tmp_path, read_comparison(place / "two.yaml"), resume=True),
    ):
        pass
    assert str(error.value).count("; arm grpo: ") < 10


def test_a_damaged_comparison_is_one_message(tmp_path):
    (tmp_path / "comparison.yaml").write_text("seeds: [0]\narms: &a {x: {}}\nb: [*a, *a]\n")
    with pytest.raises(ValueError, match=r"comparison\.yaml, line 3: not valid YAML: aliases"):
        compare_folder._read(tmp_path)
    (tmp_path / "comparison.yaml").write_text("seeds: [0]\narms: [x]\n")
    with pytest.raises(
        ValueError, match=r"comparison\.yaml: arms: expected a valid dictionary, found \['x'\]"
    ):
        compare_folder._read(tmp_path)


def test_arms_that_all_fell_below_the_base_are_told(made_up):
    before = {"accuracy": 0.9, "low": 0.8, "high": 1.0}
    line = NO_SCORES | {"scores": {"audio": before}}
    base = TABLES | {"tables": {"all": {"all": line}, "contribution": {"strong": line}}}
    assert not any("below the base" in text for text in made_up((), a=[HALF], b=[HALF]).warnings)
    told = made_up((), a=([HALF], {"base": base}), b=([HALF], {"base": base})).warnings
    assert (
        "All 2 arms fell below the base on all questions: 90.0 % before training, at best 50.0 % after it."
        in told
    )


def test_an_arm_without_a_learning_signal_or_with_a_reward_that_never_moves_is_told(made_up):
    stuck = {"metrics": {"group/no_spread": 1.0, "reward/format": 0.0}}
    told = made_up((), a=[HALF], b=([HALF], stuck)).warnings
    assert "b: reward format was 0 in every step." in told
    assert "b had no learning signal: in every step all completions of a group had one reward." in told
    assert not any(text.startswith(("a:", "a had")) for text in told)


def test_nothing_finished_is_nothing_to_compare(place, tmp_path):
    with pytest.raises(ValueError, match=r"no run is finished \(a/seed-0: out of luck\)"):
        comparison = read_comparison(place / "two.yaml")
        read_results(comparison, tmp_path, [Failure("a/seed-0", "out of luck")])


# --- page and table -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(finished) -> str:
    return (finished / "comparison.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_links_lead_somewhere(finished, page):
    outline = Outline(page.replace("<polygon", "<path").replace("<rect", "<path"))
    assert outline.open == []
    runs = [link for link in outline.references if not link.startswith("#")]
    assert len(runs) == 4 and all((finished / link).is_file() for link in runs)
    assert {link[1:] for link in outline.references if link.startswith("#")} <= outline.ids
    assert outline.tags.count("script") == 5 + 2 and "link" not in outline.tags and not outline.handlers


def test_the_page_shows_the_numbers_of_the_json(finished, page):
    results = json.loads((finished / "comparison.json").read_text())
    for arm in ("grpo", "other"):
        value = results["held_out"][0]["accuracy"][arm]["strong"]["audio"]["value"]
        assert f"<b>{100 * value:.1f}</b>" in page
    assert "&lt;b&gt;trial&lt;/b&gt;" in page and "<b>trial" not in page


def test_names_and_errors_from_elsewhere_are_escaped(made_up, tmp_path):
    results = made_up(failures=[Failure("a/seed-0", "<script>x</script>")], a=[RIGHT], b=[HALF])
    hostile = replace(results, name="<i>name</i>", base="<u>base</u>", note="<s>note</s>")
    page = write_comparison_page(hostile, ["a", "b"], tmp_path).read_text()
    for tag in ("<script>x", "<i>name", "<u>base", "<s>note"):
        assert tag not in page
    assert "&lt;script&gt;x" in page


def test_the_curves_of_all_arms_lie_over_each_other_in_bands_over_seeds(made_up, tmp_path):
    results = made_up(a=[RIGHT, HALF], b=[HALF, HALF])
    page = write_comparison_page(results, ["a", "b"], tmp_path).read_text()
    chart = data_of(page, "curves-data")["charts"][0]
    assert [series["name"] for series in chart["series"]] == ["a", "b"]
    assert [series["colour"] for series in chart["series"]] == [-1, 1]  # the baseline is grey
    assert all(series["low"] and series["high"] for series in chart["series"])
    assert (
        chart["axis"] == "completions" and len(re.findall(r'data-chart="\d"', page)) == 2
    )  # answers and length


def test_the_answers_of_all_arms_and_seeds_stand_side_by_side(finished, page):
    data = data_of(page)
    titles = [f"{arm}, seed {seed}" for arm in ("grpo", "other") for seed in (0, 1)]
    assert len(data["groups"]) == 8
    assert all([answer["n"] for answer in group["c"]] == titles for group in data["groups"])
    rows = read_rows(finished / "other" / "seed-1" / "evaluation" / "final" / "held_out.jsonl")
    texts = {row["id"]: row["text"] for row in rows if row["control"] == "audio"}
    assert {group["id"]: group["c"][3]["t"] for group in data["groups"]} == texts


def test_one_arm_or_several_have_the_highest_mean(made_up, tmp_path):
    results = made_up(a=[HALF], b=[RIGHT], c=[RIGHT])
    page = write_comparison_page(results, ["a", "b", "c"], tmp_path).read_text()
    assert "<b>b</b>, <b>c</b> share the highest mean." in page
    results = replace(results, held_out=(without(results.held_out[0], "c"),))
    page = write_comparison_page(results, ["a", "b"], tmp_path).read_text()
    assert "<b>b</b> has the highest mean." in page


def without(held_out, arm):
    """The held-out set as if this arm had not been there."""
    accuracy = {name: groups for name, groups in held_out.accuracy.items() if name != arm}
    return replace(held_out, accuracy=accuracy)


def test_two_equal_arms_are_called_equal_and_not_tested(made_up, tmp_path):
    results = made_up(a=[HALF, RIGHT], b=[HALF, RIGHT])
    page = write_comparison_page(results, ["a", "b"], tmp_path).read_text()
    assert "Both arms have the same mean." in page and "highest mean" not in page
    assert "The differences are the same with every seed" in page and "±0.0" not in page
    assert "1.00" not in page and "<td>\N{EN DASH}</td>" in page
    assert "Holm" not in page.partition("<main>")[2]  # one test has nothing to be taken together with


def test_several_tests_are_taken_together(made_up, tmp_path):
    results = made_up(a=[HALF], b=[RIGHT], c=[RIGHT])
    page = write_comparison_page(results, ["a", "b", "c"], tmp_path).read_text()
    assert "method for the 2 tests of a column together" in page


def test_arms_without_rl_and_recipes_without_evaluation_get_a_page(made_up, tmp_path):
    results = made_up(a=([RIGHT], {"steps": 0}), b=([HALF], {"steps": 0}))
    page = write_comparison_page(replace(results, held_out=()), ["a", "b"], tmp_path).read_text()
    assert "No arm has an RL stage of two steps or more." in page
    assert "The recipes name nothing to evaluate on." in page
    assert arm_of(results, "a").cost.ended_by == "no RL"


def test_the_table_has_a_row_for_every_arm(made_up):
    table = markdown_table(made_up(a=[HALF], b=[RIGHT])).splitlines()
    assert table[0].startswith(
        "| arm | strong | strong, silence | weak | all | strong, against a | p (Holm) |"
    )
    assert len({line.count("|") for line in table}) == 1
    # Wilson: 4 of 4 is at least 4 / (4 + 1.96^2), 0 of 4 the mirror; Bonett and Price: 4 of 4 gained
    assert table[3].startswith("| `b` | 100.0 [51.0, 100.0] | 0.0 [0.0, 49.0] | 100.0 [51.0, 100.0] |")
    assert "+100.0 [+7.0, +100.0] | 0.12 | 7.0 | 40 | 450 | 4.0 s |" in table[3]


def test_the_command_prints_table_warnings_and_page(place, copy):
    arguments = ["compare", str(place / "two.yaml"), "--out", str(copy), "--resume"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    for part in (
        "| `grpo` |",
        "| `other` |",
        "With 2 seeds intervals are wide",
        str(copy / "comparison.html"),
    ):
        assert part in done.output


@pytest.mark.parametrize("devices", ["0,", ""])
def test_a_device_without_a_name_is_refused(place, tmp_path, devices):
    done = CliRunner().invoke(
        main, ["compare", str(place / "two.yaml"), "--out", str(tmp_path), "--devices", devices]
    )
    assert done.exit_code == 2 and f"--devices {devices} names an empty device" in done.output


def test_the_overlong_reward_of_the_comparison_counts_whole_completions():
    dapo = next(arm for arm in read_comparison("compare_strong").arms if arm.name == "dapo")
    assert dapo.recipe.rewards["cot_length"].options["count"] == "completion"
