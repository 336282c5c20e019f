"""What advantages may need beyond rewards, against the slow way of finding it out."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from rlaudio.algorithms.algorithm import Need
from rlaudio.algorithms.grpo import GRPO
from rlaudio.contribution.asking_options import spelled_out
from rlaudio.contribution.on_policy import ChoiceProbabilities
from rlaudio.rollout.transformers import Transformers
from rlaudio.scoring import RewardSum
from rlaudio.training.credit import assign_credit, learned_groups
from rlaudio.training.learner import Learner
from rlaudio.training.packing import Branch, PackedRow, pack
from rlaudio.training.policy import Distribution, token_logprobs
from rlaudio.training.sampling import Sampled
from rlaudio.training.signals import SilentRollouts, measure_signals, options_of, with_unknown_filled
from rlaudio.types import Group, OpenText, Question, ScoredGroup
from rlaudio.utils.processes import ALONE, Processes
from tests.conftest import make_prompt, tone
from tests.factories import make_completion
from tests.settings import learner_settings, sampling_params

SETTINGS = learner_settings(lr=1e-3, steps=10)


class Needing(GRPO):
    """GRPO that asks for a signal which it does not use."""

    asked: frozenset[Need] = frozenset()
    value_lr = 1e-3

    @property
    def needs(self):
        return self.asked


def needing(*signals):
    return type("NeedingSome", (Needing,), {"asked": frozenset(signals)})(kl=0.0)


def silent(family):
    """The same question about silence of half a second."""

    def make(prompt):
        clip = replace(tone(0.5, 0), samples=np.zeros(8000, np.float32), digest="silence")
        return family.encode_prompt(prompt.question, "You listen.", prompt.question.question, [clip])

    return make


def scored(family, count=2, group_size=3):
    prompts = [make_prompt(family, seed, words=1 + seed) for seed in range(count)]
    groups = Transformers(family).generate(prompts, sampling_params(group_size, 1.0, max_new_tokens=5), (0,))
    return [ScoredGroup(g, {"r": np.ones(group_size)}, np.ones(group_size)) for g in groups]


def as_sampled(groups):
    return Sampled(groups, list(range(len(groups))), dict(enumerate(groups)), len(groups))


def test_most_algorithms_need_no_signal(family):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    assert measure_signals(as_sampled(scored(family)), learner, None, ()) == {}


def test_values_are_the_heads_word_on_the_state_before_every_token(family):
    groups = scored(family)
    learner = Learner(family, needing(Need.VALUES), SETTINGS)
    with torch.no_grad():
        learner.policy.value_head.weight.normal_(generator=torch.Generator().manual_seed(0))
    values = measure_signals(as_sampled(groups), learner, None, ())["values"]
    lengths = [[len(c.token_ids) for c in each.group.completions] for each in groups]
    assert values.shape == (2, 3, max(max(row) for row in lengths))
    for q, each in enumerate(groups):
        for g, c in enumerate(each.group.completions):
            nothing = np.zeros(len(c.token_ids), np.float32)
            alone = pack([PackedRow(each.group.prompt, (Branch(c.token_ids, nothing, nothing, 0.0),))])
            with torch.no_grad():
                expected = learner.policy.value_head(token_logprobs(family, alone).states).squeeze(-1)
            torch.testing.assert_close(values[q, g, : lengths[q][g]].float(), expected, atol=1e-4, rtol=1e-4)
            assert not values[q, g, lengths[q][g] :].any()


def test_contribution_by_rollouts_is_the_gap_between_success_rates(family):
    class FirstWordOnly:
        """Right with audio as told below; in silence the second question is answered right half the time."""

        weights_version = 0
        asked: ClassVar = []

        def generate(self, prompts, sampling, key):
            self.asked.append((len(prompts), sampling.group_size, key))
            texts = [["no", "no", "no", "no"], ["yes", "no", "yes", "no"]]
            return [Group(p, tuple(make_completion(t) for t in texts[i])) for i, p in enumerate(prompts)]

    def yes(question, completion):
        return 2.5 * (completion.text == "yes")

    heard = [
        ScoredGroup(each.group, {"yes": values}, values)
        for each, values in zip(
            scored(family), [np.array([2.5, 2.5, 0.0]), np.array([0.0, np.nan, 2.5])], strict=True
        )
    ]
    measure = SilentRollouts(
        FirstWordOnly(),
        RewardSum({"yes": (yes, 1.0)}),
        silent(family),
        sampling_params(3),
        completions=4,
        success="yes",
    )
    assert measure(heard, (0, "rl", 7)) == pytest.approx([2 / 3 - 0.0, 1 / 2 - 1 / 2])
    assert FirstWordOnly.asked == [(2, 4, (0, "rl", 7, "silence"))]
    without_clip = [
        replace(each, group=replace(each.group, prompt=replace(each.group.prompt, clips=(), features={})))
        for each in heard
    ]
    assert measure(without_clip, (0, "rl", 8)) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("chosen", "of_the_first", "expected"),
    [
        ([0, 1, 2, 3], {0: 0.1, 2: 0.3}, [0.1, 0.2, 0.3, 0.4]),
        ([1, 2, 3], {1: 0.3}, [0.2, 0.3, 0.4]),
        ([1, 2, 3], {1: math.nan}, [0.2, math.nan, 0.4]),
    ],
)
def test_contributions_stand_in_the_order_of_the_learned_groups_whoever_measured_them(
    family, chosen, of_the_first, expected
):
    class SecondOfTwo(Processes):
        def gather(self, value):
            return [of_the_first, value]

    groups = scored(family, count=4, group_size=2)
    sampled = Sampled(groups, chosen, {1: groups[1], 3: groups[3]}, drawn=4)
    measured = {id(groups[1]): 0.2, id(groups[3]): 0.4}
    learner = SimpleNamespace(
        algorithm=needing(Need.CONTRIBUTION), strategy=SimpleNamespace(processes=SecondOfTwo(1, 2))
    )
    actual = measure_signals(
        sampled, learner, lambda local, key: [measured[id(single)] for single in local], ()
    )
    assert actual["contribution"].tolist() == pytest.approx(expected, nan_ok=True)


def test_an_unknown_contribution_counts_as_the_mean_of_the_others_and_is_stored_as_unknown(family):
    groups = scored(family, count=3, group_size=2)
    observed = {"contribution": torch.tensor([0.2, math.nan, 0.4])}
    assert with_unknown_filled(observed)["contribution"].tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert with_unknown_filled({"contribution": torch.tensor([math.nan])})["contribution"].tolist() == [0.0]
    rows = assign_credit(groups, needing(Need.CONTRIBUTION), signals=with_unknown_filled(observed))
    stored = learned_groups(as_sampled(groups), rows, [], observed, ALONE)
    assert [group.contribution for group in stored] == pytest.approx([0.2, None, 0.4])


def test_contribution_by_options_is_the_gap_between_the_gold_options_probabilities(family):
    question = Question.multiple_choice("q", "What is it?", ("a dog", "a cat", "rain"), "a cat")
    prompt = family.encode_prompt(question, "You listen.", question.question, [tone(0.7, 3)])
    group = ScoredGroup(Group(prompt, ()), {}, np.zeros(0))
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    measure = ChoiceProbabilities(options_of(learner), silent(family))
    (actual,) = measure([group], ())

    def gold_share(asked):
        sums = []
        for choice in question.choices:
            ids = family.encode_completion(f"<answer>{choice}</answer>")
            nothing = np.zeros(len(ids), np.float32)
            with torch.no_grad():
                batch = pack([PackedRow(asked, (Branch(ids, nothing, nothing, 0.0),))])
                sums.append(float(token_logprobs(family, batch).logprobs.sum()))
        return torch.tensor(sums).softmax(0)[1].item()

    assert actual == pytest.approx(gold_share(prompt) - gold_share(silent(family)(prompt)), abs=1e-4)
    assert actual != 0.0
    in_worker = ChoiceProbabilities(spelled_out(Transformers(family), family), silent(family))
    assert in_worker([group], ()) == pytest.approx([actual], abs=1e-4)


def test_options_are_measured_at_temperature_1_whatever_completions_are_sampled_at(family):
    question = Question.multiple_choice("q", "What is it?", ("a dog", "a cat", "rain"), "a cat")
    prompt = family.encode_prompt(question, "You listen.", question.question, [tone(0.7, 3)])
    settings = replace(SETTINGS, distribution=Distribution(temperature=1.5))
    (asked_in_training,) = options_of(Learner(family, GRPO(kl=0.0), settings))([prompt])
    (as_labels_are,) = spelled_out(Transformers(family), family)([prompt])
    assert asked_in_training == pytest.approx(as_labels_are, abs=1e-4)


def test_contribution_by_options_of_a_question_without_options_is_refused(family):
    question = Question("q7", "What is it?", (), OpenText("a cat"))
    prompt = family.encode_prompt(question, "You listen.", question.question, [tone(0.7, 3)])
    measure = ChoiceProbabilities(spelled_out(Transformers(family), family), silent(family))
    with pytest.raises(ValueError, match="question q7: no options; expected options"):
        measure([ScoredGroup(Group(prompt, ()), {}, np.zeros(0))], ())


def test_the_learner_hands_the_loss_the_log_probs_in_silence_with_and_without_gradient(family):
    class Spy(Needing):
        seen: ClassVar = {}

        def loss(self, tokens):
            self.seen[next(iter(self.needs))] = tokens.signals["silence"]
            return super().loss(tokens)

    groups = scored(family, count=1)
    values = np.array([1.0, 0.0, 0.5])
    groups = [replace(groups[0], total=values, rewards={"r": values})]
    for need in (Need.SILENCE, Need.SILENCE_GRADIENT):
        algorithm = type("SpyFor", (Spy,), {"asked": frozenset({need})})(kl=0.0)
        learner = Learner(family, algorithm, learner_settings(lr=1e-9, steps=1), silent_prompt=silent(family))
        learner.step(assign_credit(groups, algorithm), 0)
    plain, with_gradient = Spy.seen[Need.SILENCE], Spy.seen[Need.SILENCE_GRADIENT]
    assert not plain.requires_grad and with_gradient.requires_grad
    torch.testing.assert_close(plain, with_gradient.detach(), atol=1e-5, rtol=0)
    completion = groups[0].group.completions[0]
    nothing = np.zeros(len(completion.token_ids), np.float32)
    quiet = silent(family)(groups[0].group.prompt)
    with torch.no_grad():
        expected = token_logprobs(
            family, pack([PackedRow(quiet, (Branch(completion.token_ids, nothing, nothing, 0.0),))])
        ).logprobs
    torch.testing.assert_close(plain[: len(expected)], expected, atol=1e-4, rtol=0)
