"""Letters and numbers in front of an option or behind it: "(B)", "B: a cat", "a cat (option B)"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SPACED = (  # the letter of "options" is none, unlike that of "optionB"
    r"(?:(?:the )?(?:option|choice|letter)|answer|number|(?:la |l')?opci[oó]n|antwort|вариант|الخيار|विकल्प)"
    r"(?: |(?=\d)|(?-i:(?<=[a-z])(?=[A-Z])))"
)
UNSPACED = "(?:选项|選項|选择|選擇|选|選|選択肢) ?"
WORD = f"(?:{SPACED}|{UNSPACED})"  # in front of a letter or a number
MARK = r"(?:[a-z]|\d{1,2})"
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
CHINESE = tuple("一二三四五六七八")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
IN_WORDS = re.compile(
    rf"(?:option|choice|answer|number) (?:number |#)?(?P<number>{'|'.join(NUMBERS)}|[1-8])(?!\w)"
    r"|第(?P<chinese>[一二三四五六七八1-8])(?:[个個]?(?:选项|選項|答案)|[个個项項])"
    rf"|(?:the )?(?P<ordinal>{'|'.join(ORDINALS)}|1st|2nd|3rd|[4-8]th) (?:option|choice|answer|one)",
    re.IGNORECASE,
)
NUMBER_IN_WORDS = re.compile(rf"\b(?:{'|'.join(ORDINALS)})\b|[一二三四五六七八九十两兩]", re.IGNORECASE)
BARE = re.compile(
    rf"(?P<word>{WORD})?[<(\[{{'\"]?(?P<mark>{MARK})[>)\]}}'\"]?"
    r"(?:选项|選項|[项項]|(?P<counted>[番번]))?[).:!]*",
    re.IGNORECASE,
)
BEFORE = re.compile(
    rf"(?P<word>{WORD})?"
    rf"(?:[(\[{{](?:{WORD})?(?P<inside>{MARK})[)\]}}]|(?P<mark>{MARK})(?!\w)(?!\.(?:\d|[a-z](?![\w ]))))"
    r"(?P<stop> ?[)\]}.:=|\u2192]+| ?-+>?(?= )| ?/(?= )|, (?:which|that) is,?(?= )|,)? ?(?P<text>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
BEHIND = re.compile(
    rf"[,:]? ?(?:[-=/] )?(?:which is )?(?:[(\[](?:{WORD})?(?P<inside>{MARK})[)\]]"
    rf"|(?:\b{SPACED}|{UNSPACED})(?P<mark>{MARK})|(?:(?<=- )|(?<=[=:/,] )(?-i:(?=[A-Z])))(?P<last>{MARK}))$",
    re.IGNORECASE,
)
LONGEST_BEHIND = 30  # characters
PREDICATE = re.compile(
    r"(?:is|was|are|isn't|has|does|can|could|may|might|would|seems|sounds)\b"
    r"|(?:, )?(?:which|that) is\b|(?:(?:definitely|clearly|surely) )?(?:low|out|[\d.]+ ?%?)$",
    re.IGNORECASE,
)
BEFORE_REASON = re.compile(r" ?(?:[)\]}.:]*|-+|,)")  # a stop: a verdict may follow "/", "→" and "which is"


@dataclass(frozen=True)
class Label:
    """A letter or a number, and the text that it labels."""

    mark: str
    text: str = ""
    certain: bool = True  # False: an article or a member of a list looks the same, "a dog", "B, ..."
    stop: str = ""  # what stands between the two


def bare_label(text: str) -> Label | None:
    """The letter that is all of the text, or the number behind the word "option", also in words."""
    if words := IN_WORDS.fullmatch(text):
        number = (words["number"] or words["ordinal"] or words["chinese"]).lower()
        in_words = next((known for known in (NUMBERS, ORDINALS, CHINESE) if number in known), ())
        return Label(str(1 + in_words.index(number)) if in_words else number[0])
    bare = BARE.fullmatch(text)
    is_label = bare and (bare["word"] or bare["counted"] or bare["mark"].isalpha())
    return Label(bare["mark"]) if bare and is_label else None


def label_before(text: str) -> Label | None:
    """The label with which the text begins."""
    label = BEFORE.fullmatch(text)
    if label is None:
        return None
    mark = label["inside"] or label["mark"]
    stop = label["stop"] or ""
    certain = label["inside"] or stop not in ("", ",") or (label["word"] and mark not in "aA")
    return Label(mark, label["text"], bool(certain), stop)


def label_behind(text: str) -> Label | None:
    """The label with which the text ends."""
    label = BEHIND.search(text, max(1, len(text) - LONGEST_BEHIND))
    return Label(label["inside"] or label["mark"] or label["last"], text[: label.start()]) if label else None


def labels(text: str) -> Iterator[Label]:
    """The label with which the text begins, then that with which it ends, as far as there are any."""
    yield from filter(None, (label_before(text), label_behind(text)))


def explained(text: str) -> Label | None:
    """A label before words that are not said of it: "B: it meows"; not "B) is wrong", "B, which is out".

    A number before several sentences is the first step of a thought.
    """
    label = label_before(text)
    if label is None or not label.certain or re.match(WORD, text, re.IGNORECASE):
        return None
    if label.mark.isdecimal() and re.search(r"[.!?] ", label.text):
        return None
    return label if BEFORE_REASON.fullmatch(label.stop) and not PREDICATE.match(label.text) else None


LATIN = r"\w\u00c0-\u024f"  # with re.ASCII: a letter may stand beside a Chinese word
LETTER = re.compile(
    rf"(?<![{LATIN}'])(?<!\w\.)(?:[b-hj-z](?![{LATIN}']|\.\w)|a(?=[).,:]|$| ?[(\[]| (?:and|or)\b))",
    re.IGNORECASE | re.ASCII,
)


def letters_in(text: str) -> set[str]:
    """Letters that stand alone, in upper case; "a" and "I" are words unless a sign or "or" follows."""
    return {letter.upper() for letter in LETTER.findall(text)}


NUMBERED = re.compile(rf"(?:\b{SPACED}|{UNSPACED})(\d{{1,2}})(?!\d)", re.IGNORECASE)


def numbers_in(text: str) -> set[str]:
    """Numbers behind the word "option", also in words."""
    in_words = filter(None, (bare_label(words[0]) for words in IN_WORDS.finditer(text)))
    return {*NUMBERED.findall(text), *(label.mark for label in in_words)}
