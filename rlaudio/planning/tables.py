"""A plan as plain text, and as rows for other programs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from rlaudio.planning.memory import totals
from rlaudio.planning.plan import Plan, StagePlan
from rlaudio.planning.servers import RolloutServers
from rlaudio.utils.number_format import counted
from rlaudio.utils.text_table import text_table

_WIDTH = 100  # columns
_UNITS = {"GB": 1e9, "MB": 1e6}
_LEFT_OUT = (
    "left out: Python and kernel launches, which are most of a short decoding step; decoding of audio, "
    "rewards, evaluation, saving; what the allocator loses; groups without spread, which may be skipped"
)

USABLE = 0.95  # of a device's memory: the rest may be lost to fragmentation


def lines(plan: Plan) -> Iterator[str]:
    """The plan, at most 100 columns wide."""
    assumed = plan.assumed
    guessed = "" if plan.model.tokenizer else " (no tokenizer here: 4 characters each)"
    device = _device(plan)
    nodes = f"{counted(assumed.nodes, 'node')} of " if assumed.nodes > 1 else ""
    yield from textwrap.wrap(f"{plan.name} on {nodes}{assumed.devices} x {device}", _WIDTH)
    yield from textwrap.wrap(
        f"assumed: clips of {assumed.seconds:g} s, completions of {assumed.completion} tokens, "
        f"{assumed.text} tokens of text in a prompt{guessed}, {100 * assumed.utilisation:.0f} % of peak in "
        "matrix products; 1 GB is 10^9 bytes",
        _WIDTH,
    )
    yield from textwrap.wrap(f"model: {plan.model.source}", _WIDTH)
    yield ""
    yield _parts(plan)
    yield ""
    yield _tokens(plan)
    for stage in plan.stages:
        yield ""
        yield _phases(stage)
        yield _stage_time(stage, plan)
    yield ""
    yield _memory(plan)
    if plan.servers:
        yield from textwrap.wrap(_servers(plan, plan.servers), _WIDTH)
    yield f"host memory of a node's processes: {_gb(plan.host_bytes)} GB, features of clips included"
    yield ""
    yield verdict(plan)
    for note in (*plan.notes, _LEFT_OUT):
        yield from textwrap.wrap(note, _WIDTH)


def verdict(plan: Plan) -> str:
    """Whether the plan fits its device, in one sentence."""
    if plan.vllm_cache_bytes is not None and plan.vllm_cache_bytes <= 0:
        taken, weights = plan.vllm_cache_bytes + plan.model.weight_bytes, plan.model.weight_bytes
        return (
            f"does not fit: vLLM takes {_gb(taken)} GB of each device (rollout.memory_share), and the "
            f"weights alone are {_gb(weights)} GB"
        )
    by_phase = totals(list(plan.memory))
    worst = max(by_phase, key=lambda phase: by_phase[phase])
    have, need = plan.hardware.memory_bytes, plan.peak_bytes
    if have >= need:
        how = "fits" if need < USABLE * have else "may fit, what the allocator loses decides"
        return f"{how}: at most {_gb(need)} GB ({worst}) of {_gb(have)} GB on each device"
    return f"does not fit: {_gb(need)} GB ({worst}) and {_gb(have)} GB on each device"


def changes_table(changes: Iterable[tuple[tuple[str, ...], Plan]]) -> str:
    """Changes of the recipe and the memory that each needs; none that extends a change which suffices."""
    table = ["   GB  fits  with"]
    enough: list[set[str]] = []
    for change, plan in changes:
        if any(less <= set(change) for less in enough):
            continue
        if plan.fits:
            enough.append(set(change))
        text = " ".join(f'-o "{part}"' if " " in part else f"-o {part}" for part in change)
        first, *others = textwrap.wrap(text, _WIDTH - 13, break_on_hyphens=False, break_long_words=False)
        table.append(f"{_gb(plan.peak_bytes):>5}  {'yes' if plan.fits else 'no':4}  {first}")
        table += [f"{'':13}{other}" for other in others]
    if not table[1:]:
        return "no change of the recipe helps: take larger devices, shorter clips or a smaller group"
    return "\n".join(table)


def rows(plan: Plan) -> dict[str, Any]:
    """The plan's numbers by table: bytes, tokens, operations, seconds."""
    return {
        "recipe": plan.name,
        "hardware": asdict(plan.hardware),
        "strategy": asdict(plan.sharding),
        "assumed": asdict(plan.assumed),
        "model": plan.model.source,
        "parts": [asdict(part) for part in plan.model.parts],
        "stages": [
            {
                "kind": stage.kind,
                "steps": stage.steps,
                "epochs": stage.epochs,
                "tokens": dict(_token_rows(stage, plan.assumed.all_devices)),
                "phases": [asdict(phase) for phase in stage.phases],
                "step_flops_per_device": stage.flops,
                "step_seconds": stage.seconds,
            }
            for stage in plan.stages
        ],
        "memory": [{"part": row.name, **row.phases} for row in plan.memory],
        "memory_totals": totals(list(plan.memory)),
        "vllm_cache_bytes": plan.vllm_cache_bytes,
        "servers": asdict(plan.servers) if plan.servers else None,
        "host_bytes": plan.host_bytes,
        "fits": plan.fits,
        "notes": list(plan.notes),
    }


# --- tables --------------------------------------------------------------------------------------


def _device(plan: Plan) -> str:
    device = plan.hardware
    measured = "measured, " if device.measured else ""
    links = "" if device.measured else f", links {device.interconnect / 1e9:g} GB/s"
    if plan.assumed.nodes > 1 or plan.servers:
        links += f", network {device.network / 1e9:g} GB/s"
    return (
        f"{device.name} ({measured}{device.memory_bytes / 1e9:.3g} GB, "
        f"{device.flops[plan.dtype] / 1e12:.3g} TFLOPS in {plan.dtype}, "
        f"{device.bandwidth / 1e9:,.0f} GB/s{links})"
    )


def _parts(plan: Plan) -> str:
    model = plan.model
    table = [
        (
            part.name,
            part.parameters,
            "trained" if part.trained else "frozen",
            part.parameters * part.bytes_each,
        )
        for part in model.parts
    ]
    table.append(("all", model.parameters, "", model.weight_bytes))
    table.append(("trained", model.trained, "", model.trained_bytes))
    unit = _unit(model.weight_bytes)
    cells = [(name, f"{count:,}", how, _bytes(size, unit)) for name, count, how, size in table]
    return text_table(("model", "parameters", "", unit), cells)


def _token_rows(stage: StagePlan, devices: int) -> list[tuple[str, float]]:
    t = stage.tokens
    return [
        ("questions", t.question_count * devices),
        ("completions", t.completions * devices),
        ("completions in silence, mean of steps", stage.silent * t.question_count * devices),
        ("prompt tokens, audio among them", t.prompt),
        ("audio tokens", t.audio),
        ("completion tokens, assumed", t.completion),
        ("prompt tokens of all questions", t.question_count * devices * t.prompt),
        ("optimizer tokens (of completions)", t.targets * devices),
        ("tokens computed in a pass", t.computed * devices),
        ("tokens if prompts were repeated", t.repeated * devices),
        ("repeated / computed", t.repeated / t.computed),
        ("micro-batches on each device", t.micro_batches),
        ("rows of the largest", t.rows_together),
        ("tokens of the largest", t.rows_together * t.row),
    ]


def _tokens(plan: Plan) -> str:
    columns = [_token_rows(stage, plan.assumed.all_devices) for stage in plan.stages]
    header = ("tokens of a step, all devices", *(stage.kind.upper() for stage in plan.stages))
    table = [(name, *(_number(column[i][1]) for column in columns)) for i, (name, _) in enumerate(columns[0])]
    return f"{text_table(header, table)}\nno padding: rows of a micro-batch stand one after another"


def _phases(stage: StagePlan) -> str:
    size, unit = (1e12, "TFLOP") if stage.flops >= 1e12 else (1e9, "GFLOP")
    table = [
        (
            phase.name,
            _operations(phase.flops / size),
            f"{phase.seconds:.3g}",
            f"{100 * phase.seconds / stage.seconds:.0f}",
            phase.bound,
        )
        for phase in stage.phases
    ]
    table.append(("a step", _operations(stage.flops / size), f"{stage.seconds:.3g}", "100", ""))
    return text_table((f"{stage.kind.upper()} step on each device", unit, "seconds", "%", "bound by"), table)


def _stage_time(stage: StagePlan, plan: Plan) -> str:
    per_step = stage.tokens.question_count * plan.assumed.all_devices
    if stage.steps is None and stage.epochs is None:
        each = f"{stage.seconds / per_step:.3g} s"
        return f"the stage: until training.run_tokens are spent; each question takes {each}"
    if stage.steps is None:
        return (
            f"the stage: {stage.epochs:g} epochs; each question of one takes {stage.seconds / per_step:.3g} s"
        )
    return f"the stage: {counted(stage.steps, 'step')}, {_duration(stage.steps * stage.seconds)}"


def _memory(plan: Plan) -> str:
    rows = list(plan.memory)
    sums = totals(rows)
    unit = _unit(plan.peak_bytes)
    table = [(row.name, *(_bytes(row.phases.get(phase, 0.0), unit) for phase in sums)) for row in rows]
    table.append(("all", *(_bytes(size, unit) for size in sums.values())))
    return text_table((f"memory of a device, {unit}, {_strategy(plan)}", *sums), table)


def _servers(plan: Plan, servers: RolloutServers) -> str:
    """The servers and what a device of theirs holds."""
    rl = next((stage.tokens for stage in plan.stages if stage.kind == "rl"), None)
    text = (
        f"{counted(servers.count, 'server')} on {counted(servers.nodes, 'node')} more, each of "
        f"{counted(servers.tensor_parallel, 'device')}: weights {_gb(servers.weight_bytes)} GB of the "
        f"{_gb(servers.taken_bytes)} GB that vLLM takes of a device"
    )
    if not servers.fits:
        return f"{text}, which leaves no cache; raise rollout.tensor_parallel or rollout.memory_share"
    together = counted(servers.questions_together(plan.model, rl) if rl else 0, "question")
    return f"{text}, cache {_gb(servers.cache_bytes)} GB, for the completions of {together}"


def _strategy(plan: Plan) -> str:
    sharding = plan.sharding
    if sharding.stage is None:
        return "plain"
    return f"ZeRO {sharding.stage}{', offloaded' if sharding.offload else ''}"


def _gb(size: float) -> str:
    return f"{size / _UNITS['GB']:.1f}"


def _unit(largest: float) -> str:
    return "GB" if largest >= 10 * _UNITS["GB"] else "MB"


def _bytes(size: float, unit: str) -> str:
    if not size:
        return "-"
    value = size / _UNITS[unit]
    return f"{value:,.1f}" if value >= 0.1 else f"{value:.2g}"


def _operations(value: float) -> str:
    return "-" if not value else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
