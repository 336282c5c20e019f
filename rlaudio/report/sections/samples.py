"""The few groups with FLAC clips that a run keeps in samples/: their clips, and they themselves where no
rollouts are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from rlaudio.runs.files import Json
from rlaudio.runs.run import StoredRun
from rlaudio.viewer.clips import LARGEST_CLIP, PageClip, decode, encode
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedCompletion, ViewedGroup


def sample_clips(run: StoredRun) -> Mapping[str, Sequence[ClipToHear]]:
    """The clips in samples/ by question id."""
    kept = run.samples["samples"] if run.samples else []
    return {
        sample["question_id"]: [_clip(run, sample["audio"])] for sample in kept if "question_id" in sample
    }


def viewed_samples(run: StoredRun, most: int) -> Viewed:
    """The kept groups alone, of a run without rollouts."""
    kept = run.samples["samples"] if run.samples else []
    names = list(dict.fromkeys(n for sample in kept for c in sample["completions"] for n in c["rewards"]))
    step = run.samples["step"] if run.samples else None
    stage = run.samples["stage"] if run.samples else ""
    return Viewed(
        groups=[_group(run, sample, stage, step) for sample in kept][:most],
        columns=[Column("total", "total"), *(Column(name, "reward") for name in names), Column("tokens")],
        selection=f"The first groups of step {step} of {stage}; the folder holds no rollouts."
        if kept
        else "",
    )


def _group(run: StoredRun, sample: Json, stage: str, step: int | None) -> ViewedGroup:
    label = {"contribution": sample["contribution"]} if sample["contribution"] else {}
    return ViewedGroup(
        question_id=str(sample.get("question_id", "")),
        question=sample["question"],
        completions=[
            ViewedCompletion(
                text=completion["text"],
                values={
                    "total": completion["total"],
                    "tokens": completion["tokens"],
                    **completion["rewards"],
                },
                stop_reason=completion["stop_reason"],
            )
            for completion in sample["completions"]
        ],
        options=sample["choices"],
        gold=sample["gold"],
        stage=stage,
        step=step,
        facts={**sample["groups"], **label},
        clips=[_clip(run, sample["audio"])],
    )


def _clip(run: StoredRun, name: str) -> ClipToHear:
    return ClipToHear(name, partial(_read, run, name))


def _read(run: StoredRun, name: str) -> PageClip:
    """The clip, encoded. Raises ValueError for what is not a FLAC file in the folder."""
    content = run.sample_clip(name, LARGEST_CLIP)
    return encode(*decode(content, "FLAC", f"{run.path}, sample {name}"))
