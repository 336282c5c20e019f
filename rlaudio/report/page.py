"""The page of a run: one self-contained HTML file, made from the files of the run folder alone.

It loads nothing from the network, runs no script but its own, follows light and dark mode, and escapes all
inserted text.
"""

from __future__ import annotations

from pathlib import Path

from rlaudio.report.sections.accuracy_tables import controls_of, held_out
from rlaudio.report.sections.completions import viewed_completions
from rlaudio.report.sections.labels import labelled_sets
from rlaudio.report.sections.metric_curves import curves
from rlaudio.report.sections.notices import edited_files, notices, training_notices
from rlaudio.report.sections.provenance import facts, phases, version_rows
from rlaudio.report.sections.samples import sample_clips, viewed_samples
from rlaudio.report.sections.stage_gains import stage_gains
from rlaudio.runs.files import Json, write_text
from rlaudio.runs.places import PAGE
from rlaudio.runs.run import StoredRun, open_run
from rlaudio.viewer.html import render
from rlaudio.viewer.kept_clips import kept_clips
from rlaudio.viewer.payload import MOST_COMPLETIONS, payload
from rlaudio.viewer.records import Viewed


def write_report(run_folder: Path) -> Path:
    """Write `report.html` into the run folder and return its path; an unfinished run says what is missing.

    Of a folder that is damaged, or was made by somebody else, the page shows what can be read, and says what
    is left out. Nothing outside the folder is read or written. Raises FileNotFoundError for a folder without
    a run, ValueError where its recipe.yaml is damaged.
    """
    run = open_run(Path(run_folder), leave_out_damage=True)
    sets = held_out(run)
    viewed = _viewed(run)
    stages = curves(run)
    page = render(
        Path(__file__).with_name("page.html.j2"),
        run=run,
        title=run.recipe.get("name", run.path.name),
        facts=facts(run),
        controls=controls_of(sets),
        held_out=sets,
        notices=[*edited_files(run), *notices(sets), *training_notices(run)],
        labelled=labelled_sets(run),
        stages=stages,
        charts=[chart.drawn for stage in stages for chart in stage.charts],
        stage_gains=stage_gains(run),
        viewed=viewed,
        viewer_title="Completions",
        version=run.versions.get("rlaudio", ""),
        phases=phases(run),
        versions=version_rows(run),
    )
    path = run.path / PAGE
    write_text(path, page)
    run.files.warn_of_damage()
    return path


def _viewed(run: StoredRun) -> Json:
    """The completions as the scripts read them."""
    most = (run.recipe.get("report") or {}).get("completions", MOST_COMPLETIONS)
    find = kept_clips(run.files, "train", sample_clips(run))
    viewed: Viewed = viewed_completions(run, lambda q: find(q.id, q.clip_names), most)
    return payload(viewed if viewed.groups else viewed_samples(run, most), most)
