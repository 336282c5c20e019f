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
    r"|of course|in conclusion|in summary|in short|to conclude|to sum up|to summari[sz]e|all in all"
    r"|simply put|in total|oh(?=, (?:it|this|that|the)\b)"
    r"|ultimately|surely|undoubtedly|(?:without (?:a|any)|no) doubt|only|just|nothing but"
    r"|a total of|assistant"
    r"|(?:great|good) question|if i (?:had|have) to (?:choose|guess|pick|say)"
    rf"|{foreign_frames.I_THINK})"
)
# They may answer the question themselves: no frame where an option is one of them.
ADVERB = (
    r"(?:yes|yeah|yep|right|exactly|precisely|correct|indeed|obviously|apparently|presumably"
    r"|undoubtedly|definitely|absolutely|(?:most |very )?(?:probably|likely)|possibly|maybe|perhaps)"
)
SOURCE = (
    r"(?:based on|from|given|due to|(?:out )?of|among|according to|judging (?:by|from)"
    r"|(?:after |having )?(?:listen(?:ing|ed)(?: carefully| closely| again)?(?: to)?|hearing|heard"
    r"|looking at|considering))"
    r"(?: (?:the|this|these|what|my)(?: [\w'-]+){0,5})?,"
    r"|in (?:the|this) (?:audio|sound|clip|recording|music|song|piece)(?: clip)?,"
)
PERCENT = r"(?:(?:[5-9]\d|100)(?:\.\d+)? ?%)"  # more likely than not
OPINION = (
    r"(?:(?:i|we)(?:'d| would| will|'ll| can)?"
    r" (?:think|believe|guess|suppose|assume|say|cho{1,2}se|pick(?:ed)?|select(?:ed)?|answer|concluded?"
    r"|can tell|vote(?: for)?|(?:go|went) (?:with|for))"
    r"|(?:i(?: a|')m|we(?: a|')re) (?:going (?:with|to (?:say|go with))|choosing)"
    rf"|(?:i(?: a|')m|we(?: a|')re) (?:(?:fairly|pretty|quite|very|almost|{PERCENT}) )?"
    r"(?:sure|confident|certain)"
    r"|(?:let(?:'?s| me) (?:go with|choose|pick|say)|going with)|in my opinion,?|to (?:me|my ears),?)"
    r"(?: that)?"
)
QUALITY = (
    r"(?:(?:most |more )?(?:background|lead|leading|solo|featured|prominent|overall|correct"
    r"|right|best|closest|nearest|final|likely|probable|plausible"
    r"|appropriate|suitable|fitting|accurate|main|true|primary|dominant|selected|chosen|predicted))"
)
NOUN = (
    r"(?:answer|ans|option|choice|match|response|conclusion|guess|pick|selection|prediction|solution|result"
    r"|verdict|output|label|letter)"
)
THING = (
    r"(?:sound(?: event| source)?|audio(?: clip)?|total|duration|length|tonality|clip"
    r"|recording|noise|instrument|animal|speaker|voice"
    r"|person|man|woman|boy|girl|child"
    r"|singer|emotion|mood|tone|genre|style|tempo|key|chord|note|melody|music|song|piece|source|event"
    r"|scene|place|location|language|accent"
    r"|pitch|gender|number|count|order|object|vehicle|material|vowel|consonant|word|syllable|interval|rhythm"
    r"|meter|metre|time signature|beat|dynamics?|texture|timbre|environment|setting|weather|relationship"
    r"|topic"
    r"|theme|purpose|activity|action|profession|nationality|age|direction|species|bird|insect|statement|claim"
    r"|(?:source|origin|cause) of (?:the|this) (?:sound|noise|audio))"
)
PLACE = (
    r"(?: (?:heard|played|playing|featured|here|conveyed|expressed"
    r"|(?:that )?(?:i|you|we)(?: can| are|'re)? hear(?:ing)?"
    r"|(?:making|producing|that (?:makes|produces)) (?:the|this|that) (?:sound|noise)"
    r"|(?:in|of) (?:the|this) (?:audio(?: clip)?|clip|recording|background|music|song|piece|speaker"
    r"|voice|singer)))"
)
MODAL = (
    r"(?:must|would|should|could|might|may|can|has to|have to|ought to)"
    r"(?: (?:very )?(?:well|only|possibly|easily))?"
)
IS = (
    r"(?:(?: (?:is|can be) best described as|'s| is| was| are| were|'d be"
    rf"| {MODAL} be| must have been"
    r"| (?:sounds?|seems?|appears?|looks?|feels?)(?: like| to be| as (?:if|though))?)"
    r"(?: (?:most likely|very likely|likely|probably|possibly|definitely|clearly|indeed|therefore)"
    r"(?: to be)?)?)"
)
SOUND_OF = (
    r"(?:(?:the )?(?:sound|noise|voice|call|cry)s? of"
    r"|(?:coming )?from|(?:being )?(?:produced|made|caused|generated|created|emitted|played|performed"
    r"|sung|spoken) by|played on)"
)
SUBJECT = (
    rf"(?:it|this|that|here|they|he|she|(?:the|this) (?:\w{{1,20}}'s )?(?:{QUALITY} )*{THING}{PLACE}{{0,2}}"
    r"|what(?: (?:i|you|we)(?: can)? hear|'s heard| is heard| can be heard)"
    r"|the (?:total )?number of \w{1,20}(?: \w{1,20}){0,2}?)"
)
IT_IS = (
    rf"(?:{SUBJECT}(?:{IS}(?: th(?:at|ose) of| (?:a recording )?of)?| comes? from| belongs? to| indicates?"
    r"| lasts(?: for)?"
    r"| (?:occurs|starts|begins|happens|is heard)(?= at )| is (?:played|performed|sung|spoken) (?:by|on))"
    rf"|{MODAL} be|must have been"
    r"|(?:sounds?|seems?|appears?|looks?) (?:like|to be)|it(?= cannot\b| can't\b))"
)
ANSWER = (
    rf"(?:(?:the|my|our|your|one) )?(?:{QUALITY}[ _])*{NOUN}(?: {NOUN})?"
    r"(?: (?:here|(?:to|for) (?:the|this) question))?(?:, (?:i (?:think|believe)|then|therefore|thus),)?"
)
ANSWER_IS = rf"""["']?{ANSWER}["']?(?:{IS}(?: ?[:=])? |\.?(?: is)? ?(?:=>|->|[:=]|\u2192) ?| - (?!\d))"""
MEANS = r"(?:suggests?|indicates?|implies|means|tells (?:me|us)|points? to|confirms?)(?: that)?"
VERB = (  # with which an option may begin: "increases", "first increases, then decreases"
    r"(?:first )?(?!(?:i|wa|ha|doe|contain|feature|sound|seem|appear|look|feel|come|belong|indicate"
    r"|suggest)s\b)"
    r"[a-z]+s\b"
)
LEAD_IN = re.compile(
    rf"(?P<answer>{ANSWER_IS}|{foreign_frames.THE_ANSWER_IS})"
    rf"|(?:{FILLER}|(?P<adverb>{ADVERB}|may be)|{SOURCE}|{OPINION}|{IT_IS}|{SOUND_OF}|that"
    rf"|(?:final )?answer(?! ?- ?\d)|(?:final|selected|chosen)(?=: )"
    r"|(?:about|approximately|around|roughly|for|at|at the)(?= (?:\d|one|two|three|four|five|six|ten)\b)"
    r"|(?:about|approximately|around|roughly)(?= (?:half an?|a quarter|1/2|1/4)\b)"
    r"|in(?= \d{1,2}/\d)|the (?:correct|best) (?:one|fit) is)[,:]? "
    rf"|(?P<reason>(?:(?:because|since|as|given that) [^,;.?!]{{1,80}},"
    rf"|[^,;.?!]{{1,80}}[,;] (?:so|thus|therefore|hence|which {MEANS}),?) (?={ANSWER_IS}|{IT_IS} |{OPINION} )"
    r"|(?=[^,;.?!]{0,60}?(?:n't|\b(?:no|not|cannot))\b)[^,;.?!]{1,80}[,;] (?:but |so |and )?"
    rf"(?={ANSWER_IS}|{IT_IS} |{OPINION} |(?:i|we)(?: can)? hear |there(?:'s| is) )"
    rf"|(?:the|this|that|its|such)(?: [\w'-]{{1,20}}){{1,8}}? {MEANS} "
    r"|[^;.?!]{1,80}[,;] ?(?=所以|因此|因而|故(?:[选選答]|正[确確])))"
    rf"|{foreign_frames.IT_IS}|{foreign_frames.A}"
    rf"|(?:it|he|she|(?:the|this) {THING}) (?={VERB})"
    r"|(?::|=>?|->|\.{3}(?![.\d])|[\u2192\u21d2\u27a1]) ?",
    re.IGNORECASE,
)
# What somebody hears is not always what is asked for: these frame an answer only as a whole, not a sentence.
HEARD = re.compile(
    r"(?:(?:i|we|you|one)(?: can| could)?(?: clearly| only| just)? (?:hear|heard|count|counted)"
    r"|(?:the|this) (?:audio|sound|recording|(?:audio )?clip) (?:contains?|features?|has)"
    rf"|there(?:'s| is| are| was| were)|{foreign_frames.HEARD}) ",
    re.IGNORECASE,
)
IN_CLIP = r" in the background| in (?:the|this) (?:audio|recording|clip)(?: clip)?"
IS_HEARD = re.compile(
    r"(?: (?:can(?: clearly)? be heard|(?:is|are|was|were)(?: clearly)? (?:heard|audible|present"
    r"|playing|played)|playing)"
    rf"(?:{IN_CLIP})?"
    rf"|{IN_CLIP}|{foreign_frames.IS_HEARD})[.!]?$",
    re.IGNORECASE,
)
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TIMES = "(?:" + "|".join(["(?<=[0-9)])", *(rf"(?<=\b{count})" for count in COUNTS)]) + ") times"
TAIL = re.compile(
    rf"(?:(?!'s (?!the |my |what)){IS} (?:the |my )?(?:{QUALITY}(?: one)?|(?:{QUALITY} )*{NOUN}"
    rf"|what(?:'s heard|(?: i| we| you)(?: can)? hear)|(?<= the )sound{PLACE})"
    r"|(?<=\d/\d) (?:time(?: signature)?|met(?:er|re))|(?<=major|minor) (?:chord|key)"
    r"|(?<!\bno) (?:emotion|mood)|(?<=:\d\d) mark"
    rf"|{foreign_frames.TAIL}|{foreign_frames.MEASURES}| in total|\*+|{TIMES}|(?<!\bno)(?<!\bno,),? it is"
    r"| (?:fits|matches)(?: the)? best"
    r"| (?:makes|made|produces|produced|is making) (?:the|this|that) (?:sound|noise)"
    r"|,? (?:only|alone|exclusively|(?:and )?nothing else)| \(only\)"
    r"|,? (?:i (?:think|believe|guess|suppose|would say)|i'd say|please|for sure|to me|indeed|surely"
    r"|probably|most likely|definitely|certainly|obviously|clearly|of course|undoubtedly"
    r"|no doubt|without (?:a|any) doubt)"
    rf"| [(\[](?:confiden(?:ce|t)[:=]? ?)?(?:{PERCENT}|0?\.[5-9]\d*)"
    r"(?: (?:sure|confiden(?:t|ce)|certain))?[)\]]"
    rf"|(?:[:,]| -| with) {PERCENT}(?: (?:sure|confiden(?:t|ce)|certain(?:ty)?))?"
    r"| with (?:high|great|full|complete|very high) (?:confidence|certainty)"
    r"| \((?:correct|final answer|the answer)\))[.!]?$",
    re.IGNORECASE,
)
LONGEST_TAIL = 60  # characters
CONNECTIVES = re.compile(
    r"^(?:because|since|as|given that) "
    rf"|[,;] ?(?:so|but|thus|therefore|hence|which {MEANS}|[所因故]\w*)?,? ?$|,? ?{MEANS} ?$",
    re.IGNORECASE,
)
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
        for tail in _tails(core.text, end, whole=whole):
            aside = f"{core.aside} {tail[0].strip()}"
            yield replace(core, text=core.text[: tail.start()], aside=aside, framed=True)
        lead_in = LEAD_IN.match(core.text)
        heard = HEARD.match(core.text) if whole and lead_in is None else None
        if lead_in:
            says_answer = core.says_answer or bool(lead_in["answer"])
            adverb = re.sub("may be", "maybe", lead_in["adverb"] or "", flags=re.IGNORECASE)
            aside = f"{core.aside} {adverb}"
            reason = f"{core.reason} {CONNECTIVES.sub('', lead_in['reason'] or '')}".strip()
            core = Core(core.text[lead_in.end() :].lstrip(), says_answer, aside, reason, True)
        elif heard:
            core = replace(core, text=core.text[heard.end() :].lstrip(), framed=True)
        else:
            return
    yield core


def _tails(text: str, start: int, *, whole: bool) -> Iterator[re.Match[str]]:
    """The words at the end that say it is the answer, and the last part of them: "の音です", "です"."""
    tail = TAIL.search(text, start) or (IS_HEARD.search(text, start) if whole else None)
    if tail:
        yield tail
        yield from filter(None, [tail.re.search(text, tail.start() + 1)])


YES_OR_NO = re.compile(
    r"(?P<answer>yes|(?P<no>no))(?:[,.]| -) (?P<clause>[ -~]+)", re.IGNORECASE
)  # all in English
UNKNOWN = re.compile(
    r"\b(?:i|we)\b.*\b(?:say|tell|know|decide|determine|sure|certain|identify|judge)\b", re.IGNORECASE
)
BARE_CLAUSE = re.compile(
    r"(?:it|this|that|there|he|she|they|you|i|we) (?:is|are|was|were|does|do|did|has|have|can)",
    re.IGNORECASE,
)


def yes_or_no(text: str) -> tuple[str, str]:
    """The first word of "Yes, it is raining", and what follows without what negates it behind "no"."""
    match = YES_OR_NO.fullmatch(text)
    if match is None or UNKNOWN.search(match["clause"]):
        return "", ""
    if match["no"] and BARE_CLAUSE.fullmatch(match["clause"]):  # "No, it is" is at odds
        return "", ""
    clause = match["clause"]
    return match["answer"], NEGATION.sub("", clause) if match["no"] else clause


NOT = r"(?:not|rather than|instead of|as opposed to)"
CONTRAST = re.compile(
    rf"\b{NOT}\b|^more like |n't\b|不[是选選]|而非|[はゃ]なく|아니라|\b(?:no es|nicht|kein\w*|pas|не)\b",
    re.IGNORECASE,
)
CONTRASTS = [
    re.compile(rf"(?P<answer>.+?),? (?:and )?{NOT} (?P<other>.+)", re.IGNORECASE),
    re.compile(rf"(?P<answer>.+?),? \((?:and )?{NOT} (?P<other>[^()]+)\)", re.IGNORECASE),
    re.compile(
        r"(?:not|(?:it|this|that) (?:isn|wasn)'t) (?P<other>.+?)"
        r"(?:,? but(?: rather)?|[,;]? (?:but )?(?:it|this|that)(?:'s| is| was)) (?P<answer>.+)",
        re.IGNORECASE,
    ),
    re.compile(r"not (?P<other>[^,]+), (?P<answer>(?!not\b)[^,]+)", re.IGNORECASE),
    re.compile(r"more like (?P<answer>.+?) than (?:like )?(?P<other>.+)", re.IGNORECASE),
    re.compile(r"(?P<answer>.+?),? not like (?P<other>.+)", re.IGNORECASE),
    *(re.compile(contrast, re.IGNORECASE) for contrast in foreign_frames.CONTRASTS),
]
SEVERAL_OTHERS = re.compile(r",? n?or (?:not )?|,? (?:and )?not |, ")


def contrasts(text: str) -> Iterator[tuple[str, str]]:
    """An answer and what it is said not to be: "a cat, not a dog", "not a dog but a cat"."""
    for contrast in CONTRASTS if CONTRAST.search(text) else ():
        if match := contrast.fullmatch(text):
            yield match["answer"], match["other"]


def without_tail(text: str) -> str:
    """A text without words that say it is the answer: "Option B" of "Option B is correct"."""
    tail = TAIL.search(text, max(1, len(text) - LONGEST_TAIL))
    return text[: tail.start()] if tail else text


CORRECTION = re.compile(
    r"(?:(?:oh|no|wait|hmm+|sorry|actually|correction|on second thought|scratch that|(?:or )?rather|i mean"
    r"|i meant|my mistake)(?:[,.:!]+|$| ) ?)+",
    re.IGNORECASE,
)
FINAL = re.compile(r"\bfinal[ _](?:answer|choice|option)\b", re.IGNORECASE)


def correction(text: str) -> str:
    """The words with which a sentence takes back what stands before it: "Wait, no, " of "Wait, no, a cat"."""
    match = CORRECTION.match(text)
    return match[0] if match else ""
