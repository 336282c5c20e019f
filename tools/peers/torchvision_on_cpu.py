"""Lets the CUDA build of torchvision be imported beside a CPU build of torch. Run it once where both are.

That build declares its fake implementations of two operators whose library does not load without CUDA.
A start-up file of the environment declares the operators first, in every process.
"""

import sysconfig
from pathlib import Path

HOOK = '''
import importlib.abc
import sys


class DeclareOperators(importlib.abc.MetaPathFinder):
    """Finds nothing; declares the operators when torchvision is about to say how they behave."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision._meta_registrations":
            sys.meta_path.remove(self)
            import torch

            self.kept = torch.library.Library("torchvision", "FRAGMENT")
            sys.torchvision_operators = self.kept
            for operator in ("nms", "qnms"):
                if not hasattr(torch.ops.torchvision, operator):
                    self.kept.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


sys.meta_path.insert(0, DeclareOperators())
'''

if __name__ == "__main__":
    packages = Path(sysconfig.get_paths()["purelib"])
    (packages / "torchvision_on_cpu_hook.py").write_text(HOOK, encoding="utf-8")
    (packages / "torchvision_on_cpu_hook.pth").write_text(
        "import torchvision_on_cpu_hook\n", encoding="utf-8"
    )
