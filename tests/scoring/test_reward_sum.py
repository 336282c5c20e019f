"""Scoring: weighted sums, both ways of calling, async rewards, and what happens when a reward fails."""

import asyncio
import builtins
import contextlib
import json
import math
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.config.plugins import bind
from rlaudio.scoring import RewardError, RewardStop, RewardSum, made_up_group, saving_when_stopped, warn_anew
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


RAISES = fails_on_cats.__code__.co_firstlineno + 2


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
        TypeError, match=r"reward odd \(.*test_reward_sum.py\) takes \(text\); expected \(question, comp"
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
        f"reward no_cats ({__file__}) raised KeyError: 'cat', in line {RAISES}\n"
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


@pytest.mark.parametrize(("value", "weight"), [(1e308, 10.0), (-1e299, 1000.0), (1e301, 1.0)])
def test_a_part_of_the_total_that_is_too_large_is_a_failure_with_its_place(value, weight):
    with pytest.raises(
        RewardError, match=r"reward r .* returned .*both together within 1e\+300\nfor question q1"
    ):
        RewardSum({"r": (lambda question, completion: value, weight)}).score([make_group("a dog")])


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


def test_ctrl_c_is_not_a_failure():
    def interrupted(question, completion):
        signal.raise_signal(signal.SIGINT)
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        RewardSum({"r": (interrupted, 1.0)}, allowed_failure_rate=1.0).score([make_group("a")])


def test_ctrl_c_is_heard_although_the_reward_catches_everything():
    def deaf(question, completion):
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        RewardSum({"r": (deaf, 1.0)}).score([make_group("a")])


class OwnEnd(BaseException):
    pass


ENDS = [SystemExit(0), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), OwnEnd("mine")]


@pytest.mark.parametrize("end", ENDS, ids=repr)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_reward_that_ends_the_process_is_named_whatever_failures_are_allowed(end, is_async):
    def leaves(question, completion):
        raise end

    async def leaves_later(question, completion):
        await asyncio.sleep(0)
        raise end

    scorer = RewardSum({"r": (leaves_later if is_async else leaves, 1.0)}, allowed_failure_rate=1.0)
    with pytest.raises(RewardStop) as caught:
        scorer.score([make_group("a dog", question=make_question(id="q7"))])
    assert str(caught.value).startswith(f"reward r ({__file__}) raised {type(end).__name__}")
    assert "for question q7, sample 0, completion 'a dog'" in str(caught.value)
    assert caught.value.__cause__ is end


def test_system_exit_in_a_task_of_an_async_reward_ends_no_thread():
    async def leaves(question, completion):
        await asyncio.create_task(exits())

    async def exits():
        raise SystemExit(0)

    async def stays(question, completion):
        return 1.0

    with pytest.raises(RewardStop, match="raised SystemExit: 0"):
        RewardSum({"r": (leaves, 1.0)}).score([make_group("a", "b")])
    [scored] = RewardSum({"r": (stays, 1.0)}).score([make_group("a")])
    assert list(scored.total) == [1.0]


def test_a_cancelled_async_reward_is_a_failure_like_others():
    async def cancelled(question, completion):
        raise asyncio.CancelledError

    scorer = RewardSum({"r": (cancelled, 1.0)}, allowed_failure_rate=1.0)
    assert np.isnan(scorer.score([make_group("a")])[0].total).all()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_reward_that_would_end_the_process_is_named_with_the_completion(asynchronous):
    def exits(question, completion):
        os._exit(0)

    async def exits_later(question, completion):
        os._exit(0)

    group = make_group("a dog", question=make_question(id="q17"))
    reward = exits_later if asynchronous else exits
    with pytest.raises(RewardStop) as caught:
        RewardSum({"r": (reward, 1.0)}, allowed_failure_rate=1.0).score([group])
    line = reward.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(
        f"reward r ({__file__}) raised RefusedEnd: os._exit(0), in line {line}\n"
        "for question q17, sample 0, completion 'a dog'"
    )


def test_after_a_reward_that_ends_the_run_no_other_is_called():
    called = []

    def leaves(question, completion):
        called.append(completion.text)
        raise SystemExit

    with pytest.raises(RewardStop):
        RewardSum({"r": (leaves, 1.0)}).score([make_group("a", "b")])
    assert called == ["a"]


def test_all_processes_stop_where_a_reward_ends_the_run_in_one():
    class FirstOfTwo(Processes):
        def gather(self, value):
            return [value, (1, 1, ["reward r raised"], ["reward r raised"])]

    with pytest.raises(RewardStop, match=r"^reward r raised\nthis stops a run"):
        RewardSum({"r": (length, 1.0)}, 1.0, FirstOfTwo(rank=0, size=2)).score([make_group("a")])


def test_a_step_that_a_reward_stops_is_saved_before_the_error_goes_on():
    saved = []

    def leaves(question, completion):
        raise SystemExit

    with pytest.raises(RewardStop), saving_when_stopped(lambda: saved.append("saved")):
        RewardSum({"r": (leaves, 1.0)}).score([make_group("a")])
    assert saved == ["saved"]


def test_what_a_reward_changes_of_the_process_is_told_once_a_stage_and_not_at_every_step(caplog):
    def leaves_numpy_strict(question, completion):
        np.seterr(all="raise")
        return 1.0

    scorer = RewardSum({"r": (leaves_numpy_strict, 1.0)})
    for _ in range(2):
        warn_anew()
        for _ in range(3):
            with saving_when_stopped(lambda: None):  # as a step does
                scorer.score([make_group("a")])
    told = [record.getMessage().partition(", which")[0] for record in caplog.records]
    assert told == [f"reward r ({__file__}) changed numpy.seterr"] * 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_reward_that_replaces_a_builtin_is_named_and_scored(caplog, asynchronous):
    def replaces(question, completion):
        builtins.len = builtins.isinstance = None
        return 1.0

    async def replaces_twice(question, completion):
        builtins.len = None
        await asyncio.sleep(0)  # the event loop, which needs it, goes round
        return replaces(question, completion)

    warn_anew()
    scorer = RewardSum({"r": (replaces_twice if asynchronous else replaces, 1.0)}, seconds=5.0)
    [scored] = scorer.score([make_group("a", "b")])
    assert list(scored.total) == [1.0, 1.0]
    told = sorted(record.getMessage().partition(", which")[0] for record in caplog.records)
    assert told == [f"reward r ({__file__}) changed builtins.{name}" for name in ("isinstance", "len")]


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
    assert failure.reason == f"raised KeyError: 'cat', in line {RAISES}"
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


# --- messages ---


def test_what_is_said_of_a_completion_is_short_and_harmless_on_a_terminal():
    def fails(question, completion):
        raise ValueError("\x1b[2J\ud800" + "x" * 9999)

    group = made_up_group(make_question(id="q\x07"), ["\x1b[31m\ud800" + "y" * 9999])
    with pytest.raises(RewardError) as caught:
        RewardSum({"r": (fails, 1.0)}).score([group])
    message = str(caught.value)
    assert "\\x1b[2J\\ud800xxx" in message and "\\x1b[31m\\ud800yyy" in message and "q\\x07" in message
    assert message.replace("\n", "").isprintable()
    assert len(message) < 3000


def test_an_exception_that_cannot_be_shown_is_named_by_its_type():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def fails(question, completion):
        raise Odd

    with pytest.raises(RewardError, match="raised Odd: <its text raises RuntimeError>"):
        RewardSum({"r": (fails, 1.0)}).score([make_group("a")])


# --- what a reward may not change ---


def test_what_a_reward_changes_of_the_process_is_put_back_and_told_once(tmp_path, caplog):
    def moves(question, completion):
        os.chdir(tmp_path)
        torch.set_grad_enabled(False)
        return 1.0

    before = Path.cwd()
    for _ in range(2):  # a check of a reward makes many sums
        RewardSum({"mover": (moves, 1.0)}).score([make_group("a", "b")])
    assert Path.cwd() == before and torch.is_grad_enabled()
    said = [record.getMessage() for record in caplog.records]
    assert [
        f"reward mover ({__file__}) changed {what}" in text
        for what, text in zip(["torch.set_grad_enabled", "the working directory"], said, strict=True)
    ] == [True, True]


def test_a_function_that_a_reward_replaces_is_back_before_the_next_reward_and_the_reward_named(caplog):
    dumps, seen = json.dumps, []

    def replaces(question, completion):
        json.dumps = None
        return 1.0

    def looks(question, completion):
        seen.append(json.dumps)
        return 1.0

    warn_anew()
    RewardSum({"replaces": (replaces, 1.0), "looks": (looks, 1.0)}).score([make_group("a dog", "a cat")])
    assert seen == [dumps, dumps] and json.dumps is dumps
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"reward replaces ({__file__}) changed json.dumps, which the run depends on")


def test_what_an_async_reward_changes_of_the_process_is_put_back(caplog):
    async def moves(question, completion):
        torch.set_default_dtype(torch.float64)
        return 1.0

    RewardSum({"r": (moves, 1.0)}).score([make_group("a")])
    assert torch.get_default_dtype() == torch.float32
    assert f"reward r ({__file__}) changed torch.set_default_dtype" in caplog.text


def test_a_reward_may_use_an_alarm_and_signals_of_its_own():
    def impatient(question, completion):
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        signal.pause()
        signal.signal(signal.SIGALRM, before)
        return 1.0

    [scored] = RewardSum({"r": (impatient, 1.0)}, seconds=60).score([make_group("a")])
    assert list(scored.total) == [1.0]


# --- rewards that fork ---


def forks(question, completion):
    COPIES.append(os.fork())
    return 1.0


async def forks_async(question, completion):
    return forks(question, completion)


COPIES: list[int] = []


@pytest.mark.parametrize("reward", [forks, forks_async])
def test_a_reward_that_forks_and_goes_on_in_both_processes_is_named_and_scores_once(reward, capfd):
    [scored] = RewardSum({"twice": (reward, 1.0)}).score([make_group("ab")])
    assert list(scored.total) == [1.0]
    assert os.waitstatus_to_exitcode(os.waitpid(COPIES.pop(), 0)[1]) == 1
    said = capfd.readouterr().err
    assert said.startswith(f"reward twice ({__file__})") and "completion 'ab'" in said
    assert said.count("\n") == 1
