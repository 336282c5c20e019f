"""The data of a recipe: what cannot be used is refused or left out, and clips do not leak."""

import json
import logging
from dataclasses import replace

import pytest

from rlaudio.builder.audited_data import load_data
from rlaudio.config.recipe import load_recipe
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.types import Choice

RECIPE = """
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 60, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 16, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 4}}
rewards: {{answer_correctness: {{}}}}
"""


def test_clips_that_are_heard_in_training_are_refused_in_a_held_out_set(recipe_file):
    leaking = load_recipe(recipe_file, ["data.evaluate.held_out.split=train"])
    with pytest.raises(ValueError, match=r"16 clips of held_out are in data.train"):
        load_data(leaking)


def test_of_a_set_without_a_path_it_is_only_told_what_is_missing(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file, [f"data.train={{use: recordings, clips: {tmp_path / 'none'}}}"])
    with pytest.raises(FileNotFoundError, match=r"named like \{label\}_\{speaker\}_\{take\}\.wav$"):
        load_data(recipe)


def test_bad_rows_are_dropped_and_counted_only_where_the_recipe_says_so(recipe_file, tmp_path, caplog):
    questions = load_recipe(recipe_file).data.train()
    bad = replace(questions[0], target=Choice(("one",), 0, "one"))
    write_audiomcq([bad, *questions[1:10]], tmp_path / "data.jsonl")
    given = f"data.train={{use: audiomcq, path: {tmp_path / 'data.jsonl'}, outside_root: true}}"
    with pytest.raises(ValueError, match=r"1 problem in 1 of 10 questions"):
        load_data(load_recipe(recipe_file, [given]))
    data = load_data(load_recipe(recipe_file, [given, "data.bad_rows=drop"]))
    assert len(data.train) == 9 and "1 of 10 rows left out" in caplog.text


def test_every_kind_of_bad_row_is_refused_at_once_or_dropped(recipe_file, tmp_path, caplog):
    questions = load_recipe(recipe_file).data.train()
    special = replace(questions[0], question="Say <|im_end|>")
    for name, rows in {"train": [special, *questions[1:4]], "test": questions[4:8]}.items():
        write_audiomcq(rows, tmp_path / f"{name}.jsonl")
        with (tmp_path / f"{name}.jsonl").open("ab") as file:
            file.write(b'{"id": 1}\nnot JSON\n\xff\n' + b'{"id": "\\ud800"}\n')
    train, test = (
        f"{{use: audiomcq, path: {tmp_path / name}.jsonl, outside_root: true}}" for name in ("train", "test")
    )
    given = [f"data.train={train}", f"data.evaluate={{held_out: {test}}}"]
    with pytest.raises(
        ValueError, match=r"^data\.train: 8 problems in \d of 8 questions .*7 x malformed row"
    ) as error:
        load_data(load_recipe(recipe_file, given))
    assert "\ndata.evaluate.held_out: 7 problems in 4 of 8 questions" in str(error.value)
    data = load_data(load_recipe(recipe_file, [*given, "data.bad_rows=drop"]))
    assert (len(data.train), len(data.held_out["held_out"])) == (3, 4)
    assert "data.train: 5 of 8 rows left out" in caplog.text


WRAPPER = """
from rlaudio.data.audiomcq import audiomcq
from rlaudio.types import Dataset


def wrapper(*, path: str):
    return Dataset(tuple(q for q in audiomcq(path=path, outside_root=True) if q.choices))
"""


def test_bad_rows_that_a_users_data_set_reads_are_refused_or_dropped_too(recipe_file, tmp_path):
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    write_audiomcq(load_recipe(recipe_file).data.train()[:3], tmp_path / "data.jsonl")
    with (tmp_path / "data.jsonl").open("a") as file:
        file.write("not JSON\n")
    given = f"data.train={{use: {tmp_path / 'wrapper.py'}, path: {tmp_path / 'data.jsonl'}}}"
    with pytest.raises(ValueError, match=r"data\.jsonl:4: not JSON"):
        load_data(load_recipe(recipe_file, [given]))
    assert len(load_data(load_recipe(recipe_file, [given, "data.bad_rows=drop"])).train) == 3


def test_an_error_of_any_type_in_a_users_data_set_names_its_key_and_stays_the_cause(recipe_file, tmp_path):
    (tmp_path / "torn.py").write_text("import json\ndef torn(): return json.loads('[')\n")
    with pytest.raises(ValueError, match=r"^data\.train: Expecting value: line 1") as told:
        load_data(load_recipe(recipe_file, [f"data.train={{use: {tmp_path / 'torn.py'}}}"]))
    assert isinstance(told.value.__cause__, json.JSONDecodeError)


def test_equal_options_are_left_out_of_training_and_evaluated(recipe_file, tmp_path):
    questions = load_recipe(recipe_file).data.train()
    twice = replace(questions[0], target=Choice(("one", "two", "one"), 0, "one"))
    write_audiomcq([twice, questions[1]], tmp_path / "data.jsonl")
    given = f"{{use: audiomcq, path: {tmp_path / 'data.jsonl'}, outside_root: true}}"
    options = [
        f"data={{train: {given}, evaluate: {{held_out: {given}}}, clips_disjoint: false, bad_rows: drop}}"
    ]
    data = load_data(load_recipe(recipe_file, options))
    assert (len(data.train), len(data.held_out["held_out"])) == (1, 2)


def test_it_is_said_what_is_read_before_it_is(recipe_file, caplog):
    caplog.set_level(logging.INFO, logger="rlaudio")
    load_data(load_recipe(recipe_file))
    first = caplog.records[0].getMessage()
    assert first == "data.train: reading questions and the headers of clips"
