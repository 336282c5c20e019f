"""Writes a split of the embedded world to disk. Item i does not depend on how many are generated."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rlaudio.audio.writing import write_wav
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.types import Question
from rlaudio.utils.progress import progress
from rlaudio.worlds.cache import source_digest
from rlaudio.worlds.synthetic.kinds import Kind, KindShares, Mechanism
from rlaudio.worlds.synthetic.shifted import shifted
from rlaudio.worlds.synthetic.subjects import CATEGORIES, SUBJECTS, Item, make_item, offer_none

KNOWLEDGE_SHARE = 0.6  # of text-answerable items; 68.9 % of the paper's weak items


@dataclass(frozen=True)
class Split:
    """A split's name, seed and shares; names and seeds share no clip. `is_shifted`: see `shifted`."""

    name: str
    seed: int = 0
    shares: KindShares = field(default_factory=KindShares)
    is_shifted: bool = False


def items(split: Split, count: int) -> Iterator[Item]:
    """The first `count` items of a split; types alternate.

    Where a split has unanswerable items, its audio-only ones offer NONE_OF_THESE too, as a wrong option.
    """
    split_key = int.from_bytes(hashlib.blake2b(split.name.encode(), digest_size=7).digest())
    by_category = [[s for s in SUBJECTS if s.category == category] for category in CATEGORIES]
    for index in range(count):
        rng = np.random.default_rng([split.seed, split_key, index])
        subjects = by_category[index % len(by_category)]
        subject = subjects[int(rng.integers(len(subjects)))]
        by_knowledge = rng.random() < KNOWLEDGE_SHARE
        kind = split.shares.kind(index // len(by_category))
        item = make_item(rng, subject, _mechanism(kind, by_knowledge))
        if kind == "audio_only" and split.shares.unanswerable:
            item = offer_none(rng, item)
        yield replace(item, scene=shifted(rng, item.scene)) if split.is_shifted else item


def write_split(folder: Path, split: Split, count: int) -> Path:
    """The folder of a split below `folder`, generated if missing: `data.jsonl` as AudioMCQ's, and `clips/`.

    It is written under another name and then renamed, so that it is always complete. Its name has a digest
    of this package's source, so that clips of an older version are not reused.
    """
    name = f"{split.name}-{count}-seed{split.seed}-{_shares_name(split)}"
    final = folder / f"{name}-{source_digest(Path(__file__).parent)}"
    if final.is_dir():
        return final
    temporary = folder / f".{final.name}.{os.getpid()}"
    (temporary / "clips").mkdir(parents=True, exist_ok=True)
    questions = []
    made = items(split, count)
    for index, item in enumerate(progress(made, count, f"clips of {split.name}", "clip")):
        question = _question(item, f"{split.name}-{split.seed}-{index:06d}", temporary)
        write_wav(temporary / "clips" / f"{question.id}.wav", item.scene.samples)
        questions.append(question)
    write_audiomcq(questions, temporary / "data.jsonl")
    try:
        temporary.rename(final)
    except OSError:  # another process generated the same meanwhile
        if not final.is_dir():
            raise
    return final


def _mechanism(kind: Kind, by_knowledge: bool) -> Mechanism | None:
    match kind:
        case "text_answerable":
            return "knowledge" if by_knowledge else "logic"
        case "misleading":
            return "prior" if by_knowledge else "suggestion"
        case "unanswerable":
            return "absent"
        case "audio_only":
            return None


def _shares_name(split: Split) -> str:
    """Such as text0.5-misleading0.2-shifted."""
    shares = split.shares
    return (
        f"text{shares.text_answerable:g}"
        + (f"-misleading{shares.misleading:g}" if shares.misleading else "")
        + (f"-unanswerable{shares.unanswerable:g}" if shares.unanswerable else "")
        + ("-shifted" if split.is_shifted else "")
    )


def _question(item: Item, identity: str, folder: Path) -> Question:
    groups = {"category": item.subject.category, "source": "synthetic"}
    return Question.multiple_choice(
        identity,
        item.question,
        item.choices,
        item.answer,
        folder / "clips" / f"{identity}.wav",
        groups=groups | ({"mechanism": item.mechanism} if item.mechanism else {}),
        text_answerable=item.text_answerable,
        extra={"subject": item.subject.name, "caption": item.scene.caption}
        | ({"tempting": item.tempting} if item.tempting else {})
        | ({"unanswerable": True} if item.kind == "unanswerable" else {}),
    )
