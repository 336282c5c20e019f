"""What the README shows works. `tests/test_docs.py` tests what it shares with the other documents."""

import re
from pathlib import Path

import numpy as np

from rlaudio.algorithms.dry_run import dry_run
from rlaudio.config.plugins import bind, load
from rlaudio.config.recipe import load_recipe
from rlaudio.curricula.stage import check_stages
from rlaudio.data.audiomcq import audiomcq
from tests.factories import make_completion, make_contributions, make_question

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCORERS = (ROOT / "docs" / "scorers.md").read_text(encoding="utf-8")


def test_it_is_short_enough_to_be_read():
    assert len(README.encode()) <= 12_000


def test_the_reward_it_shows_works(tmp_path):
    (code,) = re.findall(r"```python\n(# shout.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "shout.py").write_text(code, encoding="utf-8")
    shout = bind("reward", {"use": "./shout.py", "bonus": 2.0}, relative_to=tmp_path)
    assert shout(make_question(), make_completion("DOG cat")) == 1.0


def test_the_scorer_it_shows_works(tmp_path):
    (code,) = re.findall(r"```python\n(# letter.py\n.*?)```", SCORERS, re.DOTALL)
    (tmp_path / "letter.py").write_text(code, encoding="utf-8")
    letter = bind("scorer", "./letter.py", relative_to=tmp_path)
    question = make_question(choices=("a dog", "a cat"), answer="a cat")
    verdicts = [letter(question, text) for text in ("B", " A\n", "AB", "C", "")]
    assert [(verdict.right, verdict.read) for verdict in verdicts] == [
        (True, 1),
        (False, 0),
        (False, None),
        (False, None),
        (False, None),
    ]


def test_the_answer_that_it_says_is_rewarded_and_wrong_is():
    question = make_question(choices=("right", "wrong"))
    text = "<answer>right</answer> No, <answer>wrong</answer>"
    assert f"`{text}`" in SCORERS
    assert load("scorer", "exact")(question, text).right
    assert not load("scorer", "robust")(question, text).right


def test_the_recipe_it_shows_is_a_recipe(tmp_path):
    (text,) = re.findall(r"```yaml\n(extends: .*?)```", README, re.DOTALL)
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "shown.yaml").curriculum.use == "weak_to_strong"


def test_the_algorithm_it_shows_works(tmp_path):
    (code,) = re.findall(r"```python\n(# above_median.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "above_median.py").write_text(code, encoding="utf-8")
    median = bind("algorithm", {"use": "./above_median.py", "scale": 0.5}, relative_to=tmp_path)
    dry_run(median(), "above_median", group_size=4, reward_weights={"correct": 1.0})


def test_the_curriculum_it_shows_works(tmp_path):
    (code,) = re.findall(r"```python\n(# easy_first.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "easy_first.py").write_text(code, encoding="utf-8")
    curriculum = bind("curriculum", {"use": "./easy_first.py", "rl_steps": 6}, relative_to=tmp_path)
    questions = [make_question(id=id) for id in ("a", "b", "c")]
    labels = make_contributions(a="weak", b="strong", c="weak")
    stages = curriculum(questions, labels, np.random.default_rng(0))
    check_stages(stages, "easy_first")
    assert [[question.id for question in stage.questions] for stage in stages] == [
        ["a", "c"],
        ["a", "b", "c"],
    ]
    assert [(stage.kind, stage.steps) for stage in stages] == [("rl", 3), ("rl", 3)]


def test_the_row_of_data_it_shows_is_read(tmp_path):
    (row,) = re.findall(r"^    (\{\"id\": .*\})$", README, re.MULTILINE)
    (tmp_path / "data.jsonl").write_text(row + "\n", encoding="utf-8")
    (question,) = audiomcq(path=tmp_path / "data.jsonl")
    assert question.clips[0] == tmp_path / "clips" / "dog.wav" and question.answer == "a dog"


def test_its_file_map_names_what_is_there():
    (shown,) = re.findall(r"^    rlaudio/\n((?:      .*\n)+)    (?:rewards/.*)\n", README, re.MULTILINE)
    names = [name for line in shown.splitlines() for name in re.split(r" {3,}", line.strip())[0].split()]
    assert len(names) > 20
    for name in names:
        assert (ROOT / "rlaudio" / name).exists(), name


def test_the_estimator_that_the_docs_show_prints_two_estimates_a_question(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "contribution.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# audio_gain.py\n.*?)```", page, re.DOTALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    exec(compile(code, "audio_gain.py", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(line.count("Estimate(value=") == 2 for line in lines)
