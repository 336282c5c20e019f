"""The folder of a comparison: whose it is, and what may change."""

from dataclasses import replace

import pytest
import yaml

from rlaudio.compare.compare_folder import open_folder
from rlaudio.compare.grid import read_comparison


def test_a_comparison_that_changed_says_what_differs(place, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with open_folder(tmp_path / "out", comparison, resume=False):
        pass
    changed = replace(read_comparison(place / "two.yaml", ["optimizer.lr=2e-3"]), seeds=(1,))
    with (
        pytest.raises(ValueError, match=r"arm grpo: optimizer\.lr was 0\.001, is 0\.002; .*seed 0 is gone"),
        open_folder(tmp_path / "out", changed, resume=True),
    ):
        pass
    with open_folder(tmp_path / "out", replace(comparison, seeds=(0, 1, 2), note="more"), resume=True):
        pass
    assert yaml.safe_load((tmp_path / "out" / "comparison.yaml").read_text())["seeds"] == [0, 1, 2]


def test_a_comparison_from_before_a_key_existed_goes_on_with_its_default(place, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with open_folder(tmp_path / "out", comparison, resume=False):
        pass
    file = tmp_path / "out" / "comparison.yaml"
    begun = yaml.safe_load(file.read_text())
    for arm in begun["arms"].values():
        del arm["training"]["keep"]
    file.write_text(yaml.safe_dump(begun))
    plain = tuple(arm for arm in comparison.arms if arm.name == "grpo")
    with (
        pytest.raises(ValueError, match=r"otherwise: arm other: training\.keep was 2, is 1;"),
        open_folder(tmp_path / "out", comparison, resume=True),
    ):
        pass
    del begun["arms"]["other"]
    file.write_text(yaml.safe_dump(begun))
    with open_folder(tmp_path / "out", replace(comparison, arms=plain), resume=True):
        pass


def test_one_folder_is_held_by_one_comparison(place, tmp_path):
    comparison = read_comparison(place / "two.yaml")
    with (
        open_folder(tmp_path / "out", comparison, resume=False),
        pytest.raises(BlockingIOError, match="is writing to this folder"),
        open_folder(tmp_path / "out", comparison, resume=True),
    ):
        pass


def test_a_link_in_place_of_a_folder_of_the_comparison_is_refused(place, tmp_path):
    comparison, out = read_comparison(place / "two.yaml"), tmp_path / "out"
    with open_folder(out, comparison, resume=False):
        pass
    arm = out / "grpo"
    (arm / "seed-0").mkdir(parents=True)
    for folder in (arm / "seed-0", arm):
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
        with (
            pytest.raises(ValueError, match=f"{folder}: is a link to {tmp_path / 'elsewhere'}; expected"),
            open_folder(out, comparison, resume=True),
        ):
            pass
        folder.unlink()
        (tmp_path / "elsewhere").rename(folder)
