"""The words around an answer: "I think the answer is", "is correct", "because it meows".

What they frame must be an option as a whole, so nothing has to be known of what negates an answer or doubts
it: "not a cat" and "a cat or a dog" are no options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlaudio.answers import foreign_frames
from rlaudio.answers.mentions import NEGATION

FILLER = (
    r"(?:so|but|and|then|thus|therefore|hence|finally|overall|clearly|okay|ok|well|hmm|sure|certainly"
    r"|of course|in conclusion|in summary|only|just|a total of|assistant)"
)
# They may answer the question themselves: no frame where an option is one of them.
ADVERB = (
    r"(?:yes|yeah|yep|exactly|precisely|correct|indeed|obviously|apparently|presumably"
    r"|undoubtedly|definitely|absolutely|(?:most |very )?(?:probably|likely)|possibly|maybe|perhaps)"
)
SOURCE = (
    r"(?:based on|from|given|(?:out )?of|among|according to|judging (?:by|from)"
    r"|(?:after )?(?:listening(?: carefully)?(?: to)?|hearing))"
    r"(?: (?:the|this|these|what|my)(?: [\w'-]+){1,5})?,"
    r"|in (?:the|this) (?:audio|sound|clip|recording|music|song|piece)(?: clip)?,"
)
PERCENT = r"(?:(?:[5-9]\d|100)(?:\.\d+)? ?%)"  # more likely than not
OPINION = (
    r"(?:(?:i|we)(?:'d| would| will|'ll| can)?"
    r" (?:think|believe|guess|suppose|assume|say|choose|pick|select|answer|conclude|vote for|go (?:with|for))"
    r"|(?:i(?: a|')m|we(?: a|')re) going with"
    rf"|(?:i(?: a|')m|we(?: a|')re) (?:(?:fairly|pretty|quite|very|almost|{PERCENT}) )?"
    r"(?:sure|confident|certain)"
    r"|(?:let'?s go|going) with|in my opinion,?|to (?:me|my ears),?)"
    r"(?: that)?"
)
QUALITY = (
    r"(?:(?:most |more )?(?:correct|right|best|closest|nearest|final|likely|probable|plausible"
    r"|appropriate|suitable|fitting|accurate|main|true|primary|dominant))"
)
NOUN = (
    r"(?:answer|ans|option|choice|match|response|conclusion|guess|pick|selection|prediction|solution|result"
    r"|verdict)"
)
THING = (
    r"(?:sound|audio(?: clip)?|clip|recording|noise|instrument|animal|speaker|voice"
    r"|person|man|woman|boy|girl|child"
    r"|singer|emotion|mood|tone|genre|style|tempo|key|chord|note|melody|music|song|piece|source|event|scene|place|location|language|accent"
    r"|pitch|gender|number|count|order|object|vehicle|material)"
)
PLACE = (
    r"(?: (?:heard|played|here|conveyed|expressed|(?:that )?(?:i|you|we)(?: can)? hear"
    r"|(?:making|producing|that (?:makes|produces)) (?:the|this|that) (?:sound|noise)"
    r"|(?:in|of) (?:the|this) (?:audio|clip|recording|background|music|song|piece|speaker|voice|singer)))"
)
IS = (
    r"(?:(?:'s| is| was| are| were| (?:must|would|should|could|might|may|has to|have to) be"
    r"| (?:sounds?|seems?|appears?|looks?|feels?)(?: like| to be)?)"
    r"(?: (?:most likely|very likely|likely|probably|possibly|definitely|clearly|indeed|therefore))?)"
)
SOUND_OF = (
    r"(?:(?:the )?(?:sound|noise|voice|call|cry)s? of"
    r"|(?:coming )?from|(?:being )?(?:produced|made|caused|generated|created|emitted) by)"
)
SUBJECT = (
    rf"(?:it|this|that|here|they|he|she|(?:the|this) (?:\w{{1,20}}'s )?(?:{QUALITY} )*{THING}{PLACE}?"
    r"|what(?: (?:i|you|we)(?: can)? hear|'s heard| is heard| can be heard)"
    r"|the (?:total )?number of \w{1,20}(?: \w{1,20}){0,2}?)"
)
IT_IS = (
    rf"(?:{SUBJECT}(?:{IS}(?: th(?:at|ose) of| (?:a recording )?of)?| comes? from| belongs? to| indicates?)"
    r"|(?:must|has to) be|(?:sounds?|seems?|appears?|looks?) (?:like|to be)|it(?= cannot\b| can't\b))"
)
ANSWER = rf"(?:(?:the|my|our) )?(?:{QUALITY}[ _])*{NOUN}(?: {NOUN})?(?: (?:here|to (?:the|this) question))?"
ANSWER_IS = rf"""["']?{ANSWER}["']?(?:{IS}(?: ?[:=])? |\.?(?: is)? ?(?:=>|->|[:=]|\u2192) ?| - (?!\d))"""
LEAD_IN = re.compile(
    rf"(?P<answer>{ANSWER_IS}|{foreign_frames.THE_ANSWER_IS})"
    rf"|(?:{FILLER}|(?P<adverb>{ADVERB})|{SOURCE}|{OPINION}|{IT_IS}|{SOUND_OF}|that|(?:final )?answer)[,:]? "
    rf"|(?P<reason>(?:(?:because|since|as|given that) [^,;.?!]{{1,80}},"
    rf"|[^,;.?!]{{1,80}}[,;] (?:so|thus|therefore|hence),?) (?={ANSWER_IS}|{IT_IS} |{OPINION} )"
    r"|[^;.?!]{1,80}[,;] ?(?=所以|因此|因而|故(?:[选選答]|正[确確])))"
    rf"|{foreign_frames.IT_IS}|{foreign_frames.A}"
    r"|(?::|=>?|->|[\u2192\u21d2\u27a1]) ?",
    re.IGNORECASE,
)
# What somebody hears is not always what is asked for: these frame an answer only as a whole, not a sentence.
HEARD = re.compile(
    r"(?:(?:i|we|you|one)(?: can| could)?(?: clearly| only| just)? (?:hear|count|counted)"
    r"|the (?:audio|sound|recording|(?:audio )?clip) (?:contains?|features?|has)"
    r"|there(?:'s| is| are| was| were)) ",
    re.IGNORECASE,
)
IS_HEARD = re.compile(
    r" (?:can(?: clearly)? be heard|(?:is|are|was|were)(?: clearly)? (?:heard|audible|present))[.!]?$",
    re.IGNORECASE,
)
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TIMES = "(?:" + "|".join(["(?<=[0-9)])", *(rf"(?<=\b{count})" for count in COUNTS)]) + ") times"
TAIL = re.compile(
    rf"(?:{IS} (?:the |my )?(?:{QUALITY}(?: one)?|(?:{QUALITY} )*{NOUN}|what (?:i|we|you)(?: can)? hear)"
    rf"|{foreign_frames.TAIL}|{foreign_frames.MEASURES}| in total|\*+|{TIMES}|(?<!\bno)(?<!\bno,),? it is"
    r"| (?:fits|matches)(?: the)? best| (?:makes|is making) (?:the|this|that) (?:sound|noise)"
    r"|,? (?:i (?:think|believe|guess|suppose|would say)|i'd say|please|for sure"
    r"|probably|most likely|definitely|certainly|obviously|clearly|of course)"
    rf"| [(\[](?:confiden(?:ce|t)[:=]? ?)?(?:{PERCENT}|0?\.[5-9]\d*)"
    r"(?: (?:sure|confiden(?:t|ce)|certain))?[)\]]"
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
    aside: str = ""  # those of them that may be an answer themselves, "yes", or speak of others
    reason: str = ""  # a clause that the answer follows from
    framed: bool = False


def cores(text: str, *, whole: bool) -> Iterator[Core]:
    """The text, then with a frame less each time; the larger come first, since an option may look framed.

    `whole` says that nothing stands beside the text, so that "I hear" may frame an answer too.
    """
    core = Core(text)
    for _ in range(MOST_LEAD_INS):
        yield core
        end = max(1, len(core.text) - LONGEST_TAIL)
        if tail := TAIL.search(core.text, end) or (whole and IS_HEARD.search(core.text, end)):
            aside = f"{core.aside} {tail[0].strip()}"
            yield replace(core, text=core.text[: tail.start()], aside=aside, framed=True)
        lead_in = LEAD_IN.match(core.text)
        heard = HEARD.match(core.text) if whole and lead_in is None else None
        if lead_in:
            says_answer = core.says_answer or bool(lead_in["answer"])
            aside = f"{core.aside} {lead_in['adverb'] or ''}"
            reason = f"{core.reason} {lead_in['reason'] or ''}".strip()
            core = Core(core.text[lead_in.end() :].lstrip(), says_answer, aside, reason, True)
        elif heard:
            core = replace(core, text=core.text[heard.end() :].lstrip(), framed=True)
        else:
            return
    yield core


YES_OR_NO = re.compile(r"(?P<answer>yes|(?P<no>no)), (?P<clause>[ -~]+)", re.IGNORECASE)  # all in English
BARE_CLAUSE = re.compile(
    r"(?:it|this|that|there|he|she|they|you|i|we) (?:is|are|was|were|does|do|did|has|have|can)",
    re.IGNORECASE,
)


def yes_or_no(text: str) -> tuple[str, str]:
    """The first word of "Yes, it is raining", and what follows without what negates it behind "no"."""
    match = YES_OR_NO.fullmatch(text)
    if match is None or (match["no"] and BARE_CLAUSE.fullmatch(match["clause"])):  # "No, it is" is at odds
        return "", ""
    clause = match["clause"]
    return match["answer"], NEGATION.sub("", clause) if match["no"] else clause


NOT = r"(?:not|rather than|instead of|as opposed to)"
CONTRAST = re.compile(rf"\b{NOT}\b|n't\b|不是", re.IGNORECASE)
CONTRASTS = [
    re.compile(rf"(?P<answer>.+?),? (?:and )?{NOT} (?P<other>.+)", re.IGNORECASE),
    re.compile(rf"(?P<answer>.+?),? \((?:and )?{NOT} (?P<other>[^()]+)\)", re.IGNORECASE),
    re.compile(
        r"(?:not|(?:it|this|that) (?:isn|wasn)'t) (?P<other>.+?)"
        r"(?:,? but(?: rather)?|[,;]? (?:but )?(?:it|this|that)(?:'s| is| was)) (?P<answer>.+)",
        re.IGNORECASE,
    ),
    re.compile(r"[它这那]?不是(?P<other>.+?),? ?而?(?:应该)?是(?P<answer>.+)"),
]
SEVERAL_OTHERS = re.compile(r",? n?or |, ")


def contrasts(text: str) -> Iterator[tuple[str, str]]:
    """An answer and what it is said not to be: "a cat, not a dog", "not a dog but a cat"."""
    for contrast in CONTRASTS if CONTRAST.search(text) else ():
        if match := contrast.fullmatch(text):
            yield match["answer"], match["other"]


REASON = re.compile(r",? (?:because|since|as|due to|given)\b", re.IGNORECASE)


def without_tail(text: str) -> str:
    """A text without words that say it is the answer: "Option B" of "Option B is correct"."""
    tail = TAIL.search(text, max(1, len(text) - LONGEST_TAIL))
    return text[: tail.start()] if tail else text


def without_reason(text: str) -> tuple[str, str]:
    """A text up to "because", and the reason behind it; empty if there is none."""
    reason = REASON.search(text)
    return (text[: reason.start()], text[reason.end() :]) if reason else (text, "")


REJECTION = re.compile(
    r" ?(?P<other>.+?) (?:is|are|was|were) (?:(?:clearly|definitely) )?"
    r"(?:wrong|incorrect|false|not (?:correct|right|present|heard|there))",
    re.IGNORECASE,
)


def rejected(reason: str) -> str:
    """What a reason says to be wrong, if it says nothing else: "C is wrong"."""
    rejection = REJECTION.fullmatch(reason)
    return rejection["other"] if rejection else ""
