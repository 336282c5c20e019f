"""A step that breaks in two processes: told once, written down whole, replayed in one, then resumed."""

import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from safetensors.torch import load_file

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.pipeline import replay_step as replay
from rlaudio.runs.run import open_run
from rlaudio.training.debug.step_dump import read_step_dump
from rlaudio.types import Group
from tests.conftest import TINY
from tests.forking import command_line, two_processes
from tests.launchers import torchrun

pytestmark = pytest.mark.slow

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data: {{train: {{use: synthetic, split: train, count: 8, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 2}}
algorithm: {{use: ./broken.py}}
rewards: {{answer_correctness: {{weight: 2.0}}, contribution_estimator: {{use: ./even.py}}}}
sampling: {{questions: 4, group_size: 4, temperature: 1.2, top_k: 8, max_new_tokens: 4}}
optimizer: {{lr: 1.0e-4}}
training: {{save_every: 1, micro_batch_tokens: 1}}
"""
EVEN = '''
"""Pays for even tokens: groups seldom agree."""


def even(question, completion):
    return float((completion.token_ids % 2 == 0).mean())
'''
BROKEN = '''
"""GRPO whose loss is infinite where an advantage is positive, once the folder exists that a file names."""

from dataclasses import dataclass
from pathlib import Path

from rlaudio.algorithms.algorithm import Loss
from rlaudio.algorithms.grpo import GRPO


@dataclass(frozen=True, kw_only=True)
class Broken(GRPO):
    """GRPO with a fault that a test puts into it."""

    kl: float = 0.0

    def loss(self, tokens):
        found = super().loss(tokens)
        fault = Path(__file__).with_name("fault")
        struck = fault.exists() and Path(fault.read_text()).exists() and (tokens.advantages > 0).any()
        return Loss(found.total + float("inf"), found.parts) if struck else found
'''
ZERO = ("-o", "strategy={use: zero, stage: 3}")


@dataclass(frozen=True)
class BrokenRun:
    """A run that broke in its second step, after a checkpoint."""

    done: CompletedProcess
    out: Path

    @property
    def dump(self) -> Path:
        return self.out / "replay" / "rl-000002"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "broken.py").write_text(BROKEN, encoding="utf-8")
    (folder / "even.py").write_text(EVEN, encoding="utf-8")
    file = folder / "small.yaml"
    file.write_text(RECIPE.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def unbroken(recipe, tmp_path_factory) -> Path:
    """What one process makes of the recipe without the fault."""
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    pipeline.run(load_recipe(recipe), out)
    return out


@pytest.fixture(scope="module")
def broken(recipe, unbroken, tmp_path_factory) -> BrokenRun:
    out = tmp_path_factory.mktemp("runs") / "broken"
    recipe.with_name("fault").write_text(str(out / "checkpoints" / "0-000001"), encoding="utf-8")
    return BrokenRun(torchrun(recipe, out, *ZERO), out)


def test_all_processes_end_and_one_message_says_what_broke_and_how_to_go_on(broken):
    assert broken.done.returncode != 0
    (message,) = [line for line in broken.done.stderr.splitlines() if "Error: " in line and "step" in line]
    assert message.startswith("Error: step 2 of stage rl: pass 1, mini-batch 1: loss came out as NaN")
    assert f"'rlaudio replay {broken.dump}'" in message and "--resume" in message
    struck = {place.split(", ")[0].removeprefix("question ") for place in struck_by(broken)}
    assert f"among {len(struck)} question" in message and f" ({', '.join(sorted(struck)[:3])}" in message


def test_the_dump_has_the_rows_of_both_and_the_weights_before_the_step(broken, unbroken):
    groups = [learned.scored.group for learned in open_run(unbroken).rollouts("rl", 2)]
    drawn = [group.prompt.question.id for group in groups]  # every other one is each process's
    dumped_rows = read_step_dump(broken.dump).rows
    assert {drawn.index(row.prompt.question.id) % 2 for row in dumped_rows} == {0, 1}
    for row in dumped_rows:
        group = groups[drawn.index(row.prompt.question.id)]
        assert [branch.token_ids.tolist() for branch in row.branches] == token_ids(group)
    dumped, before = (
        load_file(folder / "model" / "model.safetensors")
        for folder in (broken.dump, broken.out / "checkpoints" / "0-000001")
    )
    assert all(torch.equal(tensor, dumped[name]) for name, tensor in before.items())


def test_a_replay_in_one_process_blames_the_completions_that_the_fault_struck(broken):
    places = replay(broken.dump)[1]
    assert set(places) == {"update", "completions, each alone"} and places["update"] == ["loss inf"]
    struck = struck_by(broken)
    assert set(places["completions, each alone"]) == {f"{place}: loss inf" for place in struck}
    assert len({place.split(", ")[0] for place in struck}) > 1


def struck_by(broken: BrokenRun) -> set[str]:
    """The completions with a positive advantage, where the fault strikes."""
    return {
        f"question {row.prompt.question.id}, completion {number}"
        for row in read_step_dump(broken.dump).rows
        for number, branch in enumerate(row.branches)
        if (branch.advantages > 0).any()
    }


def test_the_fixed_run_resumes_to_the_numbers_of_an_unbroken_one(recipe, broken, unbroken, tmp_path):
    recipe.with_name("fault").unlink()
    command = ["run", recipe, "--out", broken.out, *ZERO, "--resume"]
    for done in two_processes(command_line, *command, said=tmp_path / "said"):
        assert done.returncode == 0, done.stderr[-4000:]
    resumed, expected = (rows(out / "metrics.jsonl") for out in (broken.out, unbroken))
    assert [row["step"] for row in resumed] == [row["step"] for row in expected]
    for name, value in expected[-1].items():
        if not isinstance(value, str):
            assert resumed[-1][name] == pytest.approx(value, rel=1e-3, abs=1e-3), name
    tokens, wanted = (
        [token_ids(learned.scored.group) for learned in open_run(out).rollouts("rl", 2)]
        for out in (broken.out, unbroken)
    )
    assert tokens == wanted


def token_ids(group: Group) -> list[list[int]]:
    return [completion.token_ids.tolist() for completion in group.completions]


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
