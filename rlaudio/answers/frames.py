"""The words around an answer: "I think the answer is", "is correct", "because it meows".

What they frame must be an option as a whole, so nothing has to be known of what negates an answer or doubts
it: "not a cat" and "a cat or a dog" are no options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FILLER = (
    r"(?:so|but|and|then|thus|therefore|hence|finally|overall|clearly|okay|ok|well|hmm|sure|certainly"
    r"|of course|in conclusion|in summary)"
)
SOURCE = (
    r"(?:based on|from|given|among|according to|judging (?:by|from)"
    r"|(?:after )?(?:listening(?: carefully)?(?: to)?|hearing))"
    r"(?: (?:the|this|these|what|my)(?: [\w']+){1,5})?,"
)
OPINION = (
    r"(?:(?:i|we)(?:'d| would| will|'ll| can)?"
    r" (?:think|believe|guess|suppose|assume|say|choose|pick|select|answer|conclude|go (?:with|for))"
    r"|(?:i(?: a|')m|we(?: a|')re) (?:(?:fairly|pretty|quite|very|almost) )?(?:sure|confident|certain))"
    r"(?: that)?"
)
QUALITY = (
    r"(?:(?:most |more )?(?:correct|right|best|final|likely|probable|appropriate|suitable|fitting|accurate"
    r"|main|true|primary|dominant))"
)
NOUN = r"(?:answer|option|choice|response|conclusion|guess|pick|selection|prediction)"
THING = (
    r"(?:sound|audio|clip|recording|noise|instrument|animal|speaker|voice|person|singer|emotion|mood|tone|genre"
    r"|style|tempo|key|chord|note|melody|music|song|piece|source|event|scene|place|location|language|accent"
    r"|pitch|gender|number|count|order|object|vehicle|material)"
)
PLACE = (
    r"(?: (?:heard|played|here|(?:in|of) (?:the|this) (?:audio|clip|recording|background|music|song|piece)))"
)
IS = (
    r"(?:(?:'s| is| was| are| were| (?:must|would|should|could|might|may) be"
    r"| (?:sounds?|seems?|appears?|looks?)(?: like| to be)?)"
    r"(?: (?:most likely|very likely|likely|probably|possibly|definitely|clearly|indeed|therefore))?)"
)
IT_IS = (
    rf"(?:it|this|that|here|they|he|she|(?:the|this) (?:{QUALITY} )*{THING}{PLACE}?){IS}(?: th(?:at|ose) of)?"
)
ANSWER = rf"(?:(?:the|my|our) )?(?:{QUALITY} )*{NOUN}(?: {NOUN})?(?: (?:here|to (?:the|this) question))?"
ANSWER_IS = rf"""["']?{ANSWER}["']?(?:{IS}(?: ?[:=])? |(?: is)? ?(?:[:=]|->|=>) ?| - (?!\d))"""
CHINESE = (
    r"(?:我(?:认为|觉得))?"
    r"(?:(?:正确|最终)?的?(?:答案|选项)(?:应该)?(?:[是为]|:)|我?选择?|[它这那]?(?:应该|听起来)?[是像]):? ?"
)
FOREIGN = (
    r"(?:antwort|respuesta|réponse|risposta|resposta|ответ|정답|答え|الإجابة|उत्तर)"
    r" ?(?:es|est|è|é|ist|는|は)? ?: ?"
)
LEAD_IN = re.compile(
    rf"(?P<answer>{ANSWER_IS}|{CHINESE}|{FOREIGN})"
    rf"|(?:{FILLER}|{SOURCE}|{OPINION}|{IT_IS}|(?:final )?answer)[,:]? ",
    re.IGNORECASE,
)
TAIL = re.compile(
    rf"(?:{IS} (?:the |my )?(?:{QUALITY}|(?:{QUALITY} )*{NOUN})"
    r"|,? (?:i (?:think|believe|guess|suppose|would say)|i'd say|please|for sure"
    r"|probably|most likely|definitely|certainly)"
    r"| \((?:correct|final answer|the answer)\))[.!]?$",
    re.IGNORECASE,
)
LONGEST_TAIL = 60  # characters
MOST_LEAD_INS = 6  # behind each other


@dataclass(frozen=True)
class Core:
    """A text without some of the words around its answer."""

    text: str
    says_answer: bool = False  # they call it the answer


def cores(text: str) -> Iterator[Core]:
    """The text, then with a frame less each time; the larger come first, since an option may look framed."""
    core = Core(text)
    for _ in range(MOST_LEAD_INS):
        yield core
        if tail := TAIL.search(core.text, max(1, len(core.text) - LONGEST_TAIL)):
            yield Core(core.text[: tail.start()], core.says_answer)
        lead_in = LEAD_IN.match(core.text)
        if lead_in is None:
            return
        core = Core(core.text[lead_in.end() :].lstrip(), core.says_answer or bool(lead_in["answer"]))
    yield core


CONTRAST = re.compile(r"\b(?:not|rather than|instead of)\b", re.IGNORECASE)
CONTRASTS = [
    re.compile(r"(?P<answer>.+?),? (?:and )?(?:not|rather than|instead of) (?P<other>.+)", re.IGNORECASE),
    re.compile(r"not (?P<other>.+?),? but(?: rather)? (?P<answer>.+)", re.IGNORECASE),
]


def contrasts(text: str) -> Iterator[tuple[str, str]]:
    """An answer and what it is said not to be: "a cat, not a dog", "not a dog but a cat"."""
    for contrast in CONTRASTS if CONTRAST.search(text) else ():
        if match := contrast.fullmatch(text):
            yield match["answer"], match["other"]


REASON = re.compile(r",? (?:because|since|as|due to|given)\b", re.IGNORECASE)


def without_reason(text: str) -> tuple[str, str]:
    """A text up to "because", and the reason behind it; empty if there is none."""
    reason = REASON.search(text)
    return (text[: reason.start()], text[reason.end() :]) if reason else (text, "")
