"""Text without what lays it out: Markdown, LaTeX, a tokenizer's special tokens."""

from __future__ import annotations

import json
import re
from html import unescape

EMOJI = "\u2611\u2705\u2713\u2714\ufe0f\U0001f300-\U0001faff"
REJECTING = "\U0001f44e\U0001f6ab\U0001f645"  # thumbs down, no entry, a person who says no
MARKUP = re.compile(rf"[`#*_<>~&=|{{\\\\\[\u2013\u2014\u2022\u00b7\u25aa{EMOJI}-]")
ENTITY = re.compile(r"&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z]{2,8}\d{0,2});", re.IGNORECASE)
SPECIAL_TOKENS = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|<(?:eos|pad|end_of_turn)>|\[EOS\]|(?<!#)#{3,}\s*$")
FENCE = re.compile(r"```(?:[a-z]*\n)?")
HEADING = re.compile(r"^[ \t]{0,3}#{1,6} +", re.MULTILINE)
TITLE = re.compile(r"^[ \t]{0,3}#{1,6} +((?:\w+ )?answer)(?: *:)? *$", re.MULTILINE | re.IGNORECASE)
# A dash before a number is its sign, unless the number alone is emphasised or stands on the next line.
BULLET = re.compile(
    r"^[ \t]{0,8}(?:\[[xX]\] +|\u2014(?=[^\W\d])|[*\u2022\u00b7\u25aa>] +"
    r"|[\u2013\u2014-](?: +(?![\d.\s])|[ \t]*\n\s*(?=[\d.])))+",
    re.MULTILINE,
)
DASH_BEFORE_EMPHASIS = re.compile(r"(?<=:)[ \t]*[\u2013\u2014-] +(?=[*_`<])")
STRUCK = re.compile(
    r"~~[^~\n]{1,200}~~|<(?:s|del|strike)>[^<>]{1,200}</(?:s|del|strike)>|<!--[^<>]{0,500}-->"
    r"|\\(?:sout|st|[bx]?cancel) ?\{[^{}]{1,200}\}",
    re.IGNORECASE,
)
ESCAPED_SIGN = re.compile(r"\\([*.+])")
LINK = re.compile(r"(?<!!)\[([^\[\]\n]{1,200})\]\((?:https?:|[#/])[^()\s]{0,200}\)")
BARE_BOX = re.compile(
    r"(?<![\w\\])\x08?(?:boxed|(?<=\x08)oxed)(?= ?\{)"
)  # \b of "\boxed" may be lost or a backspace
RULE = re.compile(
    r"^[ \t]*(?:(?:-{3,}|={3,}|\*{3,}|_{3,})[ \t]*|\|[ \t|:-]+)$", re.MULTILINE
)  # also of tables
TABLE_EDGE = re.compile(r"^[ \t]*\|[ \t]*|(?:(?<![ \t])[ \t]+)?\|[ \t]*$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]{1,200})`")
ATTRIBUTES = r"(?:\s+\w+=(?:(?!through)[^<>]){0,80})? ?/?"
BLOCK_TAGS = re.compile(
    r"(?<!\s)(\s*)(?:</?(?:p|br|hr|div|li|ul|ol|h[1-6]|pre|center|t[dhr]|table|thead|tbody"
    r"|response|final|option|choice|result|output|conclusion)"
    rf"{ATTRIBUTES}>\s*)+",
    re.IGNORECASE,
)
EMPHASIS = re.compile(
    rf"\*\*\*?|__|(?![{REJECTING}])[{EMOJI}]|</?(?:b|i|u|em|strong|span|code|mark|font){ATTRIBUTES}>",
    re.IGNORECASE,
)


def without_markdown(text: str) -> str:
    """`text` without headings, bullets, fences, emphasis and special tokens; its lines stay."""
    if not MARKUP.search(text):
        return text.strip()
    text = ENTITY.sub(lambda entity: unescape(entity[0]), text)
    text = BLOCK_TAGS.sub(lambda tags: "\n\n" if tags[1].count("\n") > 1 else "\n", text)
    text = ESCAPED_SIGN.sub(r"\1", LINK.sub(r"\1", BARE_BOX.sub(r"\\boxed", text)))
    text = FENCE.sub("\n", SPECIAL_TOKENS.sub("", STRUCK.sub("", text)))
    text = TABLE_EDGE.sub("", RULE.sub("", text))
    text = HEADING.sub("", TITLE.sub(r"\1:", text))
    text = CODE.sub(r"\1", DASH_BEFORE_EMPHASIS.sub(" ", BULLET.sub("", text)))
    text = EMPHASIS.sub("", BULLET.sub("", EMPHASIS.sub("", text))).strip()
    return _json_answer(text)


ANSWER_KEY = re.compile(
    r"(?:(?:final|selected|chosen|correct|predicted|best|my)[_ ]?)?"
    r"(?:answer|choice|option|response|result|prediction|selection|letter|label)",
    re.IGNORECASE,
)
OTHER_KEY = re.compile(
    r"confidence|score|probability|reason(?:ing)?|rationale|explanation|justification|analysis|thoughts?"
    r"|evidence|question|id|task|model|language",
    re.IGNORECASE,
)
TEXT_KEY = re.compile(r"(?:answer_|option_|choice_)?text", re.IGNORECASE)
LIST_OF_ONE = re.compile(r"^\[\s*(\{[^{}]*\})\s*\]$")
QUOTED = " \t\r\n\"'"
SIMPLE_JSON = re.compile(
    r"""^\{\s*["'](?:final[_ ])?(answer|choice|option|response|result)["']\s*:([^{}]*)\}$"""
)


def _json_answer(text: str) -> str:
    """A JSON object of an answer, and reasons at most, as "answer: a cat"; any other text as it is.

    One of options with their shares, or with true and false, is a list of "a cat: 0.9".
    """
    text = LIST_OF_ONE.sub(r"\1", text)
    if not text.startswith("{"):
        return text
    pairs = _unnested(_json_pairs(text if text.endswith("}") else text + "}"))  # its end may be cut off
    answers = [value for key, value in pairs if ANSWER_KEY.fullmatch(key)]
    texts = [value for key, value in pairs if TEXT_KEY.fullmatch(key)]
    others = [key for key, _ in pairs if OTHER_KEY.fullmatch(key)]
    known = len(pairs) == len(answers) + len(texts) + len(others)
    if len(answers) == 1 and known and len(texts) <= 1 and isinstance(answers[0], str | int | float):
        return f"answer: {answers[0]}" + "".join(f") {text}" for text in texts)
    if pairs and not answers and all(isinstance(value, int | float) for _, value in pairs):
        return "\n".join(f"{key}: {json.dumps(value)}" for key, value in pairs)
    return SIMPLE_JSON.sub(lambda pair: f"{pair[1]}: {pair[2].strip(QUOTED)}", text)


def _json_pairs(text: str) -> list[tuple[str, object]]:
    """The keys and values of a JSON object, flat or with one object inside; none of any other text."""
    if text.count("{") > 2 or text.count("[") > 1:
        return []
    try:
        return json.loads(text, object_pairs_hook=list)
    except ValueError:
        return []


def _unnested(pairs: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """The pairs, of an answer that is an object its own: {"answer": {"letter": "B"}}."""
    inner = [value for key, value in pairs if isinstance(value, list) and ANSWER_KEY.fullmatch(key)]
    if len(inner) != 1 or not all(isinstance(pair, tuple) for pair in inner[0]):
        return pairs
    return [*inner[0], *((key, value) for key, value in pairs if value is not inner[0])]


FRACTION = re.compile(r"\\[dt]?frac ?(?:\{([^{}]{1,20})\} ?\{([^{}]{1,20})\}|(\d) ?(\d))")
QUANTITY = re.compile(r"\\(?:SI|qty) ?\{([^{}]{1,20})\} ?\{\\?([^{}]{1,20})\}")
SPACE = re.compile(r"\\(?:[ ,;:!]|q?quad\b|[hv]space\*? ?\{[^{}]{0,20}\})|~")
LINE_BREAK = re.compile(r"\\\\(?![a-z])|\\(?:begin|end) ?\{[a-z]{1,20}\*?\}|\\item(?![a-z])")
SIGN = re.compile(r"\\(?:therefore|checkmark)(?![a-z])")
ARROW = re.compile(r"\\(?:(?:long)?rightarrow|to|implies)(?![a-z])", re.IGNORECASE)
COLOUR = re.compile(r"\\(?:text)?color(?:box)? ?\{[^{}]{1,20}\}")
ESCAPED = re.compile(r"\\([%#&_$])")
COMMAND = re.compile(
    r"\\{1,2}(?:boxed|[fm]box|framebox|text[a-z]*|math[a-z]+|emph|(?:under|over)line|operatorname"
    r"|displaystyle"
    r"|left|right|bf|it|rm|sf|tt|sc|bfseries|itshape|boldsymbol|pmb|bm|ensuremath|[Ll]arge|LARGE|[Hh]uge)"
    r"(?![a-z])\s?"
)
DELIMITERS = re.compile(r"\\[()\[\]]|(?<!\\)\$")


def without_latex(text: str) -> str:
    """`text` without LaTeX's boxes, fonts, spaces and delimiters."""
    if "\\" not in text and "$" not in text:
        return text
    text = FRACTION.sub(r"\1\3/\2\4", QUANTITY.sub(r"\1 \2", COLOUR.sub("", text)))
    text = SIGN.sub("", ARROW.sub("\u2192", SPACE.sub(" ", LINE_BREAK.sub(" ", text)))).replace(
        "\\times", "\u00d7"
    )
    text = text.replace("^\\circ", "°").replace("^{\\circ}", "°")
    text, commands = COMMAND.subn("", text)
    if commands:
        text = text.replace("{", "").replace("}", "")
    dollars = text.count("$") - text.count("\\$")
    text = DELIMITERS.sub("", text) if dollars % 2 == 0 else text  # an odd one may be a price
    return ESCAPED.sub(r"\1", text).strip()


BOX = re.compile(r"\\f?box(?:ed)? ?\{")


def boxes(text: str) -> list[tuple[int, int]]:
    """Where the contents of LaTeX's boxes start and end; a box inside a box is a part of it."""
    spans: list[tuple[int, int]] = []
    for box in BOX.finditer(text):
        if not spans or box.start() >= spans[-1][1]:
            spans.append((box.end(), _closing_brace(text, box.end())))
    return spans


def _closing_brace(text: str, start: int) -> int:
    """Where the brace closes that was opened before `start`; the end of the text if it never does."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.start()
    return len(text)
