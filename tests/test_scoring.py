"""Scoring: weighted sums, both ways of calling, async rewards, and what happens when a reward fails."""

import asyncio
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.config.plugins import bind
from rlaudio.scoring import RewardError, RewardSum
from rlaudio.utils.processes import Processes
from tests.factories import make_group, make_question

TEXTS = ("<answer>a dog</answer>", "a dog", "<answer>a cat</answer>", "a cat")


def length(question, completion):
    return len(completion.text)


def rank(group):
    return list(range(len(group.completions)))


def fails_on_cats(question, completion):
    if "cat" in completion.text:
        raise KeyError("cat")
    return 1.0


def values(scored, name):
    return [list(s.rewards[name]) for s in scored]


# --- values ---


def test_the_papers_weights_give_its_four_totals():
    scorer = RewardSum(
        {
            "answer_correctness": (
                bind("reward", {"use": "answer_correctness", "scorer": "exact"}).function,
                2.0,
            ),
            "format": (bind("reward", "format").function, 0.5),
        }
    )
    [scored] = scorer.score([make_group(*TEXTS)])
    assert list(scored.total) == [2.5, 2.0, 0.5, 0.0]


def test_every_part_is_kept_unweighted():
    [scored] = RewardSum({"length": (length, 0.5), "rank": (rank, -1.0)}).score([make_group("ab", "abcd")])
    assert {name: list(part) for name, part in scored.rewards.items()} == {"length": [2, 4], "rank": [0, 1]}
    assert list(scored.total) == [1.0, 1.0]
    assert scored.total.dtype == np.float64
    assert scored.failures == ()


def test_scored_groups_come_in_the_order_of_the_groups():
    groups = [make_group("a"), make_group("bb", "ccc"), make_group("dddd")]
    scored = RewardSum({"length": (length, 1.0)}).score(groups)
    assert [s.group for s in scored] == groups
    assert values(scored, "length") == [[1], [2, 3], [4]]


def test_one_reward_may_stand_twice_under_two_names():
    [scored] = RewardSum({"a": (length, 1.0), "b": (length, 2.0)}).score([make_group("ab")])
    assert list(scored.total) == [6.0]


def test_a_reward_of_weight_0_is_still_scored():
    [scored] = RewardSum({"length": (length, 0.0)}).score([make_group("ab")])
    assert (list(scored.rewards["length"]), list(scored.total)) == ([2], [0.0])


@given(
    st.lists(st.lists(st.text(max_size=5), min_size=1, max_size=4), min_size=1, max_size=4),
    st.floats(-10, 10),
    st.floats(-10, 10),
)
def test_the_total_is_the_weighted_sum(texts, w, v):
    scored = RewardSum({"length": (length, w), "rank": (rank, v)}).score([make_group(*t) for t in texts])
    for group in scored:
        expected = w * group.rewards["length"] + v * group.rewards["rank"]
        np.testing.assert_allclose(group.total, expected, atol=1e-12)


@pytest.mark.parametrize("value", [True, 1, 1.0, np.float32(1), np.int64(1), np.bool_(True)])
def test_every_kind_of_number_is_a_value(value):
    [scored] = RewardSum({"one": (lambda question, completion: value, 1.0)}).score([make_group("x")])
    assert list(scored.total) == [1.0]


def test_a_group_reward_may_return_an_array():
    [scored] = RewardSum({"r": (lambda group: np.array([0.5, 1.5]), 1.0)}).score([make_group("a", "b")])
    assert list(scored.total) == [0.5, 1.5]


def test_no_groups_give_no_scores():
    assert RewardSum({"length": (length, 1.0)}).score([]) == []


# --- how rewards are called ---


def test_a_reward_gets_its_question_and_completion():
    seen = []

    def spy(question, completion, *, option=1):
        seen.append((question.id, completion.text, option))
        return 0.0

    groups = [
        make_group("a", "b", question=make_question(id="q1")),
        make_group("c", question=make_question(id="q2")),
    ]
    RewardSum({"spy": (spy, 1.0)}).score(groups)
    assert seen == [("q1", "a", 1), ("q1", "b", 1), ("q2", "c", 1)]


def test_a_reward_with_other_parameters_is_refused():
    with pytest.raises(
        TypeError, match=r"reward odd \(.*test_scoring.py\) takes \(text\); expected \(question, comp"
    ):
        RewardSum({"odd": (lambda text: 0.0, 1.0)})


def test_a_scorer_without_rewards_is_refused():
    with pytest.raises(ValueError, match="no rewards"):
        RewardSum({})


# --- async ---


def test_async_rewards_wait_together():
    """Four calls that each wait for all others: one after the other they would wait for ever."""
    waiting = set()

    async def meet(question, completion):
        waiting.add(completion.text)
        while len(waiting) < 4:
            await asyncio.sleep(0)
        return len(completion.text)

    scored = RewardSum({"meet": (meet, 1.0)}).score([make_group("a", "bb"), make_group("ccc", "dddd")])
    assert values(scored, "meet") == [[1, 2], [3, 4]]


def test_sync_and_async_rewards_mix():
    async def slow_rank(group):
        await asyncio.sleep(0)
        return rank(group)

    [scored] = RewardSum({"length": (length, 1.0), "rank": (slow_rank, 10.0)}).score([make_group("a", "b")])
    assert list(scored.total) == [1.0, 11.0]


def test_scoring_works_inside_a_running_loop():
    async def one(question, completion):
        return 1.0

    async def notebook():
        return RewardSum({"one": (one, 1.0)}).score([make_group("a")])

    [scored] = asyncio.run(notebook())
    assert list(scored.total) == [1.0]


def test_what_an_async_reward_opens_lasts_from_step_to_step():
    semaphore = asyncio.Semaphore(1)  # bound to the first loop that has to wait for it

    async def in_turn(question, completion):
        async with semaphore:
            await asyncio.sleep(0)
            return 1.0

    scorer = RewardSum({"in_turn": (in_turn, 1.0)})
    for _ in range(2):
        [scored] = scorer.score([make_group("a", "b", "c")])
        assert list(scored.total) == [1.0, 1.0, 1.0]


def test_all_async_rewards_share_one_background_thread():
    threads = set()

    async def spy(question, completion):
        threads.add(threading.current_thread())
        return 0.0

    for _ in range(2):
        RewardSum({"spy": (spy, 1.0)}).score([make_group("a", "b")])
    assert len(threads) == 1
    assert threading.current_thread() not in threads


# --- failures ---


def test_a_reward_that_raises_stops_the_step_with_everything_named():
    group = make_group("a dog", "a cat", question=make_question(id="q17"))
    with pytest.raises(RewardError) as caught:
        RewardSum({"no_cats": (fails_on_cats, 1.0)}).score([group])
    assert str(caught.value) == (
        f"reward no_cats ({__file__}) raised KeyError: 'cat'\n"
        "for question q17, sample 1, completion 'a cat'\n"
        "1 of 2 samples failed, at most 0 may; fix the reward, or let the recipe's reward_failures drop "
        "such samples"
    )
    assert isinstance(caught.value.__cause__, KeyError)


def test_failures_are_a_share_of_what_all_processes_score():
    class SecondOfTwo(Processes):
        def gather(self, value):
            return [(0, 8, [], []), value]

    groups = [make_group("a cat", "a dog")]
    scorer = RewardSum({"no_cats": (fails_on_cats, 1.0)}, 0.1, SecondOfTwo(rank=1, size=2))
    assert np.isnan(scorer.score(groups)[0].total).tolist() == [True, False]
    with pytest.raises(RewardError, match="2 of 10 samples failed, at most 1 may"):
        scorer.score([make_group("a cat", "a cat")])


def test_a_process_without_failures_says_what_failed_in_another():
    class FirstOfTwo(Processes):
        def gather(self, value):
            return [value, (1, 1, ["reward no_cats raised"], [])]

    scorer = RewardSum({"no_cats": (fails_on_cats, 1.0)}, 0.1, FirstOfTwo(rank=0, size=2))
    with pytest.raises(RewardError, match=r"^reward no_cats raised\n1 of 2 samples failed, at most 0 may"):
        scorer.score([make_group("a dog")])


def test_an_async_reward_that_raises_is_chained_too():
    async def judge(question, completion):
        raise TimeoutError("no reply")

    with pytest.raises(RewardError, match="raised TimeoutError: no reply") as caught:
        RewardSum({"judge": (judge, 1.0)}).score([make_group("a")])
    assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "1.0", [1.0], 1j])
def test_anything_but_a_finite_number_is_a_failure(value):
    with pytest.raises(RewardError, match=r"returned .*; expected a finite number"):
        RewardSum({"odd": (lambda question, completion: value, 1.0)}).score([make_group("a")])


@pytest.mark.parametrize("value", [[1.0], 1.0, None, np.array(1.0), np.ones(3)])
def test_a_group_reward_must_give_one_number_per_completion(value):
    with pytest.raises(RewardError, match=r"returned .*; expected 2 numbers"):
        RewardSum({"odd": (lambda group: value, 1.0)}).score([make_group("a", "b")])


def test_a_failing_reward_of_weight_0_is_a_failure():
    with pytest.raises(RewardError):
        RewardSum({"no_cats": (fails_on_cats, 0.0)}).score([make_group("a cat")])


def test_an_interrupt_is_not_a_failure():
    def interrupted(question, completion):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RewardSum({"r": (interrupted, 1.0)}, allowed_failure_rate=1.0).score([make_group("a")])


def test_allowed_failures_are_dropped_not_scored_0():
    groups = [make_group("a dog", "a cat"), make_group("a cow", "a bird", question=make_question(id="q2"))]
    scorer = RewardSum({"length": (length, 1.0), "no_cats": (fails_on_cats, 1.0)}, allowed_failure_rate=0.25)
    first, second = scorer.score(groups)
    np.testing.assert_array_equal(first.total, [6.0, np.nan])
    np.testing.assert_array_equal(first.rewards["no_cats"], [1.0, np.nan])
    assert list(first.rewards["length"]) == [5, 5]  # what is known is kept
    assert list(second.total) == [6.0, 7.0]
    [failure] = first.failures
    assert (failure.reward, failure.question_id, failure.sample) == ("no_cats", "q1", 1)
    assert failure.reason == "raised KeyError: 'cat'"
    assert second.failures == ()


def test_dropped_samples_are_named_in_the_log(caplog):
    RewardSum({"no_cats": (fails_on_cats, 1.0)}, allowed_failure_rate=0.5).score(
        [make_group("a dog", "a cat")]
    )
    [record] = caplog.records
    assert "no_cats" in record.getMessage()
    assert "'a cat'" in record.getMessage()


def test_more_failures_than_allowed_stop_the_step():
    scorer = RewardSum({"no_cats": (fails_on_cats, 1.0)}, allowed_failure_rate=0.4)
    with pytest.raises(RewardError, match="1 of 2 samples failed, at most 0 may"):
        scorer.score([make_group("a dog", "a cat")])


def test_a_sample_that_fails_twice_counts_once():
    rewards = {"a": (fails_on_cats, 1.0), "b": (fails_on_cats, 1.0)}
    [scored] = RewardSum(rewards, allowed_failure_rate=0.5).score([make_group("a dog", "a cat")])
    assert [f.reward for f in scored.failures] == ["a", "b"]


def test_a_group_reward_that_raises_fails_its_group_only():
    def no_cats(group):
        return [fails_on_cats(group.prompt.question, c) for c in group.completions]

    groups = [make_group("a dog", "a cat"), make_group("a cow", "a bird")]
    first, second = RewardSum({"no_cats": (no_cats, 1.0)}, allowed_failure_rate=0.5).score(groups)
    assert np.isnan(first.total).all()
    assert [f.sample for f in first.failures] == [0, 1]
    assert list(second.total) == [1.0, 1.0]


def test_a_failure_rate_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match="allowed failure rate 5; expected a share from 0 to 1"):
        RewardSum({"length": (length, 1.0)}, allowed_failure_rate=5)


def test_a_users_reward_file_is_named(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def mine(question, completion, *, low: float = 0.0):\n    return low / 0\n")
    with pytest.raises(RewardError, match=rf"reward short \({file}\) raised ZeroDivisionError"):
        RewardSum({"short": (bind("reward", "./mine.py", tmp_path).function, 1.0)}).score([make_group("a")])
