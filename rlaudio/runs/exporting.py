"""A trained model to hand on: the Hugging Face folder of a run, with a card that says how it came about.

The model is the run's `final/`, adapters merged, as transformers and vLLM open it. The card carries results,
digests of the data, versions and the recipe, which also lies beside it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlaudio.runs import shapes
from rlaudio.runs.digests import check_recorded, is_recorded
from rlaudio.runs.files import Json, read_text, write_text
from rlaudio.runs.places import DATA, FINAL, RECIPE
from rlaudio.runs.run import StoredRun, open_run
from rlaudio.runs.summary import CONTROLS, GROUPS
from rlaudio.utils.number_format import percent

CARD = "README.md"


def export_run(path: Path, out: Path) -> list[Path]:
    """Write the trained model of the run in `path` into the new folder `out`; returns the files.

    Raises FileNotFoundError where the run has no trained model yet, FileExistsError where `out` holds
    something, ValueError for a model that is not what the run wrote.
    """
    run = open_run(path)
    model = path / FINAL
    if not is_recorded(path, FINAL):
        raise FileNotFoundError(
            f"{model}: the run has no trained model, or not all of it; continue it with: "
            f"rlaudio run {path / RECIPE} --out {path} --resume"
        )
    check_recorded(path, FINAL)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is there already; expected a new folder; name another with --out")
    files = _files(model)
    building = out.with_name(f".building-{out.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        for file in files:
            (building / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model / file, building / file, follow_symlinks=False)
        usage = read_text(model / CARD) if (model / CARD).is_file() else ""
        write_text(building / CARD, model_card(run, usage))
        write_text(building / RECIPE, run.recipe_yaml)
        if out.exists():
            out.rmdir()
        building.replace(out)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return [out / file for file in _files(out)]


def model_card(run: StoredRun, usage: str = "") -> str:
    """The card of the run's model in Markdown, with the fields that a model hub reads in front.

    `usage` is how the model is opened, put below what rlaudio knows.
    """
    recipe = run.recipe
    name = str(recipe.get("name", run.path.name))
    base = str((recipe.get("model") or {}).get("path", "unknown"))
    how = " and ".join(_used(recipe, key) for key in ("curriculum", "algorithm"))
    sections = [
        f"# {name}",
        f"Trained from `{base}` by rlaudio {run.versions.get('rlaudio', '')}: {how}, seed "
        f"{recipe.get('seed', 0)}.",
        "## Results",
        *(_results(run, held_out) for held_out in run.held_out),
        *([] if run.held_out else ["Nothing was evaluated."]),
        "## Data",
        _data(run.files.json(DATA, shapes.DATA) or {}),
        "## Made with",
        ", ".join(f"{package} {version}" for package, version in _versions(run.versions)) + ".",
        "## Recipe",
        f"`rlaudio run {RECIPE}` repeats the run, where its data and models are.",
        f"```yaml\n{run.recipe_yaml.rstrip()}\n```",
        usage.strip(),
    ]
    return "\n\n".join(filter(None, [_front_matter(run, name, base), *sections])) + "\n"


def _front_matter(run: StoredRun, name: str, base: str) -> str:
    fields: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "audio-text-to-text",
        "tags": ["rlaudio", "audio", "reinforcement-learning"],
    }
    if not base.startswith(("/", ".", "tiny/")):
        fields["base_model"] = base
    results = [
        {
            "task": {"type": "audio-text-to-text"},
            "dataset": {"name": held_out, "type": held_out},
            "metrics": [{"type": "accuracy", "value": accuracy}],
        }
        for held_out, tables in run.final.items()
        if (accuracy := _accuracy(tables, "all", "audio")) is not None
    ]
    if results:
        fields["model-index"] = [{"name": name, "results": results}]
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---"


def _results(run: StoredRun, held_out: str) -> str:
    """Accuracies on one set, before and after, by contribution and control."""
    tables = {when: of.get(held_out, {}) for when, of in (("before", run.base), ("after", run.final))}
    rows = []
    for group in GROUPS:
        for control in CONTROLS:
            values = [_accuracy(table, group, control) for table in tables.values()]
            if any(value is not None for value in values):
                rows.append([group, control, *map(percent, values)])
    count = next((t["tables"]["all"]["all"].get("questions", "") for t in tables.values() if t), "")
    scorer = next((t["scorer"] for t in tables.values() if t), "")
    title = f"Accuracy on `{held_out}` in percent by `{scorer}`, {count} questions:"
    return f"{title}\n\n{_table(['questions', 'heard', *tables], rows)}"


def _accuracy(tables: Mapping[str, Any], group: str, control: str) -> float | None:
    of_group = tables.get("tables", {}).get(GROUPS[group], {}).get(group)
    score = (of_group or {}).get("scores", {}).get(control)
    return score["accuracy"] if score else None


def _data(sets: Mapping[str, Any]) -> str:
    if not sets:
        return "No digests of the data were kept."
    rows = [
        [name, str(of["rows"]), *(f"`{of.get(part, '')}`" for part in ("questions", "labels", "audio"))]
        for name, of in sets.items()
    ]
    return "Digests of what the run began with:\n\n" + _table(
        ["set", "rows", "questions", "labels", "audio"], rows
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _used(recipe: Json, key: str) -> str:
    return f"{key} `{Path(str((recipe.get(key) or {}).get('use', 'unknown'))).stem}`"


def _versions(versions: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for package in ("rlaudio", "python", "torch", "transformers", "peft", "deepspeed", "vllm"):
        if versions.get(package):
            yield package, str(versions[package])
    if versions.get("commit"):
        yield "commit", str(versions["commit"])


def _files(folder: Path) -> list[Path]:
    """The files in a folder by their paths below it. Raises ValueError for a link, which leads elsewhere."""
    files = []
    for root, folders, names in os.walk(folder):
        for path in (Path(root) / name for name in ("", *folders, *names)):
            if path.is_symlink():
                raise ValueError(f"{path}: a link; expected a file; put the file itself there")
        files += [(Path(root) / name).relative_to(folder) for name in names]
    return sorted(files)
