"""Sentences behind an answer that take nothing back, whatever their words.

What is said of somebody or something in the clip reports what is heard: "The man is joking." An offer speaks
to the reader: "If you have any other questions, just ask." A doubt that is denied is none: "No mistake."
"""

from __future__ import annotations

import re

from rlaudio.answers.mentions import DOUBT, OTHER_POSSIBILITY

PERSON = (
    r"(?:m[ae]n|wom[ae]n|boys?|girls?|child(?:ren)?|kids?|persons?"
    r"|people|speakers?|singers?|callers?|hosts?|narrators?|audience|crowd"
    r"|actors?|actress|comedian|teacher|students?|customers?|guests?|reporter"
    r"|voices?|friends?|mother|father|lady|gentleman|guy|couple|presenter|interviewer|speech|dialog(?:ue)?"
    r"|conversation|tone)"
)
OF_ANSWERS = (
    r"(?:answers?|options?|choices?|guess|picks?|selections?|responses?|statements?|claims?|conclusions?"
    r"|labels?|letters?|replies|reply|solutions?|predictions?|reasoning|ones?|above|previous|other|others"
    r"|another|alternatives?|first|second|third|fourth|last|latter|former|next|opposite|reverse|truth|real"
    r"|correct|true|right|wrong|false|contrary|fact|model|ai|user|question|quiz|whole|thing|idea"
    r"|jokes?|pranks?|tricks?|bluff|mistakes?|errors?|author|writer|verdicts?|results?|outputs?|decisions?"
    r"|interpretations?|assumptions?|judge?ments?|words?|texts?|sentences?|lines?|evidence|certainty"
    r"|confidence)"
)
THE = r"(?:the|a|an|its|his|her|their|these|those|some|both|each|two|three|four|several|many|one)"
VERB = r"(?:is|are|was|were|has|have|had|sounds?|seems?|can|\w+(?:s|ed)(?= \w))"
OF_THE_CLIP = re.compile(
    r"\W*(?:(?:however|but|although|though|and|also|actually),? )?"
    r"(?:(?:in|at|over|during|throughout|from|although|though|while|when|as) [\w '-]{1,40}, )?"
    rf"(?:(?:he|she|they|(?:{THE} (?:[\w'-]+ ){{0,2}}?)?{PERSON})\b(?!,) \w"
    rf"|(?:{THE}|this|that) (?!{OF_ANSWERS}\b)[\w'-]+(?: (?!{OF_ANSWERS}\b|{VERB} )[\w'-]+){{0,4}}? {VERB}\b"
    r"|it (?!is\b|was\b|has\b|does\b|(?:lie|seem|appear|look|joke)s\b)\w+s\b"
    r"|it(?:'s| (?:is|was))(?: also| both| rather)? (?:\w+ly |quite |very |so |too )*"
    r"(?:audible|loud|soft|faint|quiet|high|low|fast|slow|clear|deep|sharp|short|long|young|old"
    r"|calm|male|female)\b"
    r"|there(?: is| are|'s) (?!another\b|nothing(?: at all)?\W*$|too (?:little|much)\b"
    r"|(?:an? |some |much )*(?:doubt|mistake|error)\b)"
    r"|(?:i|we|you)(?: can)?(?: also| clearly)? (?:hear|heard)"
    r" (?!it\b|that\b|this\b|so\b|you\b|nothing(?: at all)?\W*$|too (?:little|much)\b))",
    re.IGNORECASE,
)
DENIED_DOUBT = re.compile(
    r"(?<!not )\b(?:no|not|never|without|(?:don|can|do|is|was|am)(?:'t|not))(?: (?:an?|any|the|be|be any))?"
    r" (?:doubt\w*|mistak\w+|jok(?:e|ing)|kidding|lie|lying|guess\w*|error|tricks?|teasing|bluff\w*"
    r"|contradiction\w*)\b(?! (?:that|if|whether))"
    r"|\b(?:nothing|no ?one|nobody) else(?: (?:is|was|can be) (?:heard|audible|present|there|said|played))?$"
    r"|\bn(?:'t|ot) hear any(?:thing|one|body) else$|\bnothing suggests otherwise$"
    r"|\bnot (?:ambiguous|difficult|hard|uncertain|unclear|unusual)\b"
    r"|\bno (?:further|other|additional) (?:sounds?|noises?|voices?|instruments?|animals?|speakers?"
    r"|explanation)\b"
    r"|\bno (?:problem|problemo|worries|question|surprise|brainer|need to thank me|cap|sweat|issues?)\b"
    r"|\ball (?:good|done|set|right|clear|yours|the best)\b",
    re.IGNORECASE,
)
OFFER = re.compile(
    r"(?:(?:so|and|but|well),? )?"
    r"(?:(?:what do you think|how about you|(?:do|have) you (?:have|want|need|know|heard|ever)|would you like"
    r"|what else would you|(?:can|may|shall|should) i (?:help|explain|do|assist))\b[^.?!]*\?"
    r"|(?:please |do |feel free|if you|let me know|would you like|do you|is there anything|anything else"
    r"|any (?:other|more|further)|just ask|ask|happy to|glad to|i'?m here)(?!\w)[^.?!]*"
    r"\b(?:questions?|help|ask|know|assist\w*|details?|explain\w*|clarif\w+|need|like|better|context)\b)",
    re.IGNORECASE,
)
# With these a sentence is about the answer or the options, whatever its subject.
OF_THE_ANSWER = re.compile(
    r"\b(?:answers?|options?|choices?|alternatives?|above|my|mine|typos?|fits?|wrong"
    r"|rethink\w*|mistaken|don't know|mis-?(?:heard|read|led|labell?ed)|void|invalid|revoked|placeholder"
    r"|something (?:different|else)|(?:fool|trick)(?:s|ed)? (?:me|us|you)|just kidding"
    r"|(?:too \w+|enough) to (?:tell|know|say|decide|judge)"
    r")\b|^\W*(?:this|that|the) [\w '-]{1,60}? (?:is|was)(?: just)? an?"
    r" (?:lie|joke|trick|prank|mistake|error)\b"
    r"|(?<!each )\b(?:other|others|first|second|third|fourth|last|latter|former)(?: ones?)?\W*$",
    re.IGNORECASE,
)


def tells_of_the_clip(sentence: str) -> bool:
    """Whether a sentence is about somebody or something in the clip."""
    return OF_THE_CLIP.match(sentence) is not None and not OF_THE_ANSWER.search(sentence)


def offers(sentence: str) -> bool:
    """Whether a sentence offers or asks the reader something."""
    return OFFER.match(sentence) is not None and not OF_THE_ANSWER.search(sentence)


def without_denied_doubts(sentence: str) -> str:
    """The sentence without the doubts that it denies: "no mistake"."""
    return DENIED_DOUBT.sub("", sentence)


def doubts(sentence: str, rest: str, *, names_options: bool) -> bool:
    """Whether a sentence doubts an answer; `rest` is the sentence normalised, without options."""
    if offers(sentence):
        return False
    of_the_clip = not names_options and tells_of_the_clip(sentence)
    words = OTHER_POSSIBILITY if of_the_clip else DOUBT
    return words.search(without_denied_doubts(rest)) is not None
