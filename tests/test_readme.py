"""The README says what is."""

import re
from pathlib import Path

from rlaudio.metrics import markdown_table
from rlaudio.plugins import bind
from rlaudio.recipe import load_recipe
from tests.factories import make_completion, make_question

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_metrics_is_the_one_in_the_code():
    assert markdown_table() in README


def test_the_reward_it_shows_works(tmp_path):
    (code,) = re.findall(r"```python\n(# shout.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "shout.py").write_text(code, encoding="utf-8")
    shout = bind("reward", {"use": "./shout.py", "bonus": 2.0}, relative_to=tmp_path)
    assert shout(make_question(), make_completion("DOG cat")) == 1.0


def test_the_recipe_it_shows_is_a_recipe(tmp_path):
    (text,) = re.findall(r"```yaml\n(extends: .*?)```", README, re.DOTALL)
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "shown.yaml").curriculum.use == "weak_to_strong"


def test_every_file_it_names_is_there():
    for name in re.findall(r"`((?:rlaudio|recipes|rewards|tools)/[\w/.]+)`", README):
        assert (ROOT / name).exists(), name
