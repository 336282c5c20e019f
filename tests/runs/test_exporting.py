"""`rlaudio export`: the trained model with a card that says how it came about."""

import re
import shutil

import pytest
import yaml
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.runs.digests import record
from rlaudio.runs.exporting import export_run, model_card
from rlaudio.runs.files import write_json
from rlaudio.runs.run import open_run
from tests.made_up_run import made_up_run

USAGE = "# A thinker\n\nIt is opened so.\n"
DATA = {part: f"{part}-digest" for part in ("questions", "labels", "audio")}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run with two files of a model in final/."""
    path = made_up_run(tmp_path_factory.mktemp("export") / "run", rl_steps=10, questions=(40, 40, 20))
    (path / "final").mkdir()
    (path / "final" / "model.safetensors").write_bytes(b"weights")
    (path / "final" / "README.md").write_text(USAGE, encoding="utf-8")
    rows = {"rows": 40, "row_questions": "", "row_labels": "", "row_audio": ""}
    write_json(path / "data.json", {"train": DATA | rows})
    record(path, "final")
    return path


@pytest.fixture
def run(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "run")


def front_matter(card):
    return yaml.safe_load(re.match(r"---\n(.*?)---\n", card, re.DOTALL).group(1))


def test_the_model_is_copied_with_its_card_and_its_recipe(run, tmp_path):
    files = export_run(run, tmp_path / "out")
    assert [file.name for file in files] == ["README.md", "model.safetensors", "recipe.yaml"]
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"weights"
    assert (tmp_path / "out" / "recipe.yaml").read_bytes() == (run / "recipe.yaml").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out"}


def test_the_card_carries_results_data_recipe_and_how_to_open_it(run):
    stored = open_run(run)
    card = model_card(stored, USAGE)
    before, after = (
        tables["test"]["tables"]["contribution"]["strong"]["scores"]["audio"]["accuracy"]
        for tables in (stored.base, stored.final)
    )
    assert f"| strong | audio | {100 * before:.1f} | {100 * after:.1f} |" in card
    assert "Accuracy on `new_speakers` in percent by" in card
    assert "| train | 40 | `questions-digest` | `labels-digest` | `audio-digest` |" in card
    assert "curriculum `weak_to_strong` and algorithm `grpo`, seed 7" in card
    assert f"```yaml\n{stored.recipe_yaml.rstrip()}\n```" in card
    assert card.endswith("\n\n# A thinker\n\nIt is opened so.\n")


def test_the_fields_in_front_are_those_that_a_hub_reads(run):
    fields = front_matter(model_card(open_run(run)))
    assert (fields["library_name"], fields["pipeline_tag"]) == ("transformers", "audio-text-to-text")
    assert "base_model" not in fields  # tiny/base is on no hub
    (model,) = fields["model-index"]
    assert [result["dataset"]["name"] for result in model["results"]] == ["test", "new_speakers"]
    assert 0.5 < model["results"][0]["metrics"][0]["value"] <= 1


def test_a_base_on_a_hub_is_named(run):
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8").replace("tiny/base", "Qwen/Qwen2.5-Omni-7B")
    (run / "recipe.yaml").write_text(recipe, encoding="utf-8")
    assert front_matter(model_card(open_run(run)))["base_model"] == "Qwen/Qwen2.5-Omni-7B"


def exported(*arguments):
    done = CliRunner().invoke(main, ["export", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_command_names_the_files_and_refuses_to_write_them_again(run):
    status, text = exported(run)
    assert status == 0 and f"{run / 'export' / 'model.safetensors'}  1 kB" in text
    status, text = exported(run)
    assert status == 1 and "is there already; expected a new folder; name another with --out" in text


def test_a_run_that_is_not_trained_says_how_to_continue(run):
    shutil.rmtree(run / "final")
    status, text = exported(run)
    assert status == 1 and f"rlaudio run {run}/recipe.yaml --out {run} --resume" in text


def test_a_model_that_the_run_did_not_write_is_not_handed_on(run, tmp_path):
    (run / "final" / "model.safetensors").write_bytes(b"others")
    status, text = exported(run, "--out", tmp_path / "out")
    assert status == 1 and "final/model.safetensors" in text and not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["final/extra.json", "final/more", "final"])
def test_a_link_is_not_followed(run, tmp_path, place):
    if place == "final":
        (run / "final").rename(run / "models")
    (run / place).symlink_to(run / "models" if place == "final" else run)
    status, text = exported(run, "--out", tmp_path / "out")
    assert status == 1 and f"{place}: a link; expected a file" in text
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
