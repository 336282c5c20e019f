"""What an evaluation writes: answers, and what benchmarks take."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from rlaudio.evaluation.evaluation_files import write_evaluations
from rlaudio.evaluation.predictions import Predictions, read_predictions, score
from rlaudio.scorers.benchmarks.mmau_rule import mmau_rule
from rlaudio.scorers.robust import robust
from rlaudio.types import Benchmark, Dataset
from tests.factories import make_question

BENCHMARK = Benchmark("made_up", "1", mmau_rule, "model_output", predictions="json")
FIELDS = {"task": "sound", "answer": "a dog"}
QUESTIONS = Dataset(tuple(make_question(id=f"q{n}", extra=FIELDS) for n in range(2)), benchmark=BENCHMARK)


@pytest.fixture
def predicted(tmp_path):
    return Predictions(tmp_path / "given.json", "text", {"q0": "<answer>A dog</answer>", "q1": "who knows"})


def evaluated(predicted, out, kind):
    benchmark = replace(BENCHMARK, predictions=kind)
    results = {"set": score(replace(QUESTIONS, benchmark=benchmark), predicted, {"robust": robust})}
    write_evaluations(results, out, benchmarks={"set": benchmark})
    return out / "evaluation" / "predictions" / f"set.{kind}"


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_predictions_stand_under_the_official_key_beside_the_fields_of_the_row(predicted, tmp_path, kind):
    path = evaluated(predicted, tmp_path, kind)
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]
    assert rows[0] == {"id": "q0", **FIELDS, "model_output": "<answer>A dog</answer>"}
    assert read_predictions(path).by_id == predicted.by_id


def test_a_submission_names_an_option_of_every_question_and_says_where_there_is_none(
    predicted, tmp_path, caplog
):
    with caplog.at_level(logging.WARNING):
        path = evaluated(predicted, tmp_path, "csv")
    assert path.read_text(encoding="utf-8") == "question,answer\nq0,a dog\nq1,\n"
    assert "1 of 2 answers name no option, and a submission needs one: q1 are left empty" in caplog.text


def test_disagreements_name_the_scorer_and_hold_both_verdicts(predicted, tmp_path):
    evaluated(replace(predicted, by_id={"q0": "dog, a", "q1": "a dog"}), tmp_path, "json")
    lines = (tmp_path / "evaluation" / "disagreements" / "set.jsonl").read_text(encoding="utf-8").splitlines()
    [row] = map(json.loads, lines)
    assert (row["scorer"], row["id"]) == ("made_up", "q0")
    assert {name: verdict["right"] for name, verdict in row["verdicts"].items()} == {
        "robust": False,
        "made_up": True,
    }


def test_a_submission_names_options_as_their_file_states_them(predicted, tmp_path):
    stated = {"choice": ["A. a dog", "B. a cat", "C. a cow", "D. a bird"]}
    questions = Dataset(tuple(make_question(id=f"q{n}", extra=stated) for n in range(2)), benchmark=BENCHMARK)
    results = {"set": score(questions, predicted, {"robust": robust})}
    write_evaluations(results, tmp_path, benchmarks={"set": replace(BENCHMARK, predictions="csv")})
    text = (tmp_path / "evaluation" / "predictions" / "set.csv").read_text(encoding="utf-8")
    assert text.splitlines()[1] == "q0,A. a dog"
