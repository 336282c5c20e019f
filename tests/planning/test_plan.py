"""What `rlaudio explain` plans and says."""

import json
import math
import socket
from collections import Counter

import huggingface_hub.constants
import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.config.recipe import load_recipe
from rlaudio.models.shared.describing import model_size
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.hardware import GPUS
from rlaudio.planning.plan import plan, savings
from rlaudio.planning.tables import changes_table, lines, rows
from tests.planning.small_model import SEVEN_B, size_of


def planned_tiny(*overrides, **assumed):
    return plan(load_recipe("tiny_weak_to_strong", overrides), GPUS["h100"], Assumptions(**assumed))


def phase_names(planned):
    return [phase.name for phase in planned.stages[-1].phases]


def test_a_plan_assumes_the_longest_clips_and_completions_unless_told_otherwise():
    planned = planned_tiny()
    assert (planned.assumed.seconds, planned.assumed.completion) == (10.0, 24)
    told = planned_tiny(seconds=2.0, completion=5, text=7)
    assert told.stages[1].tokens.row == 7 + 50 + 8 * 5


def test_phases_are_those_that_the_algorithm_asks_for():
    assert "reference" in phase_names(planned_tiny())
    assert "reference" not in phase_names(planned_tiny("algorithm.kl=0"))
    critic = planned_tiny("algorithm={use: ppo}")
    assert "critic's values" in phase_names(critic)
    assert critic.model.parameters_of("value head") == 128 + 1
    silent = planned_tiny("algorithm={use: contribution_weighted}")
    assert "rollout: decode in silence" in phase_names(silent)
    options = planned_tiny("algorithm={use: contribution_weighted}", "contribution.on_policy=options")
    assert "options, with audio and in silence" in phase_names(options)


def test_a_reward_that_hears_silence_has_completions_of_its_own():
    planned = planned_tiny("rewards.counterfactual={use: counterfactual}", "contribution.silent_samples=3")
    assert "rollout: decode in silence, for rewards" in phase_names(planned)
    assert planned.stages[-1].silent == 3
    assert planned_tiny().stages[-1].silent == 0


def test_a_contribution_that_a_curriculum_refreshes_costs_its_share_of_the_steps():
    of_step, seldom = (
        planned_tiny(*overrides, "contribution.silent_samples=3")
        for overrides in (
            ["algorithm={use: contribution_weighted}"],
            ["curriculum={use: by_contribution, rl_steps: 20, refresh_every: 10}"],
        )
    )
    phases = [{phase.name: phase for phase in planned.stages[-1].phases} for planned in (of_step, seldom)]
    always, every_tenth = (
        phases[0]["rollout: decode in silence"],
        phases[1]["rollout: decode in silence, every 10 steps"],
    )
    assert every_tenth.flops == always.flops / 10
    assert every_tenth.seconds == always.seconds / 10
    assert (of_step.stages[-1].silent, seldom.stages[-1].silent) == (3, 0.3)


def test_inner_epochs_multiply_the_update_alone():
    once, twice = planned_tiny(), planned_tiny("training.epochs=2")
    work = [{p.name: p.flops for p in planned.stages[1].phases} for planned in (once, twice)]
    assert work[1]["update: forward and backward"] == 2 * work[0]["update: forward and backward"]
    assert work[1]["reference"] == work[0]["reference"]


def test_a_stage_of_epochs_has_no_number_of_steps():
    planned = planned_tiny("curriculum={use: sft_only}")
    assert [(s.steps, s.epochs) for s in planned.stages] == [(None, 2.0)]
    assert "2 epochs" in "\n".join(lines(planned))


def test_the_paper_s_recipe_needs_more_than_eight_plain_h100_and_fits_with_zero_2():
    recipe = load_recipe(SEVEN_B, ["strategy={use: plain}"])
    plain = plan(recipe, GPUS["h100"], Assumptions(devices=8))
    assert not plain.fits
    changes = dict(savings([], lambda given: load_recipe(SEVEN_B, ["strategy={use: plain}", *given]), plain))
    zero = changes[("strategy={use: zero, stage: 2}",)]
    assert zero.fits
    saved = 12 * plain.model.trained * 7 / 8
    before, after = (
        next(row for row in p.memory if row.name.startswith("optimizer")).phases["RL update"]
        for p in (plain, zero)
    )
    assert before - after == pytest.approx(saved)
    text = changes_table(changes.items())
    assert '-o "strategy={use: zero, stage: 2}"\n' in text
    assert "stage: 2} -o" not in text  # what fits needs nothing further


def test_offloading_moves_the_optimizer_to_the_host():
    zero = ["strategy={use: zero, stage: 2}", "strategy={use: zero, stage: 2, offload: cpu}"]
    here, there = (plan(load_recipe(SEVEN_B, [text]), GPUS["h100"], Assumptions(devices=8)) for text in zero)
    assert there.peak_bytes < here.peak_bytes
    assert there.host_bytes - here.host_bytes == pytest.approx(16 * here.model.trained)


def test_a_plan_sums_to_its_parts():
    table = rows(planned_tiny())
    for stage in table["stages"]:
        assert stage["step_seconds"] == pytest.approx(math.fsum(p["seconds"] for p in stage["phases"]))
    sums = Counter()
    for row in table["memory"]:
        sums.update({phase: size for phase, size in row.items() if phase != "part"})
    assert sums == pytest.approx(table["memory_totals"])


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *arguments])


def test_the_command_needs_no_weights_no_data_and_no_network(monkeypatch, tmp_path):
    def refuse(*arguments):
        raise AssertionError(f"asked the network for {arguments[1]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    done = explain(SEVEN_B, "--devices", "8")
    assert done.exit_code == 0, done.output
    assert "8,931,813,888" in done.output
    assert "the known shape of Qwen/Qwen2.5-Omni-7B" in done.output
    assert max(map(len, done.output.splitlines())) <= 100
    told = explain(SEVEN_B, "--devices", "8", "--json")
    assert json.loads(told.stdout)["stages"][0]["steps"] == 750


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SEVEN_B, "--hardware", "h1000"), "unknown hardware 'h1000'; expected one of h100"),
        ((SEVEN_B, "--hardware", "4090"), "unknown hardware '4090'; did you mean rtx_4090? expected one of"),
        ((SEVEN_B, "--devices", "3"), "160 and there are 3 devices; expected a multiple of 3, such as 162"),
        ((SEVEN_B, "--devices", "0"), "0 devices; expected 1 to 1,024"),
        ((SEVEN_B, "--completion", "1" + "0" * 30), "000 tokens of completion; expected 1 to 100,000,000"),
        ((SEVEN_B, "--text", "1" + "0" * 30), "000 tokens of text; expected 1 to 100,000,000"),
        ((SEVEN_B, "--nodes", "1" + "0" * 30), "000 nodes; expected 1 to 100,000"),
        ((SEVEN_B, "--rollout-nodes", "-1"), "-1 rollout nodes; expected 0 to 100,000"),
        (
            (SEVEN_B, "--network", "1e30"),
            "a network of 1e+30 GB/s; expected more than 0 and at most",
        ),
        ((SEVEN_B, "--utilisation", "1.5"), "expected more than 0 and at most 1"),
        ((SEVEN_B, "--seconds", "0.01"), "expected at least 0.04 s"),
        ((SEVEN_B, "--seconds", "nan"), "clips of nan s; expected at least 0.04 s"),
        ((SEVEN_B, "--seconds", "inf"), "clips of inf s; expected at least 0.04 s"),
        (("spoken_digits_weak_to_strong",), "builds its base in a run"),
        ((SEVEN_B, "-o", "model.path=Nobody/Nothing"), "whose shape is known; weights are not needed"),
        ((SEVEN_B, "-o", "model.lora_rank=4", "-o", "model.lora_targets=[x]"), "lora_targets names 'x'"),
    ],
)
def test_what_cannot_be_planned_is_said_with_what_to_do(arguments, words, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    done = explain(*arguments)
    assert done.exit_code == 1
    assert words in done.output


def test_a_folder_of_another_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json; expected the config of a model"):
        size_of(path=str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="describes a llama; expected a qwen2_5_omni"):
        size_of(path=str(tmp_path))


def test_a_family_without_sizes_is_refused():
    with pytest.raises(ValueError, match=r"a plan can be made for: audio_flamingo3, gemma4, qwen2_5_omni, "):
        model_size("./mine.py", {"path": "x"})
