"""Lists in which every option bears a share or a mark: "A: 10%, B: 90%", "[ ] a dog", "[x] a cat"."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_LIST = 20  # items
LONGEST_TEXT = 4000  # characters
TITLE_OF_SHARES = re.compile(
    r"\s*(?:confidences?|probabilit(?:y|ies)|scores?|likelihoods?)\s*:\s*", re.IGNORECASE
)
BETWEEN_SHARES = re.compile(r"\n|(?<=[\d%)])[,;] ?(?:and )?|[,;] ?(?:and )?(?=\d{1,3}(?:\.\d+)? ?%)")
SHARE = r"(?P<share>\d{1,3}(?:\.\d{1,9})?) ?%"
SHARES = [
    re.compile(rf"(?P<item>.+?)(?: ?[:=] ?| - | is | )?\(?{SHARE}\)?\.?"),
    re.compile(rf"{SHARE} ?(?:for |chance of |[:-] ?)?(?P<item>.+?)\.?"),
    re.compile(r"(?P<item>.+?) ?[:=] ?\(?(?P<part>0?\.\d{1,9}|[01](?:\.0{1,9})?)\)?\.?"),
]
WHOLE = (98, 102)  # percent: what rounded shares of one whole add up to
MOST = 50  # percent

CHOSEN = "\u2611\u2705\u2713\u2714"
REFUSED = "\u2610\u2717\u2718\u274c"
BETWEEN_MARKS = re.compile(rf" (?=\[[ xX]\]|\([ xX]\)|[{CHOSEN}{REFUSED}])")
BULLET = r"(?:[-*+] +)?"
MARKS = [  # in front of an item, behind it, or around it
    re.compile(
        rf"{BULLET}(?:(?P<chosen>\[[xX]\]|\([xX]\)|[{CHOSEN}]\ufe0f?)|(?P<refused>\[ ?\]|\( ?\)|[{REFUSED}]))"
        r" ?(?P<item>.+)"
    ),
    re.compile(
        rf"{BULLET}(?P<item>.+?) ?(?:(?P<chosen>[{CHOSEN}]\ufe0f?|<-+|\u2190)|(?P<refused>[{REFUSED}]))"
    ),
    re.compile(rf"{BULLET}(?P<chosen>\*\*)(?P<item>[^*]+)\*\*(?P<refused>)"),
    re.compile(
        rf"{BULLET}(?P<item>.+?) ?[:(\u2013-] ?(?P<words>(?P<chosen>yes|true|correct|right)"
        r"|(?P<refused>no|false|wrong|incorrect))\)?\.?",
        re.IGNORECASE,
    ),
]


@dataclass(frozen=True)
class ListItem:
    """A member of a list; `line` is all of it."""

    line: str
    text: str
    chosen: bool = False
    refused: bool = False
    in_words: bool = False  # the mark is a word, which may belong to an option


def largest_share(text: str) -> tuple[list[str], int | None]:
    """The members of a list of shares and which has the largest; None where it is not most or not alone."""
    pieces = BETWEEN_SHARES.split(TITLE_OF_SHARES.sub("", "\n".join(_lines(text)), count=1))
    matches = list(map(_share, pieces if 2 <= len(pieces) <= LONGEST_LIST else []))
    shares = [
        float(match["share"]) if "share" in match.re.groupindex else 100 * float(match["part"])
        for match in matches
        if match
    ]
    if not shares or len(shares) < len(matches):
        return [], None
    items, most = [match["item"] for match in matches if match], max(shares)
    is_whole = WHOLE[0] <= sum(shares) <= WHOLE[1]
    is_most = is_whole or (most > MOST and sum(shares) <= WHOLE[1])
    return items, shares.index(most) if is_most and shares.count(most) == 1 else None


def _lines(text: str) -> list[str]:
    """The lines that are not blank, with single spaces; none of a text that is too long for a list."""
    lines = text.splitlines() if len(text) <= LONGEST_TEXT else []
    return [" ".join(line.split()) for line in lines if line.strip()]


def _share(piece: str) -> re.Match[str] | None:
    return next((match for form in SHARES if (match := form.fullmatch(piece))), None)


def marked_items(text: str) -> list[ListItem]:
    """The members of a list of which some are marked as chosen or refused; none of any other text."""
    lines = _lines(text)
    pieces = lines if len(lines) > 1 else BETWEEN_MARKS.split("".join(lines))
    return [_marked(piece) for piece in pieces] if 2 <= len(pieces) <= LONGEST_LIST else []


def _marked(piece: str) -> ListItem:
    match = next((match for form in MARKS if (match := form.fullmatch(piece))), None)
    if match is None:
        return ListItem(piece, piece)
    in_words = "words" in match.re.groupindex
    return ListItem(piece, match["item"], match["chosen"] is not None, bool(match["refused"]), in_words)
