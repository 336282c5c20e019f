"""Writes a split of the embedded world to disk. Item i does not depend on how many are generated."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rlaudio.audio.writing import write_wav
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.types import Question
from rlaudio.utils.progress import progress
from rlaudio.worlds.cache import source_digest
from rlaudio.worlds.synthetic.subjects import CATEGORIES, SUBJECTS, Item, SceneMechanism, make_item

KNOWLEDGE_SHARE = 0.6  # of text-answerable items; 68.9 % of the paper's weak items


def items(split: str, count: int, seed: int, text_answerable_share: float) -> Iterator[Item]:
    """The first `count` items of a split; types alternate, and random numbers depend on the split's name."""
    split_key = int.from_bytes(hashlib.blake2b(split.encode(), digest_size=7).digest())
    by_category = [[s for s in SUBJECTS if s.category == category] for category in CATEGORIES]
    for index in range(count):
        rng = np.random.default_rng([seed, split_key, index])
        subjects = by_category[index % len(by_category)]
        subject = subjects[int(rng.integers(len(subjects)))]
        by_knowledge = rng.random() < KNOWLEDGE_SHARE
        turn = index // len(by_category)  # gives exactly the given share in every type
        text_answerable = int((turn + 1) * text_answerable_share) > int(turn * text_answerable_share)
        mechanism: SceneMechanism | None = (
            ("knowledge" if by_knowledge else "logic") if text_answerable else None
        )
        yield make_item(rng, subject, mechanism)


def write_split(folder: Path, split: str, count: int, seed: int, text_answerable_share: float) -> Path:
    """The folder of a split below `folder`, generated if missing: `data.jsonl` as AudioMCQ's, and `clips/`.

    It is written under another name and then renamed, so that it is always complete. Its name has a digest
    of this package's source, so that clips of an older version are not reused.
    """
    name = f"{split}-{count}-seed{seed}-text{text_answerable_share:g}-{source_digest(Path(__file__).parent)}"
    final = folder / name
    if final.is_dir():
        return final
    temporary = folder / f".{name}.{os.getpid()}"
    (temporary / "clips").mkdir(parents=True, exist_ok=True)
    questions = []
    made = items(split, count, seed, text_answerable_share)
    for index, item in enumerate(progress(made, count, f"clips of {split}", "clip")):
        question = _question(item, f"{split}-{seed}-{index:06d}", temporary)
        write_wav(temporary / "clips" / f"{question.id}.wav", item.scene.samples)
        questions.append(question)
    write_audiomcq(questions, temporary / "data.jsonl")
    try:
        temporary.rename(final)
    except OSError:  # another process generated the same meanwhile
        if not final.is_dir():
            raise
    return final


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
        extra={"subject": item.subject.name, "caption": item.scene.caption},
    )
