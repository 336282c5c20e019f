"""Evaluations are written set by set."""

import json

from rlaudio.runs.evaluations import EvaluatedSet, write_sets


def test_a_set_is_written_before_the_next_is_made_and_the_tables_last(tmp_path):
    answers, tables = tmp_path / "evaluation", tmp_path / "evaluation.json"

    def sets():
        yield "a", EvaluatedSet({"right": 1}, iter([{"id": "q1"}]))
        assert (answers / "a.jsonl").read_text() == '{"id": "q1"}\n' and not tables.exists()
        yield "b", EvaluatedSet({"right": 2}, iter([{"id": "q2"}]), reordered=iter([{"id": "q3"}]))

    write_sets(sets(), tmp_path)
    assert json.loads(tables.read_text()) == {"a": {"right": 1}, "b": {"right": 2}}
    assert [path.name for path in sorted(answers.rglob("*.jsonl"))] == ["a.jsonl", "b.jsonl", "b.jsonl"]
