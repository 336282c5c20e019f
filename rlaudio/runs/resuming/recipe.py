"""The recipe that a run goes by, and the keys in which another one may differ."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaudio.runs import shapes
from rlaudio.runs.files import read_json, write_json, write_text
from rlaudio.runs.places import CHECKPOINTS, INPUTS, RECIPE

logger = logging.getLogger(__name__)

_SHOWN = 8  # differences in a message
_ABSENT = "nothing"


def begun_recipe(run: Path) -> dict[str, Any] | None:
    """The recipe that the run in the folder goes by, as plain values; None where it has kept none."""
    return (read_json(run / INPUTS, shapes.INPUTS) or {}).get("recipe")


def keep_recipe(run: Path, values: Mapping[str, Any], recipe_yaml: str) -> None:
    """Have the run in the folder go by this recipe: as plain values to compare with, and as recipe.yaml."""
    inputs = read_json(run / INPUTS, shapes.INPUTS) or {}
    if inputs.get("recipe") == values:
        return
    if (run / RECIPE).read_text(encoding="utf-8") != recipe_yaml:
        write_text(run / RECIPE, recipe_yaml)
    write_json(run / INPUTS, {**inputs, "recipe": values})


def check_recipe(
    run: Path,
    begun: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    free: Mapping[str, str],
    edited: Path | None = None,
) -> None:
    """Refuse another recipe, as `refuse_another`, and log in which keys of `free` it differs.

    "rounding" are those that change the last digits of results, "nothing" those that enter no results.
    """
    for difference in refuse_another(run, begun, given, free=free, edited=edited):
        if free[difference.key] == "rounding":
            logger.warning(
                "%s: resumed with another value of %s; it changes rounding, so numbers may differ from those "
                "of an unbroken run in their last digits",
                run,
                difference,
            )
        else:
            logger.info("%s: resumed with another value of %s; it enters no results", run, difference)


def refuse_another(
    run: Path,
    begun: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    free: Collection[str],
    edited: Path | None = None,
) -> list[_Difference]:
    """Refuse a recipe that says something else than that which the run in the folder began with.

    Both are nested maps of plain values. Keys of `free` may differ, and where they do is returned. `edited`
    names the file that `given` was read from, if that is the run's own.
    Raises ValueError that names every other key that differs with both values.
    """
    differing = list(_differences(_flat(begun), _flat(given)))
    refused = [difference for difference in differing if difference.key not in free]
    if refused:
        more = len(refused) - _SHOWN
        lines = [*map(str, refused[:_SHOWN]), *([f"and {more} more keys"] if more > 0 else [])]
        what = f"{edited} was changed since the run began" if edited else "the run began with another recipe"
        advice = "put the values back" if edited else f"resume with the recipe in the folder ({run / RECIPE})"
        raise ValueError(
            f"{run}: {what}:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"{advice}; to go on with other settings begin a new run from its weights: another --out and "
            f"-o model.path=CHECKPOINT/model, one of those in {run / CHECKPOINTS}"
        )
    return differing


# --- differences ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Difference:
    """A key of two recipes with both values."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}: it began with {_value(self.before)}, now it is {_value(self.now)}"


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested maps as one, its keys joined by dots."""
    if not isinstance(values, Mapping) or not values:
        return {prefix: values}
    return {
        key: value
        for name, entry in values.items()
        for key, value in _flat(entry, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _differences(begun: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[_Difference]:
    for key in [*begun, *(key for key in given if key not in begun)]:
        before, now = begun.get(key, _ABSENT), given.get(key, _ABSENT)
        if before != now:
            yield _Difference(key, before, now)


def _value(value: Any) -> str:
    return value if value == _ABSENT else json.dumps(value, ensure_ascii=False, default=str)
