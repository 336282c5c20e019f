"""tools/gpu_check on a CPU: every part at tiny shapes, and what it says where one cannot be measured."""

import json
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rlaudio.config.recipe import load_recipe
from rlaudio.models.shared.describing import model_size
from rlaudio.utils import onednn_linear
from tests.strict_device import DEVICE, strict_device
from tests.tool_scripts import load_tool

tool = load_tool("gpu_check")

import bench_floor  # noqa: E402  found by way of the tool
import bench_thinker  # noqa: E402  needs the path above
from gpu_parts import carry, commands, measures, setting, shapes  # noqa: E402  found by way of the tool
from gpu_parts.report import Report  # noqa: E402  needs the path above

PARTS = ("rate", "tests", "parity", "update", "forms", "rollout", "explain")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a dry run without the main job, which is a run of its own."""
    out = tmp_path_factory.mktemp("out")
    assert tool.run(out=out, device="cpu", small=True, minutes=60, parts=PARTS) is False
    return out


@pytest.fixture
def dry(tmp_path):
    return setting.Setting(device="cpu", small=True, folder=tmp_path, deadline=time.monotonic() + 3600)


@pytest.fixture
def report(tmp_path):
    return Report(tmp_path, {"device": "none"})


@pytest.mark.slow
def test_a_dry_run_measures_every_part_or_says_why_not(written):
    steps = json.loads((written / "gpu_check.json").read_text())["steps"]
    assert {step["part"] for step in steps} == set(PARTS)
    assert [step["name"] for step in steps if not step["figures"]] == ["tests"]
    assert [step["skipped"] for step in steps if step["skipped"]] == ["they need a CUDA device"]
    assert not any(step["failed"] for step in steps)


@pytest.mark.slow
def test_shared_and_repeated_prompts_agree_in_float32_and_as_well_as_bf16_can(written):
    steps = json.loads((written / "gpu_check.json").read_text())["steps"]
    (parity,) = (step for step in steps if step["part"] == "parity")
    assert [f["reached"] for f in parity["figures"] if f["target"]] == [True] * 4


@pytest.mark.slow
def test_the_table_shows_predictions_beside_what_was_measured(written):
    table = (written / "gpu_check.txt").read_text()
    for line in (
        "update: tiny LoRA, C=6: update seconds by explain",
        "update: tiny full, no optimizer, C=3: update seconds, measured over explained",
        "rollout: tiny, C=6: tokens a second",
        "explain: rollout seconds: correction, median of 2",
        "skipped: tests: they need a CUDA device",
    ):
        assert line in table


def test_the_shape_of_7b_is_that_of_the_published_config(tmp_path):
    made = model_size("qwen2_5_omni", {"path": str(shapes.shape_folder(tmp_path, "7B"))})
    known = model_size("qwen2_5_omni", {"path": "Qwen/Qwen2.5-Omni-7B"})
    assert (made.decoder, made.tower) == (known.decoder, known.tower)


def test_the_shape_of_3b_has_the_published_number_of_parameters(tmp_path):
    """2.77 billion without embeddings: huggingface.co/Qwen/Qwen2.5-3B, whose shape the thinker has."""
    made = model_size("qwen2_5_omni", {"path": str(shapes.shape_folder(tmp_path, "3B"))})
    assert made.parameters_of("language model") == pytest.approx(2.77e9, abs=0.005e9)


def test_a_model_of_a_shape_trains_with_what_its_variant_says(tmp_path):
    folder = shapes.shape_folder(tmp_path, "tiny")
    family = shapes.fill(shapes.open_shape(folder, "cpu", dtype="bfloat16", lora_rank=8))
    trained = [name for name, p in family.model.named_parameters() if p.requires_grad]
    assert trained and all(".lora_" in name for name in trained)
    assert family.model.get_input_embeddings().weight.dtype == torch.bfloat16


@pytest.mark.parametrize("options", [{"lora_rank": 8}, {"freeze": ("audio_tower", "projector")}])
def test_the_floor_of_an_update_counts_what_torch_computes_where_weights_are_frozen(
    tmp_path, options, monkeypatch
):
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: False)  # its layers pad rows
    family = shapes.fill(shapes.open_shape(shapes.shape_folder(tmp_path, "tiny"), "cpu", **options))
    rows = bench_thinker.rows_of_noise(family, [0], 24, 1.0)
    learner = bench_thinker.learner(family)
    learner.step(rows, 0)  # audio of a frozen tower is encoded once
    with FlopCounterMode(display=False, custom_mapping=bench_floor.ATTENTION) as counter:
        learner.step(rows, 1)
    flops = bench_floor.flops_of_update(family, rows)
    assert counter.get_total_flops() == pytest.approx(flops, rel=0.05)


def test_the_main_job_of_a_dry_run_is_a_recipe():
    assert load_recipe("tiny_weak_to_strong", commands.A_FEW_QUESTIONS).sampling.questions == 2


@pytest.mark.parametrize("measure", [measures.measure_rate, measures.measure_parity])
def test_nothing_is_left_on_the_cpu_that_a_gpu_needs(tmp_path, monkeypatch, measure):
    deadline = time.monotonic() + 3600
    given = setting.Setting(device=DEVICE.type, small=True, folder=tmp_path, deadline=deadline)
    shapes.shape_folder(tmp_path, "tiny")
    with strict_device(monkeypatch):
        assert list(measure(given))


def breaking(error):
    def measure(_):
        yield measures.Figure("before it broke", 1.0, "s")
        raise error

    return measure


@pytest.mark.parametrize(
    ("error", "skipped", "failed"),
    [
        (setting.Skip("too small"), "too small", ""),
        (torch.OutOfMemoryError("CUDA out of memory.\nmore"), "out of memory: CUDA out of memory.", ""),
        (KeyError("cat"), "", "KeyError: 'cat'"),
    ],
    ids=["skip", "memory", "error"],
)
def test_a_step_that_breaks_keeps_its_figures_and_tells_its_reason(dry, report, error, skipped, failed):
    tool._measure(setting.Step("update", "update X", breaking(error), 0), dry, report)
    (step,) = json.loads((report.folder / "gpu_check.json").read_text())["steps"]
    assert [f["name"] for f in step["figures"]] == ["before it broke"]
    assert (step["skipped"], step["failed"]) == (skipped, failed)


def test_a_step_for_which_no_time_is_left_is_not_begun(dry, report):
    tool._measure(setting.Step("job", "job", breaking(AssertionError()), 7200), dry, report)
    assert report.outcomes[0].skipped.endswith("s are left; expected 7200 at least")


def test_a_process_that_outlasts_the_time_is_stopped_and_said_so(tmp_path, report):
    late = setting.Setting(device="cpu", small=True, folder=tmp_path, deadline=time.monotonic() + 0.01)
    tool._measure(setting.Step("job", "job", commands.measure_job, 0), late, report)
    assert report.outcomes[0].skipped == "not finished after 0 s, when no time was left"


def test_a_step_that_would_not_fit_says_how_much_it_needs():
    with pytest.raises(setting.Skip, match=r"needs 80\.0 GB by rlaudio's plan; 24\.0 GB are free"):
        setting.check_memory(80e9, 24e9)
    setting.check_memory(24e9, 24e9)


def test_an_old_torch_is_refused_by_its_version():
    with pytest.raises(ValueError, match=r"torch 2\.10\.0\+cu130 is installed; expected 2\.11 or newer"):
        setting.check_versions({"torch": "2.10.0+cu130", "transformers": "5.17.0"})
    setting.check_versions({"torch": "2.11.0+cu130", "transformers": "5.17.0"})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_ends_with_what_to_do(capsys):
    with pytest.raises(SystemExit) as ended:
        tool.main(["--part", "rate"], standalone_mode=False)
    assert ended.value.code == 2
    assert "sees no GPU" in (said := capsys.readouterr().err) and "--device cpu --small" in said


def test_results_of_pytest_are_counted(tmp_path):
    file = tmp_path / "tests.xml"
    file.write_text(
        '<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>', "utf-8"
    )
    assert [figure.value for figure in commands.counts(file)] == [4, 3, 3]


def test_wheels_are_those_that_nobody_has_for_the_other_machines_python():
    listed = ["torch>=2", "Soft_Name>=1,<3", "soft-name", "old; python_version < '3.12'", "x; extra == 'all'"]
    assert carry.missing(listed, {"torch"}, "3.12") == {"soft-name": "Soft_Name<3,>=1"}
    assert set(carry.missing(listed, {"torch"}, "3.11")) == {"soft-name", "old"}


def test_wheels_that_are_too_large_are_refused_with_their_list():
    carry.check_size({"a.whl": 40 * 2**20})
    with pytest.raises(ValueError, match=r"41\.5 MiB; expected at most 40; .*: b\.whl 40\.0, a\.whl 1\.5"):
        carry.check_size({"a.whl": 3 * 2**19, "b.whl": 40 * 2**20})
