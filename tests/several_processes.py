"""Updates in one process or in two, for test_zero.py.

Run by torchrun this file trains every case and saves what came out; imported it trains the same cases in one
process.

    torchrun --nproc_per_node 2 -m tests.several_processes OUT.pt
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from rlaudio.algorithms.algorithm import Algorithm, Loss, Need, Tokens
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.algorithms.sft import SFT
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.rollout.target_worker import TargetWorker
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Batching, Learner, LearnerSettings
from rlaudio.training.sampling import Sampled
from rlaudio.training.signals import measure_signals
from rlaudio.training.strategies.plain import Plain
from rlaudio.types import Group, ScoredGroup
from rlaudio.utils.processes import ALONE, Processes, join, leave
from tests.conftest import TINY, make_prompt
from tests.settings import make_batching, optimizer_settings, sampling_params

# AdamW moves a weight of gradient 1e-9 as far as any other, so rounding shows in the weights as a share of
# the learning rate: it is low enough here for 1e-5 to be a fair limit after some updates.
SETTINGS = optimizer_settings(lr=2e-5, steps=20, schedule="constant", weight_decay=0.01)


@dataclass(frozen=True)
class Case:
    """How something is trained."""

    algorithm: Algorithm
    groups: int = 3  # does not divide by two processes
    steps: int = 2
    batching: Batching = field(default_factory=make_batching)
    held_by: Callable[[Processes, int], bool] = lambda processes, i: i % processes.size == processes.rank
    resumed_after: int | None = None  # steps after which the state is also loaded into another learner
    model: tuple[tuple[str, Any], ...] = ()  # options

    @property
    def recorded(self) -> list[ScoredGroup]:
        """What it learns from."""
        return recorded(self.groups, isinstance(self.algorithm, SFT))


@dataclass(frozen=True)
class Result:
    """What came out, the same in every process; `held` is this process's."""

    metrics: list[dict[str, float]]
    weights: torch.Tensor  # all that train, whole, in one row
    head: torch.Tensor  # the value head
    resumed: tuple[dict[str, float], torch.Tensor] | None  # the last step from a loaded state
    state_size: int  # elements of optimizer state and master weights that this process keeps
    held: int  # elements of trained parameters that this process keeps between forwards


CASES = {
    "sft": Case(SFT(), batching=make_batching(micro_batch_tokens=60)),
    "grpo with a reference, epochs, mini-batches and chunks of log-probs": Case(
        GRPO(kl=0.05),
        batching=make_batching(micro_batch_tokens=90, epochs=2, mini_batches=2, logprob_chunk=9),
    ),
    "ppo, one process without rows": Case(
        PPO(kl=0.0, value_lr=1e-3),
        batching=make_batching(micro_batch_tokens=90),
        held_by=lambda processes, i: processes.first,
        resumed_after=1,
    ),
    "checkpointed activations": Case(
        GRPO(kl=0.0),
        steps=1,
        batching=make_batching(micro_batch_tokens=90),
        model=(("gradient_checkpointing", True),),
    ),
    "an adapter": Case(GRPO(kl=0.0), model=(("lora_rank", 2),)),
    "frozen ears, clips in one process twice": Case(
        GRPO(kl=0.0), groups=4, model=(("freeze", ("audio_tower", "projector")),)
    ),
    "bfloat16": Case(
        GRPO(kl=0.0),
        groups=4,
        batching=make_batching(micro_batch_tokens=90),
        model=(("dtype", "bfloat16"),),
    ),
}


def strategies() -> dict[str, Any]:
    """Every strategy whose updates must be those of plain torch, by name."""
    from rlaudio.training.strategies.zero import Zero

    zero = {f"zero {stage}": partial(Zero, stage=stage, whole_below=0) for stage in (0, 1, 2, 3)}
    offloaded = {
        f"zero {stage}, offloaded": partial(Zero, stage=stage, offload="cpu", whole_below=0)
        for stage in (2, 3)
    }
    return {"plain": Plain, **zero, **offloaded, "zero 3, small parameters whole": partial(Zero, stage=3)}


def train(case: Case, strategy: Any, processes: Processes = ALONE) -> Result:
    """Train the shipped base, made shallow, on the case's recorded groups."""
    groups = case.recorded
    family, learner = opened(case, strategy, processes)
    metrics: list[dict[str, float]] = []
    resumed = None
    for number in range(case.steps):
        if number == case.resumed_after:
            resumed = go_on(case, strategy, processes, learner, groups, number)
        metrics.append(step(case, learner, groups, number))
        learner.weights()
    head = learner.policy.value_head if strategy is Plain else None
    result = Result(
        metrics=metrics,
        weights=flat(family),
        head=torch.cat([p.detach().flatten() for p in head.parameters()]) if head else torch.zeros(0),
        resumed=resumed,
        state_size=sum(t.numel() for t in tensors(learner.strategy.state_dict()) if t.dim()),
        held=sum(
            getattr(p, "ds_tensor", p).numel()
            for p in learner.strategy.module.parameters()
            if p.requires_grad
        ),
    )
    learner.strategy.close()
    return result


@dataclass(frozen=True, kw_only=True)
class Overflowing(SFT):
    """A finite loss with an infinite gradient."""

    def loss(self, tokens: Tokens) -> Loss:
        actual = super().loss(tokens)
        actual.total.register_hook(lambda gradient: gradient * torch.inf)
        return actual


def refused(strategy: Any, processes: Processes) -> tuple[str, bool]:
    """What is said of an update with an infinite gradient, and whether the weights stayed as they were."""
    case = Case(Overflowing())
    family, learner = opened(case, strategy, processes)
    before, said = flat(family), "nothing"
    try:
        step(case, learner, case.recorded, 0)
    except FloatingPointError as error:
        said = str(error)
    learner.weights()
    learner.strategy.close()
    return said, torch.equal(flat(family), before)


def opened(case: Case, strategy: Any, processes: Processes) -> tuple[Qwen2_5Omni, Learner]:
    family = Qwen2_5Omni(path=shallow_base(), device="cpu", **dict(case.model))
    reference = family.frozen_copy() if Need.REFERENCE in case.algorithm.needs else None
    settings = settings_of(case, strategy)
    return family, Learner(family, case.algorithm, settings, reference=reference, processes=processes)


def settings_of(case: Case, strategy: Any) -> LearnerSettings:
    return LearnerSettings(optimizer=SETTINGS, batching=case.batching, strategy=strategy)


def step(case: Case, learner: Learner, groups: list[ScoredGroup], number: int) -> dict[str, float]:
    """One step as the training loop takes it, on recorded groups."""
    processes = learner.strategy.processes
    local = {i: group for i, group in enumerate(groups) if case.held_by(processes, i)}
    sampled = Sampled(groups, list(range(len(groups))), local, drawn=len(groups))
    signals = measure_signals(sampled, learner, None, (0, "rl", number))
    rows = assign_credit(groups, case.algorithm, signals=signals, mini_batches=case.batching.mini_batches)
    return learner.step(sampled.local_rows(rows), number)


def go_on(
    case: Case, strategy: Any, processes: Processes, learner: Learner, groups: list[ScoredGroup], number: int
) -> tuple[dict[str, float], torch.Tensor]:
    """The next step of a new learner that begins with the weights and the saved state of this one."""
    file = io.BytesIO()
    torch.save(learner.strategy.state_dict(), file)
    file.seek(0)
    weights = {name: tensor.clone() for name, tensor in learner.weights()}
    family, other = opened(replace(case, model=case.model), strategy, processes)
    family.load_weights(weights.items())
    if other.strategy.module is not other.policy:  # what is trained is a copy, made before
        other.strategy.close()
        other = Learner(family, case.algorithm, settings_of(case, strategy), processes=processes)
    other.strategy.load_state_dict(torch.load(file, weights_only=True))
    metrics = step(case, other, groups, number)
    other.weights()
    other.strategy.close()
    return metrics, flat(family)


@cache
def shallow_base() -> str:
    """The folder of the shipped base with two of its four layers, between which ZeRO sees all it can see."""
    folder = Path(tempfile.mkdtemp(prefix="rlaudio-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(resolve_model_path(TINY), folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    text = config["thinker_config"]["text_config"]
    text |= {"num_hidden_layers": 2, "layer_types": text["layer_types"][:2]}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    upper = ("thinker.model.layers.2.", "thinker.model.layers.3.")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(upper)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


@cache
def recorded(count: int, of_teacher: bool) -> list[ScoredGroup]:
    """So many groups that a case learns from: sampled by the base, or a teacher's."""
    base = Qwen2_5Omni(path=shallow_base(), device="cpu")
    prompts = [make_prompt(base, seed, words=1 + seed) for seed in range(count)]
    if of_teacher:
        return [
            scored(group) for group in TargetWorker(base, "answer").generate(prompts, sampling_params(1), ())
        ]
    sampling = sampling_params(4, temperature=1.0, max_new_tokens=5)
    return [scored(group) for group in Transformers(base).generate(prompts, sampling, (0, "rl", 0))]


def scored(group: Group) -> ScoredGroup:
    values = np.array([float(np.mean(c.token_ids % 2 == 0)) for c in group.completions])
    return ScoredGroup(group, {"even": values}, values)


def flat(family: Qwen2_5Omni) -> torch.Tensor:
    return torch.cat([tensor.flatten().float() for _, tensor in family.named_weights()]).clone()


def tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from tensors(part)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    processes = join()
    linear = torch.nn.functional.linear
    gc.freeze()  # DeepSpeed collects garbage whenever it opens: not among all that was imported
    results = {
        (case, strategy): train(CASES[case], opener, processes)
        for strategy, opener in strategies().items()
        for case in cases_of(strategy)
    }
    everywhere = processes.gather(results)
    broken = processes.gather({name: refused(opener, processes) for name, opener in strategies().items()})
    untouched = torch.nn.functional.linear is linear
    if processes.first:
        torch.save({"results": everywhere, "refused": broken, "linear_untouched": untouched}, out)
    leave()


def cases_of(strategy: str) -> list[str]:
    """All cases; of the rarer strategies one that has several updates of several micro-batches."""
    return list(CASES)[1:2] if "," in strategy else list(CASES)


if __name__ == "__main__":
    from tests import several_processes  # results are pickled under the name that their reader knows

    several_processes.main(Path(sys.argv[1]))
