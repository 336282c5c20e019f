"""Has vLLM's CPU build sample with the code that it samples with on a GPU.

    python -m pytest -p tests.rollout.gpu_runner tests/rollout/test_worker.py -k "vllm and not server"

There vLLM 0.32 takes another model runner, whose sampler is written in Triton. Triton's interpreter runs its
kernels on a CPU, slowly, if vLLM is told that Triton can be used there.
"""

import os
import sys
from types import SimpleNamespace

os.environ |= {"TRITON_INTERPRET": "1", "VLLM_USE_V2_MODEL_RUNNER": "1"}

from triton import backends
from triton.runtime import interpreter

backends.backends.clear()
backends.backends["cpu"] = SimpleNamespace(driver=SimpleNamespace(is_active=lambda: True))


def _with_numbers_of_triton(patch):
    """The interpreter's `tl.range` counts in numbers of Python, which lack the methods of Triton's."""

    def patched(language, scope):
        patch(language, scope)
        count = language.range
        scope.set_attr(
            language,
            "range",
            lambda *bounds, **options: map(interpreter._implicit_cvt, count(*bounds, **options)),
        )

    return patched


interpreter._patch_lang_core = _with_numbers_of_triton(interpreter._patch_lang_core)


def pytest_sessionfinish(session):
    if "vllm.v1.worker.cpu.model_runner" not in sys.modules:
        raise RuntimeError("vLLM took its other model runner")
