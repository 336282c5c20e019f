"""Processes and versions that a run began with."""

from __future__ import annotations

import logging

from rlaudio.runs import shapes
from rlaudio.runs.files import read_json
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.places import VERSIONS
from rlaudio.runs.versions import versions

logger = logging.getLogger(__name__)


def check_world(folder: RunFolder) -> None:
    """Refuse to continue a run with another number of processes; other versions are warned of.

    Raises ValueError with both numbers.
    """
    run, now = folder.path, versions()
    begun = read_json(run / VERSIONS, shapes.MAP)
    if begun is None:  # the run was killed before it wrote the file
        folder.write_json(VERSIONS, now)
        return
    before, size = begun.get("processes"), now["processes"]
    if before not in (None, size):
        raise ValueError(
            f"{run}: the run began with {before} processes and is resumed with {size}; each keeps its part "
            f"of the optimizer's state; start {before}, or begin a new run with another --out"
        )
    differing = [
        f"{name} {begun[name]} -> {value}" for name, value in now.items() if begun.get(name, value) != value
    ]
    if differing:
        logger.warning(
            "%s: resumed under other versions than it began with, so its numbers may differ from those of an "
            "unbroken run: %s",
            run,
            "; ".join(differing),
        )
