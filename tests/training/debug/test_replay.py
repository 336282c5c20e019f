"""A step that comes upon NaN or infinity is written down whole, and its replay names what was wrong."""

import math
import pickle
from collections.abc import Sequence
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
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.training.debug.nonfinite import BrokenStep, refuse_nonfinite_signals
from rlaudio.training.debug.step_dump import StepDump, read_step_dump, write_step_dump
from rlaudio.training.learner import Learner
from rlaudio.training.packing import PackedRow
from rlaudio.training.totals import Totals
from rlaudio.utils.number_format import counted
from tests.conftest import TINY, make_prompt
from tests.full_disk import files_of_at_most
from tests.settings import sampling_params
from tests.training.test_learner import SETTINGS, even_tokens, sampled, score

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
MODULE = "output of a module with finite inputs, the first"
BROKEN = '''
"""GRPO with a fault that a test puts into it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.algorithm import Loss


class Nan(torch.autograd.Function):
    """The identity, whose gradient is NaN."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


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
            tokens = replace(tokens, logprobs=Nan.apply(tokens.logprobs))
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
    """The message of a run that stops at NaN or infinity, and the folder of the step that it wrote down."""
    with pytest.raises(FloatingPointError) as error:
        pipeline.run(load_recipe(file), out)
    (dump,) = (out / "replay").iterdir()
    return str(error.value), dump


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


def named(places: Sequence[str]) -> set[str]:
    """Question and completion of every place."""
    return {place.partition(": ")[0].partition(", token")[0] for place in places}


def with_positive_advantages(dump: StepDump) -> set[str]:
    return {
        f"question {row.prompt.question.id}, completion {number}"
        for row in dump.rows
        for number, branch in enumerate(row.branches)
        if (branch.advantages > 0).any()
    }


def test_a_loss_that_is_infinite_is_named_with_the_completions_that_make_it_so(recipe_file, tmp_path):
    message, folder = first_step(recipe_file, tmp_path, "loss")
    assert message.startswith("step 1 of stage rl: pass 1, mini-batch 1: loss came out as NaN or infinite")
    assert f"rlaudio replay {folder}" in message and "--resume" in message
    assert folder.name == "rl-000001"
    dump, places = replay(folder)
    assert set(places) == {"update", "completions, each alone"}  # all that the loss reads is finite
    assert places["update"] == ["loss inf"]
    struck = with_positive_advantages(dump)  # there the fault strikes
    blamed = places["completions, each alone"]
    assert struck and named(blamed) == struck and all("loss inf" in place for place in blamed)
    questions = {place.split(", ")[0].removeprefix("question ") for place in struck}
    assert f"{counted(len(questions), 'question')} ({', '.join(sorted(questions))})" in message


def test_a_gradient_that_is_nan_is_named_by_operation_and_line(recipe_file, tmp_path):
    message, folder = first_step(recipe_file, tmp_path, "gradient")
    assert "optimizer/grad_norm" in message
    line = next(n for n, text in enumerate(BROKEN.splitlines(), start=1) if "Nan.apply" in text)
    with pytest.warns(UserWarning, match=rf'broken.py", line {line}, in loss'):
        places = replay(folder)[1]
    assert places["update"] == ["norm of the gradient nan"]
    assert "'NanBackward' returned nan values" in places["backward pass"][0]
    assert any("embed_tokens" in place or "lm_head" in place for place in places["gradients"])
    alone = places["completions, each alone"]
    assert alone and all("norm of the gradient nan" in place and "loss" not in place for place in alone)


def test_a_norm_that_overflows_over_finite_gradients_is_told_from_a_broken_gradient(recipe_file, tmp_path):
    places = replay(first_step(recipe_file, tmp_path, "norm")[1])[1]
    assert places["update"] == ["norm of the gradient inf"]
    assert set(places) <= {"update", "completions, each alone"}


def test_a_nan_in_the_weights_stops_the_sampling_and_is_named_by_tensor_and_module(recipe_file, tmp_path):
    model = with_nan(tmp_path / "model", "layers.1.mlp.up_proj.weight")
    message, folder = broken_run(recipe_file("{use: grpo, kl: 0.0}", str(model)), tmp_path / "run")
    assert "step 1 of stage rl: sampled log-probs came out as NaN or infinite among 2 questions" in message
    dump, places = replay(folder)
    assert dump.mini_batch is None
    (weights,) = places["weights"]
    assert "layers.1.mlp.up_proj.weight: 1 of " in weights
    (module,) = places[MODULE]
    assert module.endswith(("layers.1.mlp.up_proj (Linear)", "layers.1.mlp.up_proj (OneDnnLinear)"))
    completions = [branch for row in dump.rows for branch in row.branches]
    assert len(named(places["log-probs"])) == len(completions)
    assert all(place.endswith(": nan") for place in places["log-probs"])
    printed = CliRunner().invoke(main, ["replay", str(folder)]).output
    tokens = sum(len(branch.token_ids) for branch in completions)
    assert f"\nlog-probs: not finite in {tokens} places\n" in printed
    assert printed.endswith(f"  and {tokens - 12} more\n")


def test_a_step_of_sft_is_written_down_and_replayed_as_well(recipe_file, tmp_path):
    model = with_nan(tmp_path / "model", "layers.0.self_attn.o_proj.weight")
    file = recipe_file("{use: grpo, kl: 0.0}", str(model))
    recipe = load_recipe(file, ["curriculum={use: sft_only, sft_steps: 2}", "sft.questions=2"])
    with pytest.raises(FloatingPointError, match=r"step 1 of stage sft: .*: log-probs, loss, .* as NaN"):
        pipeline.run(recipe, tmp_path / "run")
    places = replay(tmp_path / "run" / "replay" / "sft-000001")[1]
    (weights,) = places["weights"]
    assert "layers.0.self_attn.o_proj.weight" in weights
    assert places["update"] == ["loss nan", "norm of the gradient nan"]
    assert len(named(places["completions, each alone"])) == 2


def test_the_command_prints_what_is_wrong_and_tells_by_its_status_whether_anything_is(recipe_file, tmp_path):
    folder = first_step(recipe_file, tmp_path, "loss")[1]
    struck = sorted(with_positive_advantages(read_step_dump(folder)))
    done = CliRunner().invoke(main, ["replay", str(folder)])
    assert done.exit_code == 1
    assert "it stopped at step 1 of stage rl: pass 1, mini-batch 1: loss came out as NaN" in done.output
    assert "\nupdate: not finite in 1 place\n  loss inf\n" in done.output
    assert all(f"\n  {place}: loss inf" in done.output for place in struck)
    fixed = CliRunner().invoke(main, ["replay", str(folder), "-o", "algorithm.fault=none"])
    assert fixed.exit_code == 0 and fixed.output.endswith("\nnow every number is finite\n")


def test_after_the_cause_is_fixed_the_step_is_fine_and_the_run_resumes_as_if_nothing_had_been(
    recipe_file, tmp_path
):
    recipe = load_recipe(recipe_file("{use: ./broken.py, fault: while a file is there}"))
    pipeline.run(recipe, tmp_path / "unbroken")
    pipeline.run(recipe, tmp_path / "run", until="base")
    (tmp_path / "fault").touch()
    with pytest.raises(FloatingPointError):
        pipeline.run(recipe, tmp_path / "run", resume=True)
    folder = tmp_path / "run" / "replay" / "rl-000001"
    assert replay(folder)[1]
    (tmp_path / "fault").unlink()
    assert replay(folder)[1] == {}
    pipeline.run(recipe, tmp_path / "run", resume=True)
    for name in ("metrics.jsonl", "final/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes(), name


def test_a_step_that_could_not_be_written_down_still_says_what_broke(recipe_file, tmp_path):
    file = recipe_file("{use: ./broken.py, fault: loss}")
    pipeline.run(load_recipe(file), tmp_path / "run", until="base")
    (tmp_path / "run" / "replay").write_text("in the way")
    with pytest.raises(FloatingPointError, match=r"loss came out as NaN .* could not be written down"):
        pipeline.run(load_recipe(file), tmp_path / "run", resume=True)


def test_a_folder_without_a_step_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"expected a step that stopped a run, such as RUN/replay/rl-000012"
    ):
        read_step_dump(tmp_path)


# --- what is written down ------------------------------------------------------------------------


def test_a_later_update_is_written_down_with_the_weights_and_signals_that_it_had(recipe_file, tmp_path):
    """The fault strikes once the policy has moved: in the second mini-batch of the first step."""
    file = recipe_file("{use: ./broken.py, fault: moved, kl: 0.1}", mini_batches=2)
    message, folder = broken_run(file, tmp_path / "run")
    assert "step 1 of stage rl: pass 1, mini-batch 2: loss came out as NaN" in message
    base, then = (Qwen2_5Omni(path=str(p), device="cpu").model for p in (TINY, folder / "model"))
    assert not torch.equal(base.lm_head.weight, then.lm_head.weight)
    dump, places = replay(folder)
    assert dump.mini_batch == 1 and {row.mini_batch for row in dump.rows} == {0, 1}
    (second,) = {row.prompt.question.id for row in dump.rows if row.mini_batch == 1}
    blamed = places["completions, each alone"]
    assert blamed and all(place.startswith(f"question {second}, ") for place in blamed)
    assert all("reference" in b.signals for row in dump.rows for b in row.branches)


def dumped(rows, learner, file: Path, folder: Path, overrides: Sequence[str] = ()) -> Path:
    """The folder of a step with these rows, whose first update broke."""
    broken = BrokenStep("it broke", rows, mini_batch=0)
    write_step_dump(folder, broken, learner, load_recipe(file, overrides).to_yaml(), "rl", "it broke")
    return folder


def test_rows_come_back_as_they_were(family, recipe_file, tmp_path):
    prompts = [make_prompt(family, seed) for seed in range(2)]
    groups = Transformers(family).generate(prompts, sampling_params(6, top_k=8, max_new_tokens=5), (0,))
    rows = assign_credit(score(groups, even_tokens), GRPO(kl=0.0), mini_batches=2)
    first = replace(rows[0].branches[0], signals={"old": np.array([0.5, -np.inf])})
    rows[0] = replace(rows[0], branches=(first, *rows[0].branches[1:]))
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    back = read_step_dump(dumped(rows, learner, recipe_file("{use: grpo, kl: 0.0}"), tmp_path / "step"))
    assert (back.kind, back.error, back.mini_batch, back.value_head) == ("rl", "it broke", 0, {})
    for row, again in zip(rows, back.rows, strict=True):
        assert isinstance(again, PackedRow) and again.mini_batch == row.mini_batch
        assert again.prompt.question == row.prompt.question
        assert_same(row.prompt, again.prompt, "token_ids", "positions")
        assert again.prompt.clips == row.prompt.clips
        for name, array in row.prompt.present_features().items():
            assert np.array_equal(again.prompt.present_features()[name], array), name
        for branch, other in zip(row.branches, again.branches, strict=True):
            assert other.weight == branch.weight
            assert_same(branch, other, "token_ids", "logprobs", "advantages", "support")
            assert {n: v.tolist() for n, v in other.signals.items()} == {
                n: v.tolist() for n, v in branch.signals.items()
            }


def assert_same(record, again, *names: str) -> None:
    for name in names:
        expected, array = getattr(record, name), getattr(again, name)
        assert array.dtype == expected.dtype and np.array_equal(array, expected), name


def test_a_full_disk_is_told_and_leaves_no_part_of_a_step(family, recipe_file, tmp_path):
    rows = assign_credit(sampled(family, count=2), GRPO(kl=0.0))
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    file = recipe_file("{use: grpo, kl: 0.0}")
    with files_of_at_most(1_000_000), pytest.raises(OSError, match=r"could not write .*rl-000002"):
        dumped(rows, learner, file, tmp_path / "replay" / "rl-000002")
    assert not list((tmp_path / "replay").iterdir())


def test_a_nan_in_the_critic_is_named(family, recipe_file, tmp_path):
    critic = PPO(kl=0.0)
    learner = Learner(family, critic, SETTINGS)
    scored = sampled(family, count=2)
    longest = max(len(c.token_ids) for s in scored for c in s.group.completions)
    values = torch.zeros(2, len(scored[0].group.completions), longest, dtype=torch.float64)
    rows = assign_credit(scored, critic, signals={"values": values})
    with torch.no_grad():
        learner.policy.value_head.weight[0, 5] = float("nan")
    with pytest.raises(BrokenStep, match="loss/value, values came out as NaN or infinite") as error:
        learner.step(rows, 0)
    file = recipe_file("{use: ppo, kl: 0.0}")
    places = replay(dumped(error.value.rows, learner, file, tmp_path / "step"))[1]
    assert places["weights"] == [f"value_head.weight: 1 of {learner.policy.value_head.in_features} numbers"]
    assert places[MODULE] == ["value_head (Linear)"]
    assert {"values", "loss/value"} <= set(places) and "log-probs" not in places


def test_advantages_that_are_infinite_are_named_as_recorded(family, recipe_file, tmp_path):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    rows = assign_credit(sampled(family, count=2), GRPO(kl=0.0))
    first = rows[0].branches[0]
    bad = replace(first, advantages=np.full_like(first.advantages, np.inf))
    rows[0] = replace(rows[0], branches=(bad, *rows[0].branches[1:]))
    with pytest.raises(BrokenStep) as error:
        learner.step(rows, 0)
    file = recipe_file("{use: grpo, kl: 0.0}")
    places = replay(dumped(error.value.rows, learner, file, tmp_path / "step"))[1]
    recorded = places["recorded advantages"]
    assert named(recorded) == {f"question {rows[0].prompt.question.id}, completion 0"}
    assert len(recorded) == len(first.token_ids) and all(place.endswith(": inf") for place in recorded)
    texts = family.token_texts(first.token_ids)
    assert f", token 1 {texts[1]!r}: " in recorded[1]
    assert named(places["completions, each alone"]) == named(recorded)


def test_a_ratio_that_overflows_is_named_by_token(family, recipe_file, tmp_path):
    learner = Learner(family, GRPO(kl=0.0), SETTINGS)
    rows = assign_credit(sampled(family, count=1), GRPO(kl=0.0))
    impossible = replace(rows[0].branches[2], logprobs=rows[0].branches[2].logprobs - np.float32(100.0))
    rows = [replace(rows[0], branches=(*rows[0].branches[:2], impossible, *rows[0].branches[3:]))]
    as_sampled = ["sampling.temperature=1.0", "sampling.top_k=0"]
    folder = dumped(rows, learner, recipe_file("{use: grpo, kl: 0.0}"), tmp_path / "step", as_sampled)
    ratios = replay(folder)[1]["ratio"]
    assert named(ratios) == {f"question {rows[0].prompt.question.id}, completion 2"}
    assert len(ratios) == len(impossible.token_ids)


def test_a_signal_that_is_not_finite_stops_the_step_and_names_its_questions(family):
    scored = sampled(family, count=2)
    questions = [s.group.prompt.question.id for s in scored]
    signals = {"contribution": torch.tensor([0.5, math.nan]), "values": torch.zeros(2, 6, 5)}
    with pytest.raises(BrokenStep, match=r"^contribution came out as NaN") as error:
        refuse_nonfinite_signals(signals, scored, scored[:1])
    assert f"among 1 question ({questions[1]})" in str(error.value)
    assert error.value.mini_batch is None
    assert [row.prompt.question.id for row in error.value.rows] == questions[:1]


def test_an_infinite_log_prob_is_noticed_where_a_clamp_hides_it():
    totals, other = Totals(), Totals()
    totals.watch({"log-probs": torch.zeros(2)}, ["a"])
    totals.refuse_nonfinite()
    other.watch({"log-probs": torch.zeros(2), "reference": torch.tensor([0.0, -math.inf])}, ["b", "c"])
    totals.add([other])
    with pytest.raises(FloatingPointError, match=r"^reference came out as NaN or .* 2 questions \(b, c\)"):
        totals.refuse_nonfinite()


@pytest.mark.parametrize("content", [b"", b"no zip", b"hello", pickle.dumps({"kind": print}, protocol=2)])
def test_a_stored_step_of_another_kind_is_one_message(tmp_path, content):
    (tmp_path / "step.pt").write_bytes(content)
    expected = r"; expected a step that a run stored; copy the folder again from the run's replay/$"
    with pytest.raises(ValueError, match=rf"step\.pt: found a file that torch did not write, .*{expected}"):
        read_step_dump(tmp_path)
    torch.save({"kind": "rl", "rows": [1]}, tmp_path / "step.pt")
    with pytest.raises(ValueError, match=rf"a file of torch with something else in it \(error: .*{expected}"):
        read_step_dump(tmp_path)
