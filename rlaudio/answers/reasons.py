"""Clauses beside an answer: "because it meows", "C is wrong", "there is no barking"."""

from __future__ import annotations

import re

CLAUSE = (  # that says what is heard, not what it is
    r"(?:it|he|she|they|you can|i can) (?!(?:is|was|are|were|seems?|sounds?|would|had"
    r"|sa(?:ys?|id)|thinks?|claims?|believes?|told|tells?|asks?|writes?|wrote|guess\w*)\b)[a-z]"
    r"|there (?:is|are) "
)
REASON = re.compile(
    r",? ?(?:因[为為]|由于)|, (?:da|denn)\b"
    r"|,? (?:weil|porque|ya que|parce que|puisque|потому что|так как|поскольку)\b"
    r"|,? (?:because|since|due to|given|as(?= (?:it|there|the|i|we|you|he|she|they|no|an?)\b))\b"
    rf"|(?:[,;:] | [-(] ?|\()(?={CLAUSE})",
    re.IGNORECASE,
)


def without_reason(text: str) -> tuple[str, str]:
    """A text up to "because", or up to a clause set apart, and the reason; empty if there is none."""
    reason = REASON.search(text)
    return (text[: reason.start()], text[reason.end() :]) if reason else (text, "")


SURELY = r"(?:(?:clearly|definitely|certainly|obviously) )?"
IS = r"(?:is|are|was|were)"
REJECTIONS = [
    re.compile(
        rf" ?(?P<other>.+?) (?:{IS}|can be|must be) {SURELY}"
        r"(?:wrong|incorrect|false|ruled out|excluded|eliminated|absent"
        r"|not (?:correct|right|present|heard|there))(?: (?:because|since|as)\b.*)?",
        re.IGNORECASE,
    ),
    re.compile(r" ?(?P<other>.+?) (?:cannot|can't|can not) be heard", re.IGNORECASE),
    re.compile(
        r" ?(?:(?:so|and|but|then),? )?"
        rf"(?:(?:it|this|that|the sound|the answer) {SURELY}"
        r"(?:is not|isn't|was not|wasn't|can't be|cannot be"
        r"|(?:does not|doesn't|did not|didn't) (?:sound|seem|look|appear)(?: like| to be)?)"
        r"|(?:i|we) (?:do not|don't) (?:think|believe) (?:that )?(?:it is|it's)"
        r"|(?:does not|doesn't) (?:sound|seem|look)(?: like| to be)?"
        r"|it's not|that's not|not?|can't be|cannot be) (?P<other>.+)",
        re.IGNORECASE,
    ),
    re.compile(
        rf" ?(?:there(?:'s| {IS}) no|(?:i|we|you)(?: can)? hear no"
        r"|(?:i|we|you) (?:can't|cannot|don't|do not) hear)"
        r" (?P<other>.+)",
        re.IGNORECASE,
    ),
]


def rejected(reason: str) -> str:
    """What a clause says to be wrong or not to be there, if it says nothing else: "C is wrong"."""
    rejections = (rejection.fullmatch(reason) for rejection in REJECTIONS)
    return next((rejection["other"] for rejection in rejections if rejection), "")


THING = r"(?P<thing>[a-z'-]+(?: [a-z'-]+){0,3})"
ABSENCES = [
    re.compile(
        rf" ?(?:there(?:'s| {IS}) no|(?:i|we|you)(?: can)? hear no|it has no|without(?: any)?"
        r"|(?:the )?(?:lack|absence) of"
        rf"|(?:i|we|you) (?:can't|cannot|don't|do not) hear(?: any)?) {THING}",
        re.IGNORECASE,
    ),
    re.compile(
        r" ?(?:the|this) (?:audio|sound|clip|recording) (?:does not|doesn't) (?:contain|have|include|feature)"
        rf"(?: any)? {THING}",
        re.IGNORECASE,
    ),
    re.compile(rf" ?no {THING} (?:{IS}|can be) (?:heard|present|audible)", re.IGNORECASE),
]
DOES_NOT = re.compile(
    r" ?(?:it|he|she|they|the [a-z]+) (?:does not|doesn't|do not|don't|did not|didn't) (?P<thing>[a-z]+)",
    re.IGNORECASE,
)
# Without these the answer, not a sound, would be what is missing.
NO_SOUND = re.compile(
    r"\b(?:ideas?|ways?|options?|answers?|choices?|match\w*|chance|evidence|clues?|reasons?|signs?|hints?"
    r"|sounds?|audio|noise|one|such|it|that|this|them|sure|fit|fits|matter|make|work|exist|seem|help|count"
    r"|know|tell|appear|apply|belong|qualify|stand|agree|hold)\b",
    re.IGNORECASE,
)


def absent(clause: str, *, first: bool) -> str:
    """What a clause says not to be heard; `first`: it stands before the answer, as "It doesn't bark, so"."""
    forms = [*ABSENCES, DOES_NOT] if first else ABSENCES
    thing = next((match["thing"] for form in forms if (match := form.fullmatch(clause))), "")
    return "" if NO_SOUND.search(thing) else thing
