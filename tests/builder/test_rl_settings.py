"""What a stage of RL takes from a recipe."""

import pytest

from rlaudio.builder.rl_settings import contribution_by
from rlaudio.config.recipe import load_recipe


def test_needs_that_are_a_method_are_told_before_anything_asks_for_them(recipe_file, tmp_path):
    (tmp_path / "mine.py").write_text("class Mine:\n    def needs(self):\n        return set()\n")
    recipe = load_recipe(recipe_file, [f"algorithm={tmp_path / 'mine.py'}"])
    with pytest.raises(ValueError, match="needs raised TypeError: 'method' object is not iterable"):
        contribution_by(recipe)
