"""Sentences behind an answer that take it back without a word of doubt: "Psych!", "Let me reconsider."

What a sentence is about decides. What tells of the clip takes nothing back (`harmless`). What is said of the
answer, the options or the one who answers stands unless it has words that take back.
"""

from __future__ import annotations

import re

from rlaudio.answers.harmless import offers, tells_of_the_clip, without_denied_doubts

IT_IS = re.compile(
    r"(?:that|this)(?:'s| is| was)(?: (?:so|just|such|all|pure|very|quite|really))* ", re.IGNORECASE
)
IT_IS_REFUTED = re.compile(  # what no sound, mood or place can be, unlike "It is close."
    r"it(?:'s| is| was)(?: (?:so|just|all|only|really))* (?:a (?:hoax|bluff|myth|hunch)|denied|refuted"
    r"|debunked|annulled|deprecated|crossed out|struck out|vetoed|theoretical|tbd"
    r"|to be (?:confirmed|determined|decided|verified|checked))",
    re.IGNORECASE,
)
APOSTROPHES = str.maketrans("\u2018\u2019\u02bc\u00b4`", "'" * 5)
OPTION = re.compile(  # "The other one", "Go with the first."
    r"^(?:(?:the|an?|one of the|it's|it is|make it|go with|choose|pick|try|use|take) )*"
    r"(?:others?|another|different|next|first|second|third|fourth|last|latter|former|remaining|opposite)"
    r"(?: (?:one|two|option|choice|answer|candidate|alternative)s?)?(?: (?:instead|is|fits|was)\b.*)?$"
    r"|(?:,|\b(?:pick|choose|take|prefer|want|hear|with|for|be)) (?:the )?"
    r"(?:others?|first|second|third|fourth|last|latter|former)(?: one)?$"
    r"|\b(?:something|someone|somebody) else(?:'s)?$"
    r"|^(?:any|each|either)(?: one)? (?:is|would|could|works)\b",
    re.IGNORECASE,
)
ALONE = re.compile(  # exclamations that are all of a sentence
    r"(?:(?:just|only|oh|well|and|so),? )*"
    r"(?:ha(?:,? ?ha)*|heh|hehe|lol|lmao|rofl|jk|j/k|h+m+|u+h+m*|e+r+m*|huh|eh|meh|ugh|pfft|whoops\w*|d'?oh"
    r"|oh|damn|darn|yikes|bazinga|surprise|liar|pranked|punked|punk'd|trolled|messing|playing|teasing|sarcasm"
    r"|irony|almost|nearly|close|whatever|negative|nay|else|otherwise|never ?mind|stop|halt|redo|again|revert"
    r"|reset|rewind|erase|scratch|strike|scrap|swap|switch|replace|nonsense|rubbish|draft|fake(?: news)?"
    r"|as if|as though|if only|if so|yeah,? right|dream on|you wish|in your dreams|in theory|in jest|for fun"
    r"|good one|got (?:you|ya)|had you(?: there)?|made you look|who knows|beats me|try harder|my bad"
    r"|one (?:moment|second|sec|more time)|start(?:ing)? (?:over|again)|errat(?:um|a)|pending review"
    r"|kek\w*|lulz|w?oops\w*|swerve|pass|no?cap|cap|bruh|nah|nuh-?uh|b+z+t+|not|rekt|yeet|got ?em"
    r"|jebait(?:ed)?|bamboozled"
    r"|subject to change|said nobody(?: ever)?|(?:a )?(?:test|hoax|bluff|prank|trick|myth|hunch)"
    r"|(?:i(?:'ll| will)? )?(?:(?:hard|big|firm) )?pass(?: on (?:that|this|it)(?: one)?)?"
    r"|denied|refuted|debunked|busted|cancelled|annulled|expired|deprecated"
    r"|(?:crossed|struck) out|veto(?:ed)?|objection|negatory|(?:two )?thumbs down|bad call|fat chance"
    r"|when pigs fly|moving on|stay tuned"
    r"|still thinking|more on that later|theoretically|so-called|quote unquote|if you say so|tbd"
    r"|to be (?:confirmed|determined|decided|verified|checked)|at first glance|for argument's sake"
    r"|in (?:another|an alternate|a parallel) (?:world|universe)|read it backwards"
    r"|[a-z]+ (?:that|it|this|them))",  # "Undo that"
    re.IGNORECASE,
)
MADE_UP = re.compile(  # "This is a nice story" tells of the clip
    r"(?:(?:just|only|all|so),? )*"
    r"(?:(?:pure )?fiction|(?:fairy|tall) tale|(?:nice|cool) story|once upon a time)"
    r"|(?:(?:that|this)(?:'s| is| was) )?(?:(?:just|only|all|so),? )*(?:invented|made up)",
    re.IGNORECASE,
)
BEGINNING = re.compile(
    r"(?:(?:please|just|now|so|well|ok|okay|i|then|and|oh|no),? )*"
    r"(?:scrap|strike|scratch|forget|undo|cancel|drop|revert|erase|remove|discard|dismiss|redo|replace|swap"
    r"|switch|edit|toss|correct|reverse|flip|invert|change|make|skip|update|ignore|disregard|delete)"
    r" (?:all )?(?:that|this|it|them|the|my|what)\b"
    r"|(?:\W*\w+\W+)?let(?:'s| me| us) (?!know|explain)(?:\w+ ){0,3}?"
    r"(?:again|over|back|answer|choose|pick|think|try|start|see|verify|check|double-check|listen|look|correct"
    r"|fix|change|wait|pause|stop|re-?(?:consider|think|visit|view|listen|phrase|state|play|start|do)"
    r"|re-\w+)\b"
    r"|(?:oh|nor|else|until|till) (?!yes|yeah)|give me a|so (?:they|people) (?:say|claim|think)"
    r"|as if (?:that|this|i|you)\b|(?:bad|poor|weak|new|updated|better) (?:answer|choice|try)\b",
    re.IGNORECASE,
)
SAYS_OTHERWISE = (
    r"(?: disagrees?|(?: says?| points?| tells?| suggests?| shows?)"
    r" (?:different(?:ly)?|otherwise|elsewhere|another|a different (?:one|thing|story)|something else))"
)
IS_OTHERWISE = (
    r"(?: differs?|(?:'s| is| are| was| were| lies)"
    r" (?:different|otherwise|elsewhere|another|a different (?:one|thing|story)|something else))"
)
DIFFERS = re.compile(  # a sound that is different is heard, a truth is not
    r"(?:(?:but|yet|and|however|though),? )?(?:(?:the )?(?:(?:actual|real|true|whole) )?"
    rf"(?:(?:truth|reality|facts?|evidence|answer)(?:{SAYS_OTHERWISE}|{IS_OTHERWISE})"
    rf"|(?:sound|audio|clip|recording){SAYS_OTHERWISE})(?:,? though)?|it(?:'s| is| was) different,? though)",
    re.IGNORECASE,
)
PHRASE = re.compile(
    r"\b(?:beg to differ|grain of salt|i invented (?:that|this|it|them|the answer)$"
    r"|fool(?:s|ed|ing)?|tricked|decoy|bait|naive|psych|sike|syke|gotcha|bluff(?:ed|ing)?|hypothetical\w*"
    r"|placeholder|typo|misspoke|mis-?(?:read|heard|typed|said|stated|spoken|labell?ed)|withdraw\w*|withdrew"
    r"|rescind\w*|revok\w*|redact\w*|recant\w*|undo|revis\w*|amend(?:ed|s)?|reconsider\w*|rethink\w*"
    r"|overrul\w*|overrid\w*|supersed\w*|obsolete|outdated|invalid|void|bogus|flip-flop\w*|proven otherwise"
    r"|(?:old|previous|earlier|sample|example|fake|dummy) (?:answer|choice|guess)|illustrative"
    r"|(?:example|illustration) only"
    r"|(?:trap|trick) (?:answer|question|option)|(?:nice|good) try|(?:try|think|answer|pick|choose) again"
    r"|hold (?:on|up)|hang on|take (?:two|2)|second thoughts?|on reflection|come to think|april fools?"
    r"|(?:pulling|yanking) your|your reaction|you (?:fell|squint)|fell for|caught you|test(?:ed|ing)? you"
    r"|made (?:that|it|this) up|thinking of some\w+|me(?:ant|an) to say|should have (?:said|been)"
    r"|stand corrected|jumped the gun|mixed (?:\w+ )?up|mess(?:ed|ing) (?:up|with|around)|plot twist"
    r"|red herring|vice versa|(?:got|had) (?:it|that|them) backwards|other way a?round|far from it"
    r"|what (?:they|people) (?:say|think|want))\b",
    re.IGNORECASE,
)
WHAT_IT_WAS = re.compile(
    r"\b(?:this|that|it|which|answer|above)(?:'s| is| was)(?: \w+){0,3}? (?:joke|test|lie|mistake|trick"
    r"|traps?|prank|bluff|slip|hoax|ruse|experiment|warm-?up|distraction|sarcasm|irony|dummy|fake|example|draft"
    r"|nonsense|rubbish)$",
    re.IGNORECASE,
)
I_DID = re.compile(
    r"\b(?:i|we)(?:(?:'m| am|'re| are| was| were| have been|'ve| have)?(?: just| only| simply)*(?: being)?"
    r" (?:lying|teasing|trolling|pranking|playing|sarcastic|ironic|pretend\w*|changed?|corrected"
    r"|correct my(?:self)?|disagree|differ|regret|apologi[sz]e|meant|thought(?! about)|kid|jest"
    r"|(?:got )?confused|used to|now (?:say|think|choose|pick|believe))"
    r"|(?:'d| would| need to| should| want to| must| have to| will|'ll)(?: like to)?(?: now)?"
    r" (?:change|correct|fix|re-?(?:do|check|evaluate|examine|listen|visit|start)|think|verify"
    r"|double-check)"
    r"|(?:'m| am| was|'re| were) (?:just|only|simply) "
    r"(?!listen|hear|describ|report|follow|bas|go|answer|explain|summar|giv|stat|say|not)\w+in[g'])\b",
    re.IGNORECASE,
)
REFUSES = re.compile(
    r"\b(?:i|we)(?: must| have to| will|'ll|'d| would)?(?: rather| simply| just)? (?:refuse|decline)"
    r"(?:$| to (?:answer|choose|pick|decide|say|tell)\b)",
    re.IGNORECASE,
)
QUOTES = re.compile(r"[\"\u201c\u201d]")


def takes_back(sentence: str, *, asked: bool = False) -> bool:
    """Whether a sentence behind an answer takes it back.

    `asked` says that the options are yes and no, or tell what is different or made up: then "It is a myth"
    and "The truth is different" tell of what is asked for.
    """
    text = _plain(without_denied_doubts(sentence.translate(APOSTROPHES)))
    if offers(text):
        return False
    if ALONE.fullmatch(IT_IS.sub("", text, count=1)):
        return True
    if not asked and any(words.fullmatch(text) for words in (MADE_UP, IT_IS_REFUTED, DIFFERS)):
        return True
    if BEGINNING.match(text) or OPTION.search(text):
        return True
    if tells_of_the_clip(text):
        return False
    if REFUSES.search(text) and not QUOTES.search(sentence):
        return True
    return any(words.search(text) for words in (PHRASE, WHAT_IT_WAS, I_DID))


def _plain(sentence: str) -> str:
    return sentence.strip(" .!?\"'()[]*\n\t")
