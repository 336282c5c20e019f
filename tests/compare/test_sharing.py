"""Which parts of their runs the arms of a comparison share."""

import pytest

from rlaudio.compare.grid import read_comparison
from rlaudio.compare.sharing import NOT_READ_BY, Job, digest, jobs
from rlaudio.config.recipe import load_recipe
from rlaudio.config.schema import field_table


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


def test_arms_of_other_curricula_share_the_base_evaluation(write):
    path = write("""
base: tiny_weak_to_strong
arms: {a: {curriculum: {sft_steps: 1}}, b: {curriculum: {sft_steps: 2}}}
seeds: [0]
""")
    assert [job.until for job in jobs(read_comparison(path).runs(), "x")] == ["base", None, None]
