"""Labels beside the data: intervals and gains, and the same as Parquet."""

import json

import pytest
from pyarrow.parquet import read_table

from rlaudio.data.labels_file import labels_to_parquet, read_labels

ROWS = [
    {"id": "a", "contribution": "weak", "score": 0.1, "interval": [0.0, 0.2], "votes": {"v": {"heard": 0.9}}},
    {"id": "b", "contribution": "strong", "score": 0.8, "gain": 0.5, "gain_interval": [0.25, 0.75]},
]


def write(path, rows=ROWS):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_intervals_and_gains_are_read(tmp_path):
    labels = read_labels(write(tmp_path / "labels.jsonl")).by_question
    assert labels["a", None].fields["interval"] == (0.0, 0.2)
    assert labels["b", None].fields["gain"] == 0.5
    assert labels["b", None].fields["gain_interval"] == (0.25, 0.75)


@pytest.mark.parametrize("interval", ["wide", [0.1], [0.1, "x"], [True, 1.0]])
def test_what_is_no_interval_is_a_bad_row(tmp_path, interval):
    labels = read_labels(write(tmp_path / "labels.jsonl", [{**ROWS[0], "interval": interval}]))
    assert labels.by_question == {}
    assert "an interval of two numbers" in str(labels.bad_rows[0])


@pytest.mark.parametrize(("field", "value"), [("score", 1.5), ("score", -17), ("gain", 2), ("gain", -1.01)])
def test_what_is_no_share_is_a_bad_row(tmp_path, field, value):
    labels = read_labels(write(tmp_path / "labels.jsonl", [{**ROWS[0], field: value}]))
    assert labels.by_question == {}
    said = f'labels.jsonl:1: "{field}" is {float(value)}; expected a share of right answers, -1 to 1'
    assert said in str(labels.bad_rows[0])


def test_parquet_holds_the_same_rows(tmp_path):
    labels_to_parquet(write(tmp_path / "labels.jsonl"), tmp_path / "labels.parquet")
    first, second = read_table(tmp_path / "labels.parquet").to_pylist()
    assert json.loads(first.pop("votes")) == {"v": {"heard": 0.9}}
    assert first == {"id": "a", "contribution": "weak", "score": 0.1, "interval": [0.0, 0.2]} | {
        "gain": None,
        "gain_interval": None,
    }
    assert (second["gain"], second["gain_interval"]) == (0.5, [0.25, 0.75])
