"""Rewards read the records of a group and write into none of them."""

import contextlib
import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from rlaudio.scoring import RewardError, RewardSum
from rlaudio.scoring.arguments import read_only
from rlaudio.types import Check, Clip, Completion, Group, Question
from tests.factories import make_completion, make_group, make_prompt, make_question

EXTRA = {"tags": ["old"], "inner": {"a": 1}}


def rich_group() -> Group:
    clip = Clip(np.zeros(4, dtype=np.float32), digest="d")
    question = Question(
        "q1", "What?", (clip,), Check("rule", {"n": 1}), {"category": "a"}, cot={"simple": "s"}, extra=EXTRA
    )
    spoken = make_completion("a dog").segments[0]
    supported = replace(spoken, support=np.zeros((len(spoken.token_ids), 2)))
    return Group(make_prompt(question), (Completion((supported,), "stop", 0),))


ARRAYS = {
    "token_ids": lambda group: group.completions[0].token_ids,
    "logprobs": lambda group: group.completions[0].logprobs,
    "mask": lambda group: group.completions[0].mask,
    "support": lambda group: group.completions[0].support,
    "tokens of a segment": lambda group: group.completions[0].segments[0].token_ids,
    "tokens of the prompt": lambda group: group.prompt.token_ids,
    "positions": lambda group: group.prompt.positions,
    "features": lambda group: group.prompt.features["input_features"],
    "samples of a clip": lambda group: group.prompt.question.clips[0].samples,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_cannot_be_written_into(name):
    group, array = rich_group(), ARRAYS[name]
    seen = array(read_only(group))
    with pytest.raises(ValueError, match="read-only"):
        seen[:] = 1
    np.testing.assert_array_equal(seen, array(group))


@pytest.mark.parametrize("name", [name for name in ARRAYS if name not in ("mask", "support")])
def test_what_the_run_does_to_its_arrays_no_reward_sees(name):
    group, array = rich_group(), ARRAYS[name]
    seen = array(read_only(group))
    before = seen.copy()
    array(group)[:] = 7
    np.testing.assert_array_equal(seen, before)


MAPPINGS = {
    "groups": lambda group: group.prompt.question.groups,
    "cot": lambda group: group.prompt.question.cot,
    "extra": lambda group: group.prompt.question.extra,
    "within extra": lambda group: group.prompt.question.extra["inner"],
    "arguments": lambda group: group.prompt.question.target.arguments,
    "features": lambda group: group.prompt.features,
}


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_mappings_cannot_be_changed(mapping):
    seen = mapping(read_only(rich_group()))
    for change in (
        lambda: seen.update(x=1),
        lambda: seen.__setitem__("x", 1),
        lambda: seen.pop(next(iter(seen))),
        lambda: seen.setdefault("x", 1),
        seen.clear,
    ):
        with pytest.raises(TypeError, match="cannot change what it is given"):
            change()
    assert list(seen) == list(mapping(rich_group()))


def test_a_list_in_a_question_is_a_copy():
    group = rich_group()
    read_only(group).prompt.question.extra["tags"].append("new")
    assert group.prompt.question.extra == EXTRA


def test_a_question_can_be_sent_to_a_server_or_another_process():
    extra = read_only(rich_group()).prompt.question.extra
    assert json.loads(json.dumps(extra)) == EXTRA
    for twin in (copy.deepcopy(extra), pickle.loads(pickle.dumps(extra)), dict(extra)):
        twin["tags"] = []
        assert type(twin) is dict


@pytest.mark.parametrize(
    "write",
    [
        lambda array: torch.from_numpy(array).fill_(7),
        lambda array: array.setflags(write=True) or array.fill(7),
    ],
    ids=["through a tensor", "made writable"],
)
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_what_a_reward_does_to_its_arrays_neither_the_run_nor_another_reward_sees(write):
    group = make_group("<answer>a dog</answer>")
    before, seen = group.completions[0].token_ids.copy(), []

    def writes(question, completion):
        with contextlib.suppress(ValueError):
            write(completion.token_ids)
        return 1.0

    def reads(question, completion):
        seen.append(completion.token_ids.tolist())
        return 1.0

    RewardSum({"writes": (writes, 1.0), "reads": (reads, 1.0)}).score([group])
    assert seen == [before.tolist()] == [group.completions[0].token_ids.tolist()]


def test_a_reward_that_writes_into_a_completion_fails_and_the_completion_stays():
    def spoils(question, completion):
        completion.token_ids[:] = 5
        return 1.0

    group = make_group("a dog")
    with pytest.raises(RewardError, match=r"reward r .* raised ValueError: .*read-only"):
        RewardSum({"r": (spoils, 1.0)}).score([group])
    np.testing.assert_array_equal(group.completions[0].token_ids, make_completion("a dog").token_ids)


def test_the_scored_group_is_the_one_that_was_sampled():
    group = make_group("a dog")
    [scored] = RewardSum({"r": (lambda question, completion: 1.0, 1.0)}).score([group])
    assert scored.group is group


def test_a_question_can_be_a_key_of_a_cache():
    assert {make_question(): 1}[make_question()] == 1
