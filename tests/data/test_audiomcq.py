"""The AudioMCQ format: every field name, what is tolerated, and what is said about rows that are wrong."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.data.audiomcq import audiomcq, write_audiomcq
from rlaudio.data.audit import load_audited
from rlaudio.data.bad_rows import listing_bad_rows
from rlaudio.types import Choice, Contribution, Dataset, Question
from tests.factories import make_question

ROW = {
    "source_dataset": "Clotho",
    "id": 17,
    "question_type": "sound",
    "audio_path": "clotho/17.wav",
    "question": "What is heard?",
    "answer": "Rain",
    "choices": ["Wind", "Rain", "A dog", "A car"],
    "audio-contribution": "strong",
}


def write_rows(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load_one(folder: Path, **changes) -> Question:
    """The question of `ROW` with changes; a field set to None is left out."""
    row = {key: value for key, value in (ROW | changes).items() if value is not None}
    return audiomcq(path=write_rows(folder / "train.jsonl", row))[0]


def test_every_field_of_the_dataset_card_is_read(tmp_path):
    data = audiomcq(path=write_rows(tmp_path / "train.jsonl", ROW))
    assert list(data) == [
        Question(
            id="17",
            question="What is heard?",
            clips=(tmp_path / "clotho" / "17.wav",),
            target=Choice(("Wind", "Rain", "A dog", "A car"), gold=1, answer="Rain"),
            groups={"category": "sound", "source": "Clotho"},
        )
    ]
    assert data.contributions == {"17": Contribution("17", "strong")}


def test_the_field_names_of_dcase_are_read(tmp_path):
    row = {
        "id": "dev_0001",
        "audio_path": "dev_audios/dev_0001.wav",
        "question_text": "How many knocks?",
        "multi_choice": ["One", "Two", "Three", "Four"],
        "answer": "Two",
    }
    data = audiomcq(path=write_rows(tmp_path / "dev.jsonl", row))
    assert (data[0].question, data[0].choices) == ("How many knocks?", ("One", "Two", "Three", "Four"))
    assert data[0].groups == {"category": "unknown", "source": "unknown"} and not data.contributions


def test_fields_that_nobody_uses_are_kept(tmp_path):
    assert load_one(tmp_path, caption="It rains.").extra == {"caption": "It rains."}


def test_the_truth_of_generated_worlds_is_read(tmp_path):
    row = ROW | {"text_answerable": True, "mechanism": "logic", "contribution_score": 0.25}
    data = audiomcq(path=write_rows(tmp_path / "train.jsonl", row))
    assert (data[0].text_answerable, data[0].groups["mechanism"]) == (True, "logic")
    assert data.contributions["17"].score == 0.25


def test_equal_options_stay_two_and_the_gold_is_a_position(tmp_path):
    question = load_one(tmp_path, choices=["a dog", "a cat", "a dog", "rain"], answer="a dog")
    assert question.choices == ("a dog", "a cat", "a dog", "rain") and question.answer_index == 0
    assert load_one(tmp_path, choices=["a cat", "a cow"], answer="a dog").target.gold is None


def test_audio_is_looked_for_below_audio_root(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW)
    assert audiomcq(path=path, audio_root=Path("/audio"))[0].clips[0] == Path("/audio/clotho/17.wav")


STAGES = "<stage1>The type is sound.</stage1><stage2>It rains.</stage2><stage3>So: Rain.</stage3>"


@pytest.mark.parametrize(
    "written",
    [STAGES, "<stage1>The type is sound.<stage1><stage2>It rains.<stage2><stage3>So: Rain.<stage3>"],
)
def test_structured_reasoning_is_recognised_in_both_spellings_and_comes_out_in_one(tmp_path, written):
    question = load_one(tmp_path, any_name=written)
    assert question.cot == {"structured": STAGES}
    assert question.extra == {}


def test_a_mixture_of_both_spellings_is_closed_stage_by_stage(tmp_path):
    mixed = "<stage1>a<stage1> <stage2>b</stage2> <stage3>c<stage3>"
    assert load_one(tmp_path, x=mixed).cot["structured"] == (
        "<stage1>a</stage1> <stage2>b</stage2> <stage3>c</stage3>"
    )


def test_simple_and_gemini_reasoning_are_recognised(tmp_path):
    simple = "<simple analysis>It rains.</simple analysis>"
    assert load_one(tmp_path, s=simple, gemini_cot="Rain.").cot == {"simple": simple, "gemini": "Rain."}


def test_named_fields_go_before_recognised_ones(tmp_path):
    row = ROW | {"one": STAGES, "two": "Rain, since it drips.", "three": "It drips."}
    path = write_rows(tmp_path / "train.jsonl", row)
    question = audiomcq(path=path, cot_structured_key="two", cot_simple_key="three")[0]
    assert question.cot == {"structured": "Rain, since it drips.", "simple": "It drips."}
    assert question.extra == {"one": STAGES}


def test_a_named_field_that_no_row_has_is_an_error(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW)
    with pytest.raises(ValueError, match="no row has a text in the field 'cot'"):
        audiomcq(path=path, cot_structured_key="cot")


def test_measured_labels_beside_the_data_go_before_the_files_own(tmp_path):
    votes = {"voter_a": {"success": 1.0}}
    write_rows(
        tmp_path / "labels.jsonl",
        {"id": "17", "contribution": "strong", "score": 1.0},
        {"id": "17", "contribution": "weak", "score": 0.5, "votes": votes},
        {"id": "other", "contribution": "strong", "score": 1.0},
    )
    data = audiomcq(path=write_rows(tmp_path / "train.jsonl", ROW))
    assert data.contributions == {"17": Contribution("17", "weak", 0.5, votes=votes)}


def test_a_folder_is_read_as_published(tmp_path):
    write_rows(tmp_path / "datasets" / "b" / "2.jsonl", ROW | {"id": "second"})
    write_rows(tmp_path / "datasets" / "a.jsonl", ROW | {"id": "first"})
    (tmp_path / "datasets" / "c.json").write_text(json.dumps([ROW | {"id": "third"}]))
    write_rows(tmp_path / "benchmarks" / "mmau.jsonl", ROW | {"id": "not training data"})
    questions = audiomcq(path=tmp_path)
    assert [question.id for question in questions] == ["first", "second", "third"]
    assert questions[1].clips[0] == tmp_path / "clotho" / "17.wav"


def test_a_folder_with_data_jsonl_is_read(tmp_path):
    write_rows(tmp_path / "data.jsonl", ROW)
    assert len(audiomcq(path=tmp_path)) == 1


def test_a_folder_of_several_sets_wants_one_to_be_named(tmp_path):
    write_rows(tmp_path / "train.jsonl", ROW)
    write_rows(tmp_path / "test.jsonl", ROW)
    with pytest.raises(FileNotFoundError, match=r"name one file \(here: test\.jsonl, train\.jsonl\)"):
        audiomcq(path=tmp_path)


def test_limit_counts_after_the_question_type(tmp_path):
    rows = [ROW | {"id": str(i), "question_type": "music" if i % 2 else "sound"} for i in range(10)]
    path = write_rows(tmp_path / "train.jsonl", *rows)
    questions = audiomcq(path=path, question_type="music", limit=3)
    assert [question.id for question in questions] == ["1", "3", "5"]


def test_a_question_type_that_does_not_occur_is_an_error_that_lists_those_that_do(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW)
    with pytest.raises(ValueError, match="'noise'; the types there are: sound"):
        audiomcq(path=path, question_type="noise")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_an_error(tmp_path, limit):
    with pytest.raises(ValueError, match="limit is"):
        audiomcq(path=write_rows(tmp_path / "train.jsonl", ROW), limit=limit)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": None}, r'train\.jsonl:1: no field "answer"; found: .*choices'),
        ({"question": None}, 'no field "question"'),
        ({"choices": None}, 'no field "choices"'),
        ({"id": None}, 'no field "id"'),
        ({"audio_path": ""}, "\"audio_path\" is ''; expected text"),
        ({"choices": "Wind, Rain"}, "\"choices\" is 'Wind, Rain'; expected a list of texts"),
        ({"choices": []}, r'"choices" is \[\]'),
        ({"choices": ["a", {"b": 1}]}, '"choices" is'),
        ({"answer": ["Rain"]}, r"\"answer\" is \['Rain'\]; expected text"),
        ({"audio-contribution": "medium"}, '\'medium\'; expected "weak", "strong" or nothing'),
        ({"text_answerable": "yes"}, "'yes'; expected true or false"),
        ({"contribution_score": "high"}, "'high'; expected a number"),
    ],
)
def test_a_row_out_of_format_is_named_by_file_and_line(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_one(tmp_path, **changes)


def test_rows_of_the_generic_format_are_told_by_its_name(tmp_path):
    row = {name: value for name, value in ROW.items() if name != "audio_path"} | {"clips": ["a.wav"]}
    with pytest.raises(ValueError, match=r'train\.jsonl:1: no field "audio_path" but "clips": .* jsonl=FILE'):
        audiomcq(path=write_rows(tmp_path / "train.jsonl", row))


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW)
    path.write_text(path.read_text() + '\n{"id": ')
    with pytest.raises(ValueError, match=r"train\.jsonl:3: not JSON"):
        audiomcq(path=path)


def test_a_wrong_row_of_a_json_list_is_named_by_its_number(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps([ROW, "row"]))
    with pytest.raises(ValueError, match=r"train\.json: item 2: holds a text; expected an object"):
        audiomcq(path=tmp_path / "train.json")


def test_all_faults_of_all_rows_are_counted_and_named_in_one_error(tmp_path):
    wrong = [ROW | {"id": True, "answer": []}, ROW, ROW | {"audio_path": 7, "choices": "a"}]
    path = write_rows(tmp_path / "train.jsonl", *wrong)
    path.write_text(path.read_text() + "not JSON")
    with pytest.raises(ValueError, match=r"train\.jsonl: 4 bad rows; fix or remove them") as error:
        audiomcq(path=path)
    lines = [line.partition("train.jsonl:")[2][:12] for line in str(error.value).splitlines()[1:]]
    assert lines == ['1: "id" is T', '1: "answer" ', '3: "choices"', "4: not JSON "]


def test_bad_rows_that_are_listed_are_left_out(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW, ROW | {"id": None, "answer": None}, ROW | {"id": 18})
    with listing_bad_rows() as rows:
        data = audiomcq(path=path)
    assert [question.id for question in data] == ["17", "18"]
    assert [(row.kind, row.place) for row in rows] == [("malformed row", f"{path}:2")] * 2


def test_audio_outside_the_root_is_a_kind_of_its_own(tmp_path):
    outside = ROW | {"audio_path": "../a.wav", "answer": None}
    path = write_rows(tmp_path / "train.jsonl", outside, ROW | {"id": 18})
    _, audited = load_audited(partial(audiomcq, path=path))
    kinds = {row.kind: row.reason for row in audited.bad_rows if row.place == f"{path}:1"}
    assert set(kinds) == {"malformed row", "audio outside the root"}
    assert "outside_root" in kinds["audio outside the root"]
    assert "1 x audio outside the root" in audited.problems()


def test_a_file_of_bad_rows_alone_gives_no_question(tmp_path):
    with listing_bad_rows() as rows:
        assert len(audiomcq(path=write_rows(tmp_path / "train.jsonl", {"id": 1}))) == 0
    assert len(rows) == 4


def test_rows_after_the_limit_are_not_looked_at(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW, {"id": "bad"})
    assert len(audiomcq(path=path, limit=1)) == 1


def test_every_question_knows_its_file_and_line(tmp_path):
    path = write_rows(tmp_path / "train.jsonl", ROW, ROW | {"id": 18})
    assert [question.place for question in audiomcq(path=path)] == [f"{path}:1", f"{path}:2"]


@pytest.mark.parametrize(
    "path",
    ["x" * 300 + ".wav", "/".join(["x" * 100] * 50), "a\0.wav", "\x1b[2J.wav", "a\nb.wav", "\udcff.wav"],
)
def test_an_audio_path_that_no_file_can_have_is_a_bad_row(tmp_path, path):
    with pytest.raises(ValueError, match=r'train\.jsonl:1: "audio_path" (is|holds) '):
        load_one(tmp_path, audio_path=path)


def test_audio_with_an_emoji_in_its_name_is_found(tmp_path):
    assert load_one(tmp_path, audio_path="\N{DOG}.wav").clips == (tmp_path / "\N{DOG}.wav",)


def test_an_empty_option_may_be_the_right_one(tmp_path):
    question = load_one(tmp_path, choices=["a", ""], answer="")
    assert question.choices == ("a", "") and question.answer_index == 1


def test_a_pipe_among_data_files_is_refused_and_not_waited_for(tmp_path):
    write_rows(tmp_path / "datasets" / "a.jsonl", ROW)
    (tmp_path / "datasets" / "folder.jsonl").mkdir()
    assert len(audiomcq(path=tmp_path)) == 1
    os.mkfifo(tmp_path / "datasets" / "b.jsonl")
    with pytest.raises(ValueError, match=r"b\.jsonl: a pipe or a device"):
        audiomcq(path=tmp_path)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("{", "not JSON"),
        ('{"contribution": "weak"}', 'no field "id"'),
        ('{"id": "17", "contribution": "medium"}', '"contribution" is \'medium\'; expected "weak", '),
        ('{"id": "17", "score": "high"}', "\"score\" is 'high'; expected a number"),
        ('{"id": "17", "score": NaN}', '"score" is NaN'),
        ('{"id": "17", "votes": []}', '"votes" is []; expected an object'),
    ],
)
def test_a_wrong_label_is_named_by_file_and_line_and_costs_no_question(tmp_path, label, reason):
    path = write_rows(tmp_path / "train.jsonl", ROW)
    (tmp_path / "labels.jsonl").write_text('{"id": "17", "contribution": "weak"}\n' + label)
    with listing_bad_rows() as rows:
        data = audiomcq(path=path)
    assert data.contributions["17"].label == "weak"
    assert [(row.kind, row.place) for row in rows] == [("malformed label", f"{tmp_path / 'labels.jsonl'}:2")]
    assert rows[0].reason.startswith(reason)
    with pytest.raises(ValueError, match=r"train\.jsonl: 1 bad row; .*\n.*labels\.jsonl:2: "):
        audiomcq(path=path)


def test_labels_of_no_question_are_told_with_the_first_place(tmp_path, caplog):
    path = write_rows(tmp_path / "train.jsonl", ROW)
    write_rows(tmp_path / "labels.jsonl", {"id": "other", "contribution": "weak"})
    audiomcq(path=path)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    labels = tmp_path / "labels.jsonl"
    assert record.getMessage() == f"{labels}: 1 labels are of no question that was read; first: {labels}:1"


def test_json_that_is_no_list_is_an_error(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps(ROW))
    with pytest.raises(ValueError, match="holds an object; expected a list"):
        audiomcq(path=tmp_path / "train.json")


def test_missing_and_strange_files_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.jsonl: no such file or folder"):
        audiomcq(path=tmp_path / "gone.jsonl")
    (tmp_path / "train.csv").touch()
    with pytest.raises(ValueError, match=r'ends in "\.csv"; expected \.jsonl, \.json, \.parquet or a folder'):
        audiomcq(path=tmp_path / "train.csv")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match=r"no questions, it is empty"):
        audiomcq(path=tmp_path / "empty.jsonl")


texts = st.text(min_size=1, max_size=20)


@given(
    question=st.builds(
        make_question,
        id=texts,
        question=texts,
        choices=st.lists(texts, min_size=1, max_size=5).map(tuple),
        groups=st.fixed_dictionaries(
            {"category": texts, "source": texts},
            optional={"mechanism": st.sampled_from(["knowledge", "logic"])},
        ),
        text_answerable=st.none() | st.booleans(),
        cot=st.dictionaries(st.sampled_from(["structured", "simple", "gemini"]), texts),
        extra=st.dictionaries(texts.map("x-{}".format), st.integers() | st.lists(st.integers())),
    ),
    label=st.sampled_from([None, "weak", "strong"]),
    score=st.none() | st.floats(-1, 1),
)
def test_what_is_written_is_read_back(tmp_path_factory, question, label, score):
    folder = tmp_path_factory.mktemp("data")
    question = replace(question, clips=(folder / "clips" / "1.wav",))
    contributions = {question.id: Contribution(question.id, label, score)} if label else {}
    write_audiomcq(Dataset((question,), contributions), folder / "train.jsonl")
    data = audiomcq(path=folder / "train.jsonl")
    assert list(data) == [question] and data.contributions == contributions


def test_a_question_that_the_format_cannot_hold_is_refused(tmp_path):
    several = replace(make_question(), clips=(Path("a.wav"), Path("b.wav")))
    with pytest.raises(ValueError, match="q1 has 2 clips and 4 options; expected one audio file"):
        write_audiomcq([several], tmp_path / "train.jsonl")


def test_audio_is_written_relative_where_it_lies_beside_the_data(tmp_path):
    inside = make_question(clip=tmp_path / "data" / "clips" / "1.wav")
    outside = make_question(clip=tmp_path / "elsewhere" / "2.wav")
    write_audiomcq([inside, outside], tmp_path / "data" / "train.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "data" / "train.jsonl").read_text().splitlines()]
    assert [row["audio_path"] for row in rows] == ["clips/1.wav", str(tmp_path / "elsewhere" / "2.wav")]


@pytest.mark.parametrize("value", [0, 1.5, False, ["<stage1>"], {"a": 1}, None])
def test_a_chain_of_thought_that_is_no_text_is_none(tmp_path, value):
    row = {"id": "q", "question": "Q?", "choices": ["a", "b"], "answer": "a", "audio_path": "a.wav"}
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(row | {"structured_cot": value, "gemini_cot": "I hear."}), encoding="utf-8")
    [question] = audiomcq(path=path)
    assert question.cot == {"gemini": "I hear."}
    assert question.extra == {"structured_cot": value}
