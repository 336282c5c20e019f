"""A step that comes upon NaN or infinity is kept whole, and its replay names what was wrong."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from rlaudio import pipeline
from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.ppo import PPO
from rlaudio.cli import main
from rlaudio.config.recipe import load_recipe
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.pipeline import replay_step as replay
from rlaudio.training.credit import assign_credit
from rlaudio.training.debug.nonfinite import BrokenStep, refuse_nonfinite_signals
from rlaudio.training.debug.step_dump import keep_step, read_step
from rlaudio.training.learner import Learner
from rlaudio.training.totals import Totals
from tests.conftest import TINY
from tests.full_disk import files_of_at_most
from tests.training.test_learner import SETTINGS, sampled

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data: {{train: {{use: synthetic, split: train, count: 8, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 2}}
algorithm: {algorithm}
rewards: {{answer_correctness: {{weight: 2.0}}, format: {{}}}}
sampling: {{questions: 2, group_size: 4, temperature: 1.2, top_k: 8, max_new_tokens: 4}}
optimizer: {{lr: 1.0e-3}}
training: {{save_every: 1, micro_batch_tokens: 1, mini_batches: {mini_batches}}}
"""
BROKEN = '''
"""GRPO with a fault that a test puts into it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.algorithm import Loss


class Overflow(torch.autograd.Function):
    """The identity, whose gradient overflows."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 1e30 * 1e30


@dataclass(frozen=True, kw_only=True)
class Broken(GRPO):
    """GRPO, broken in one way for micro-batches of one group; the made-up step of the dry run has three."""

    clip: float = 0.2
    clip_high: float | None = None
    kl: float = 0.0
    fault: Literal["none", "loss", "gradient", "norm", "moved", "while a file is there"] = "none"

    def loss(self, tokens):
        if tokens.completions.max() >= 4:
            return super().loss(tokens)
        if self.fault == "gradient":
            tokens = replace(tokens, logprobs=Overflow.apply(tokens.logprobs))
        found = super().loss(tokens)
        here = self.fault == "while a file is there" and Path(__file__).with_name("fault").exists()
        moved = (tokens.logprobs - tokens.old_logprobs).abs().max() > 1e-3
        positive = self.fault == "loss" and (tokens.advantages > 0).any()
        if here or positive or (self.fault == "moved" and moved):
            return Loss(found.total + float("inf"), found.parts)
        return Loss(found.total * 1e25, found.parts) if self.fault == "norm" else found
'''


@pytest.fixture
def recipe_file(tmp_path):
    """Writes a recipe with the given algorithm; beside it stands a plug-in with faults."""
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")

    def write(algorithm: str, model: str = TINY, mini_batches: int = 1) -> Path:
        file = tmp_path / "recipe.yaml"
        places = {"model": model, "folder": tmp_path / "data", "mini_batches": mini_batches}
        file.write_text(RECIPE.format(algorithm=algorithm, **places), encoding="utf-8")
        return file

    return write


def broken_run(file: Path, out: Path) -> tuple[str, Path]:
    """The message of a run that stops at NaN or infinity, and the folder of the step that it kept."""
    with pytest.raises(FloatingPointError) as error:
        pipeline.run(load_recipe(file), out)
    (kept,) = (out / "replay").iterdir()
    return str(error.value), kept


def with_nan(folder: Path, name: str) -> Path:
    """A copy of the shipped model with one NaN in a tensor."""
    Qwen2_5Omni(path=TINY, device="cpu").save(folder)
    weights = load_file(folder / "model.safetensors")
    (full,) = [n for n in weights if n.endswith(name)]
    weights[full].view(-1)[3] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def first_step(recipe_file, tmp_path, fault: str) -> tuple[str, Path]:
    return broken_run(recipe_file(f"{{use: ./broken.py, fault: {fault}}}"), tmp_path / "run")


def test_a_loss_that_is_infinite_is_named_with_the_completions_that_make_it_so(recipe_file, tmp_path):
    message, kept = first_step(recipe_file, tmp_path, "loss")
    assert "step 1 of stage rl" in message and f"rlaudio replay {kept}" in message and "--resume" in message
    assert kept.name == "rl-000001"
    step, found = replay(kept)
    assert found.verdict == "the loss of Broken is not finite; all that it reads is finite"
    blamed = {(f.question_id, f.completion) for f in found.losses if f.value == math.inf}
    good = {
        (row.row.prompt.question.id, number)
        for row in step.rows
        for number, branch in enumerate(row.row.branches)
        if (branch.advantages > 0).any()
    }
    assert good and blamed == good  # the fault strikes where the advantage is positive


def test_a_gradient_that_overflows_is_named_by_operation_file_and_line(recipe_file, tmp_path):
    message, kept = first_step(recipe_file, tmp_path, "gradient")
    assert "optimizer/grad_norm" in message
    found = replay(kept)[1]
    line = next(n for n, text in enumerate(BROKEN.splitlines(), start=1) if "Overflow.apply" in text)
    assert found.operation.name == "OverflowBackward"
    assert found.operation.where == f"{tmp_path / 'broken.py'}:{line} in loss"
    assert "its gradient is not from operation OverflowBackward" in found.verdict
    assert any(t.name == "lm_head.weight" or "embed_tokens" in t.name for t in found.gradients)
    assert math.isfinite(found.loss) and not found.losses[0].finite


def test_a_norm_that_overflows_over_finite_gradients_is_told_from_a_broken_gradient(recipe_file, tmp_path):
    found = replay(first_step(recipe_file, tmp_path, "norm")[1])[1]
    assert found.grad_norm == math.inf and not found.gradients and found.operation is None
    assert found.verdict.startswith("every gradient is finite and their norm is not")


def test_a_nan_in_the_weights_stops_the_sampling_and_is_named_by_tensor_and_module(recipe_file, tmp_path):
    model = with_nan(tmp_path / "model", "layers.1.mlp.up_proj.weight")
    message, kept = broken_run(recipe_file("{use: grpo, kl: 0.0}", str(model)), tmp_path / "run")
    assert "the sampler gave log-probs that are NaN or infinite for 2 questions" in message
    step, found = replay(kept)
    assert step.during == "sampling"
    assert [(t.name.rpartition("layers.")[2], t.bad) for t in found.weights] == [("1.mlp.up_proj.weight", 1)]
    assert found.verdict.startswith("the weights are not finite: 1 tensors, first ")
    assert "layers.1.mlp.up_proj (Linear)" in found.module
    assert all(math.isnan(f.value) for f in found.tokens if f.what == "log-prob")


def test_a_step_of_sft_is_kept_and_replayed_as_well(recipe_file, tmp_path):
    model = with_nan(tmp_path / "model", "layers.0.self_attn.o_proj.weight")
    file = recipe_file("{use: grpo, kl: 0.0}", str(model))
    recipe = load_recipe(file, ["curriculum={use: sft_only, sft_steps: 2}", "sft.questions=2"])
    with pytest.raises(FloatingPointError, match=r"step 1 of stage sft, .*: log-probs, loss, .* as NaN"):
        pipeline.run(recipe, tmp_path / "run")
    found = replay(tmp_path / "run" / "replay" / "sft-000001")[1]
    assert [t.name.rpartition("layers.")[2] for t in found.weights] == ["0.self_attn.o_proj.weight"]
    assert math.isnan(found.loss) and len({f.question_id for f in found.losses}) == 2


def test_the_command_prints_the_verdict_and_writes_all_of_it_as_json(recipe_file, tmp_path):
    kept = first_step(recipe_file, tmp_path, "loss")[1]
    written = tmp_path / "found.json"
    done = CliRunner().invoke(main, ["replay", str(kept), "--json", str(written)])
    assert done.exit_code == 1 and "the loss of Broken is not finite" in done.output
    found = json.loads(written.read_text())
    assert found["loss"] == "inf" and not found["fine"]
    assert {entry["value"] for entry in found["losses"]} == {"inf"}
    mended = CliRunner().invoke(main, ["replay", str(kept), "-o", "algorithm.fault=none"])
    assert mended.exit_code == 0 and "the step is fine now" in mended.output


def test_after_the_cause_is_mended_the_step_is_fine_and_the_run_resumes_as_if_nothing_had_been(
    recipe_file, tmp_path
):
    recipe = load_recipe(recipe_file("{use: ./broken.py, fault: while a file is there}"))
    pipeline.run(recipe, tmp_path / "unbroken")
    pipeline.run(recipe, tmp_path / "run", until="base")
    (tmp_path / "fault").touch()
    with pytest.raises(FloatingPointError):
        pipeline.run(recipe, tmp_path / "run", resume=True)
    kept = tmp_path / "run" / "replay" / "rl-000001"
    assert not replay(kept)[1].fine
    (tmp_path / "fault").unlink()
    assert "the step is fine now" in replay(kept)[1].verdict
    pipeline.run(recipe, tmp_path / "run", resume=True)
    for name in ("metrics.jsonl", "final/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes(), name


def test_a_step_that_could_not_be_kept_still_says_what_broke(recipe_file, tmp_path):
    file = recipe_file("{use: ./broken.py, fault: loss}")
    pipeline.run(load_recipe(file), tmp_path / "run", until="base")
    (tmp_path / "run" / "replay").write_text("in the way")
    with pytest.raises(FloatingPointError, match=r"loss came out as NaN .* could not be kept"):
        pipeline.run(load_recipe(file), tmp_path / "run", resume=True)


def test_a_folder_without_a_step_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"expected a step that was kept, such as RUN/replay/rl-000012"
    ):
        read_step(tmp_path)


# --- what is kept --------------------------------------------------------------------------------


def test_a_later_update_is_kept_with_the_weights_and_signals_that_it_had(recipe_file, tmp_path):
    """The fault strikes once the policy has moved: in the second mini-batch of the first step."""
    file = recipe_file("{use: ./broken.py, fault: moved, kl: 0.1}", mini_batches=2)
    message, kept = broken_run(file, tmp_path / "run")
    assert "step 1 of stage rl, pass 1, mini-batch 2: loss came out as NaN" in message
    base, then = (Qwen2_5Omni(path=str(p), device="cpu").model for p in (TINY, kept / "model"))
    assert not torch.equal(base.lm_head.weight, then.lm_head.weight)
    step, found = replay(kept)
    assert step.mini_batch == 1 and {row.row.mini_batch for row in step.rows} == {0, 1}
    second = {r.row.prompt.question.id for r in step.rows if r.row.mini_batch == 1}
    assert {f.question_id for f in found.losses} == second
    assert all("reference" in b.signals for row in step.rows for b in row.row.branches)


def test_rows_come_back_as_they_were(family, recipe_file, tmp_path):
    rows = assign_credit(sampled(family, count=2), GRPO(kl=0.0))
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    recipe = load_recipe(recipe_file("{use: grpo, kl: 0.0}")).to_yaml()
    broken = BrokenStep("it broke", rows, "update", epoch=1, mini_batch=0)
    kept, folder = keep_step(broken, learner, recipe, tmp_path, stage="rl", kind="rl", step=12)
    back = read_step(folder)
    assert (
        folder.name == "rl-000012" and back.where == kept.where == "step 12 of stage rl, pass 2, mini-batch 1"
    )
    for row, again in zip(rows, back.rows, strict=True):
        assert again.row.prompt.question == row.prompt.question
        for name in ("token_ids", "positions", "features"):
            assert np.array_equal(getattr(again.row.prompt, name), getattr(row.prompt, name)), name
        for one, other in zip(row.branches, again.row.branches, strict=True):
            assert one.weight == other.weight
            for name in ("token_ids", "logprobs", "advantages"):
                assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_a_disk_without_room_for_the_optimizer_is_told_and_leaves_no_part_of_a_step(
    family, recipe_file, tmp_path
):
    rows = assign_credit(sampled(family, count=2), GRPO(kl=0.0))
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    learner.step(rows, 0)  # from here on AdamW has averages, twice the size of the model
    recipe = load_recipe(recipe_file("{use: grpo, kl: 0.0}")).to_yaml()
    broken = BrokenStep("it broke", rows, "update")
    with files_of_at_most(8_000_000), pytest.raises(OSError, match=r"could not write .*rl-000002"):
        keep_step(broken, learner, recipe, tmp_path / "replay", stage="rl", kind="rl", step=2)
    assert not list((tmp_path / "replay").iterdir())


def test_a_nan_in_the_critic_is_named(family, recipe_file, tmp_path):
    critic = PPO(kl=0.0)
    learner = Learner(family, critic, SETTINGS)
    scored = sampled(family, count=2)
    longest = max(len(c.token_ids) for one in scored for c in one.group.completions)
    values = torch.zeros(2, len(scored[0].group.completions), longest, dtype=torch.float64)
    rows = assign_credit(scored, critic, signals={"values": values})
    with torch.no_grad():
        learner.policy.value_head.weight[0, 5] = float("nan")
    with pytest.raises(BrokenStep, match="loss/value, values came out as NaN or infinite") as error:
        learner.step(rows, 0)
    recipe = load_recipe(recipe_file("{use: ppo, kl: 0.0}")).to_yaml()
    folder = keep_step(error.value, learner, recipe, tmp_path, stage="rl", kind="rl", step=1)[1]
    found = replay(folder)[1]
    assert [(t.name, t.bad) for t in found.weights] == [("value_head.weight", 1)]
    assert {f.what for f in found.tokens} >= {"values", "loss/value"}
    assert "log-prob" not in {f.what for f in found.tokens}


def test_advantages_that_are_infinite_are_named_as_recorded(family, recipe_file, tmp_path):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    rows = assign_credit(sampled(family, count=2), GRPO(kl=0.0))
    first = rows[0].branches[0]
    bad = replace(first, advantages=np.full_like(first.advantages, np.inf))
    rows[0] = replace(rows[0], branches=(bad, *rows[0].branches[1:]))
    with pytest.raises(BrokenStep) as error:
        learner.step(rows, 0)
    recipe = load_recipe(recipe_file("{use: grpo, kl: 0.0}")).to_yaml()
    found = replay(keep_step(error.value, learner, recipe, tmp_path, stage="rl", kind="rl", step=1)[1])[1]
    assert found.verdict.startswith(
        "what the step was kept with is not finite, first recorded advantages inf"
    )
    assert {f.completion for f in found.recorded} == {0}
    assert {f.question_id for f in found.recorded} == {rows[0].prompt.question.id}


def test_tokens_that_became_very_unlikely_are_listed(family, recipe_file, tmp_path):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    rows = assign_credit(sampled(family, count=1), GRPO(kl=0.0))
    certain = replace(rows[0].branches[2], logprobs=rows[0].branches[2].logprobs + np.float32(5.0))
    rows = [replace(rows[0], branches=(*rows[0].branches[:2], certain, *rows[0].branches[3:]))]
    as_sampled = ["sampling.temperature=1.0", "sampling.top_k=0"]
    recipe = load_recipe(recipe_file("{use: grpo, kl: 0.0}"), as_sampled).to_yaml()
    broken = BrokenStep("it broke", rows, "update")
    found = replay(keep_step(broken, learner, recipe, tmp_path, stage="rl", kind="rl", step=1)[1])[1]
    ratios = [f for f in found.tokens if f.what == "ratio"]
    assert {f.completion for f in ratios} == {2} and len(ratios) == len(certain.token_ids)
    assert all(f.value == pytest.approx(math.exp(-5.0), rel=1e-3) for f in ratios)
    assert found.fine  # extreme, but finite


def test_a_signal_that_is_not_finite_stops_the_step_before_samples_without_advantage_are_left_out(family):
    scored = sampled(family, count=1)
    with pytest.raises(
        BrokenStep, match="contribution, measured before the update, came out as NaN"
    ) as error:
        refuse_nonfinite_signals({"contribution": torch.tensor([math.nan])}, scored)
    assert error.value.during == "signals" and len(error.value.rows) == 1


def test_an_infinite_log_prob_is_noticed_where_a_clamp_hides_it():
    totals = Totals()
    totals.watch({"log-probs": torch.zeros(2), "reference": torch.tensor([0.0, -math.inf])})
    with pytest.raises(FloatingPointError, match=r"^reference came out as NaN or infinite"):
        totals.refuse_nonfinite()
