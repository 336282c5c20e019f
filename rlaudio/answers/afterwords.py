"""Sentences behind an answer that take it back without a word of doubt: "Psych!", "Let me reconsider."

Words that take back have no end: a word alone must describe, assure or close, and so must a few that speak of
the answer or the reader.
"""

from __future__ import annotations

import re

from rlaudio.answers.layout import OTHER_KEY

WORDS = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
FEW = 4  # words of an exclamation
DESCRIBING = re.compile(
    r"(?:it|its|he|she|they|there|this|that|these|the|an?|both|from"
    r"|with|in (?:the|this) (?:audio|clip|recording|background|sound)|as(?! if)|based on|you|we)\b"
    r"|(?:very |quite |so )?(?:loud|soft|quiet|clear|high|low|deep|short|long|typical|distinct\w*|classic"
    r"|unmistakabl[ey]|strong|faint|obvious)\b"
    rf"|(?:{OTHER_KEY.pattern}|because|notes?|cues?) ?:",
    re.IGNORECASE,
)
ASSURING = re.compile(
    r"(?:yes|yep|yeah|ok|okay|definitely|certainly|absolutely|exactly|precisely|indeed|clearly|obviously"
    r"|surely|sure|correct|right|confident|very (?:sure|clear|confident|likely)"
    r"|(?:100 ?%|fully|quite) (?:sure|certain|confident)|(?:my )?final answer|final|simple|easy"
    r"|no doubt|without (?:a )?doubt|for sure|of course"
    r"|high confidence|confidence:? .*|score:? .*|done|period|end|the end|end of answer|qed|q\.e\.d|amen"
    r"|thanks?(?: you)?(?: very much)?|thx|cheers|regards|hope (?:this|that|it) helps|good luck|enjoy)",
    re.IGNORECASE,
)
I_ASSURE = re.compile(
    r"(?:i|we)(?:'m| am|'re| are)?(?: can| could|'d| would|'ve| have| do not| don't| cannot| can't)?"
    r"(?: \w+ly| also| very| quite| pretty| \d+ ?%| an?| my)*"
    r" (?:hear|heard|listen\w*|notic\w+|recogni[sz]\w*|detect\w*|identif\w+|know|think|believe|hope"
    r"|cho{1,2}se|picked|pick|select\w*|go|went|conclud\w+|based?|say|said|feel|sure|certain|confident"
    r"|am|are|count\w*|perceive\w*|answer|answered|ai|language|model|analy[sz]\w*|used?|explain\w*|did)\b",
    re.IGNORECASE,
)
TAKING_BACK = re.compile(
    r"(?:(?:i|we)(?:'\w+)?|let(?:'s| me| us)(?! know| explain| justify| describe| summari[sz]e)"
    r"|if(?! you (?:need|have|want|would))|(?:this|that) was|oh|or|nor|else|otherwise|until|till)\b",
    re.IGNORECASE,
)
OF_THE_ANSWER = re.compile(
    r"\b(?:fool\w*|trick(?:ed|ing|s)?|traps?|decoy|bait|naive|prank\w*|psych|sike|syke|gotcha|bluff\w*"
    r"|troll\w*|teas(?:e|ed|ing)|lying|nonsense|rubbish|hypothetical\w*|placeholder|draft|template|typo|misspoke"
    r"|mis\w*(?:read|heard|typed|said|stated|labell?ed)|withdraw\w*|rescind\w*|revok\w*|redact\w*"
    r"|cancel\w*|undo|revis\w*|amend\w*|reconsider\w*|rethink\w*|re-?(?:check|evaluate|examine)|double-check|overrule\w*"
    r"|overrid\w*|supersed\w*|obsolete|outdated|invalid|void|bogus|(?:old|previous|earlier|sample"
    r"|example) (?:answer|choice|guess)|sarcas\w*|iron(?:y|ic))\b",
    re.IGNORECASE,
)

OF_ITSELF = re.compile(  # what a few words have that are no description, such as "Strike that", "Nice try"
    r"\b(?:that|it|this|me|my|you|your|us|them|again|mind|better|other|another|instead|rather|bad|jok\w*|kid\w*"
    r"|mistake\w*|error|wrong|false|fools?|test\w*|guess\w*|try|over|back|off|on|out|anything|nothing"
    r"|something|whatever|later|change\w*|swap|switch|correction|answer|option|choice|question|above|if|yeah"
    r"|fake|they|theory|universe|dreams?|upon|would|je|ich|yo|io|eu)\b",
    re.IGNORECASE,
)


def takes_back(sentence: str, *, few: int = FEW) -> bool:
    """Whether a sentence behind an answer may take it back; up to `few` words can be an exclamation."""
    words = WORDS.findall(sentence)
    if not words or not sentence.isascii():
        return False
    text = sentence.strip(" .!\"'()[]*")
    if ASSURING.fullmatch(text) or I_ASSURE.match(text):
        return False
    if TAKING_BACK.match(text) or OF_THE_ANSWER.search(text):
        return True
    describes = DESCRIBING.match(text) or any(word.endswith("ing") for word in words)
    speaks_of_itself = len(words) <= few and (len(words) == 1 or OF_ITSELF.search(text))
    return bool(speaks_of_itself and not describes)
