"""The page of labelled questions: what stands in a file before anything is trained, with its clips."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rlaudio.audio.reading import open_clip
from rlaudio.types import Clip, Contribution, Dataset, Question
from rlaudio.utils.number_format import counted, thousands
from rlaudio.viewer.clips import PageClip, encode
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedGroup
from rlaudio.viewer.viewer_page import PageHead, write_viewer_page

NOT_ASKED = "audio was not asked for"


def write_questions_page(path: Path, title: str, questions: Dataset, *, audio: bool = True) -> Path:
    """Write the page of these questions and return its path; without `audio` no clip is opened."""
    labelled = sum(question.id in questions.contributions for question in questions)
    viewed = Viewed(
        groups=[_group(question, questions.contributions.get(question.id), audio) for question in questions],
        columns=[
            Column("label score", "number", "1 minus the share of right answers in silence", of_group=True),
            Column("options", "number", "to choose from", of_group=True),
        ],
        selection=f"{counted(len(questions), 'question')}, of which {thousands(labelled)} are labelled.",
    )
    return write_viewer_page(path, PageHead(title, "questions"), viewed)


def _group(question: Question, contribution: Contribution | None, audio: bool) -> ViewedGroup:
    facts = dict(question.groups)
    if contribution:
        facts["contribution"] = contribution.label
    return ViewedGroup(
        question_id=question.id,
        question=question.question,
        options=question.choices,
        gold=getattr(question.target, "gold", None),
        answer=question.answer,
        facts=facts,
        values={
            "label score": contribution.score if contribution else None,
            "options": len(question.choices) or None,
        },
        clips=[
            _clip(clip, name, audio) for clip, name in zip(question.clips, question.clip_names, strict=True)
        ],
    )


def _clip(clip: Path | Clip, name: str, audio: bool) -> ClipToHear:
    return ClipToHear(name, partial(_read, clip)) if audio else ClipToHear(name, absent=NOT_ASKED)


def _read(clip: Path | Clip) -> PageClip:
    heard = open_clip(clip)
    return encode(heard.samples, heard.sample_rate_hz)
