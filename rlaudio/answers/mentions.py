"""Options and doubts inside running text."""

from __future__ import annotations

import re
from collections.abc import Sequence

NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|except|cannot)\b|n't\b"
    r"|(?:ليس|लेकिन|नहीं)|\b(?:nicht|kein\w*|nein|pas|non|aucun\w*|нет|не|ни)\b|[不没沒非]|아니|아닙|ない|いや|ません"
)
# What doubts an answer even where it is said of the clip: "It may be something else."
OTHER_POSSIBILITY = re.compile(
    NEGATION.pattern + r"|\b(?:or|either|instead|wrong|incorrect|false|unlikely"
    r"|(?:maybe|perhaps|could|might|may)\b(?=.*\b(?:be|come|belong|match|fit)\b)"
    r"|unless|alternatively|exclud\w+|eliminat\w+|reject\w*|rul(?:e|es|ed|ing) out"
    r"|inaccurate|implausible|improbable|inappropriate|avoid\w*|impossible|untrue|contrary|opposite"
    r"|(?:all|any) (?:of (?:them|these|those|the (?:above|options|choices))|options?)"
    r"|falsely|wrongly|devoid|supposedly|allegedly|the other|e\.g|for (?:example|instance)|such as)\b"
    r"|^(?:and|is|was|all)\b"
    r"|[?{}\u274c\u2717\u2718\u2260\u00ac]|\\(?:n(?:eq?|ot|eg)|lnot|[bx]?cancel|sout|st)(?![a-z])"
    r"|\bconfidence:? 0(?:\.0*)? ?%?$"
    r"|\b(?:oder|vielleicht|eher|kaum|doch|aber|sondern|falsch\w*|fehler|falso|incorrect[oa]|aunque|sino"
    r"|mejor dicho|ou|faux|fausse|erreur|plutot|en fait|peut etre|или|либо|возможно|хотя|впрочем|однако"
    r"|quatsch|moment mal|scherz|irrtum|korrektur|verzeihung|entschuldigung"
    r"|broma|bromeo|perdon|espera|equivo\w+|corrijo|correccion|mentira"
    r"|plaisant\w+|blague|pardon|attendez|suis trompee?|rectifi\w+|scusa\w*|scherzo|aspetta|desculp\w+"
    r"|brincadeira"
    r"|шу[чт]\w*|ошиб\w+|отмен\w+|исправ\w+|простите|подожди\w*|нет)\b"
    r"|[或错錯但也違违骗騙]|其[实實]|等(?:等|一下)|抱歉|然而|更正|[开開]玩笑|改主意|撤[回销銷]|[冗]談"
    r"|間違|訂正|やっぱり"
    r"|또는|틀[렸린]|농담|취소|정정"
)
DOUBT = re.compile(
    OTHER_POSSIBILITY.pattern
    + r"|\b(?:maybe|perhaps|(?<!glad i )could|might|may|but|(?<!sorry for the )wait|actually|correction"
    r"|rather|doubt\w*"
    r"|sorry(?! for the (?:wait|delay)\b)|however|although|also|both|too|as well|(?<!at )least"
    r"|nope|nah|unsure|uncertain|revers\w+|oops|mistake\w*|err(?:or|ed)\w*"
    r"|kidding|jok(?:e|ed|ing)|lies?|lied|absurd|disregard|ignor\w+|scratch that|strike that|delete|forget"
    r"|retract\w*|(?:it|that|this) back|chang\w+ my|my mind|everything|anything|nothing"
    r"|guess\w*|hardly|barely|scarcely|rarely|seldom|lack\w*|absence)\b|^moment$"
)
WITHOUT_SPACES = "\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts


def mentions(text: str, choices: Sequence[str]) -> tuple[set[int], str]:
    """The choices that stand in `text` as whole words, and what is left of the text without them.

    Both are normalised already. The longest goes first and takes its words away, so "happy" is not found in
    "happy and calm". Single letters never count: "a" is an article. In scripts without spaces between words
    any place counts.
    """
    mentioned = set()
    for index in sorted(range(len(choices)), key=lambda i: -len(choices[i])):
        choice = choices[index]
        if not choice or (len(choice) == 1 and choice.isascii() and choice.isalpha()):
            continue
        text, count = re.subn(_as_whole_words(choice), "\N{WHITE SQUARE}", text)
        if count:
            mentioned.add(index)
    return mentioned, text


def _as_whole_words(choice: str) -> str:
    spaced = re.compile(f"[^{WITHOUT_SPACES}]")
    before = r"(?<![\w#+-])(?<!\w[.,'])" if spaced.match(choice[0]) else ""
    behind = r"(?![\w#]|[.,'-]\w)" if spaced.match(choice[-1]) else ""
    return f"{before}(?:{re.escape(choice)}){behind}"
