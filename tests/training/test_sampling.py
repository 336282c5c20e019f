"""The completions of a step: refilled where groups have no spread, alike for any number of processes."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from rlaudio.curricula.selector import Weighted
from rlaudio.curricula.stage import Stage
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.scripted import Scripted
from rlaudio.scoring import RewardSum
from rlaudio.training.checkpoint import Cursor
from rlaudio.training.loop import StageSetup, prepare_next
from rlaudio.training.sampling import (
    Sampler,
    begin_requests,
    check_versions,
    requests_of_round,
    sample_step,
)
from rlaudio.types import Absent
from rlaudio.utils.processes import ALONE, Processes
from tests.factories import make_group
from tests.settings import sampling_params
from tests.word_family import questions_on_disk, word_prompts

PARAMS = sampling_params(group_size=2, max_new_tokens=4)


def says_yes_now_and_then(prompt, sample):
    """Questions whose number is a multiple of 3 are answered alike by all samples."""
    number = int(prompt.question.id.removeprefix("q"))
    return "yes" if number % 3 == 0 or sample % 2 else "no"


def yes(question, completion):
    return float(completion.text == "yes")


def step(questions, processes=ALONE, worker=None, first=0, **options):
    sampler = sampler_of(questions, processes, worker, **options)
    return sample_step(sampler, (0, "rl", 0), first=first, weights_version=0)


def sampler_of(questions, processes=ALONE, worker=None, rounds=1, rewards=None, silent_samples=0):
    return Sampler(
        stage=Stage("rl", tuple(questions), steps=9),
        prompts=word_prompts(),
        worker=worker or Scripted(says_yes_now_and_then),
        rewards=RewardSum(rewards or {"yes": (yes, 1.0)}),
        params=PARAMS,
        questions_per_step=4,
        rounds=rounds,
        max_lag=0,
        processes=processes,
        silent_samples=silent_samples,
    )


def ids(groups):
    return [scored.group.prompt.question.id for scored in groups]


@pytest.fixture
def questions(tmp_path):
    return questions_on_disk(tmp_path, 12)


def test_one_round_learns_from_every_group_that_was_drawn(questions):
    sampled = step(questions)
    assert sampled.drawn == 4 and sampled.chosen == [0, 1, 2, 3]
    assert ids(sampled.learned) == [q.id for q in Stage("rl", tuple(questions)).draw(0, 4, 0, "rl")]


def test_more_rounds_fill_the_step_with_groups_that_have_spread(questions):
    sampled = step(questions, rounds=3)
    drawn = [q.id for q in Stage("rl", tuple(questions)).draw(0, sampled.drawn, 0, "rl")]
    assert ids(sampled.groups) == drawn and sampled.drawn in (8, 12)
    assert ids(sampled.learned) == [id for id in drawn if int(id[1:]) % 3][:4]


def test_the_last_round_fills_up_with_groups_without_spread(questions):
    alike = [q for q in questions if int(q.id[1:]) % 3 == 0]
    sampled = step(alike, rounds=2)
    assert sampled.drawn == 8 and sampled.chosen == [0, 1, 2, 3]


def test_every_round_has_random_numbers_of_its_own(questions):
    """A later round may come to a question again: its completions must not be those of the round before."""
    worker = Scripted(says_yes_now_and_then)
    step([q for q in questions if int(q.id[1:]) % 3 == 0], worker=worker, rounds=3)
    keys = [key for _, _, key in worker.calls]
    assert keys[0] == (0, "rl", 0) and len(set(keys)) == len(keys) == 3


@pytest.mark.parametrize(("rank", "asked"), [(0, {False: 2}), (1, {False: 1, True: 1})])
def test_a_question_that_comes_again_in_a_step_is_answered_with_other_random_numbers(questions, rank, asked):
    alone, shared = Scripted(says_yes_now_and_then), Scripted(says_yes_now_and_then)
    everything = step(questions[:3], worker=alone)  # the fourth is the first of the next epoch
    calls = {key: count for count, _, key in alone.calls}
    assert calls == {(0, "rl", 0): 3, (0, "rl", 0, "again", 1): 1}
    assert ids(everything.groups)[3] in ids(everything.groups)[:3]
    process = Two(rank, 2)
    object.__setattr__(process, "partner", [everything.groups[1 - rank :: 2]])
    step(questions[:3], process, worker=shared)
    assert {"again" in key: count for count, _, key in shared.calls} == asked


def test_what_is_sampled_ahead_serves_a_step_in_which_a_question_comes_twice(questions):
    worker = Scripted(says_yes_now_and_then)
    ahead = OneStepOff(worker)
    asked = requests_of_round(sampler_of(questions[:3]), (0, "rl", 0), first=0)
    ahead.begin([(request.prompts, request.key) for request in asked], PARAMS)
    sampled = step(questions[:3], worker=ahead)
    ahead.close()
    assert len(worker.calls) == 2  # both of them ahead
    assert ids(sampled.groups) == ids(step(questions[:3]).groups)


def test_the_next_step_goes_on_where_the_last_one_stopped_drawing(questions):
    first = step(questions)
    second = step(questions, first=first.drawn)
    assert not set(ids(first.groups)) & set(ids(second.groups))


class Two(Processes):
    """One of two processes whose partner's share is at hand."""

    partner: list

    def gather(self, value):
        shares = [value, self.partner.pop(0)]
        return shares if self.rank == 0 else shares[::-1]


def test_two_processes_together_sample_what_one_samples(questions):
    alone = step(questions, rounds=3)
    light = [replace(scored) for scored in alone.groups]
    for rank in (0, 1):
        process = Two(rank, 2)
        rounds = [light[i : i + 4] for i in range(0, len(light), 4)]
        object.__setattr__(process, "partner", [r[1 - rank :: 2] for r in rounds])
        sampled = step(questions, process, rounds=3)
        assert ids(sampled.groups) == ids(alone.groups) and sampled.chosen == alone.chosen
        assert sorted(sampled.local) == list(range(rank, len(light), 2))
        for place, scored in sampled.local.items():
            assert ids([scored]) == ids([alone.groups[place]])
            assert np.array_equal(scored.total, alone.groups[place].total)


def test_only_a_process_s_own_groups_carry_features(questions):
    sampled = step(questions)
    assert all(scored.group.prompt.features is Absent.ELSEWHERE for scored in sampled.groups)
    assert all(scored.group.prompt.present_features() for scored in sampled.local.values())


# --- rewards that hear silence -------------------------------------------------------------------


def unlike_silence(group, silent):
    """How many answers in silence there are, and 1 more for yes."""
    assert silent.prompt.question == group.prompt.question and silent.prompt.clips != group.prompt.clips
    return [len(silent.completions) + int(c.text == "yes") for c in group.completions]


def test_a_reward_that_hears_silence_is_given_answers_to_the_same_questions(questions):
    worker = Scripted(says_yes_now_and_then)
    sampled = step(questions, worker=worker, rewards={"unlike": (unlike_silence, 1.0)}, silent_samples=3)
    assert [len(group.rewards["unlike"]) for group in sampled.groups] == [2] * 4
    assert {value for group in sampled.groups for value in group.rewards["unlike"]} == {3.0, 4.0}
    assert [(count, params.group_size) for count, params, _ in worker.calls] == [(4, 2), (4, 3)]
    assert worker.calls[0][2] != worker.calls[1][2]
    assert sampled.silent_completions == 12


def test_nothing_is_sampled_in_silence_where_no_reward_hears_it(questions):
    worker = Scripted(says_yes_now_and_then)
    assert step(questions, worker=worker, silent_samples=3).silent_completions == 0
    assert len(worker.calls) == 1


def test_a_reward_that_hears_silence_cannot_score_without_it(questions):
    sampled = step(questions)
    rewards = RewardSum({"unlike": (unlike_silence, 1.0)})
    with pytest.raises(ValueError, match=r"unlike .*compares with answers in silence; expected them"):
        rewards.score([scored.group for scored in sampled.groups])


# --- the next step's prompts -----------------------------------------------------------------------


def threads_of(sampler):
    """The names of the threads that make prompts from now on, one for each."""
    names, prompt = [], sampler.prompts.prompt

    def spy(question):
        names.append(threading.current_thread().name)
        return prompt(question)

    sampler.prompts.prompt = spy
    return names


def test_prompts_that_were_begun_are_made_once_and_by_a_thread(questions):
    key = (0, "rl", 1)
    now = sample_step(sampler_of(questions), key, first=4, weights_version=0)
    sampler = sampler_of(questions)
    threads = threads_of(sampler)
    begin_requests(sampler, key, 4)
    ahead = sample_step(sampler, key, first=4, weights_version=0)
    assert threads == ["ahead_0"] * 4 and ids(ahead.groups) == ids(now.groups)
    assert sample_step(sampler, (0, "rl", 2), first=8, weights_version=0).drawn == 4
    assert threads[4:] == [threading.current_thread().name] * 4


def test_a_clip_that_is_gone_fails_the_step_that_asks_about_it(questions):
    sampler, key = sampler_of(questions), (0, "rl", 1)
    for question in sampler.stage.draw(4, 4, *key[:2]):
        question.clips[0].unlink()
    begin_requests(sampler, key, 4)
    assert sample_step(sampler, (0, "rl", 0), first=0, weights_version=0).drawn == 4
    with pytest.raises(FileNotFoundError):
        sample_step(sampler, key, first=4, weights_version=0)


class FromTheFirst(Weighted):
    """Chooses a stage's first questions, whatever a step showed."""

    def select(self, questions, count, rng):
        return questions[:count]


@pytest.mark.parametrize(("selector", "step", "begun"), [(None, 0, 4), (None, 1, 0), (FromTheFirst(), 0, 0)])
def test_the_next_step_is_begun_unless_there_is_none_or_its_questions_depend_on_this_one(
    questions, selector, step, begun
):
    sampler = sampler_of(questions)
    sampler = replace(sampler, stage=replace(sampler.stage, selector=selector))
    setup = StageSetup("rl", steps=2, sampler=sampler, learner=None)
    key = (0, "rl", step)
    sampled = sample_step(sampler, key, first=0, weights_version=0)
    threads = threads_of(sampler)
    prepare_next(setup, Cursor(step=step), sampled, key)
    requests_of_round(sampler, (0, "rl", step + 1), 4)
    assert threads.count("ahead_0") == begun and len(threads) == 4


def test_completions_of_other_weights_are_refused():
    group = make_group("<answer>a dog</answer>")
    actual = group.completions[0].weights_version
    check_versions([group], actual)
    with pytest.raises(ValueError, match=r"did not take over the last update"):
        check_versions([group], actual + 1)


def test_completions_older_than_the_recipe_allows_are_refused_and_so_are_those_of_the_future():
    group = make_group("<answer>a dog</answer>")
    actual = group.completions[0].weights_version
    check_versions([group], actual + 1, max_lag=1)
    with pytest.raises(ValueError, match=r"expected 1 older at most \(sampling.max_lag\)"):
        check_versions([group], actual + 2, max_lag=1)
    with pytest.raises(ValueError, match=rf"version \[{actual}\] in a step of version {actual - 1}"):
        check_versions([group], actual - 1, max_lag=1)
