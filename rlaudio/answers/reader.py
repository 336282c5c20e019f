"""Reads the option that an answer names: as a phrase, or in one of its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rlaudio.answers.afterwords import takes_back
from rlaudio.answers.choices import CYRILLIC_OR_GREEK, Choices
from rlaudio.answers.frames import (
    FINAL,
    SEVERAL_OTHERS,
    contrasts,
    cores,
    correction,
    without_tail,
    yes_or_no,
)
from rlaudio.answers.harmless import doubts
from rlaudio.answers.labels import Label, bare_label, explained, label_before, labels, letters_in, numbers_in
from rlaudio.answers.layout import OTHER_KEY, boxes, without_latex, without_markdown
from rlaudio.answers.mentions import DOUBT, mentions
from rlaudio.answers.normalising import loosened, normalise, normalise_but_case
from rlaudio.answers.parsed import CONTRADICTION, NONE, SEVERAL, Parsed
from rlaudio.answers.reasons import absent, rejected, without_reason
from rlaudio.answers.weighed import ListItem, largest_share, marked_items

# Letters that look like Latin ones, by code point: they look alike in an editor too.
CYRILLIC = "\u0410\u0412\u0415\u0406\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0405\u0408"
SMALL_CYRILLIC = "\u0430\u0435\u0456\u043e\u0440\u0441\u0443\u0445\u0455\u0458"
GREEK = "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
LOOK_ALIKES = str.maketrans(
    CYRILLIC + SMALL_CYRILLIC + GREEK, "ABEIKMHOPCTXYSJ" + "aeiopcyxsj" + "ABEZHIKMNOPTYXo"
)
WORD = re.compile(r"\w+")
LAST_LINE = re.compile(r"(?<=\w)[^\S\n]*\n\s*\(?([A-Za-z])\)?\.?$")  # a letter below the text of its option
FIRST_LINE = re.compile(r"^\(?([A-Z])\)?[^\S\n]*\n\s*(?=\w[^\n.!?:]{0,60}[.!]?$)")  # a letter above it
BOTH_OR_NEITHER = re.compile(r"(both|neither) ([^,;.]+?) (?:and|&|nor) ([^,;.]+)", re.IGNORECASE)
RESTATED = re.compile(r"([^()]+) \(([^()]+)\)")
LONGEST_LABEL = 20  # characters
LONGEST_FRAME = 200  # characters around an option


def _in_latin_letters(word: re.Match[str]) -> str:
    """A word in the Latin letters that all of its letters look like, else as it is."""
    latin = word[0].translate(LOOK_ALIKES)
    return word[0] if CYRILLIC_OR_GREEK.search(latin) else latin


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer, and what it names."""

    text: str
    parsed: Parsed
    says_answer: bool = False  # it calls something the answer
    corrects: bool = False  # it takes back what stands before it

    @property
    def named(self) -> bool:
        """Whether the sentence names one option."""
        return self.parsed.index is not None


@dataclass(frozen=True)
class Reader:
    """Reads answers to one question."""

    choices: Choices
    letters: bool  # a letter alone names an option
    numbers: bool  # numbers and units are read in any spelling

    def read(self, answer: str) -> Parsed:
        """The option that the answer names, as a whole or in one of its sentences."""
        equal = self.choices.equal(answer)
        if equal != NONE:
            return equal
        if self.choices.are_latin and not answer.isascii():
            answer = WORD.sub(_in_latin_letters, answer)
        plain = FIRST_LINE.sub(r"(\1) ", LAST_LINE.sub(r" (\1)", without_markdown(answer)))
        plain = self._behind_repeated_options(plain)
        listed = self._listed(answer, plain)
        if listed != NONE:
            return listed
        phrase = self._phrase(plain, whole=True, alone=True)
        if phrase.parsed != NONE:
            return phrase.parsed
        sentences = self._behind_the_question(split_sentences(plain))
        if any(self._is_relabelled(line) for line in [*plain.splitlines(), *sentences]):
            return CONTRADICTION
        if len(sentences) > 1 or boxes(plain):
            return self._read_sentences(sentences)
        behind = "".join(sentences)
        return NONE if behind == plain else self._phrase(behind, whole=True, alone=True).parsed

    def _behind_the_question(self, sentences: list[str]) -> list[str]:
        """The sentences without a repeated question at their beginning that names no option."""
        is_asked = len(sentences) > 1 and ASKED.fullmatch(sentences[0])
        if not is_asked or self._mentions(sentences[0])[0] or letters_in(sentences[0]):
            return sentences
        return sentences[1:]

    def _listed(self, answer: str, plain: str) -> Parsed:
        """The option with the largest share, or the only one that is marked, in a list of options."""
        items = [self._without_own_words(item) for item in marked_items(answer) or marked_items(plain)]
        chosen = [place for place, item in enumerate(items) if item.chosen]
        refused = sum(item.refused for item in items)
        if len(chosen) == 1 and refused in (0, len(items) - 1):
            return self._one_of([item.text for item in items], chosen[0], all_of_them=not refused)
        texts, place = largest_share(plain)
        options = [text for text in texts if text.isdecimal() or self._member(text) != NONE]
        if len(options) < 2 or self._spelled(plain) != NONE:
            return NONE  # "Barks: 1" and "Answer: 1" are no shares
        named = NONE if place is None else self._one_of(texts, place)
        return SEVERAL if named == NONE else named

    def _without_own_words(self, item: ListItem) -> ListItem:
        """The member of a list, unmarked where its mark belongs to an option: "A: True"."""
        line = normalise_but_case(item.line)
        of_option = item.in_words and (self._spelled(line) != NONE or self._labelled(line) != NONE)
        return ListItem(item.line, item.line) if of_option else item

    def _one_of(self, texts: list[str], place: int, *, all_of_them: bool = False) -> Parsed:
        """What the text at this place names, where each names another option."""
        named = list(map(self._member, texts))
        kinds = {self.choices.kinds[parsed.index] for parsed in named if parsed.index is not None}
        if len(kinds) < len(named) or (all_of_them and kinds < set(self.choices.kinds)):
            return NONE
        return named[place]

    def _member(self, text: str) -> Parsed:
        """What a member of a list names."""
        return self._named(normalise_but_case(without_markdown(text)))

    def _behind_repeated_options(self, text: str) -> str:
        """The text from its last line "Answer: ..." on, where the lines before it are the options."""
        *_, last = [None, *ANSWER_LINE.finditer(text)]
        if last is None:
            return text
        lines = [normalise_but_case(line) for line in text[: last.start()].splitlines()]
        longest = self.choices.longest + LONGEST_LABEL
        if len(lines) > 2 * len(self.choices.kinds) + 2 or max(map(len, lines)) > longest:
            return text
        options = [label.text if (label := label_before(line)) and label.certain else line for line in lines]
        indices = {self._spelled(option).index for option in options}
        kinds = {self.choices.kinds[index] for index in indices if index is not None}
        relabelled = any(map(self._is_relabelled, lines))
        return text[last.end() :] if kinds >= set(self.choices.kinds) and not relabelled else text

    def _is_relabelled(self, line: str) -> bool:
        """Whether a line is an option with a label that is not its own."""
        is_short = len(line) <= self.choices.longest + LONGEST_LABEL
        return is_short and self._labelled(normalise_but_case(line)) == CONTRADICTION

    # A phrase: an option or its letter, in a frame or without.

    def _phrase(self, text: str, *, whole: bool = False, alone: bool = False) -> Sentence:
        if len(text) > self.choices.longest + LONGEST_FRAME or len(boxes(text)) > 1:
            return Sentence(text, NONE)
        says_answer = False
        for core in cores(normalise_but_case(without_latex(text)), whole=whole):
            says_answer |= core.says_answer
            if core.text == "a" and core.framed and not core.says_answer:
                continue  # an article that lost its noun, not a letter
            named = self._named(core.text)
            if named == NONE:
                named = self._named_in_contrast(core.text)
            if named == NONE:
                named = self._answered_yes_or_no(core.text)
            if named == NONE:
                named, refused = self._named_with_reason(core.text)
                if refused:
                    break
            if named == NONE and (alone or core.says_answer):
                named = self._named_by_number(core.text)
            if named != NONE:
                agrees = self._leaves(core.aside, named) and self._supports(core.reason, named, first=True)
                return Sentence(text, named if agrees else NONE, says_answer)
        return Sentence(text, NONE, says_answer)

    def _leaves(self, aside: str, named: Parsed) -> bool:
        """Whether words around an option speak of no other one."""
        if not aside.strip():
            return True
        letters = letters_in(aside) if self._labels_are_shown or self.choices.are_letters else set()
        return not letters and self._mentions(aside)[0] <= {named.index}

    def _named(self, text: str) -> Parsed:
        for read in (
            self._spelled,
            self._restated,
            self._both_or_neither,
            self._labelled,
            self._lettered,
            self._explained,
        ):
            parsed = read(text)
            if parsed != NONE:
                return parsed
        return NONE

    def _spelled(self, text: str) -> Parsed:
        return self.choices.spelled(text, numbers=self.numbers)

    def _restated(self, text: str) -> Parsed:
        """An option's text in two spellings: "three (3)"."""
        restated = RESTATED.fullmatch(text)
        if restated is None:
            return NONE
        first, second = self._spelled(restated[1]), self._spelled(restated[2])
        if first.index is None or second.index is None:
            return NONE
        return first if self.choices.same(first.index, second.index) else CONTRADICTION

    def _both_or_neither(self, text: str) -> Parsed:
        """Both or neither, where that is an option, of two others: "both the piano and the violin"."""
        several = BOTH_OR_NEITHER.fullmatch(text)
        if several is None:
            return NONE
        word, *others = map(self._spelled, several.groups())
        return word if all(other.parsed and other != word for other in others) else NONE

    def _labelled(self, text: str) -> Parsed:
        """An option's text with a label, which must be its own."""
        for label in labels(text):
            option = self._spelled(label.text)
            if option.index is None:
                continue
            index = self._position(label)
            if index is not None and self.choices.same(index, option.index):
                return Parsed("letter", index)
            if label.certain:
                return CONTRADICTION
        return NONE

    def _lettered(self, text: str) -> Parsed:
        label = bare_label(text)
        index = self._position(label) if label and self._labels_are_shown else None
        return NONE if index is None else Parsed("letter", index)

    def _explained(self, text: str) -> Parsed:
        """A letter before words that name no other option and doubt nothing."""
        label = explained(text)
        index = self._position(label) if label and self._labels_are_shown else None
        if label is None or index is None:
            return NONE
        named = Parsed("letter", index)
        if self._labels_another(label.text, named) or self._mentions(label.text)[0] - {index}:
            return CONTRADICTION if len(split_sentences(label.text)) == 1 else NONE  # one by one
        stands = self._harmless(label.text, named) and not self._take_back(split_sentences(label.text))
        return named if stands else NONE

    def _named_in_contrast(self, text: str) -> Parsed:
        """An option in contrast to another one: "a cat, not a dog"."""
        if self._spelled(text.removeprefix("not ").removeprefix("Not ")).parsed:
            return NONE  # the list "a cat, a dog" is an option
        for answer, other in contrasts(text):
            named, others = self._named(answer), self._named_others(other)
            if named.index is None or not others or self._is_negative_option(other):
                continue
            return CONTRADICTION if self._is_among(named.index, others) else named
        return NONE

    def _named_others(self, text: str) -> list[int]:
        """The options of "a dog or a cow"; none where a part of it is no option."""
        whole = self._named(text)
        if whole.index is not None:
            return [whole.index]
        indices = []
        for part in SEVERAL_OTHERS.split(text):
            index = self._named(part).index
            if index is None:
                return []
            indices.append(index)
        return indices

    def _is_negative_option(self, text: str) -> bool:
        return any(self._spelled(negated).parsed for negated in (f"not {text}", f"no {text}", f"不是{text}"))

    def _is_among(self, index: int | None, others: list[int]) -> bool:
        return index is not None and any(self.choices.same(index, other) for other in others)

    def _answered_yes_or_no(self, text: str) -> Parsed:
        """Yes or no, where that is an option, before a clause that leaves it so: "Yes, it is raining"."""
        answer, clause = yes_or_no(text)
        named = self._spelled(answer)
        if named.index is None or not self._leaves(text[len(answer) :], named):
            return NONE
        mentioned, rest = self._mentions(clause)
        return NONE if mentioned or DOUBT.search(rest) or self._take_back(split_sentences(clause)) else named

    def _named_with_reason(self, text: str) -> tuple[Parsed, bool]:
        """An option before "because", and whether what follows is at odds with it."""
        answer, reason = without_reason(text)
        named = self._named(answer) if reason else NONE
        if reason and named == NONE:
            named = self._named(without_tail(answer))
        if named.index is None:
            return NONE, False
        with_because = self._mentions(text[len(answer) :])[0] - self._mentions(reason)[0]
        agrees = (
            with_because <= {named.index}
            and self._supports(reason, named)
            and not self._take_back(split_sentences(reason))
        )
        return (named, False) if agrees else (NONE, True)

    def _supports(self, reason: str, named: Parsed, *, first: bool = False) -> bool:
        """Whether a clause speaks of no option but the named one, except to reject it, and doubts nothing."""
        reason = reason.strip(" ,.")
        if self._rejects_others(rejected(reason), named) or self._is_absent(reason, named, first):
            return True
        return not self._labels_another(reason, named) and self._harmless(reason, named)

    def _rejects_others(self, other: str, named: Parsed) -> bool:
        """Whether what is rejected is other options than the named one."""
        if other == "a" or (self.choices.are_letters and letters_in(other)):
            return False  # an article without its noun; a letter that may be an option or the place of one
        others = self._named_others(other) if other else []
        return (
            bool(others) and not self._is_among(named.index, others) and not self._is_negative_option(other)
        )

    def _is_absent(self, clause: str, named: Parsed, first: bool) -> bool:
        """Whether a clause says that something else than the named option is not heard."""
        thing = absent(clause, first=first)
        if not thing or self._named(thing) != NONE or self._labels_another(clause, named):
            return False
        return self._harmless(thing, named) and not self._mentions(clause)[0]

    def _labels_another(self, text: str, named: Parsed) -> bool:
        """Whether a text holds the letter or the number of another option than the named one."""
        letters = letters_in(text)
        if self.choices.are_letters and not self.choices.labels:
            return bool({self._spelled(letter).index for letter in letters} - {None, named.index})
        if not self._labels_are_shown:
            return False
        numbered = {self._position(Label(number)) for number in numbers_in(text)}
        return bool(({self.choices.lettered(letter) for letter in letters} | numbered) - {None, named.index})

    def _named_by_number(self, text: str) -> Parsed:
        """An option by its number without the unit.

        Only of what is said to be the answer: "1." may be the first step of a thought.
        """
        return self.choices.by_number(text) if self.numbers else NONE

    @property
    def _labels_are_shown(self) -> bool:
        return self.letters or bool(self.choices.labels)

    def _position(self, label: Label) -> int | None:
        """The option of a label; none where the options themselves are letters or numbers."""
        ambiguous = self.choices.are_letters if label.mark.isalpha() else self.choices.have_numbers
        return None if ambiguous else self.choices.lettered(label.mark)

    # Sentences: those that say the answer count, or else all that name an option.

    def _read_sentences(self, texts: list[str]) -> Parsed:
        sentences = self._behind_corrections([self._sentence(text) for text in texts])
        says_answer = [i for i, sentence in enumerate(sentences) if sentence.says_answer and sentence.named]
        if says_answer:
            named = self._agreed([sentences[i].parsed for i in says_answer])
            others = sentences[says_answer[-1] + 1 :]  # what comes before may weigh the options
        else:
            named = self._agreed([sentence.parsed for sentence in sentences if sentence.named])
            others = [sentence for sentence in sentences if not sentence.named]
        behind = [sentence.text for sentence in _behind_the_answer(sentences)]
        if self._take_back(behind):
            return SEVERAL
        return named if all(self._agrees(sentence, named) for sentence in others) else SEVERAL

    def _behind_corrections(self, sentences: list[Sentence]) -> list[Sentence]:
        """The sentences from the last one on that takes back those before it and names an option."""
        for place in range(len(sentences) - 1, 0, -1):
            before, sentence = sentences[place - 1], sentences[place]
            is_behind = correction(before.text) == before.text and self._leaves(before.text, sentence.parsed)
            if sentence.named and (sentence.corrects or is_behind):
                return [replace(sentence, says_answer=True), *sentences[place + 1 :]]
        return sentences

    def _corrected(self, text: str) -> Sentence:
        """A sentence that takes back what stands before it and names an option."""
        words = correction(text)
        phrase = self._phrase(text[len(words) :]) if words else Sentence(text, NONE)
        if not phrase.named or HEDGE.search(text) or not self._leaves(words, phrase.parsed):
            return Sentence(text, NONE)
        return Sentence(text, phrase.parsed, says_answer=True, corrects=True)

    def _sentence(self, text: str) -> Sentence:
        phrase = self._phrase(text)
        if not phrase.named and (corrected := self._corrected(text)).named:
            return corrected
        if phrase.says_answer and FINAL.search(text):
            return replace(phrase, corrects=True)
        if phrase.named or (spans := boxes(text)) == []:
            return phrase
        named = self._agreed([self._phrase(text[start:end], alone=True).parsed for start, end in spans])
        edges = [0, *(edge for span in spans for edge in span), len(text)]
        around = " ".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
        if named.index is None or not self._harmless(around, named):
            return Sentence(text, SEVERAL, says_answer=True)
        return Sentence(text, named, says_answer=True)

    def _agreed(self, named: list[Parsed]) -> Parsed:
        """What all of them name."""
        indices = [parsed.index for parsed in named if parsed.index is not None]
        if not indices:
            return NONE
        agree = len(indices) == len(named) and all(self.choices.same(indices[0], i) for i in indices)
        return named[0] if agree else SEVERAL

    def _agrees(self, sentence: Sentence, named: Parsed) -> bool:
        """Whether the sentence leaves what another one names as it is."""
        if named.index is None:
            return True
        heard = sentence.parsed if sentence.named else self._phrase(sentence.text, whole=True).parsed
        if heard.index is not None:
            return self.choices.same(heard.index, named.index)
        return not sentence.says_answer and self._supports(sentence.text, named)

    def _take_back(self, sentences: Iterable[str]) -> bool:
        """Whether one of the sentences behind an answer takes it back."""
        return any(takes_back(sentence, asked=self.choices.ask_of_truth) for sentence in sentences)

    def _harmless(self, text: str, named: Parsed) -> bool:
        """Whether a text mentions no option but the named one, and doubts nothing."""
        return all(self._is_harmless(sentence, named) for sentence in split_sentences(text))

    def _is_harmless(self, sentence: str, named: Parsed) -> bool:
        mentioned, rest = self._mentions(sentence)
        return mentioned <= {named.index} and not doubts(sentence, rest, names_options=bool(mentioned))

    def _mentions(self, text: str) -> tuple[set[int], str]:
        plain = loosened(normalise(without_latex(text)))
        mentioned, rest = mentions(plain, self.choices.plain)
        if "'s" in plain:  # "the dog's bark" is of a dog
            mentioned |= mentions(OF.sub("", plain), self.choices.plain)[0]
        return mentioned, rest


def _behind_the_answer(sentences: list[Sentence]) -> list[Sentence]:
    """The sentences behind the last one that names an option."""
    last = max((i for i, sentence in enumerate(sentences) if sentence.named), default=len(sentences))
    return sentences[last + 1 :]


OF = re.compile(r"'s\b")
HEDGE = re.compile(r"\b(?:maybe|perhaps|possibly|could|might|may)\b", re.IGNORECASE)
ASKED = re.compile(r"(?:question: ?)?(?:what|which|who|where|when|how)\b.*\?", re.IGNORECASE | re.DOTALL)
CONTINUED = re.compile(r"(?<=[:,\uff1a\uff0c])\s*\n\s*")
ANSWER_LINE = re.compile(
    r"\n[^\S\n]*(?=(?:(?:so|thus|therefore|hence),? )?(?:the |my )?(?:final |correct |best )?"
    r"answer(?: is\b| ?:))",
    re.IGNORECASE,
)
END = re.compile(
    rf"\n[^\S\n]*\n\s*|{ANSWER_LINE.pattern}|\n(?=(?:{OTHER_KEY.pattern}) ?:)"
    r"|(?<=[.!?])(?<!\b[DM]r\.)(?<!\bM[rs]s\.)(?<!\bvs\.)(?<!\bSt\.)\s+|(?<=[\u3002\uff01\uff1f])\s*",
    re.IGNORECASE,
)


def split_sentences(text: str) -> list[str]:
    """Sentences and paragraphs; a line that ends in a colon or a comma goes on in the next one."""
    return [sentence for sentence in END.split(CONTINUED.sub(" ", text)) if sentence.strip()]
