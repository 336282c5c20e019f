"""The examples of README and docs work. `tests/test_docs.py` tests what all pages have in common."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rlaudio.algorithms.dry_run import dry_run
from rlaudio.audio.controls import silence
from rlaudio.audio.writing import write_wav
from rlaudio.config.plugins import bind, load
from rlaudio.config.recipe import load_recipe
from rlaudio.curricula.stage import check_stages
from rlaudio.data.audiomcq import audiomcq
from rlaudio.scoring import RewardError, RewardSum
from rlaudio.types import Question
from tests.conftest import tone
from tests.factories import make_completion, make_contributions, make_group, make_question

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REWARDS = (ROOT / "docs" / "rewards.md").read_text(encoding="utf-8")
FORMATS = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
SCORERS = (ROOT / "docs" / "scorers.md").read_text(encoding="utf-8")
RECIPES = (ROOT / "docs" / "writing_recipes.md").read_text(encoding="utf-8")
CODE = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
TUTORIALS = ROOT / "docs" / "tutorials"
ALGORITHM = (TUTORIALS / "first_algorithm.md").read_text(encoding="utf-8")
CURRICULUM = (TUTORIALS / "first_curriculum.md").read_text(encoding="utf-8")
DATA = (TUTORIALS / "weak_to_strong_on_your_data.md").read_text(encoding="utf-8")


def test_the_readme_is_short_enough_to_be_read():
    assert len(README.encode()) <= 8_000


def test_the_reward_of_the_readme_works(tmp_path):
    (code,) = re.findall(r"```python\n(# shout.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "shout.py").write_text(code, encoding="utf-8")
    shout = bind("reward", {"use": "./shout.py", "bonus": 2.0}, relative_to=tmp_path)
    assert shout(make_question(), make_completion("DOG cat")) == 1.0


def test_the_reward_that_listens_works_on_files_and_on_samples(tmp_path):
    (code,) = re.findall(r"```python\n(# hears_silence.py\n.*?)```", REWARDS, re.DOTALL)
    (tmp_path / "hears_silence.py").write_text(code, encoding="utf-8")
    reward = bind("reward", {"use": "./hears_silence.py", "below_db": -50}, relative_to=tmp_path).function
    write_wav(tmp_path / "tone.wav", tone(0.35, 1).samples)
    write_wav(tmp_path / "quiet.wav", np.zeros(5000, dtype=np.float32))
    paid = {"tone.wav": [0.0, 1.0], "quiet.wav": [1.0, 0.0]}
    for name, values in paid.items():
        group = make_group("Nothing is heard.", "a dog", question=make_question(clip=tmp_path / name))
        [scored] = RewardSum({"hears_silence": (reward, 1.0)}).score([group])
        assert scored.total.tolist() == values
    samples = Question.multiple_choice("q", "?", ("a", "b"), "a", silence(1.0))
    assert reward(samples, make_completion("Silence.")) == 1.0
    gone = make_group("a dog", question=make_question(clip=tmp_path / "gone.wav"))
    with pytest.raises(RewardError, match=r"hears_silence .* raised FileNotFoundError"):
        RewardSum({"hears_silence": (reward, 1.0)}).score([gone])


def test_the_scorer_that_is_shown_works(tmp_path):
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


def test_the_format_that_is_shown_works(tmp_path):
    (code,) = re.findall(r"```python\n(# quiz.py\n.*?)```", FORMATS, re.DOTALL)
    (tmp_path / "quiz.py").write_text(code, encoding="utf-8")
    write_wav(tmp_path / "dog.wav", tone(0.35, 1).samples)
    row = {"uid": "q1", "wav": "dog.wav", "ask": "What is heard?", "options": ["a cat", "a dog"], "right": 1}
    (tmp_path / "quiz.jsonl").write_text(json.dumps(row | {"topic": "pets"}) + "\n", encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text(json.dumps(row | {"right": 2}) + "\n", encoding="utf-8")
    (tmp_path / "labels.jsonl").write_text('{"id": "q1", "contribution": "weak"}\n', encoding="utf-8")
    quiz = load("data", "./quiz.py", relative_to=tmp_path)
    [question] = data = quiz(path=tmp_path)
    assert (question.answer, question.clips, question.groups["category"]) == (
        "a dog",
        (tmp_path / "dog.wav",),
        "pets",
    )
    assert data.contributions["q1"].label == "weak"
    with pytest.raises(ValueError, match=r'bad\.jsonl:1.*"right" is 2; expected .*, 0 to 1'):
        quiz(path=tmp_path / "bad.jsonl")


def test_the_answer_that_is_said_to_be_rewarded_and_wrong_is():
    question = make_question(choices=("right", "wrong"))
    text = "<answer>right</answer> No, <answer>wrong</answer>"
    assert f"`{text}`" in SCORERS
    assert load("scorer", "exact")(question, text).right
    assert not load("scorer", "robust")(question, text).right


def test_the_recipe_that_is_shown_is_a_recipe(tmp_path):
    (text,) = re.findall(r"```yaml\n(extends: .*?)```", RECIPES, re.DOTALL)
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "shown.yaml").curriculum.use == "weak_to_strong"


def test_the_algorithm_that_is_shown_works(tmp_path):
    (code,) = re.findall(r"```python\n(# above_median.py\n.*?)```", ALGORITHM, re.DOTALL)
    (tmp_path / "above_median.py").write_text(code, encoding="utf-8")
    median = bind("algorithm", {"use": "./above_median.py", "scale": 0.5}, relative_to=tmp_path)
    dry_run(median(), "above_median", group_size=4, reward_weights={"correct": 1.0})


def test_the_curriculum_that_is_shown_works(tmp_path):
    (code,) = re.findall(r"```python\n(# easy_first.py\n.*?)```", CURRICULUM, re.DOTALL)
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


def test_the_row_of_data_that_is_shown_is_read(tmp_path):
    (row,) = re.findall(r"^    (\{\"id\": .*\})$", DATA, re.MULTILINE)
    (tmp_path / "data.jsonl").write_text(row + "\n", encoding="utf-8")
    (question,) = audiomcq(path=tmp_path / "data.jsonl")
    assert question.clips[0] == tmp_path / "clips" / "dog.wav" and question.answer == "a dog"


def test_the_file_map_names_what_is_there():
    (shown,) = re.findall(r"^    rlaudio/\n((?:      .*\n)+)    (?:rewards/.*)\n", CODE, re.MULTILINE)
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
