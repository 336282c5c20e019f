"""Labels of a recipe's questions alone."""

import json
from dataclasses import replace

import pytest

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.types import Choice
from tests.conftest import TINY


def test_labelling_refuses_or_drops_bad_rows_as_the_recipe_says(recipe_file, tmp_path, caplog):
    questions = load_recipe(recipe_file).data.train()
    bad = replace(questions[0], target=Choice(("one",), 0, "one"))
    write_audiomcq([bad, *questions[1:4]], tmp_path / "data.jsonl")
    given = f"data.train={{use: audiomcq, path: {tmp_path / 'data.jsonl'}, outside_root: true}}"
    asked = [given, f"contribution={{voters: [{TINY}], threshold: 1, silence: 2.0}}"]
    with pytest.raises(ValueError, match=r"1 problem in 1 of 4 questions"):
        pipeline.label_data(load_recipe(recipe_file, asked), tmp_path)
    pipeline.label_data(load_recipe(recipe_file, [*asked, "data.bad_rows=drop"]), tmp_path)
    labelled = [json.loads(line)["id"] for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert labelled == [q.id for q in questions[1:4]] and "1 of 4 rows left out" in caplog.text
