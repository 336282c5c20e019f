"""Answers in files of other harnesses are read as they are."""

import json

import pytest

from rlaudio.evaluation.predictions import read_predictions

QUESTION = {"id": "q1", "question": "What is heard?", "answer": "rain"}
SAMPLE = {"id": "q1", "epoch": 1, "target": "rain", "output": {"model": "m", "completion": "The wind."}}


@pytest.mark.parametrize(
    ("row", "key", "text"),
    [
        (
            {"doc_id": 7, "doc": QUESTION, "resps": [["The wind."]], "filtered_resps": ["wind"]},
            "filtered_resps",
            "wind",
        ),
        ({"doc_id": 7, "doc": QUESTION, "resps": [["The wind.", "Rain."]]}, "resps", "The wind."),
        ({"doc_id": 7, "doc": QUESTION, "filtered_resps": "wind"}, "filtered_resps", "wind"),
        (SAMPLE, "output", "The wind."),
    ],
)
def test_a_row_is_read_by_the_id_of_its_question(tmp_path, row, key, text):
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    read = read_predictions(file)
    assert (read.key, read.by_id) == (key, {"q1": text})


def test_a_row_of_a_question_without_an_id_has_its_number(tmp_path):
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"doc_id": 7, "doc": {"question": "What?"}, "resps": [["wind"]]}) + "\n")
    assert read_predictions(file).by_id == {"7": "wind"}


def test_a_log_of_inspect_is_read_sample_by_sample(tmp_path):
    file = tmp_path / "log.json"
    log = {"version": 2, "eval": {"task": "mmau"}, "samples": [SAMPLE, {**SAMPLE, "id": "q2"}, SAMPLE]}
    file.write_text(json.dumps(log), encoding="utf-8")
    read = read_predictions(file)
    assert read.by_id == {"q1": "The wind.", "q2": "The wind."} and read.repeated == ("q1",)
    log["samples"][1]["output"]["completion"] = ["no text"]
    file.write_text(json.dumps(log), encoding="utf-8")
    with pytest.raises(ValueError, match=r"log\.json.*, sample 1: 'output' is .*expected a text"):
        read_predictions(file)


def test_a_packed_log_of_inspect_is_told_with_the_command_that_unpacks_it(tmp_path):
    (tmp_path / "log.eval").touch()
    with pytest.raises(
        ValueError, match=r"log\.eval: a log of Inspect; write it as JSON: inspect log convert"
    ):
        read_predictions(tmp_path / "log.eval")


@pytest.mark.parametrize(
    "answers",
    [
        {"filtered_resps": [[-1.2, False], [-0.2, True]]},
        {"resps": [[["-1.2", "False"]], [["-0.2", "True"]]], "filtered_resps": [["-1.2", "False"]]},
        {"resps": [[-35.5]], "filtered_resps": [-35.5]},
    ],
)
def test_log_likelihoods_are_no_answers(tmp_path, answers):
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"doc": {"id": "a"}, **answers}) + "\n", encoding="utf-8")
    said = r"samples\.jsonl:1: '(filtered_)?resps' holds log-likelihoods; expected a text; .*generate_until"
    with pytest.raises(ValueError, match=said):
        read_predictions(file)


def test_texts_that_look_like_numbers_or_truth_values_are_answers(tmp_path):
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"doc": {"id": "a"}, "resps": [["3", "True"]], "filtered_resps": ["-1.5"]}))
    assert read_predictions(file).by_id == {"a": "-1.5"}
    assert read_predictions(file, "resps").by_id == {"a": "3"}


def test_rows_of_several_filters_are_refused_by_name(tmp_path):
    file = tmp_path / "samples.jsonl"
    texts = {"none": "I think B", "get": "B"}
    rows = [{"doc": {"id": "a"}, "filter": name, "filtered_resps": [text]} for name, text in texts.items()]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(ValueError, match=r"samples\.jsonl: .* 2 filters of lm-eval, 'none', 'get'; .*select"):
        read_predictions(file)
    file.write_text(json.dumps(rows[1]), encoding="utf-8")
    assert read_predictions(file).by_id == {"a": "B"}


@pytest.mark.parametrize("samples", [{"samples": None}, {}])
def test_the_header_of_a_log_of_inspect_is_told(tmp_path, samples):
    file = tmp_path / "log.json"
    file.write_text(json.dumps({"version": 2, "status": "success", "eval": {"task": "mmau"}, **samples}))
    with pytest.raises(ValueError, match=r"log\.json: a log of Inspect without samples, .*inspect log conv"):
        read_predictions(file)
