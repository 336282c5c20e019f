"""The contract of the rollout workers, kept by the model runner and sampler that vLLM has on a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest

# Log-probs of every kind of sampling, greedy tokens, forbidden tokens, updates,
# independence of the rest of a batch.
PARTS = "logprobs_that_sampling or likeliest or forbidden or update_of_one or beside"


@pytest.mark.slow
def test_the_runner_that_vllm_takes_on_a_gpu_keeps_the_contract(needs_vllm):
    pytest.importorskip("triton", reason="vLLM needs Triton for it, which this platform has not")
    command = [sys.executable, "-m", "pytest", "-p", "tests.rollout.gpu_runner", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/rollout/test_worker.py", "-k", f"vllm and not server and ({PARTS})"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
