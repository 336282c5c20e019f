"""What a recipe's stages hold in a device's memory."""

from __future__ import annotations

from rlaudio.planning import memory
from rlaudio.planning.basis import Basis
from rlaudio.planning.memory import MemoryRow, RolloutShape, UpdateShape
from rlaudio.planning.tokens import StepTokens
from rlaudio.rollout.vllm.setup import CPU_CACHE_GB
from rlaudio.training.providers import asks_for_reference


def planned_memory(basis: Basis, sft: StepTokens | None, rl: StepTokens | None) -> list[MemoryRow]:
    """Bytes on one device by part and phase, of steps with these tokens; None: the stage is not there."""
    model, sharding = basis.model, basis.sharding
    reference = rl is not None and asks_for_reference(basis.algorithm)
    phases = {"SFT update": False} if sft else {}
    phases |= {"rollout": reference, "RL update": reference} if rl else {}
    rows = memory.persistent_rows(
        model,
        sharding,
        stages=phases | {memory.ENDING: reference},
        reserved=basis.hardware.reserved_bytes,
        audio_cache_mb=basis.audio_cache_mb,
    )
    if sft:
        update = _update_shape(basis, sft, model.decoder.vocabulary)
        rows += memory.update_rows(model, sharding, update, "SFT update", memory.ENDING)
    if rl:
        rows += _rollout_rows(basis, rl)
        if basis.recipe.sampling.max_lag:
            ahead = dict.fromkeys(("rollout", "RL update", memory.ENDING), float(model.weight_bytes))
            rows.append(MemoryRow("weights that sample ahead (a second model)", ahead))
        update = _update_shape(basis, rl, basis.head_rows)
        rows += memory.update_rows(model, sharding, update, "RL update", memory.ENDING)
    return memory.merged(rows)


def vllm_cache_bytes(basis: Basis) -> float | None:
    """What vLLM on the GPUs that train has left for its cache; None: it is not there, or told how much."""
    options = basis.recipe.rollout.options
    if basis.recipe.rollout.use != "vllm" or not basis.sharding.on_gpu or options["kv_cache_gb"]:
        return None
    return float(options["memory_share"] * basis.hardware.memory_bytes - basis.model.weight_bytes)


# --- helpers -------------------------------------------------------------------------------------


def _rollout_rows(basis: Basis, tokens: StepTokens) -> list[MemoryRow]:
    rollout = basis.recipe.rollout
    if rollout.use == "vllm_server":
        return []
    if rollout.use == "vllm" and basis.sharding.on_gpu:
        taken = rollout.options["memory_share"] * basis.hardware.memory_bytes
        return memory.vllm_rows(taken, sleeps=basis.engine_sleeps)
    if rollout.use == "vllm":
        cache = 1e9 * (rollout.options.get("kv_cache_gb") or CPU_CACHE_GB)
        return memory.vllm_rows(basis.model.weight_bytes + cache, sleeps=False)
    together = RolloutShape(
        question_count=basis.questions_together(tokens),
        group_size=tokens.group_size,
        prompt=tokens.prompt,
        completion=basis.recipe.sampling.max_new_tokens,
    )
    return memory.rollout_rows(basis.model, together, "rollout")


def _update_shape(basis: Basis, tokens: StepTokens, head_rows: int) -> UpdateShape:
    return UpdateShape(
        tokens=tokens,
        head_rows=head_rows,
        chunk=basis.recipe.training.logprob_chunk,
        checkpointing=basis.checkpointing,
        attention=basis.attention,
    )
