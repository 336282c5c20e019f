"""Mutated inputs of every kind are read or refused; and tools/fuzz notices what is neither."""

import time

import pytest

from tests.tool_scripts import load_tool

fuzz = load_tool("fuzz")
INPUTS = {"recipes": 1_000, "rows": 1_500, "benchmarks": 1_100, "runs": 120, "plugins": 1_400}


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_no_input_ends_in_a_traceback_a_hang_a_write_outside_or_a_message_without_place(
    kind, tmp_path, monkeypatch
):
    monkeypatch.setattr(fuzz, "LIMIT_SECONDS", 120)  # a hang has no end; a busy machine has taken ten seconds
    outcome = fuzz.fuzz(fuzz.KINDS[kind], range(INPUTS[kind]), seed=0, scratch=tmp_path)
    assert not outcome.faults, "\n\n".join(map(str, outcome.faults[:5]))
    assert outcome.counts["read"] > 0.05 * INPUTS[kind]  # some mutations must leave a good input
    assert outcome.counts["refused"] > 0.2 * INPUTS[kind]


def test_a_kind_of_input_is_read_before_it_is_mutated(tmp_path):
    for kind in fuzz.KINDS.values():
        kind.write(tmp_path / "input", fuzz.np.random.default_rng(0))
        kind.read(tmp_path / "input")
        fuzz.shutil.rmtree(tmp_path / "input")


def raise_key_error(folder):
    raise KeyError("data.jsonl")


def never_return(folder):
    time.sleep(60)


def write_outside(folder):
    (folder.parent / "escaped").write_text("x")


def refuse_without_place(folder):
    raise ValueError("something is wrong")


def refuse_at_length(folder):
    raise ValueError("data.jsonl" + "x" * 10_000)


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (raise_key_error, "KeyError"),
        (never_return, "no end"),
        (write_outside, "escaped"),
        (refuse_without_place, "without its place"),
        (refuse_at_length, "characters"),
    ],
)
def test_a_fault_is_noticed(read, what, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "LIMIT_SECONDS", 0.2)
    assert what in fuzz.attempt(read, tmp_path / "input", ["data.jsonl"])


def test_a_reading_that_ends_well_is_no_fault(tmp_path):
    assert fuzz.attempt(lambda folder: None, tmp_path, []) == ""


def test_a_refusal_with_its_place_is_no_fault(tmp_path):
    def refuse(folder):
        raise ValueError("data.jsonl:3: not JSON")

    assert fuzz.attempt(refuse, tmp_path, ["data.jsonl"]) is None
