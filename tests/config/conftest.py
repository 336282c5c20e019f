"""Files that tests of recipes and plug-ins write."""

from pathlib import Path

import pytest

PARENT = """
model: {use: qwen2_5_omni, path: tiny/base}
data:
  train: {use: audiomcq, path: data}
curriculum: weak_to_strong
algorithm: {use: grpo, kl: 0.001}
rewards:
  answer_correctness: {weight: 2.0, scorer: exact}
  format: {weight: 0.5}
optimizer: {lr: 1e-6, warmup: 0.1}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def parent(write) -> Path:
    return write("parent.yaml", PARENT)
