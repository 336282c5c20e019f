"""Arms are run in their order, and again where they stopped."""

import json
import shutil

import pytest

from rlaudio import pipeline
from rlaudio.compare.grid import read_comparison
from rlaudio.compare.running import run_jobs
from rlaudio.compare.sharing import Job, jobs
from rlaudio.config.recipe import load_recipe
from tests.pipeline.test_training_run import assert_same_numbers


@pytest.mark.slow
def test_runs_on_devices_give_the_same_numbers_and_one_that_fails_takes_only_those_after_it_along(
    place, finished, copy
):
    todo = jobs(read_comparison(place / "two.yaml").runs(), "two")
    shared = next(job.after for job in todo if job.place == "grpo/seed-0")
    for folder in ("grpo/seed-0", "other/seed-0", shared):
        shutil.rmtree(copy / folder)
    gone = load_recipe(place / "base.yaml", ["model.path=./gone"])
    bad = [Job("bad/seed-0", gone), Job("worse/seed-0", gone, None, "bad/seed-0")]
    two_at_a_time = ["0", "0"]
    failed = run_jobs([*bad, *todo], copy, pipeline.run, two_at_a_time)
    failures = {failure.place: failure for failure in failed}
    for arm in ("grpo", "other"):
        assert_same_numbers(finished / arm / "seed-0", copy / arm / "seed-0")
    assert json.loads((copy / shared / "complete.json").read_text()) == {"until": "sft"}
    assert not (copy / shared / "final").exists()
    assert list(failures) == ["bad/seed-0", "worse/seed-0"]
    assert "gone" in failures["bad/seed-0"].reason and failures["bad/seed-0"].log.exists()
    assert failures["worse/seed-0"].reason == "not run: it starts from bad/seed-0, which failed"


def test_a_launcher_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="start it without a launcher"):
        run_jobs(jobs(read_comparison(place / "two.yaml").runs(), "two"), tmp_path, pipeline.run)
