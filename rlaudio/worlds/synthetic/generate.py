"""Writes a split of the embedded world to disk. Item i does not depend on how many are generated."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rlaudio.audio.writing import write_wav
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.types import Question
from rlaudio.utils.messages import shown
from rlaudio.utils.progress import progress
from rlaudio.worlds.cache import source_digest
from rlaudio.worlds.synthetic.cues import CUES, helped, misled
from rlaudio.worlds.synthetic.kinds import Kind, KindShares, Mechanism
from rlaudio.worlds.synthetic.shifted import shifted
from rlaudio.worlds.synthetic.subjects import CATEGORIES, SUBJECTS, Item, make_item, offer_none

# How often each mechanism is drawn beside the others of its kind. Of the paper's weak items 68.9 % are given
# away by knowledge.
TEXT_ANSWERABLE: Mapping[Mechanism, float] = {"knowledge": 0.6, "logic": 0.4}
MISLEADING: Mapping[Mechanism, float] = {"prior": 0.6, "suggestion": 0.4, "length": 0.5, "position": 0.5}
BY_TEXT = ("prior", "suggestion")
MAY_BE_CUED: tuple[Kind, ...] = ("text_answerable", "audio_only")  # kinds whose options may have a cue
CUED: tuple[Kind, ...] = ("text_answerable",)  # those that have one unless a data set says otherwise


@dataclass(frozen=True)
class Split:
    """A split's name, seed and shares; names and seeds share no clip. `is_shifted`: see `shifted`.

    `misleading_by` are mechanisms of MISLEADING, `gold_cues` the cues that speak for the answer of most items
    of the kinds `cued`. Raises ValueError for others, and for misleading items by no mechanism.
    """

    name: str
    seed: int = 0
    shares: KindShares = field(default_factory=KindShares)
    is_shifted: bool = False
    misleading_by: Sequence[str] = BY_TEXT
    gold_cues: Sequence[str] = ()
    cued: Sequence[str] = CUED

    def __post_init__(self) -> None:
        _check_names("misleading_by", self.misleading_by, tuple(MISLEADING))
        _check_names("gold_cues", self.gold_cues, CUES)
        _check_names("cued", self.cued, MAY_BE_CUED)
        if self.shares.misleading and not self.misleading_by:
            raise ValueError(
                f"misleading_share is {self.shares.misleading} and misleading_by names no mechanism; "
                f"expected some of {', '.join(MISLEADING)}, or a share of 0"
            )

    def mechanism(self, kind: Kind, draw: float) -> Mechanism | None:
        """The mechanism of an item of this kind, by a draw from 0 to 1."""
        match kind:
            case "text_answerable":
                return _drawn(TEXT_ANSWERABLE, draw)
            case "misleading":
                return _drawn(
                    {m: weight for m, weight in MISLEADING.items() if m in self.misleading_by}, draw
                )
            case "unanswerable":
                return "absent"
            case "audio_only":
                return None


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
        draw = rng.random()
        kind = split.shares.kind(index // len(by_category))
        item = make_item(rng, subject, split.mechanism(kind, draw))
        if kind == "audio_only" and split.shares.unanswerable:
            item = offer_none(rng, item)
        for cue in CUES:
            if item.mechanism == cue:
                item = misled(rng, item, cue)
            elif kind in split.cued and cue in split.gold_cues:
                item = helped(rng, item, cue)
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


def _check_names(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name not in known:
            raise ValueError(f"{option} names {shown(name)}; expected some of {', '.join(known)}")
        if name in names[:number]:
            raise ValueError(f"{option} names {name!r} twice; expected each once")


def _drawn(weights: Mapping[Mechanism, float], draw: float) -> Mechanism:
    """The mechanism at a draw from 0 to 1, where each has its share of the weights."""
    left = draw * sum(weights.values())
    for mechanism, weight in weights.items():
        if left < weight:
            return mechanism
        left -= weight
    return mechanism  # by rounding


def _shares_name(split: Split) -> str:
    """Such as text0.5-misleading0.2-by-length-shifted."""
    shares = split.shares
    by = [m for m in MISLEADING if m in split.misleading_by]
    cued = tuple(kind for kind in MAY_BE_CUED if kind in split.cued)
    return (
        f"text{shares.text_answerable:g}"
        + "".join(f"-{cue}" for cue in CUES if cue in split.gold_cues)
        + (f"-in-{'-'.join(cued)}" if split.gold_cues and cued != CUED else "")
        + (f"-misleading{shares.misleading:g}" if shares.misleading else "")
        + (f"-by-{'-'.join(by)}" if shares.misleading and by != list(BY_TEXT) else "")
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
        | ({"tempting_short": item.tempting_short} if item.tempting_short else {})
        | ({"unanswerable": True} if item.kind == "unanswerable" else {}),
    )
