"""The start-up hook, on a made-up torchvision that fails as the real one does beside a CPU torch."""

import subprocess
import sys

import pytest

from rlaudio.rollout.vllm.torchvision_cpu import install

pytestmark = pytest.mark.slow

EXTENSION = "def _has_ops():\n    return {works}\n"
REGISTRATIONS = """
import torch

@torch.library.register_fake("torchvision::nms")
def nms(boxes, scores, threshold):
    return boxes
"""
DECLARED = """
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def import_torchvision(folder, works: bool, hooked: bool) -> subprocess.CompletedProcess:
    package = folder / "torchvision"
    package.mkdir()
    declared = DECLARED if works else ""
    (package / "__init__.py").write_text(
        f"import torch\n{declared}\nfrom torchvision import _meta_registrations\n"
    )
    (package / "extension.py").write_text(EXTENSION.format(works=works))
    (package / "_meta_registrations.py").write_text(REGISTRATIONS)
    if hooked:
        install(folder)
    code = (
        f"import site, sys; sys.path.insert(0, {str(folder)!r}); site.addsitedir({str(folder)!r}); "
        "import torchvision"
    )
    # -I -S: without the packages' own start-up hooks, of which one may be this one
    paths = "; ".join(f"sys.path.append({p!r})" for p in sys.path if p.endswith("site-packages"))
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; {paths}; {code}"], capture_output=True, text=True
    )


def test_without_the_hook_the_import_fails(tmp_path):
    assert "operator torchvision::nms does not exist" in import_torchvision(tmp_path, False, False).stderr


@pytest.mark.parametrize("works", [False, True])
def test_with_the_hook_it_succeeds_and_one_that_works_is_left_alone(tmp_path, works):
    result = import_torchvision(tmp_path, works, hooked=True)
    assert result.returncode == 0, result.stderr
