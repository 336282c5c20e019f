"""Options that a recipe gives all of its data sets at once."""

import pytest

from rlaudio.config.recipe import load_recipe


@pytest.mark.parametrize("common", ["{use: synthetic, count: 3}", "{use: ./mine.py}"])
def test_common_options_that_no_set_takes_are_refused(write, parent, common):
    path = write("r.yaml", f"extends: parent.yaml\ndata: {{common: {common}}}\n")
    with pytest.raises(ValueError, match=rf"^{path}:2: data\.common .* would be dropped: every set names"):
        load_recipe(path)


def test_a_common_option_that_every_set_has_itself_is_refused(write):
    sets = "train: {split: train, count: 10}, evaluate: {test: {split: test, count: 5}}"
    text = "extends: base/tiny\ncurriculum: sft_only\ndata: {{common: {{use: synthetic, {}}}, {}}}\n"
    path = write("r.yaml", text.format("seed: 7", sets))
    with pytest.raises(ValueError, match=r"-o .*: data\.common\.count would reach no set: .*data\.evaluate"):
        load_recipe(path, ["data.common.count=3"])
    recipe = load_recipe(write("s.yaml", text.format("seed: 7", sets.replace("count: 10", "seed: 1"))))
    assert (recipe.data.train.options["seed"], recipe.data.evaluate["test"].options["seed"]) == (1, 7)


def test_a_benchmark_is_named_in_a_word_and_inherits_nothing_from_another_plug_in(write, parent, tmp_path):
    sets = "{mmau: {path: /data/MMAU}, mini: {use: mmau, path: /data/MMAU, limit: 2}, test: {path: t}}"
    text = f"extends: parent.yaml\ndata: {{common: {{use: audiomcq, limit: 3}}, evaluate: {sets}}}\n"
    evaluate = load_recipe(write("r.yaml", text)).data.evaluate
    assert {name: (dataset.use, dataset.options["limit"]) for name, dataset in evaluate.items()} == {
        "mmau": ("mmau", None),
        "mini": ("mmau", 2),
        "test": ("audiomcq", 3),
    }


def test_common_options_that_name_no_plug_in_are_for_every_set(write, parent):
    path = write("r.yaml", "extends: parent.yaml\ndata: {common: {limit: 3}, evaluate: {test: audiomcq}}\n")
    recipe = load_recipe(path, ["data.evaluate.test.path=test"])
    assert [s.options["limit"] for s in (recipe.data.train, recipe.data.evaluate["test"])] == [3, 3]
    with pytest.raises(ValueError, match=rf"^{path}:2: data\.train\.split: .*unknown option 'split'"):
        load_recipe(write("r.yaml", "extends: parent.yaml\ndata: {common: {split: test}}\n"))


def test_options_common_to_all_data_are_written_once(write, tmp_path):
    recipe = write(
        "shared.yaml",
        """
        extends: base/tiny
        curriculum: sft_only
        data:
          common: {use: synthetic, folder: made, seed: 7}
          train: {split: train, count: 10}
          evaluate: {test: {split: test, seed: 8}}
        """,
    )
    loaded = load_recipe(recipe, ["data.common.text_answerable_share=0.25"])
    train, test = loaded.data.train.options, loaded.data.evaluate["test"].options
    assert train["folder"] == test["folder"] == tmp_path / "made"
    assert (train["seed"], test["seed"]) == (7, 8)
    assert train["text_answerable_share"] == test["text_answerable_share"] == 0.25
    assert "common:" not in loaded.to_yaml()
