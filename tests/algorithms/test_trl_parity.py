"""TRL's own loss code on the same random tensors: GRPOTrainer._compute_loss and RLOOTrainer._compute_loss.

Optional: it runs where TRL 1.16 is installed (`pip install "trl>=1.16,<1.17"`). Of the trainer only what the
loss reads is there: its settings and given log-probs in place of a model's.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

trl = pytest.importorskip("trl", minversion="1.16", reason="TRL, whose losses this compares with, is absent")

from rlaudio.algorithms.algorithm import Tokens  # noqa: E402
from rlaudio.algorithms.cispo import CISPO  # noqa: E402
from rlaudio.algorithms.dapo import DAPO  # noqa: E402
from rlaudio.algorithms.grpo import GRPO  # noqa: E402
from rlaudio.algorithms.gspo import GSPO  # noqa: E402
from rlaudio.algorithms.rloo import RLOO  # noqa: E402
from rlaudio.algorithms.sapo import SAPO  # noqa: E402
from rlaudio.algorithms.vespo import VESPO  # noqa: E402

LONGEST, COMPLETIONS = 6, 8

# name -> rlaudio's algorithm, TRL's settings
SHARED = {
    "grpo": (GRPO(kl=0.05), {"loss_type": "grpo", "beta": 0.05}),
    "grpo, clip-higher": (
        GRPO(kl=0.0, clip=0.1, clip_high=0.28),
        {"loss_type": "grpo", "epsilon_low": 0.1, "epsilon_high": 0.28},
    ),
    "bnpo": (GRPO(kl=0.05, aggregate="token"), {"loss_type": "bnpo", "beta": 0.05}),
    "dr_grpo": (
        GRPO(kl=0.05, aggregate="constant", length=LONGEST),
        {"loss_type": "dr_grpo", "beta": 0.05},
    ),
    "dapo": (DAPO(), {"loss_type": "dapo", "epsilon_high": 0.28}),
    "cispo": (CISPO(clip_high=0.4), {"loss_type": "cispo", "epsilon_high": 1.4}),  # TRL's is the bound itself
    "sapo": (SAPO(negative_temperature=1.0625), {"loss_type": "sapo"}),  # TRL makes it a float32
    "vespo": (VESPO(), {"loss_type": "vespo"}),
    "gspo": (
        GSPO(clip=0.1, clip_high=0.15),
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon_low": 0.1,
            "epsilon_high": 0.15,
        },
    ),
    "gspo, range of the paper": (
        GSPO(),
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon_low": 3e-4,
            "epsilon_high": 4e-4,
        },
    ),
}


def ragged(seed: int) -> dict[str, torch.Tensor]:
    """Padded [S, C] float64 tensors as TRL holds them."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    lengths = torch.randint(1, LONGEST + 1, (COMPLETIONS,), generator=generator)
    logprobs = -normal(COMPLETIONS, LONGEST).abs()
    return {
        "mask": (torch.arange(LONGEST) < lengths.unsqueeze(1)).double(),
        "logprobs": logprobs,
        "old": logprobs + 0.3 * normal(COMPLETIONS, LONGEST),
        "reference": logprobs + 0.5 * normal(COMPLETIONS, LONGEST),
        "advantages": normal(COMPLETIONS),
    }


def tokens_of(data: dict[str, torch.Tensor], algorithm) -> Tokens:
    exists = data["mask"].bool()
    lengths = exists.sum(1)
    return Tokens(
        logprobs=data["logprobs"][exists].clone().requires_grad_(),
        old_logprobs=data["old"][exists],
        advantages=data["advantages"].repeat_interleave(lengths),
        weights=algorithm.weights(lengths).double().repeat_interleave(lengths),
        completions=torch.arange(COMPLETIONS).repeat_interleave(lengths),
        signals={"reference": data["reference"][exists]},
    )


def trainer(logprobs: torch.Tensor, **settings) -> SimpleNamespace:
    """What TRL's loss reads of its trainer; the log-probs come from here instead of from a model."""
    entropies = torch.zeros_like(logprobs)
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, entropies, None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        _entropy_bonus_enabled=False,
        max_completion_length=LONGEST,
        current_gradient_accumulation_steps=1,
        model=SimpleNamespace(training=True),
        args=SimpleNamespace(
            use_bias_correction_kl=False,
            delta=None,
            steps_per_generation=1,
            sapo_temperature_pos=1.0,
            sapo_temperature_neg=1.0625,
            vespo_k_pos=2.0,
            vespo_lambda_pos=3.0,
            vespo_k_neg=3.0,
            vespo_lambda_neg=2.0,
        ),
        get_gamma_weights=trl.GRPOTrainer.get_gamma_weights,
        accelerator=SimpleNamespace(
            num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x, gather_for_metrics=lambda x: x
        ),
        _metrics={"train": defaultdict(list)},
        **{"importance_sampling_level": "token", "beta": 0.0, "epsilon_low": 0.2, "epsilon_high": 0.2}
        | settings,
    )


def loss_of_trl(trainer_class, data: dict[str, torch.Tensor], **settings) -> tuple[float, torch.Tensor]:
    """Its loss, and the gradient in the log-probs of the tokens that exist."""
    logprobs = data["logprobs"].clone().requires_grad_()
    ids = torch.zeros(COMPLETIONS, LONGEST, dtype=torch.int64)
    inputs = {
        "prompt_ids": ids,
        "prompt_mask": torch.ones_like(ids),
        "completion_ids": ids,
        "completion_mask": data["mask"],
        "advantages": data["advantages"],
        "old_per_token_logps": data["old"],
        "old_logps": (data["old"] * data["mask"]).sum(1),
        "ref_per_token_logps": data["reference"],
        "num_items_in_batch": data["mask"].sum(),
    }
    loss = trainer_class._compute_loss(trainer(logprobs, **settings), None, inputs)
    loss.backward()
    return float(loss.detach()), logprobs.grad[data["mask"].bool()]


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("seed", range(5))
def test_losses_and_gradients_are_those_of_trls_grpo_trainer(name, seed):
    algorithm, settings = SHARED[name]
    data = ragged(seed)
    expected, expected_gradient = loss_of_trl(trl.GRPOTrainer, data, **settings)
    tokens = tokens_of(data, algorithm)
    total = algorithm.loss(tokens).total
    total.backward()
    assert float(total.detach()) == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(tokens.logprobs.grad, expected_gradient, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_losses_and_gradients_are_those_of_trls_rloo_trainer(seed):
    data = ragged(seed)
    expected, expected_gradient = loss_of_trl(trl.RLOOTrainer, data)
    tokens = tokens_of(data, RLOO(kl=0.0, clip=0.2))
    total = RLOO(kl=0.0, clip=0.2).loss(tokens).total
    total.backward()
    assert float(total.detach()) == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(tokens.logprobs.grad, expected_gradient, atol=1e-12, rtol=1e-10)
