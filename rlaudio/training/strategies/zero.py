"""DeepSpeed ZeRO (arXiv:1910.02054): optimizer state, gradients and parameters sharded over processes."""

from __future__ import annotations

import copy
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from typing import Any, Literal

import deepspeed
import torch
import torch.distributed as dist

from rlaudio.training.strategies.strategy import (
    Item,
    OptimizerSettings,
    Result,
    is_head,
    refuse_nonfinite_norm,
    trained_parameters,
)
from rlaudio.utils.processes import Processes, backend

# What of a DeepSpeed optimizer's state an update depends on: AdamW's averages and the master weights.
KEPT = (
    "base_optimizer_state",  # stages 1 and 2
    "single_partition_of_fp32_groups",
    "optimizer_state_dict",  # stage 3, and stage 0 in bfloat16
    "fp32_flat_groups",
    "fp32_groups",
)


class Zero:
    """DeepSpeed's AdamW with sharded training state.

    At stage 0 each holds all of it, at stage 1 its share of optimizer state and master weights, at 2 of
    gradients too, at 3 of parameters too. The model is in float32, or in bfloat16 and trained through
    float32 master weights. `offload: cpu` keeps optimizer state and master weights in the host's memory and
    updates them there.

    Stage 3 shards the parameters of a copy, because sampling, evaluation and checkpoints need a model
    that is whole; those of up to `whole_below` elements stay whole in the copy too. All processes must then
    compute the same layers in the same order: a layer is gathered by all together.

    Gradients are summed in float32; at stage 0 micro-batches add up in the model's own dtype.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        settings: OptimizerSettings,
        processes: Processes,
        *,
        stage: Literal[0, 1, 2, 3] = 2,
        offload: Literal["none", "cpu"] = "none",
        whole_below: int = 100_000,
    ):
        self.check(module, stage=stage, offload=offload)
        self.settings = settings
        self.processes = processes
        self.stage = stage
        self.module = copy.deepcopy(module) if stage == 3 else module
        dtype = _trained_dtype(self.module)
        _refuse_shared_storage(self.module)
        _join_deepspeed()
        config = _config(settings, stage, offload, whole_below, dtype)
        with redirect_stdout(sys.stderr):  # DeepSpeed prints what it does
            self.engine, *_ = deepspeed.initialize(
                model=self.module, optimizer=_adamw(self.module, settings), config=config
            )
        self._clips = stage == 0 and dtype == torch.float32  # there DeepSpeed would not report the norm

    @staticmethod
    def check(module: torch.nn.Module, *, stage: int, offload: str, **_: Any) -> None:
        """Raises ValueError for options that do not fit together, and for a model that it cannot train."""
        if offload != "none" and stage == 0:
            raise ValueError("offload keeps what ZeRO shares out in the host's memory; take stage 1, 2 or 3")
        _trained_dtype(module)

    def forward(self, batch: Any) -> Any:
        """The module's output for a micro-batch."""
        return self.engine(batch)

    def compute(self, function: Callable[[Item], Result], micro_batches: Sequence[Item]) -> Iterator[Result]:
        """The function's results, one after another: sharded weights are gathered in one order everywhere."""
        return map(function, micro_batches)

    def accumulate(
        self, loss_of: Callable[[Item], tuple[torch.Tensor, Result]], micro_batches: Sequence[Item]
    ) -> Iterator[Result]:
        """Add the gradients of the loss of every micro-batch, one after another."""
        for number, micro_batch in enumerate(micro_batches, start=1):
            loss, result = loss_of(micro_batch)
            self.engine.set_gradient_accumulation_boundary(number == len(micro_batches))
            self.engine.backward(loss * self.processes.size)  # DeepSpeed averages over processes
            yield result

    def update(self, factor: float) -> float:
        """One AdamW step at `factor` times the peak learning rates; the gradient's norm before clipping.

        DeepSpeed skips a step whose gradient is not finite; then this raises FloatingPointError.
        """
        for group in self.engine.basic_optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        if self._clips:
            parameters = [p for _, p in self._trained()]
            norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.max_grad_norm)
            refuse_nonfinite_norm(float(norm), OUTCOME)
            self.engine.step()
            return float(norm)
        self.engine.step()
        return refuse_nonfinite_norm(float(self.engine.get_global_grad_norm()), OUTCOME)

    @torch.no_grad()
    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The policy's trained tensors by their names in the model.

        At stage 3 each is whole only until the next is yielded: copy it.
        """
        for name, parameter in self._trained():
            if not is_head(name):
                with deepspeed.zero.GatheredParameters([parameter], enabled=self.stage == 3):
                    yield name.removeprefix("model."), parameter.detach()

    def state_dict(self) -> dict[str, Any]:
        """This process's share of optimizer state and master weights, and a value head that has no master."""
        state = self.engine.optimizer.state_dict()
        if self._clips:
            head = {name: p.detach() for name, p in self._trained() if is_head(name)}
            return {"optimizer": state, "value_head": head}
        return {name: state[name] for name in KEPT if name in state}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned in a run with as many processes; all must call."""
        optimizer = self.engine.optimizer
        if self._clips:
            optimizer.load_state_dict(state["optimizer"])
            for name, parameter in self._trained():
                if name in state["value_head"]:
                    parameter.copy_(state["value_head"][name])
            return
        whole = optimizer.state_dict() | state
        if self.stage == 0:
            optimizer.load_state_dict(whole)
            for parameters, masters in zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True):
                for parameter, master in zip(parameters, masters, strict=True):
                    parameter.copy_(master)
            return
        optimizer.load_state_dict({self.processes.rank: whole}, load_from_fp32_weights=True)
        if self.stage == 3:
            optimizer.checkpoint_event_epilogue()  # makes the small parameters whole again
        else:
            optimizer.update_lp_params()

    def close(self) -> None:
        """Remove DeepSpeed's hooks from the module and free its buffers."""
        self.engine.destroy()
        for hooks in (self.module._forward_pre_hooks, self.module._forward_hooks):
            hooks.clear()  # the engine leaves its own there
        del self.engine
        gc.collect()  # engine and optimizer refer to each other, and hold averages and master weights
        if self.stage in (1, 2):  # there the parameters became views of one buffer
            for _, parameter in self._trained():
                parameter.data = parameter.detach().clone()

    def _trained(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((name, p) for name, p in self.module.named_parameters() if p.requires_grad)


OUTCOME = "the update was not made"


def _trained_dtype(module: torch.nn.Module) -> torch.dtype:
    """The dtype of what trains. Raises ValueError for what this strategy cannot train."""
    model = [p for name, p in trained_parameters(module).items() if not is_head(name)]
    device = deepspeed.get_accelerator().current_device_name()
    elsewhere = {p.device.type for p in model} - {torch.device(device).type, "meta"}
    if elsewhere:
        raise ValueError(
            f"zero trains on {device} here and found a model on {', '.join(elsewhere)}; leave model.device "
            "out, or hide the GPUs (CUDA_VISIBLE_DEVICES=) to train on the CPU"
        )
    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in model})
    if dtypes not in (["float32"], ["bfloat16"]):
        raise ValueError(
            f"zero trains float32 or bfloat16 and found {', '.join(dtypes)}; "
            "set model.dtype, or take the strategy plain"
        )
    return model[0].dtype


def _refuse_shared_storage(module: torch.nn.Module) -> None:
    """Refuse parameters that are views of one memory: sharding would separate them. Raises ValueError."""
    owners: dict[int, str] = {}
    for name, parameter in module.named_parameters():  # a parameter that is used in two places is listed once
        if parameter.numel() == 0:
            continue
        owner = owners.setdefault(parameter.untyped_storage().data_ptr(), name)
        if owner != name:
            raise ValueError(
                f"{owner} and {name} are views of one memory, which ZeRO would separate; expected separate "
                "parameters, or one parameter in both places; take the strategy plain"
            )


def _adamw(module: torch.nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW with the value head's own learning rate.

    The fused one also updates offloaded parameters, where DeepSpeed's own would need a compiler.
    """
    trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in trained if is_head(name) == head], "peak": peak}
        for head, peak in ((False, settings.lr), (True, settings.value_lr))
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def _config(
    settings: OptimizerSettings, stage: int, offload: str, whole_below: int, dtype: torch.dtype
) -> dict[str, Any]:
    half = dtype == torch.bfloat16
    zero: dict[str, Any] = {"stage": stage}
    if offload == "cpu":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    if stage == 3:
        zero["stage3_param_persistence_threshold"] = whole_below
        zero["memory_efficient_linear"] = False  # it would patch torch for all other models too
    return {
        "train_micro_batch_size_per_gpu": 1,  # unused: the learner makes the batches
        "gradient_accumulation_steps": 1,  # the same: it says which micro-batch is the last
        "gradient_clipping": settings.max_grad_norm,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": half, "check_grad_overflow": half},
        "communication_data_type": "fp32",
        **({"data_types": {"grad_accum_dtype": "fp32"}} if half and stage else {}),
    }


def _join_deepspeed() -> None:
    """Have DeepSpeed use the run's process group, or one of this process alone."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    os.environ.setdefault("LOCAL_RANK", "0")
    if not dist.is_initialized():
        dist.init_process_group(backend(), store=dist.HashStore(), rank=0, world_size=1)
    if not torch.cuda.is_available():  # on a CPU it would be compiled for 25 s; gloo does the same
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_init_required=False)
