"""A whole comparison, small: sharing changes no number, what is done is kept, and the page shows the runs."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from rlaudio import pipeline
from rlaudio.cli import main
from rlaudio.cli.comparing import _check_devices
from rlaudio.compare.compare import compare
from rlaudio.compare.compare_folder import open_folder
from rlaudio.compare.grid import read_comparison
from rlaudio.compare.results import read_results
from rlaudio.compare.sharing import Job, prepare
from rlaudio.config.recipe import load_recipe
from rlaudio.runs.files import read_rows
from rlaudio.runs.places import VERSIONS
from tests.compare.conftest import FILE
from tests.pipeline.test_training_run import assert_same_numbers, wait_for
from tests.report.test_page import Outline, data_of


@pytest.mark.slow
def test_a_run_says_in_which_versions_it_ran_not_in_which_it_was_prepared(place, finished, tmp_path):
    (run, *_) = read_comparison(place / "two.yaml").runs()
    assert not (prepare(Job(run.place, run.recipe), tmp_path) / VERSIONS).exists()
    assert (finished / run.place / VERSIONS).exists()


@pytest.mark.slow
@pytest.mark.parametrize("run", ["other/seed-0", "grpo/seed-1"])
def test_an_arm_gives_the_numbers_of_the_same_recipe_run_on_its_own(finished, tmp_path, run):
    """Bit for bit, though it began with what another arm's recipe had made."""
    pipeline.run(load_recipe(finished / run / "recipe.yaml"), tmp_path / "alone")
    assert_same_numbers(tmp_path / "alone", finished / run)
    for file in ("evaluation/base.json", "labels/train/labels.jsonl"):
        assert (tmp_path / "alone" / file).read_bytes() == (finished / run / file).read_bytes()


def test_what_arms_share_stays_as_it_was(finished):
    for shared in (finished / "shared").glob("sft-*"):
        rows = [json.loads(line) for line in (shared / "metrics.jsonl").read_text().splitlines()]
        assert {row["stage"] for row in rows} == {"sft"}
        assert not (shared / "final").exists() and any((shared / "checkpoints").iterdir())


def test_an_arm_is_an_ordinary_run_that_can_be_resumed(finished):
    run = finished / "other" / "seed-1"
    assert load_recipe(run / "recipe.yaml").name == "two-other-seed-1"
    assert (run / "report.html").stat().st_size and not (run / "complete.json").exists()


def test_what_is_done_is_not_done_again(place, copy):
    before = {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-*/*.json*")}
    compare(read_comparison(place / "two.yaml"), copy, pipeline.run, resume=True)
    assert before and before == {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-*/*.json*")}


def test_a_plugin_that_changed_after_an_arm_was_done_is_warned_of_and_the_arm_stays(place, copy, caplog):
    loud = place / "loud.py"
    before, page = loud.read_text(), (copy / "other" / "seed-0" / "report.html").stat().st_mtime_ns
    try:
        loud.write_text(before + "# mended\n", encoding="utf-8")
        compare(read_comparison(place / "two.yaml"), copy, pipeline.run, resume=True)
    finally:
        loud.write_text(before, encoding="utf-8")
    (message,) = [r.getMessage() for r in caplog.records if "changed since" in r.getMessage()]
    assert str(loud) in message and "they keep the old file's numbers" in message
    assert (copy / "other" / "seed-0" / "report.html").stat().st_mtime_ns == page


@pytest.mark.slow
def test_seeds_are_added_to_a_finished_comparison(place, copy):
    command = ["compare", str(place / "two.yaml"), "--out", str(copy)]
    before = {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-[01]/*.json*")}
    done = CliRunner().invoke(main, [*command, "--add-seeds", "2,1"])
    assert done.exit_code == 0, done.output
    assert before and before == {path: path.stat().st_mtime_ns for path in copy.glob("*/seed-[01]/*.json*")}
    results = json.loads((copy / "comparison.json").read_text())
    assert sorted(path.name for path in copy.glob("grpo/seed-*")) == ["seed-0", "seed-1", "seed-2"]
    assert results["seeds"] == [0, 1, 2]
    refused = CliRunner().invoke(main, [*command, "--resume"])
    assert refused.exit_code != 0
    assert "seed 2 is gone (--add-seeds 2 keeps it)" in refused.output


@pytest.mark.parametrize(
    ("text", "told", "status"),
    [
        *((text, "expected numbers from 0", 2) for text in ("3,x", "-1", "3,,4", "1.5")),
        ("9223372036854775808", "seed 9223372036854775808: expected a number from 0 that fits into 64", 1),
    ],
)
def test_added_seeds_that_are_no_numbers_are_refused(place, tmp_path, text, told, status):
    words = ["compare", str(place / "two.yaml"), "--out", str(tmp_path / "out"), "--add-seeds", text]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status
    assert told in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_arm_may_be_added_and_an_arm_that_fails_costs_no_other(place, copy, capsys):
    text = (place / "two.yaml").read_text() + "grid: {}\n"
    added = "  broken: {rewards: {broken: {use: ./broken.py}}}\n  late: {algorithm: {kl: 0.5}}\nseeds"
    file = place / "more.yaml"
    file.write_text(text.replace("seeds", added, 1).replace("[0, 1]", "[0]"), encoding="utf-8")
    comparison = replace(read_comparison(file), name="two", seeds=(0, 1))
    comparison = replace(comparison, arms=tuple(a for a in comparison.arms if a.name != "other"))
    with pytest.raises(ValueError, match="arm other is gone"):
        compare(comparison, copy, pipeline.run, resume=True)
    done = compare(replace(read_comparison(file), name="two", seeds=(0, 1)), copy, pipeline.run, resume=True)
    assert [failure.place for failure in done.results.failures] == ["broken/seed-0", "broken/seed-1"]
    failed = done.results.failures[0]
    assert "broken" in failed.reason and "no</i> value" in failed.log.read_text()
    assert "Traceback" in failed.log.read_text() and "Traceback" not in capsys.readouterr().err
    assert [arm.name for arm in done.results.arms] == ["grpo", "other", "late"]
    page = done.page.read_text()
    assert "<b>broken/seed-0 failed.</b>" in page and "<i>no" not in page
    assert "Still missing: broken/seed-0, broken/seed-1." in page


@pytest.mark.slow
def test_ctrl_c_saves_the_step_and_says_how_to_go_on(place, finished, tmp_path):
    out = tmp_path / "out"
    file = place / "one.yaml"
    file.write_text(FILE.format(seeds=[0]), encoding="utf-8")
    command = [sys.executable, "-m", "rlaudio", "compare", str(file), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(out.glob("grpo/seed-0/rollouts/rl-1.jsonl")), process)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert f"continue with: rlaudio compare {file} --out {out} --resume" in said
    assert not (out / "comparison.html").exists()
    assert compare(read_comparison(file), out, pipeline.run, resume=True).results.missing == ()
    assert_same_numbers(finished / "grpo" / "seed-0", out / "grpo" / "seed-0")


def test_a_folder_with_something_in_it_is_refused(place, copy, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with (
        pytest.raises(FileExistsError, match=r"holds a comparison.*--resume"),
        open_folder(copy, comparison, resume=False),
    ):
        pass
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    with (
        pytest.raises(FileExistsError, match=r"holds mine\.txt"),
        open_folder(tmp_path / "notes", comparison, resume=True),
    ):
        pass


def test_held_out_curves_go_from_the_end_of_sft_to_the_end_of_rl(finished):
    results = json.loads((finished / "comparison.json").read_text())
    curve = results["arms"][0]["curves"]["eval/all_audio"]
    assert curve["rollouts"] == [0.0, 12.0, 18.0]  # every second step, and the final evaluation
    assert curve["mean"][-1] == results["held_out"][0]["accuracy"]["grpo"]["all"]["audio"]["value"]


def test_a_run_whose_answers_were_edited_counts_as_failed(place, copy):
    answers = copy / "grpo" / "seed-0" / "evaluation" / "final" / "held_out.jsonl"
    text = answers.read_text(encoding="utf-8")
    answers.write_text(text.replace('"right": true', '"right": false', 1), encoding="utf-8")
    results = read_results(read_comparison(place / "two.yaml"), copy)
    (failure,) = results.failures
    assert "not what the run wrote: evaluation/final/held_out.jsonl (digest" in failure.reason
    assert {arm.name: arm.seeds for arm in results.arms} == {"grpo": (1,), "other": (0, 1)}


def test_the_command_names_a_damaged_run_and_ends_with_status_1(place, copy):
    summary = copy / "grpo" / "seed-0" / "summary.json"
    summary.write_text("{}", encoding="utf-8")
    done = CliRunner().invoke(main, ["compare", str(place / "two.yaml"), "--out", str(copy), "--resume"])
    assert done.exit_code == 1
    assert f"grpo/seed-0 failed: {summary}: seconds: the key is missing" in done.output
    assert "(None)" not in done.output


@pytest.fixture(scope="module")
def page(finished) -> str:
    return (finished / "comparison.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_links_lead_somewhere(finished, page):
    outline = Outline(page.replace("<polygon", "<path").replace("<rect", "<path"))
    assert outline.open == []
    runs = [link for link in outline.references if not link.startswith("#")]
    assert len(runs) == 4 and all((finished / link).is_file() for link in runs)
    assert {link[1:] for link in outline.references if link.startswith("#")} <= outline.ids
    assert outline.tags.count("script") == 5 + 2 and "link" not in outline.tags and not outline.handlers


def test_the_page_shows_the_numbers_of_the_json(finished, page):
    results = json.loads((finished / "comparison.json").read_text())
    for arm in ("grpo", "other"):
        value = results["held_out"][0]["accuracy"][arm]["strong"]["audio"]["value"]
        assert f"<b>{100 * value:.1f}</b>" in page
    assert "&lt;b&gt;trial&lt;/b&gt;" in page and "<b>trial" not in page


def test_the_answers_of_all_arms_and_seeds_stand_side_by_side(finished, page):
    data = data_of(page)
    titles = [f"{arm}, seed {seed}" for arm in ("grpo", "other") for seed in (0, 1)]
    assert len(data["groups"]) == 8
    assert all([answer["n"] for answer in group["c"]] == titles for group in data["groups"])
    rows = read_rows(finished / "other" / "seed-1" / "evaluation" / "final" / "held_out.jsonl")
    texts = {row["id"]: row["text"] for row in rows if row["control"] == "audio"}
    assert {group["id"]: group["c"][3]["t"] for group in data["groups"]} == texts


def test_the_command_prints_table_warnings_and_page(place, copy):
    arguments = ["compare", str(place / "two.yaml"), "--out", str(copy), "--resume"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    for part in (
        "| `grpo` |",
        "| `other` |",
        "With 2 seeds intervals are wide",
        str(copy / "comparison.html"),
    ):
        assert part in done.output


@pytest.mark.parametrize("devices", ["0,", ""])
def test_a_device_without_a_name_is_refused(place, tmp_path, devices):
    done = CliRunner().invoke(
        main, ["compare", str(place / "two.yaml"), "--out", str(tmp_path), "--devices", devices]
    )
    assert done.exit_code == 2 and f"--devices {devices} names an empty device" in done.output


@pytest.mark.parametrize(
    ("gpus", "devices", "found"),
    [
        (0, "0,9", "found 9; this machine has 2 CPU cores, so expected numbers below 2"),
        (0, "0,2", "found 2; this machine has 2 CPU cores"),
        (0, "GPU-1a2b", "found 'GPU-1a2b'; expected numbers"),
        (4, "3,4", "found 4; this machine has 4 GPUs, so expected numbers below 4"),
        (4, "0,cuda:1", "found 'cuda:1'; expected numbers"),
    ],
)
def test_a_device_that_the_machine_lacks_is_refused_before_anything_runs(
    place, tmp_path, monkeypatch, gpus, devices, found
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as where GPUs are hidden
    out = tmp_path / "out"
    done = CliRunner().invoke(
        main, ["compare", str(place / "two.yaml"), "--out", str(out), "--devices", devices]
    )
    assert done.exit_code == 2 and found in " ".join(done.output.split()) and not out.exists()


@pytest.mark.parametrize(
    ("hidden", "devices"), [(None, "0,1"), (None, "0,0"), (None, "GPU-1a2b"), (None, "-1"), ("6,7", "6,7")]
)
def test_devices_of_the_machine_are_taken(monkeypatch, hidden, devices):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    _check_devices(devices, devices.split(","))
