"""What `import rlaudio` offers: the main jobs as functions of Python, with the arguments of their commands.

    import rlaudio

    recipe = rlaudio.load_recipe("tiny_weak_to_strong", ["optimizer.lr=2e-4"])
    run = rlaudio.run(recipe, "runs/first")
    run.summary["accuracy"]["final"]

Each function imports what it computes with when it is called, and shows its progress as a bar in a notebook
or on a terminal, as lines elsewhere. Models are folders, `tiny/NAME`, or `endpoint:URL#NAME` for one behind a
server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlaudio.config.finding import is_path
from rlaudio.config.plugins import Bound, bind
from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.config.shipped import is_recipe
from rlaudio.data.named_sets import Spec as DataSet
from rlaudio.data.named_sets import data_set, existing
from rlaudio.runs.parts import StopAfter
from rlaudio.utils.library_output import quiet_transformers
from rlaudio.utils.names import plain_name
from rlaudio.utils.yaml_layers import read_override, refuse_twice

if TYPE_CHECKING:
    from rlaudio.contribution.label_summary import LabelSummary
    from rlaudio.evaluation.accuracy import Evaluation
    from rlaudio.evaluation.predictions import Predictions
    from rlaudio.runs.run import StoredRun
    from rlaudio.utils.endpoint.client import Asking

Data = str | Path | Mapping[str, Any]  # a file of questions, "mmau=FOLDER", or sets by name: {"mmau": FOLDER}


def run(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    until: StopAfter | None = None,
) -> StoredRun:
    """Run a recipe from labels to report and open its folder, by default `runs/NAME`; `report.html` is in it.

    `until` ends after that part ("labels", "base", "sft"), and `resume` goes on where a run stopped.
    Raises FileExistsError where the folder holds a run and `resume` is not given, ValueError where the data
    or the recipe cannot be used, StopRequested after an interruption, which saves what is done.
    """
    resolved = _loaded(recipe, overrides)
    folder = Path(out) if out is not None else Path("runs") / resolved.name
    quiet_transformers()
    from rlaudio import pipeline
    from rlaudio.runs.run import open_run

    pipeline.run(resolved, folder, resume=resume, until=until)
    return open_run(folder)


def evaluate(
    target: Recipe | str | Path,
    data: Data | None = None,
    *,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    asking: Asking | None = None,
) -> dict[str, Evaluation]:
    """Accuracy with audio and without it, by held-out set, of a recipe's model or of a model.

    `data` names what to evaluate on; a recipe has sets of its own. Tables and single answers go into the
    folder `out`. `asking` says how a model behind an endpoint is asked. Raises ValueError for data or a
    recipe that cannot be used.
    """
    sets = data_sets(data)
    if isinstance(target, Recipe):
        if sets or overrides:
            raise ValueError("data and overrides go with the name of a recipe; found a recipe that is loaded")
        recipe = target
    else:
        recipe = recipe_to_evaluate(str(target), sets, overrides)
    quiet_transformers()
    from rlaudio import pipeline

    return pipeline.evaluate_recipe(recipe, None if out is None else Path(out), asking)


def label(
    data: Data,
    voters: Sequence[str],
    *,
    threshold: int | None = None,
    silence: str | float | None = None,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    asking: Asking | None = None,
) -> LabelSummary:
    """Ask voters in silence, write `labels.jsonl` beside the data or into `out`, and return its tables.

    A question is weak where `threshold` voters are right. `silence` is a number of seconds, or "clip" for the
    clip's length. Raises ValueError for data that cannot be used, and for more than one set.
    """
    if isinstance(voters, str) or not voters:
        raise ValueError(f"voters: found {voters!r}; expected a list of models, such as ['tiny/voter_a']")
    _, spec = one_set(data)
    settings = {"voters": list(voters), "threshold": threshold, "silence": silence}
    recipe = recipe_to_label(spec, settings, overrides)
    quiet_transformers()
    from rlaudio import pipeline

    return pipeline.label_data(recipe, Path(out) if out is not None else folder_of(spec), asking)


def score(
    predictions: str | Path,
    data: Data,
    *,
    key: str | None = None,
    scorer: str | DataSet = "robust",
    out: str | Path | None = None,
) -> Evaluation:
    """Predictions that something else made, by a benchmark's official rule and by a strict one.

    `predictions` is a .json, .jsonl, .csv or .parquet file with ids, `key` what they stand under in its rows.
    Raises ValueError for rows that cannot be used, and where none is of a question.
    """
    name, spec = one_set(data)
    strict = bind("scorer", scorer if isinstance(scorer, str) else dict(scorer))
    bound = bind("data", dict(spec))
    _, result = score_file(Path(predictions), name, bound, key=key, scorer=strict, out=out)
    return result


# --- what commands use, too ----------------------------------------------------------------------


def data_sets(data: Data | None) -> dict[str, DataSet]:
    """The sets that `data` names, by name, as a recipe would have them.

    Raises ValueError for a path that does not exist.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        name, spec = data_set(str(data))
        return {name: existing(spec)}
    sets: dict[str, DataSet] = {}
    for use, given in data.items():
        name = plain_name(Path(use).stem if is_path(use) else use)
        if name in sets:
            raise ValueError(f"two sets are named {name}; rename one: {{NAME: {{use: {use}, ...}}}}")
        sets[name] = existing({"use": use, **(given if isinstance(given, Mapping) else {"path": str(given)})})
    return sets


def one_set(data: Data) -> tuple[str, DataSet]:
    """The set that `data` names, and its name. Raises ValueError where that is not one."""
    sets = data_sets(data)
    if len(sets) != 1:
        raise ValueError(f"found {len(sets)} sets, {', '.join(sets)}; expected one")
    return next(iter(sets.items()))


def folder_of(spec: DataSet) -> Path:
    """Where labels of a set stand: its folder, or that of its file.

    Raises ValueError for a set that is made, or of the hub, beside which nothing can stand.
    """
    path = Path(spec.get("path") or "")
    if not spec.get("path") or not path.exists():
        raise ValueError(
            f"{spec['use']}: there is no folder beside which labels could stand; name one, as out or by --out"
        )
    return path if path.is_dir() else path.parent


def recipe_to_evaluate(target: str, sets: Mapping[str, DataSet], overrides: Sequence[str]) -> Recipe:
    """The recipe that evaluates a recipe's model, or a model, on these sets; a recipe has sets of its own.

    Raises ValueError for a model without a set.
    """
    evaluated = [f"data.evaluate.{name}={json.dumps(spec, default=str)}" for name, spec in sets.items()]
    if is_recipe(target):
        return load_recipe(target, [*evaluated, *overrides])
    if not sets:
        raise ValueError(f"{target} is no recipe; to evaluate a model name the data to evaluate it on")
    return _without_training(target, next(iter(sets.values())), [*evaluated, *overrides])


def recipe_to_label(spec: DataSet, settings: Mapping[str, Any], overrides: Sequence[str]) -> Recipe:
    """The recipe whose voters label a set; `settings` are keys of its section `contribution`."""
    given = [f"contribution.{key}={json.dumps(v)}" for key, v in settings.items() if v is not None]
    return _without_training(settings["voters"][0], spec, [*given, *overrides])


def score_file(
    path: Path, name: str, data: Bound, *, key: str | None, scorer: Bound, out: str | Path | None
) -> tuple[list[str], Evaluation]:
    """What is odd about a file of predictions for the set, as lines of text, and its evaluation."""
    from rlaudio.evaluation.evaluation_files import write_evaluations
    from rlaudio.evaluation.predictions import read_predictions
    from rlaudio.evaluation.predictions import score as score_predictions
    from rlaudio.report.evaluation_page import write_evaluation_page
    from rlaudio.runs.occupancy import held
    from rlaudio.types import Dataset

    questions = Dataset.of(data())
    benchmark = questions.benchmark
    read = read_predictions(path, key, benchmark.prediction_key if benchmark else None)
    result = score_predictions(questions, read, {scorer.label: scorer.function})
    if out is not None:
        with held(Path(out)):
            write_evaluations({name: result}, Path(out), benchmarks={name: benchmark})
            write_evaluation_page(Path(out))
    return _notes(read, questions), result


def _notes(read: Predictions, questions: Any) -> list[str]:
    others = f"; also there: {', '.join(map(repr, read.other_keys))} (--key)" if read.other_keys else ""
    return [f"predictions under {read.key!r}{others}", *read.notes(questions)]


def _loaded(recipe: Recipe | str | Path, overrides: Sequence[str]) -> Recipe:
    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, overrides)
    if overrides:
        raise ValueError("overrides go with the name of a recipe; found a recipe that is loaded")
    return recipe


def _without_training(model: str, data: DataSet, overrides: Sequence[str]) -> Recipe:
    """The recipe of jobs that do not train, for a model and the questions that a data set names."""
    given = [f"model.path={json.dumps(model)}", f"data.train={json.dumps(data, default=str)}"]
    refuse_twice(read_override(text, Path.cwd()) for text in [*given, *overrides] if "=" in text)
    return load_recipe("base/no_training", [*given, *overrides])
