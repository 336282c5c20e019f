"""What `import rlaudio` offers, on questions on disk; the notebook of the documents, executed."""

import inspect
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import rlaudio
from rlaudio import interface
from rlaudio.data.audiomcq import write_audiomcq
from tests.settings import ONE_HELD_OUT_SET
from tests.word_family import questions_on_disk

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "main_job.ipynb"
SMALL = [
    *("data.train.count=24", "data.evaluate.test.count=8", "sampling.questions=2", "sampling.group_size=2"),
    *ONE_HELD_OUT_SET,
    *("curriculum.sft_steps=1", "curriculum.rl_steps=2", "sft.questions=4", "threads=1"),
]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """A file of eight questions about clips on disk."""
    folder = tmp_path_factory.mktemp("questions")
    file = folder / "questions.jsonl"
    write_audiomcq(questions_on_disk(folder, 8), file)
    return file


def test_the_page_on_python_names_what_is_public():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE)) == rlaudio.__all__


def test_the_page_on_python_shows_the_notebook():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n# main_job.py\n(.*?)\n```", page, re.DOTALL)
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert "\n\n".join(cells) == shown


def test_every_public_name_is_typed_and_documented():
    for name in rlaudio.__all__:
        function = getattr(rlaudio, name)
        assert inspect.getdoc(function), name
        signature = inspect.signature(function)
        annotated = [signature.return_annotation, *(p.annotation for p in signature.parameters.values())]
        assert inspect.Signature.empty not in annotated, name
    assert set(rlaudio.__all__) <= set(dir(rlaudio))


def test_a_name_that_is_not_public_is_told_from_those_that_are():
    with pytest.raises(AttributeError, match="no attribute 'train'; it offers evaluate, label, load_recipe"):
        rlaudio.train  # noqa: B018


@pytest.mark.parametrize(
    ("data", "voters", "said"),
    [
        ({"new": {"use": "synthetic"}}, ["tiny/voter_a", "tiny/voter_b"], "no folder beside which labels"),
        ({"a": {"use": "synthetic"}, "b": {"use": "synthetic"}}, ["tiny/voter_a"], "found 2 sets, a, b;"),
        ({"new": {"use": "synthetic"}}, [], r"voters: found \[\]; expected a list of models"),
        ({"new": {"use": "synthetic"}}, "tiny/voter_a", "voters: found 'tiny/voter_a'; expected a list"),
        ({"./a/x.py": "pyproject.toml", "./b/x.py": "pyproject.toml"}, ["a"], "two sets are named x; rename"),
    ],
)
def test_labels_that_cannot_be_are_refused_before_anything_is_asked(data, voters, said):
    with pytest.raises(ValueError, match=said):
        rlaudio.label(data, voters)


def test_sets_whose_names_hold_a_dot_stay_two():
    made = {"use": "synthetic"}
    assert list(interface.data_sets({"v1.0": made, "v1.5": made})) == ["v1.0", "v1.5"]


def test_label_and_evaluate_do_what_their_commands_do(questions, tmp_path):
    summary = rlaudio.label(questions, ["tiny/voter_a", "tiny/voter_b"], silence=3.0, out=tmp_path)
    assert summary.groups[0].question_count == 8
    assert len((tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()) == 8

    results = rlaudio.evaluate(
        "tiny/base", questions, overrides=["evaluation.controls=[audio]"], out=tmp_path
    )
    evaluation = results["questions"]
    assert len(evaluation.rows) == 8 and evaluation.controls == ("audio",)
    assert (tmp_path / "evaluation.json").is_file()


def test_score_is_by_the_strict_rule_that_is_named(questions, tmp_path):
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()]
    answers = [{"id": row["id"], "prediction": row["answer"]} for row in rows[:6]]
    (tmp_path / "predictions.json").write_text(json.dumps(answers), encoding="utf-8")
    result = rlaudio.score(
        tmp_path / "predictions.json", questions, scorer={"use": "robust", "letters": False}
    )
    assert result.accuracy("audio") == pytest.approx(6 / 8)


@pytest.mark.parametrize(
    ("data", "sets"),
    [
        (None, {}),
        ("mmau=.", {"mmau": {"use": "mmau", "path": "."}}),
        ({"mmau": "."}, {"mmau": {"use": "mmau", "path": "."}}),
        ({"new": {"use": "synthetic", "count": 3}}, {"new": {"use": "synthetic", "count": 3}}),
        ({"./mine.py": {"rows": 2}}, {"mine": {"use": "./mine.py", "rows": 2}}),
    ],
)
def test_data_is_named_as_in_a_recipe(data, sets):
    assert interface.data_sets(data) == sets


def test_what_cannot_be_is_refused_in_words_of_the_interface(questions, tmp_path):
    recipe = rlaudio.load_recipe("tiny_weak_to_strong")
    with pytest.raises(ValueError, match=r"audiomcq=nowhere\.jsonl: nowhere\.jsonl does not exist"):
        rlaudio.evaluate("tiny/base", "nowhere.jsonl")
    with pytest.raises(ValueError, match="tiny/base is no recipe; to evaluate a model name the data"):
        rlaudio.evaluate("tiny/base")
    with pytest.raises(ValueError, match="data and overrides go with the name of a recipe"):
        rlaudio.evaluate(recipe, questions)
    with pytest.raises(ValueError, match="overrides go with the name of a recipe"):
        rlaudio.run(recipe, tmp_path, overrides=["seed=1"])
    with pytest.raises(ValueError, match="found 2 sets, a, b; expected one"):
        rlaudio.label({"a": {"use": "synthetic"}, "b": {"use": "synthetic"}}, ["tiny/voter_a"])


@pytest.mark.slow
def test_the_notebook_runs_and_shows_its_progress(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # stored without any
    lines = [line for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    assert len([line for line in lines if line.strip()]) <= 15
    for cell in notebook.cells:
        cell.source = cell.source.replace('["seed=1"]', json.dumps(SMALL)).replace(
            '"count": 100', '"count": 4'
        )
    every_bar = "from rlaudio.utils import progress; progress.NOTEBOOK_DELAY = 0"  # however fast the machine
    notebook.cells.insert(0, nbformat.v4.new_code_cell(every_bar))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    text = "".join(out.get("text", "") for out in shown)
    assert "rl: " in text and "2/2" in text  # a bar, as text where the kernel has no widgets
    assert "final {'audio': " in text
    run = rlaudio.open_run(tmp_path / "runs" / "notebook")
    assert run.summary and run.steps("rl") == [1, 2]
    assert np.isfinite([value for _, value in run.series("rl", "reward/total")]).all()
