"""The documents say what is: links lead somewhere, what they show works, generated pages are up to date."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.compare.grid import read_comparison
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import load_recipe
from rlaudio.config.schema import Recipe, field_table, keys_beside_results
from rlaudio.config.shipped import available
from rlaudio.curricula.stage import check_stages
from tests.factories import make_contributions, make_question
from tests.tool_scripts import load_tool

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
KEYS = {key for key, *_ in field_table()}


@pytest.mark.parametrize(("page", "text"), load_tool("write_docs").pages().items())
def test_a_generated_page_is_what_the_code_says(page, text):
    assert PAGES[f"docs/{page}"] == text, "the code has changed; run tools/write_docs"


def anchors(text):
    """The names by which GitHub links to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        if target.startswith("https://"):
            continue
        file, _, heading = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        assert not heading or heading in anchors(path.read_text(encoding="utf-8")), target


def test_the_index_links_to_every_page():
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([^)#]+)\)", PAGES["docs/README.md"]))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_it_names_is_there(page):
    for name in re.findall(r"`((?:rlaudio|recipes|rewards|tests|tools)/[\w/.]+)`", PAGES[page]):
        assert (ROOT / name).exists(), name


def commands():
    """The words of every `rlaudio ...` that a page shows, on a line of its own or in a sentence."""
    for page, text in PAGES.items():
        lines = re.findall(r"^    (?:.* (?:&&|-m|--module) )?rlaudio (\S.*)$", text, re.MULTILINE)
        for command in [*lines, *re.findall(r"`rlaudio ([^`]+)`", text)]:
            yield pytest.param(shlex.split(command, comments=True), id=f"{page}: {command}")


def commands_with_a_recipe():
    readers = {"run": load_recipe, "explain": load_recipe, "compare": read_comparison}
    for shown in commands():
        command, *rest = shown.values[0]
        if command in readers and rest and not rest[0].isupper():  # RECIPE stands for any
            yield pytest.param(readers[command], rest, id=shown.id)


def test_commands_are_found_in_lines_and_in_sentences():
    assert len(list(commands())) >= 25 and len(list(commands_with_a_recipe())) >= 8


def write_files_shown(folder):
    """The files that pages show, each named by its first line."""
    for text in PAGES.values():
        for block, name in re.findall(r"```(?:python|yaml)\n(# (\w+\.\w+)\n.*?)```", text, re.DOTALL):
            (folder / name).write_text(block, encoding="utf-8")


@pytest.mark.parametrize("words", commands())
def test_every_command_it_shows_has_its_options(words):
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
        assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.strip("[]") for word in words if word.lstrip("[").startswith("-")} <= known


@pytest.mark.parametrize(("read", "words"), commands_with_a_recipe())
def test_every_recipe_it_runs_loads_with_the_overrides_shown(read, words, tmp_path, monkeypatch):
    write_files_shown(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    overrides = [value for flag, value in pairwise(words) if flag == "-o"]
    over = [Path(override).stem for override in overrides if "=" not in override]
    assert read(words[0], overrides).name == "+".join([Path(words[0]).stem, *over])


def test_every_block_of_python_is_one_that_a_test_runs():
    """In tests/test_examples.py or tests/pipeline; those of the tutorials in tests/test_tutorials.py."""
    pages = {page: text for page, text in PAGES.items() if not page.startswith("docs/tutorials/")}
    blocks = [first for text in pages.values() for first in re.findall(r"```python\n(.*)", text)]
    assert sorted(blocks) == [
        *("# audio_gain.py", "# hardest_first.py", "# hears_silence.py", "# letter.py", "# main_job.py"),
        *("# quiz.py", "# read_run.py", "# shout.py", "# text_baseline.py"),
    ]


def yaml_blocks():
    for page, text in PAGES.items():
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            yield pytest.param(block, id=page)


@pytest.mark.parametrize("block", yaml_blocks())
def test_every_block_of_yaml_is_a_recipe_or_a_comparison(block, tmp_path):
    write_files_shown(tmp_path)
    (tmp_path / "shown.yaml").write_text(block, encoding="utf-8")
    read = read_comparison if re.search(r"^base:", block, re.MULTILINE) else load_recipe
    assert read(tmp_path / "shown.yaml").name == "shown"


def test_the_comparison_it_shows_has_nine_runs(tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGES["docs/comparisons.md"], re.DOTALL)
    (tmp_path / "shown.yaml").write_text(block, encoding="utf-8")
    assert len(read_comparison(tmp_path / "shown.yaml").runs()) == 9


@pytest.mark.parametrize("page", PAGES)
def test_every_key_it_names_is_one_of_a_recipe(page):
    for section, key in re.findall(r"`([a-z_]+)\.([a-z_]+)(?:: [^`]+)?`", PAGES[page]):
        if section in Recipe.model_fields and f"{section}.{key}" not in ("data.common", "report.html"):
            assert f"{section}.{key}" in KEYS


def table(page, title):
    """First cells of the rows below a header that begins with this title."""
    rows = PAGES[page].partition(f"| {title} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", rows, re.MULTILINE)


def test_the_keys_that_a_resume_takes_are_those_that_the_schema_marks():
    text = (ROOT / "docs" / "run_folder.md").read_text(encoding="utf-8")
    begin, middle = text.index("These keys enter"), text.index("These change rounding")
    end = text.index("All others are refused")
    for part, enters in ((text[begin:middle], "nothing"), (text[middle:end], "rounding")):
        marked = [key for key, value in keys_beside_results().items() if value == enters]
        assert sorted(re.findall(r"`([\w.]+)`", part)) == sorted(marked)


def test_the_table_of_algorithms_names_all_that_ship():
    named = table("docs/algorithms.md", "`algorithm: {use: ...}`")
    assert {*named, "sft"} == set(available("algorithm")) and len(named) == 15


def test_every_curriculum_that_ships_has_an_example_that_gives_its_stages():
    shown = [yaml.safe_load(text) for text in table("docs/tutorials/first_curriculum.md", "`curriculum:`")]
    assert sorted(spec["use"] for spec in shown) == sorted(available("curriculum"))
    questions = [
        make_question(id=f"{category} {number}", groups={"category": category})
        for category in ("music", "speech")
        for number in range(6)
    ]
    labels = make_contributions(**{q.id: ("weak", "strong")[n % 2] for n, q in enumerate(questions)})
    for spec in shown:
        stages = bind("curriculum", spec)(questions, labels, np.random.default_rng(0))
        check_stages(stages, spec["use"])
        steps = {"sft": spec.get("sft_steps"), "rl": spec.get("rl_steps")}
        assert {stage.kind: stage.steps for stage in stages} == {k: n for k, n in steps.items() if n}


def test_every_worker_in_the_table_takes_the_options_shown():
    rows = [yaml.safe_load(text) for text in table("docs/rollouts.md", "`rollout:`")]
    assert len(rows) == 7
    for spec in rows:
        if spec != "scripted":
            assert bind("rollout", {"use": spec} if isinstance(spec, str) else spec)


def test_the_plan_it_shows_is_what_the_command_prints():
    command = "explain weak_to_strong_qwen2_5_omni_7b --hardware h100 --devices 8"
    page = PAGES["docs/training.md"]
    assert f"`rlaudio {command}`" in page
    (shown,) = re.findall(
        r"^    (RL step on each device.*?on each device)\n\n", page, re.DOTALL | re.MULTILINE
    )
    printed = CliRunner().invoke(main, command.split()).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert "\n".join(lines) in "\n".join(line.strip() for line in printed.splitlines())
