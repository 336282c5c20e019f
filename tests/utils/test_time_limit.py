"""A reward that does not return is ended and named, however it hangs."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import time

import pytest

from rlaudio.scoring import RewardStop, RewardSum
from rlaudio.utils import time_limit
from tests.factories import make_group, make_question

SOON = 0.05  # seconds


def sleeps(question, completion):
    time.sleep(10**6)


def loops(question, completion):
    while True:
        pass


def waits(question, completion):
    threading.Event().wait()


def tries_again(question, completion):
    """Catches the exception that ends it and gives a value all the same."""
    with contextlib.suppress(BaseException):
        time.sleep(10**6)
    return 1.0


def group_sleeps(group):
    time.sleep(10**6)


async def never_done(question, completion):
    await asyncio.Event().wait()


async def blocks_the_loop(question, completion):
    time.sleep(10**6)


HANGING = [sleeps, loops, waits, tries_again, group_sleeps, never_done, blocks_the_loop]


@pytest.mark.parametrize("reward", HANGING)
def test_a_reward_that_never_returns_is_named_with_the_place_where_it_is(reward):
    group = make_group("a dog", "a cat", question=make_question(id="q7"))
    with pytest.raises(RewardStop) as caught:
        RewardSum({"r": (reward, 1.0)}, allowed_failure_rate=1.0, seconds=SOON).score([group])
    said = f"reward r ({__file__}) gave no value within 0.05 s (reward_timeout); it was at {__file__}:"
    assert str(caught.value).startswith(said)
    assert "for question q7, sample 0, completion 'a dog'" in str(caught.value)


def test_after_a_reward_that_hung_the_next_sum_scores():
    async def answers(question, completion):
        return 1.0

    with pytest.raises(RewardStop):
        RewardSum({"r": (blocks_the_loop, 1.0)}, seconds=SOON).score([make_group("a")])
    [scored] = RewardSum({"r": (answers, 1.0)}, seconds=60).score([make_group("a")])
    assert list(scored.total) == [1.0]


def test_the_limit_is_for_the_next_value_not_for_all_of_them():
    semaphore = asyncio.Semaphore(1)

    async def in_turn(question, completion):
        async with semaphore:
            await asyncio.sleep(0.3)
            return 1.0

    texts = "abcdefghijkl"  # 3.6 s together
    [scored] = RewardSum({"r": (in_turn, 1.0)}, seconds=3.0).score([make_group(*texts)])
    assert list(scored.total) == [1.0] * len(texts)


def test_without_a_limit_nothing_is_watched():
    def watched(question, completion):
        return any(thread.name == "rlaudio-time-limit" for thread in threading.enumerate())

    for seconds, expected in ((None, 0.0), (60.0, 1.0)):
        [scored] = RewardSum({"r": (watched, 1.0)}, seconds=seconds).score([make_group("a")])
        assert list(scored.total) == [expected]


PROGRAM = """
import itertools, sys, time
from rlaudio.scoring import RewardSum, made_up_group, saving_when_stopped
from rlaudio.utils import time_limit
from rlaudio.types import Question
from pathlib import Path

time_limit.GRACE = time_limit.POKE_EVERY = 0.2

def deaf(question, completion):
    while True:
        try:
            time.sleep(10**6)
        except:
            pass

def holds_the_lock(question, completion):
    sum(itertools.repeat(1))

question = Question.multiple_choice("q7", "What?", ("a", "b"), "a", Path("a.wav"))
with saving_when_stopped(lambda: print("saved", flush=True)):
    RewardSum({"r": (globals()[sys.argv[1]], 1.0)}, seconds=0.2).score([made_up_group(question, ["a dog"])])
"""


def hang(reward: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", PROGRAM, reward]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_where_the_main_thread_cannot_be_reached_another_saves_and_ends_the_process():
    done = hang("deaf")
    assert (done.returncode, done.stdout) == (1, "saved\n")
    assert "gave no value within 0.2 s (reward_timeout)" in done.stderr
    assert "for question q7, sample 0, completion 'a dog'" in done.stderr


def test_code_that_stops_all_threads_is_ended_with_the_reward_and_the_completion_named():
    done = hang("holds_the_lock")
    assert done.returncode == 1
    assert "in holds_the_lock" in done.stderr
    assert "for question q7, sample 0, completion 'a dog'" in done.stderr


def test_a_call_that_begins_late_has_its_whole_time(monkeypatch):
    timers = []
    monkeypatch.setattr(
        time_limit.faulthandler, "dump_traceback_later", lambda seconds, **_: timers.append(seconds)
    )
    RewardSum({"r": (lambda question, completion: 1.0, 1.0)}, seconds=30).score([make_group("a")])
    assert timers == [2 * 30 + 2 * time_limit.GRACE]
