"""An algorithm that does not do what it must is refused before a run has computed anything."""

from dataclasses import dataclass

import pytest

from rlaudio.algorithms.algorithm import Loss, Need, sequence_mean
from rlaudio.algorithms.dry_run import dry_run
from rlaudio.config.recipe import load_recipe

REWARDS = {"correct": 2.0, "format": 0.5}
KNOWN = (
    "Need.REFERENCE, Need.SILENCE, Need.SILENCE_GRADIENT, Need.ENTROPY, Need.SILENCE_ENTROPY, Need.VALUES, "
    "Need.CONTRIBUTION, Need.EQUAL_GROUPS"
)
SHIPPED = (
    "grpo", "dapo", "gspo", "cispo", "rloo", "reinforce_pp", "gdpo", "papo", "contribution_weighted", "ppo",
    "dppo", "sapo", "maxrl", "vespo", "mapo",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plain:
    """REINFORCE without a baseline, as short as an algorithm can be."""

    @property
    def needs(self):
        return frozenset()

    def advantages(self, samples):
        return samples.rewards

    def weights(self, lengths):
        return sequence_mean(lengths)

    def loss(self, tokens):
        return Loss(-(tokens.weights * tokens.advantages * tokens.logprobs).sum(), {})


@pytest.mark.parametrize("group_size", [2, 3, 8])
@pytest.mark.parametrize("name", SHIPPED)
def test_every_algorithm_that_ships_passes(name, group_size, caplog):
    algorithm = load_recipe("tiny_weak_to_strong", [f"algorithm={name}"]).algorithm()
    dry_run(algorithm, name, group_size=group_size, reward_weights=REWARDS)
    assert not caplog.records


def test_the_shortest_algorithm_passes():
    dry_run(Plain(), "plain", group_size=1, reward_weights=REWARDS)


def test_a_loss_that_keeps_what_it_has_seen_is_told_that_no_checkpoint_holds_it(caplog):
    seen = []

    class Adaptive(Plain):
        def loss(self, tokens):
            seen.append(len(tokens.logprobs))
            loss = super().loss(tokens)
            return Loss(len(seen) * loss.total, {})

    dry_run(Adaptive(), "adaptive", group_size=4, reward_weights=REWARDS)
    assert "algorithm adaptive gives another loss when it is asked for the same tokens again" in caplog.text


class Nameless(Plain):
    """Something is not what it must be; each test says what."""


def refused(said, **methods):
    algorithm = type("Wrong", (Nameless,), methods)()
    with pytest.raises(ValueError, match=said):
        dry_run(algorithm, "mine", group_size=4, reward_weights=REWARDS)


def test_a_part_of_the_loss_has_a_name_that_can_be_logged():
    def loss(self, tokens):
        return Loss(Plain.loss(self, tokens).total, {"drift": tokens.logprobs.detach()})

    refused(r"algorithm mine: loss's part 'drift' needs a name as it is logged: 'loss/\.\.\.'", loss=loss)


@pytest.mark.parametrize(("asked", "told"), [(set(), True), ({Need.EQUAL_GROUPS}, False)])
def test_a_loss_that_learns_from_equal_groups_is_told_that_they_are_left_out(caplog, asked, told):
    class Drawn(Plain):
        needs = frozenset({Need.REFERENCE, *asked})

        def loss(self, tokens):
            drift = (tokens.logprobs - tokens.signals["reference"]).square()
            return Loss(
                Plain.loss(self, tokens).total + (tokens.weights * drift).sum(), {"loss/drift": drift}
            )

    dry_run(Drawn(), "drawn", group_size=4, reward_weights=REWARDS)
    assert ("its `needs` have Need.EQUAL_GROUPS" in caplog.text) == told


def test_a_method_that_is_missing_is_named():
    class Misspelt:
        needs = frozenset()
        advantages, loss, wieghts = Plain.advantages, Plain.loss, Plain.weights

    said = (
        "algorithm mine: weights raised AttributeError: .* no attribute 'weights'; .* says what is expected"
    )
    with pytest.raises(ValueError, match=said):
        dry_run(Misspelt(), "mine", group_size=4, reward_weights=REWARDS)


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (frozenset({Need.VALUES, "refrence"}), f"needs has 'refrence'; expected none but {KNOWN}"),
        (
            property(lambda self: {Need.REFRENCE}),
            "needs raised AttributeError: .*REFRENCE; rlaudio/algorithms/algorithm.py says",
        ),
        (lambda self: {Need.REFERENCE}, "needs raised TypeError: 'method' object is not iterable"),
    ],
)
def test_needs_that_nobody_knows_are_refused_and_those_that_are_known_told(needs, said):
    refused(f"^algorithm mine: {said}", needs=needs)


def test_a_signal_that_is_not_asked_for_is_told_with_the_need_that_gives_it():
    def loss(self, tokens):
        return Loss((tokens.logprobs - tokens.signals["reference"]).sum(), {})

    refused("loss raised KeyError: 'reference'; it is there where `needs` has Need.REFERENCE", loss=loss)


def test_a_loss_that_is_no_loss_is_refused():
    refused(
        r"loss gave Tensor; expected a Loss\(total, parts\)", loss=lambda self, tokens: tokens.logprobs.sum()
    )


def test_a_need_may_be_written_as_the_text_that_it_stands_for():
    class Texts(Plain):
        needs = frozenset({"reference", "equal_groups"})

        def loss(self, tokens):
            drift = (tokens.logprobs - tokens.signals["reference"]).square()
            return Loss((tokens.weights * drift).sum(), {})

    dry_run(Texts(), "texts", group_size=4, reward_weights=REWARDS)
    assert Need.REFERENCE in Texts.needs and Need.SILENCE not in Texts.needs


def test_a_critic_must_say_what_it_expects_and_how_fast_it_learns():
    needs = frozenset({Need.VALUES})
    refused("algorithm mine: value_lr raised AttributeError: .* no attribute 'value_lr'", needs=needs)
    refused("algorithm mine: returns raised AttributeError", needs=needs, value_lr=1e-4)


def test_an_error_inside_says_whose_it_is():
    refused(
        "algorithm mine: advantages raised AttributeError: .*no attribute 'reward'",
        advantages=lambda self, samples: samples.reward,
    )


@pytest.mark.parametrize(
    ("advantages", "said"),
    [
        (
            lambda self, samples: samples.rewards.mean(-1),
            r"advantages gave \(3,\); .*\(3, 4\), or .*\(3, 4, 5\)",
        ),
        (lambda self, samples: samples.rewards.T, r"advantages gave \(4, 3\)"),
        (lambda self, samples: samples.rewards.tolist(), "advantages gave list"),
    ],
)
def test_advantages_of_another_shape_are_refused(advantages, said):
    refused(said, advantages=advantages)


def test_weights_losses_and_gradients_of_another_shape_or_not_finite_are_refused():
    refused(r"mine: weights is \(\); expected one weight", weights=lambda self, lengths: lengths.sum())
    refused(r"loss's total is \(\d+,\); expected a scalar", loss=lambda self, t: Loss(t.logprobs, {}))
    refused("loss's total is not finite", loss=lambda self, t: Loss(t.logprobs.sum() / 0.0, {}))
    refused("loss's part 'ratio' is", loss=lambda self, t: Loss(t.logprobs.sum(), {"ratio": t.logprobs[:1]}))
    refused("gradient raised RuntimeError", loss=lambda self, t: Loss(t.advantages.sum(), {}))


def test_a_signal_that_was_not_asked_for_is_not_there():
    refused(
        "loss raised KeyError: 'reference'",
        loss=lambda self, t: Loss((t.logprobs - t.signals["reference"]).sum(), {}),
    )
