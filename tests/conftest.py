"""Fixtures that several test files share.

Fixtures import torch and transformers themselves: the process that hands tests out reads this file too, and
starts no worker before.
"""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlaudio.config.recipe import load_recipe
from rlaudio.runs.folder import RunFolder
from rlaudio.types import Clip, Prompt, Question
from rlaudio.utils.endpoint.address import Address
from rlaudio.utils.endpoint.client import Client
from tests.endpoint_server import Server, patient

if TYPE_CHECKING:
    from rlaudio.models.qwen2_5_omni import Qwen2_5Omni

TINY = os.environ.get("RLAUDIO_TEST_MODEL", "tiny/base")


SMALL_RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 12, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 3, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 1}}
rewards: {{answer_correctness: {{weight: 2.0}}, format: {{weight: 0.5}}}}
sampling: {{questions: 2, group_size: 3, temperature: 1.2, top_k: 8, max_new_tokens: 4}}
optimizer: {{lr: 1.0e-3}}
sft: {{questions: 2}}
evaluation: {{controls: [audio]}}
report: {{completions: 2}}
"""

# Files that take longer than the others, the longest first.
LONGEST = (
    "rollout/vllm/test_vllm_server.py",
    "training/strategies/test_zero.py",
    "pipeline/test_resume.py",
    "rollout/vllm/test_gpu_runner.py",
    "rollout/vllm/test_vllm_run.py",
    "rollout/vllm/test_weights.py",
    "planning/test_job_script.py",
    "rollout/vllm/test_replicas.py",
    "rollout/vllm/test_vllm.py",
    "models/test_families.py",
    "compare/test_compare.py",
    "planning/test_memory.py",
    "pipeline/test_several_processes_run.py",
    "rollout/test_worker.py",
    "rollout/test_endpoint_worker.py",
    "worlds/synthetic/test_generate.py",
    "worlds/synthetic/test_cues.py",
)


def pytest_collection_modifyitems(items):
    """Long files first: two workers that take file after file end at about the same time."""
    longest = [Path(__file__).parent / name for name in LONGEST]
    assert all(file.is_file() for file in longest), "LONGEST names a file that is gone"
    rank = {file: number for number, file in enumerate(longest)}
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (rank.get(item.path, len(rank)), -slow[item.path]))


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_interrupts():
    """As in a terminal; a process that a shell starts in the background ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def what_is_imported_is_no_garbage():
    """A full collection would look through half a million objects of libraries, for a quarter of a second.

    Reading data counts them, which takes 50 ms, to leave them as they are: here it is told that they are
    there. The fixture is Python's own function, for the test of what is done where there are none.
    """
    gc.collect()
    gc.freeze()
    count, gc.get_freeze_count = gc.get_freeze_count, lambda: 1
    yield count
    gc.get_freeze_count = count
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def configs_are_not_formatted():
    """transformers formats each config for a log that nobody sees, in most of the time of reading it.

    So to a test a config's text is that of any object, as to nothing in rlaudio; at the end it is put back.
    """
    with pytest.MonkeyPatch.context() as patch:
        if (transformers := sys.modules.get("transformers")) is not None:
            patch.setattr(transformers.PreTrainedConfig, "__repr__", object.__repr__)
        yield


@functools.cache
def opened() -> Qwen2_5Omni:
    """The shipped base model, for tests that only read it."""
    from rlaudio.models.qwen2_5_omni import Qwen2_5Omni

    return Qwen2_5Omni(path=TINY, device="cpu")


def fresh() -> Qwen2_5Omni:
    """A copy of the shipped base model, so that a test may train it: opening takes four times as long."""
    copied = opened().frozen_copy()
    copied.model.requires_grad_(True)
    return copied


@pytest.fixture
def family() -> Qwen2_5Omni:
    """See `fresh`."""
    return fresh()


@pytest.fixture(scope="session")
def shared_family() -> Qwen2_5Omni:
    """See `opened`."""
    return opened()


@pytest.fixture(scope="module")
def recipe_file(request, tmp_path_factory) -> Path:
    """The file of a small recipe: RECIPE of the test's file, on the shipped model and data beside it."""
    folder = tmp_path_factory.mktemp("recipe")
    text = getattr(request.module, "RECIPE", SMALL_RECIPE)
    (folder / "small.yaml").write_text(text.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    return folder / "small.yaml"


@pytest.fixture
def begun(recipe_file, tmp_path):
    """The folder of a run that has just begun."""
    with RunFolder.create(tmp_path / "run", load_recipe(recipe_file).to_yaml()) as folder:
        yield folder


@pytest.fixture
def no_keys_and_no_cache_of_this_user(monkeypatch, tmp_path):
    for variable in ("RLAUDIO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server(no_keys_and_no_cache_of_this_user):
    """An endpoint of this machine, see tests/endpoint_server.py."""
    opened = Server()
    yield opened
    opened.close()


@pytest.fixture
def client(server, tmp_path) -> Client:
    return Client(Address.of(server.url, "m"), patient(tmp_path))


def tone(seconds: float, seed: int) -> Clip:
    """A seeded noisy tone."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    samples = 0.4 * np.sin(2 * np.pi * (200 + 100 * seed) * t) + 0.05 * rng.standard_normal(len(t))
    return Clip(samples.astype(np.float32), digest=f"tone-{seed}-{seconds}")


def make_prompt(family: Qwen2_5Omni, seed: int, seconds: float = 0.7, words: int = 3) -> Prompt:
    """A prompt about a tone; prompts of different `words` differ in length."""
    question = Question.multiple_choice(
        f"q{seed}", "What " + "sound " * words + "is it?", ("a", "b"), "a", Path(f"{seed}.wav")
    )
    return family.encode_prompt(question, "You listen.", question.question, [tone(seconds, seed)])
