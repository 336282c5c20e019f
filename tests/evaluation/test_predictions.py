"""Scoring what something else predicted: every question counts, and the official rule stands beside."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rlaudio.evaluation.accuracy_table import accuracy_table
from rlaudio.evaluation.predictions import read_predictions, score
from rlaudio.scorers.benchmarks.mmau_rule import mmau_rule
from rlaudio.scorers.robust import robust
from rlaudio.types import Benchmark, Contribution, Dataset
from tests.data.trees import write_parquet
from tests.factories import make_question

BENCHMARK = Benchmark("made_up", "1", mmau_rule, "model_output", predictions="json")
QUESTIONS = Dataset(tuple(make_question(id=f"q{n}") for n in range(4)), benchmark=BENCHMARK)


def written(tmp_path, rows, name="predictions.json"):
    path = tmp_path / name
    text = json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def row(number, text, key="model_output"):
    return {"id": f"q{number}", "answer": "a dog", key: text}


def test_a_missing_answer_is_wrong_by_the_strict_rule_and_left_out_by_the_official_one(tmp_path):
    path = written(tmp_path, [row(0, "a dog"), row(1, "a cat"), {"id": "q2"}])
    result = score(QUESTIONS, read_predictions(path, None, "model_output"), {"robust": robust})
    assert result.accuracy("audio") == 1 / 4
    assert result.accuracy("audio", scorer="made_up") == 1 / 2
    assert "By made_up, all: audio 50.0 (2 of 4 left out)." in accuracy_table(result)


def test_it_is_told_whether_the_truth_or_labels_say_what_is_strong(tmp_path):
    truth, label = Contribution("q0", "strong", method="truth"), Contribution("q1", "weak", method="2 of 3")
    path = written(tmp_path, [row(0, "a dog")])
    for known, told in (
        ({"q0": truth}, "by the truth"),
        ({"q1": label}, "by the labels"),
        ({"q0": truth, "q1": label}, "by the truth (1) and the labels (1)"),
    ):
        result = score(replace(QUESTIONS, contributions=known), read_predictions(path), {"robust": robust})
        assert f"strong and weak {told}" in accuracy_table(result)


def test_an_official_rule_may_call_a_row_without_the_key_wrong_and_drop_a_null(tmp_path):
    counting = replace(QUESTIONS, benchmark=replace(BENCHMARK, counts_missing=True))
    path = written(tmp_path, [row(0, "a dog"), {"id": "q1"}, row(2, None)])
    result = score(counting, read_predictions(path, "model_output"), {"robust": robust})
    assert result.accuracy("audio", scorer="made_up") == 1 / 2  # q0 and q1


def test_where_the_rules_disagree_is_listed(tmp_path):
    texts = ["a dog", "dog, a", "not a cat but a dog", "<answer>a cat</answer>"]
    path = written(tmp_path, [row(number, text) for number, text in enumerate(texts)])
    result = score(QUESTIONS, read_predictions(path), {"robust": robust})
    disagreements = [(scorer, row.question.id, row.verdict.right) for scorer, row in result.disagreements()]
    assert disagreements == [("made_up", "q1", False), ("made_up", "q2", True)]


def test_rows_without_ids_are_told_to_need_them(tmp_path):
    path = written(tmp_path, [{"audio_id": "q0.wav", "model_output": "a dog"}])
    with pytest.raises(ValueError, match="found audio_id, model_output; add the ids of the questions"):
        read_predictions(path)


@pytest.mark.parametrize("key", ["answer_prediction", "model_prediction", "response"])
def test_known_keys_are_found_and_the_one_asked_for_goes_first(tmp_path, key):
    path = written(tmp_path, [row(0, "a dog", key) | {"mine": "a cat"}], "predictions.jsonl")
    assert read_predictions(path).key == key
    assert read_predictions(path, "mine").by_id == {"q0": "a cat"}


def test_other_keys_that_could_be_meant_are_known_unless_one_is_named(tmp_path):
    path = written(tmp_path, [row(0, "a dog", "output") | {"response": "a cat"}])
    assert read_predictions(path).other_keys == ("output",)
    assert read_predictions(path, "response").other_keys == ()
    assert read_predictions(path, None, "response").other_keys == ()


def test_a_text_in_csv_may_be_as_long_as_a_model_thinks(tmp_path):
    (tmp_path / "long.csv").write_text(f"id,answer\nq0,{'x' * 200_000}\n", encoding="utf-8")
    assert len(read_predictions(tmp_path / "long.csv").by_id["q0"]) == 200_000


def test_a_submission_in_csv_is_read_and_its_questions_are_ids(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text('question,answer\nq0,"a dog"\nq1,a cat\n', encoding="utf-8")
    assert read_predictions(path).by_id == {"q0": "a dog", "q1": "a cat"}


def test_rows_of_parquet_without_ids_are_those_of_mmau_pro_by_their_number(tmp_path):
    path = tmp_path / "predictions.parquet"
    audio = [{"bytes": b"RIFF", "path": "a.wav"}]
    write_parquet(path, *[{"question": "Q?", "audio": audio, "model_output": text} for text in ("x", None)])
    assert read_predictions(path).by_id == {"row_1": "x", "row_2": None}
    write_parquet(path, {"question": "Q?", "id": "q7", "model_output": "x"})
    assert read_predictions(path).by_id == {"q7": "x"}


def test_what_is_odd_about_a_file_is_counted_with_ids(tmp_path):
    path = written(tmp_path, [row(0, "a dog"), row(0, "a cat"), row(9, "a cow"), row(1, None)])
    predictions = read_predictions(path)
    assert predictions.by_id["q0"] == "a dog"
    assert predictions.notes(QUESTIONS) == [
        "2 ids without a row, wrong by the strict rule: q2, q3",
        "1 id of no question of the benchmark, left out: q9",
        "1 id in several rows, the first one taken: q0",
        "1 id without 'model_output' in their row, wrong by the strict rule: q1",
    ]


def refused(path, questions=QUESTIONS, key=None):
    with pytest.raises(ValueError) as refusal:
        score(questions, read_predictions(path, key), {"robust": robust})
    return str(refusal.value)


def test_predictions_of_other_questions_are_refused_with_ids_of_both(tmp_path):
    path = written(tmp_path, [{"id": "x1", "model_output": "a dog"}])
    assert "none of its ids is of a question; found x1; expected ids such as q0, q1" in refused(path)


def test_a_file_without_predictions_is_refused_with_the_keys_that_it_has(tmp_path):
    path = written(tmp_path, [{"id": "q0", "answer": "a dog"}])
    message = refused(path)
    assert "found id, answer; name the key of the predictions with --key" in message


@pytest.mark.parametrize("value", [["a dog"], {"a": 1}, True])
def test_a_prediction_that_is_no_text_is_refused_with_its_place(tmp_path, value):
    path = written(tmp_path, [row(0, "a dog"), row(1, value)], "predictions.jsonl")
    assert refused(path).startswith(f"{path}:2: 'model_output' is ")


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "predictions.txt"
    path.write_text("q0 a dog\n", encoding="utf-8")
    assert "expected .json, .jsonl, .csv or .parquet" in refused(path)


@pytest.mark.parametrize("key", ["id", ""])
def test_a_key_that_holds_ids_or_is_empty_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match=r"'id' holds the ids; name another key|expected rows with ''"):
        read_predictions(written(tmp_path, [row(0, "a dog")]), key)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('question,answer\nq0,"a dog\nq1,a cat\nq2,a car\n', ":2: not CSV in UTF-8 (unexpected end of data)"),
        ("question,answer,answer\nq0,a dog,a cat\n", ":1: 'answer' stands 2 times; keep one"),
    ],
)
def test_csv_that_hides_cells_is_refused_with_its_line(tmp_path, text, told):
    path = tmp_path / "submission.csv"
    path.write_text(text, encoding="utf-8")
    assert refused(path).startswith(f"{path}{told}")


def test_a_text_in_csv_that_is_cut_by_its_comma_is_refused_with_its_line(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("question,answer\nq0,a dog\nq1,I hear rain, wind\n", encoding="utf-8")
    assert refused(path) == f"{path}:3: has more cells than the header; put texts with commas in quotes"


def test_the_line_of_a_row_in_csv_counts_the_lines_of_the_texts_before_it(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text('question,answer\n\nq0,"rain\nand\nwind"\nq1,rain, wind\n', encoding="utf-8")
    assert refused(path).startswith(f"{path}:6: has more cells than the header")


def test_csv_in_another_encoding_is_refused_with_its_line_and_what_to_do(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("question,answer\nq0,a dog\nq1,caf\u00e9\n", encoding="latin-1")
    assert refused(path).startswith(f"{path}:3: byte 0xe9 is not UTF-8; save the file as UTF-8")
    path.write_text("question,answer\nq0,a dog\n", encoding="utf-16")
    assert "is text in UTF-16; expected CSV in UTF-8; convert it: iconv" in refused(path)


@pytest.mark.parametrize("content", [{"q0": "a dog", "q1": "a cat"}, {"predictions": [row(0, "a dog")]}, {}])
def test_one_object_that_is_no_row_is_told_with_what_is_expected(tmp_path, content):
    message = refused(written(tmp_path, content))
    assert "holds one object without an id, perhaps a map of ids to answers; expected a list of" in message


def test_one_object_may_be_the_only_row(tmp_path):
    assert read_predictions(written(tmp_path, row(0, "a dog"))).by_id == {"q0": "a dog"}
