"""A small comparison, run once for those who ask; and results of arms that are made up."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rlaudio import pipeline
from rlaudio.compare.compare import compare
from rlaudio.compare.grid import read_comparison
from rlaudio.compare.results import read_results
from tests.compare.made_up_arms import made_up_arm
from tests.conftest import TINY

BASE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 24, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 8, folder: {folder}}}}}
contribution: {{voters: [{model}], threshold: 1, silence: 1.0}}
curriculum: {{use: mixed_to_mixed, sft_questions: 8, sft_steps: 2, rl_steps: 3}}
rewards: {{answer_correctness: {{weight: 2.0}}, format: {{weight: 0.5}}}}
sampling: {{questions: 2, group_size: 3, temperature: 1.2, max_new_tokens: 5}}
optimizer: {{lr: 1.0e-3, schedule: constant}}
sft: {{questions: 4, lr: 1.0e-3}}
evaluation: {{every: 2, controls: [audio, silence]}}
"""
FILE = """
base: base.yaml
arms:
  grpo: {{}}
  other:  # other in everything that only RL reads
    algorithm: {{use: grpo, scale: none, kl: 0}}
    rewards: {{format: null, loud: {{use: ./loud.py, weight: 0.3}}}}
    sampling: {{questions: 3, group_size: 2, temperature: 0.9, top_k: 8, top_p: 0.9, rounds: 2}}
    optimizer: {{lr: 5.0e-4, warmup: 0.5}}
    training: {{mini_batches: 2, epochs: 2, max_rollouts: 8, save_every: 1, keep: 1}}
    contribution: {{on_policy: options, silent_samples: 1, success: loud}}
    mismatch: {{correct: token}}
    report: {{completions: 1}}
seeds: {seeds}
note: <b>trial</b>
"""
LOUD = """
def loud(question, completion):
    return sum(c.isupper() for c in completion.text) / max(1, len(completion.text))
"""
BROKEN = """
def broken(question, completion):
    raise RuntimeError("<i>no</i> value")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the files of a small comparison."""
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "base.yaml").write_text(BASE.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    (folder / "two.yaml").write_text(FILE.format(seeds=[0, 1]), encoding="utf-8")
    (folder / "loud.py").write_text(LOUD, encoding="utf-8")
    (folder / "broken.py").write_text(BROKEN, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(place) -> Path:
    torch.set_num_threads(1)
    compare(read_comparison(place / "two.yaml"), place / "out", pipeline.run)
    return place / "out"


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return shutil.copytree(finished, tmp_path / "copy")


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "compare.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def made_up(tmp_path, write):
    """Results of arms with the given answers: `made_up(a=[[...]], b=...)`; `a` is the baseline."""

    def read(failures=(), **arms):
        text = "".join(f"  {name}: {{sampling: {{top_k: {n}}}}}\n" for n, name in enumerate(arms))
        for name, made in arms.items():
            right, more = made if isinstance(made, tuple) else (made, {})
            made_up_arm(tmp_path / "out" / name, np.array(right), **more)
        seeds = len(next(iter(arms.values())))
        path = write(f"base: tiny_weak_to_strong\nseeds: {list(range(seeds))}\narms:\n{text}")
        return read_results(read_comparison(path), tmp_path / "out", failures)

    return read
