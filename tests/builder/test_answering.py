"""Models that answer, opened as a recipe names them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlaudio.builder.answering import open_voters
from rlaudio.config.recipe import load_recipe
from rlaudio.models.shared.model_paths import resolve_model_path
from tests.conftest import TINY


@pytest.mark.parametrize("twin", ["link", "copy"])
def test_one_model_under_two_names_is_refused_as_a_voter(recipe_file, tmp_path, twin):
    model = Path(resolve_model_path(TINY))
    if twin == "link":
        (tmp_path / "twin").symlink_to(model)
    else:
        shutil.copytree(model, tmp_path / "twin")
    recipe = load_recipe(recipe_file, [f"contribution.voters=[{TINY}, {tmp_path / 'twin'}]"])
    with pytest.raises(ValueError, match=r"voters .* and .*/(twin|base) are one model, and .* leave one out"):
        open_voters(recipe)
