"""The JSON that the scripts of a page read, with what had to be left out for its size.

It stands in a page inside `<script type="application/json">`, so `<` is escaped; the scripts put every
text of it into the page as text.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from rlaudio.runs.files import plain
from rlaudio.utils.number_format import counted, thousands
from rlaudio.viewer.clips import PageClip
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedCompletion, ViewedGroup

MOST_COMPLETIONS = 2_000
MOST_CLIP_CHARACTERS = 15_000_000  # of base64 in all
MOST_TOKENS = 400_000  # that are tinted
MOST_TEXT = 12_000_000  # characters of all completions
LONGEST_TEXT = 20_000  # characters of one
_NO_ROOM = "left out, since the clips of this page take their 15 MB"


def json_script(value: Any, id: str) -> Markup:
    """The value as a block of JSON that a script of the page finds by its id."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no text
    for character in "<>&\u2028\u2029":  # JSON has them in texts alone
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup('<script type="application/json" id="{}">{}</script>').format(id, Markup(text))


def payload(viewed: Viewed, most: int = MOST_COMPLETIONS) -> dict[str, Any]:
    """What the page shows: whole groups, in their order, up to `most` completions."""
    groups = list(_first(viewed.groups, most))
    viewed = replace(viewed, columns=[column for column in viewed.columns if _has_values(column, groups)])
    clips = _Clips()
    texts = _Texts(groups, viewed)
    shown = [_group(group, viewed, clips, texts) for group in groups]
    return {
        "columns": [_column(column) for column in viewed.columns],
        "flags": [[name, meaning] for name, meaning in viewed.flags.items()],
        "tints": [[name, meaning] for name, meaning in viewed.tints.items()],
        "selection": " ".join([viewed.selection, *_left_out(viewed.groups, groups)]).strip(),
        "notes": [*clips.notes(), *texts.notes()],
        "groups": shown,
        "clips": clips.shown,
    }


def _has_values(column: Column, groups: Sequence[ViewedGroup]) -> bool:
    of = groups if column.of_group else [c for group in groups for c in group.completions]
    return any(_number(each.values.get(column.name)) is not None for each in of)


def _first(groups: Sequence[ViewedGroup], most: int) -> Iterator[ViewedGroup]:
    left = most
    for group in groups:
        left -= max(1, len(group.completions))
        if left < 0:
            return
        yield group


def _left_out(all_groups: Sequence[ViewedGroup], shown: Sequence[ViewedGroup]) -> list[str]:
    if len(shown) == len(all_groups):
        return []
    return [
        f"Shown are the first {thousands(len(shown))} of {counted(len(all_groups), 'group')}, as many as a "
        "page holds."
    ]


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "meaning": column.meaning,
        "group": column.of_group,
    }


def _group(group: ViewedGroup, viewed: Viewed, clips: _Clips, texts: _Texts) -> dict[str, Any]:
    of_group = [column.name for column in viewed.columns if column.of_group]
    of_completion = [column.name for column in viewed.columns if not column.of_group]
    flags = list(viewed.flags)
    return {
        "id": group.question_id,
        "q": group.question,
        "o": list(group.options),
        "gold": group.gold,
        "a": group.answer,
        "stage": group.stage,
        "step": group.step,
        "facts": dict(group.facts),
        "v": _numbers(group.values.get(name) for name in of_group),
        "clips": [clips.place(clip) for clip in group.clips],
        "c": [
            {
                "v": _numbers(completion.values.get(name) for name in of_completion),
                "f": [place for place, name in enumerate(flags) if name in completion.flags],
                "s": completion.stop_reason,
                "n": completion.title,
                **texts.of(completion),
            }
            for completion in group.completions
        ],
    }


def _numbers(values: Iterable[float | None]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float | None) -> float | None:
    """Five digits, which are more than a page shows; None for what is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


class _Clips:
    """Every clip once, those that come first with their audio."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}
        self._characters = 0
        self._full = False

    def place(self, clip: ClipToHear) -> int:
        """The position of a clip in `shown`."""
        if clip.name not in self._places:
            self._places[clip.name] = len(self.shown)
            self.shown.append({"name": clip.name, **self._content(clip)})
        return self._places[clip.name]

    def _content(self, clip: ClipToHear) -> dict[str, Any]:
        if clip.read is None:
            return {"absent": clip.absent}
        if self._full:
            return {"absent": _NO_ROOM}
        try:
            read: PageClip = clip.read()
        except (ValueError, OSError) as error:
            return {"absent": str(error)}
        encoded = base64.b64encode(read.mp3).decode("ascii")
        if self._characters + len(encoded) > MOST_CLIP_CHARACTERS:
            self._full = True
            return {"absent": _NO_ROOM}
        self._characters += len(encoded)
        peaks = [round(100 * float(peak)) for peak in read.peaks]
        return {"mp3": encoded, "peaks": peaks, "seconds": round(read.seconds, 3)}

    def notes(self) -> list[str]:
        """What the page says of clips that are not in it."""
        absent = [clip for clip in self.shown if "absent" in clip]
        if not absent:
            return []
        reasons = dict.fromkeys(clip["absent"] for clip in absent)
        because = next(iter(reasons)) if len(reasons) == 1 else "each says why in its place"
        return [
            f"{counted(len(absent), 'clip')} of {thousands(len(self.shown))} cannot be heard here: {because}."
        ]


class _Texts:
    """Texts and tints of completions, within what a page holds."""

    def __init__(self, groups: Sequence[ViewedGroup], viewed: Viewed) -> None:
        count = sum(len(group.completions) for group in groups)
        self._longest = max(200, min(LONGEST_TEXT, MOST_TEXT // max(1, count)))
        self._names = list(viewed.tints)
        self._tokens = self._cut = self._untinted = 0

    def of(self, completion: ViewedCompletion) -> dict[str, Any]:
        """Text, and where there is room for them its tokens with their tints."""
        tints = {
            str(place): [None if not math.isfinite(value) else round(float(value), 3) for value in tint]
            for place, name in enumerate(self._names)
            if (tint := completion.tints.get(name)) is not None and len(tint) == len(completion.pieces)
        }
        text = completion.text
        if len(text) > self._longest:
            self._cut += 1
            more = thousands(len(text) - self._longest)
            return {"t": text[: self._longest], "cut": f"{more} more characters"}
        if not tints:
            return {"t": text}
        if self._tokens + len(completion.pieces) > MOST_TOKENS:
            self._untinted += 1
            return {"t": text}
        self._tokens += len(completion.pieces)
        return {"t": text, "p": list(completion.pieces), "k": tints}

    def notes(self) -> list[str]:
        """What the page says of texts that are not whole."""
        notes = []
        if self._cut:
            notes.append(
                f"{counted(self._cut, 'completion')} longer than {self._longest} characters are cut."
            )
        if self._untinted:
            without = "shown without the numbers of their tokens"
            notes.append(f"{counted(self._untinted, 'completion')} are {without}.")
        return notes
