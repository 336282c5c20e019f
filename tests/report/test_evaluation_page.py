"""The page of an evaluation: its tables, and answers under all controls side by side."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from rlaudio.cli.commands import main
from rlaudio.evaluation.evaluation_files import write_evaluations
from rlaudio.report.evaluation_page import write_evaluation_page
from rlaudio.utils.number_format import percent
from rlaudio.viewer.kept_clips import keep_clips
from tests.made_up_run import made_up_clip, made_up_evaluation, made_up_questions
from tests.report.test_page import Outline, data_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rng = np.random.default_rng(0)
    questions = made_up_questions(12, rng)
    path = tmp_path_factory.mktemp("evaluation") / "mine"
    write_evaluations({"test": made_up_evaluation(questions, 0.6, rng)}, path)
    by_clip = {clip: question for question in questions for clip in question.clips}
    keep_clips(path, {"test": questions[:10]}, lambda clip: made_up_clip(by_clip[clip], rng, seconds=0.5))
    write_evaluation_page(path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_question_has_its_answers_under_all_controls_and_its_clip(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    data = data_of(page)
    assert Outline(page).open == [] and len(data["groups"]) == 12
    first = data["groups"][0]
    assert [answer["n"] for answer in first["c"]] == ["audio", "silence", "mismatch"]
    assert first["q"] == "Which of these can be heard after the second pause?"
    assert first["o"][first["gold"]] and "contribution" in first["facts"]
    assert [clip for clip in data["clips"] if "mp3" in clip] == data["clips"][:10]


def test_flags_and_points_are_those_of_the_answers(folder):
    data = data_of((folder / "report.html").read_text(encoding="utf-8"))
    names = [name for name, _ in data["flags"]]
    rows = [json.loads(line) for line in (folder / "evaluation" / "test.jsonl").read_text().splitlines()]
    stored = {(row["id"], row["control"]): row for row in rows}
    assert [column["name"] for column in data["columns"]] == ["robust", "exact"]
    for group in data["groups"]:
        for answer in group["c"]:
            row, flags = stored[group["id"], answer["n"]], {names[place] for place in answer["f"]}
            assert answer["v"] == [float(row["verdicts"][name]["right"]) for name in ("robust", "exact")]
            assert ("right" in flags) == row["right"] and ("unparsed" in flags) == (row["status"] == "none")
            too = row["right"] and answer["n"] == "audio" and stored[group["id"], "silence"]["right"]
            assert ("right in silence too" in flags) == too


def test_the_table_says_whether_truth_or_labels_make_a_question_strong(copy):
    path = copy / "evaluation.json"
    sets = json.loads(path.read_text())
    sets["test"]["provenance"] = {"style": "tagged", "strong and weak": "by the labels"}
    path.write_text(json.dumps(sets))
    write_evaluation_page(copy)
    assert "Strong and weak by the labels." in (copy / "report.html").read_text(encoding="utf-8")


def test_the_table_has_the_accuracies(folder):
    score = json.loads((folder / "evaluation.json").read_text())["test"]["tables"]["all"]["all"]["scores"][
        "audio"
    ]
    shown = "{} <small>[{}, {}]</small>".format(
        *(percent(score[name]) for name in ("accuracy", "low", "high"))
    )
    assert f"<td>{shown}</td>" in (folder / "report.html").read_text(encoding="utf-8")


def test_many_answers_that_name_no_choice_are_told_at_the_top(copy):
    path = copy / "evaluation.json"
    sets = json.loads(path.read_text())
    scores = sets["test"]["tables"]["all"]["all"]["scores"]
    for share, is_told in ((0.05, False), (0.6, True)):
        scores["audio"]["unparsed"] = share
        path.write_text(json.dumps(sets))
        page = write_evaluation_page(copy).read_text(encoding="utf-8")
        assert ("60.0 % of the answers to test name no choice (audio)." in page) is is_told


def test_the_command_writes_the_page_again_and_without_clips_it_says_so(copy):
    shutil.rmtree(copy / "clips")
    done = CliRunner().invoke(main, ["report", str(copy)], catch_exceptions=False)
    assert done.exit_code == 0 and done.output.strip() == str(copy / "report.html")
    data = data_of((copy / "report.html").read_text(encoding="utf-8"))
    assert not any("mp3" in clip for clip in data["clips"]) and data["clips"][0]["name"] == "q0.wav"
    assert "cannot be heard here: the audio is not kept" in data["notes"][0]


def test_damaged_answers_are_left_out_and_told(copy):
    rows = copy / "evaluation" / "test.jsonl"
    rows.write_text('{"id": 1}\n' + rows.read_text())
    page = write_evaluation_page(copy).read_text(encoding="utf-8")
    assert "Left out, because it is damaged:" in page and "test.jsonl, line 1" in page


def test_answers_of_which_some_are_gone_are_told_on_the_page_and_the_terminal(copy, caplog):
    rows = copy / "evaluation" / "test.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    page = write_evaluation_page(copy).read_text(encoding="utf-8")
    assert "as the tables of the evaluation say; copy the file again" in page
    assert f"left out, because it is damaged: {rows}: " in caplog.text


def test_a_clip_that_leads_out_of_the_folder_is_not_read(copy, tmp_path):
    digest = next((copy / "clips").glob("*.mp3"))
    digest.rename(tmp_path / "secret.mp3")
    digest.symlink_to(tmp_path / "secret.mp3")
    data = data_of(write_evaluation_page(copy).read_text(encoding="utf-8"))
    [clip] = [clip for clip in data["clips"] if clip["name"] == digest.stem]
    assert "outside the run folder" in clip["absent"]


def test_a_folder_without_an_evaluation_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no evaluation\.json; expected the folder of rlaudio"):
        write_evaluation_page(tmp_path)


def test_groups_of_the_same_questions_are_shown_once(copy):
    tables = json.loads((copy / "evaluation.json").read_text())
    of = tables["test"]["tables"]
    path = copy / "evaluation" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    of["contribution"] = {"strong": of["category"]["speech"]}
    for row in rows:
        row["contribution"] = "strong" if row["groups"]["category"] == "speech" else None
    (copy / "evaluation.json").write_text(json.dumps(tables))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "Speech = Strong" in write_evaluation_page(copy).read_text(encoding="utf-8")
