"""Lets the torchvision of the package index be imported beside a torch without CUDA.

    python -m rlaudio.rollout.vllm.torchvision_cpu

Every torchvision on the index is linked against CUDA. Beside a CPU build of torch its operators do not load,
its import fails, and transformers and vLLM's Qwen2.5-Omni fail with it. Nothing here calls these operators,
but torchvision describes the shapes of two of them when it is imported. So a start-up hook, written into
this Python's site-packages, declares the two where they did not load. It reaches the processes that vLLM
starts too, and does nothing beside a torchvision that works. torchaudio and torchcodec have the same trouble
and nothing needs them: `pip uninstall -y torchaudio torchcodec`.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

MODULE = "_rlaudio_torchvision_cpu"
HOOK = '''"""Written by rlaudio.rollout.vllm.torchvision_cpu; to undo it delete this and its .pth file."""

import sys
from importlib.abc import MetaPathFinder

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class DeclareOperators(MetaPathFinder):
    """Finds nothing; declares the operators just before torchvision describes them."""

    library = None  # lives as long as the declarations must

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision._meta_registrations":
            sys.meta_path.remove(self)
            import torch
            from torchvision import extension

            if not extension._has_ops():
                DeclareOperators.library = torch.library.Library("torchvision", "FRAGMENT")
                for operator in OPERATORS:
                    DeclareOperators.library.define(operator)
        return None


sys.meta_path.insert(0, DeclareOperators())
'''


def install(folder: Path | None = None) -> Path:
    """Write the hook into `folder`, by default this Python's site-packages; the path of its module."""
    folder = folder or Path(sysconfig.get_paths()["purelib"])
    module = folder / f"{MODULE}.py"
    module.write_text(HOOK, encoding="utf-8")
    (folder / f"{MODULE}.pth").write_text(f"import {MODULE}\n", encoding="utf-8")
    return module


if __name__ == "__main__":
    install()
