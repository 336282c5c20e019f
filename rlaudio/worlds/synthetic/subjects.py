"""Questions about clips of the embedded world, and clues by which text alone answers or misleads.

An item is made answer first: four options are drawn from a subject's values, one of them is drawn as the
answer, and only then is a matching clip composed. The wording of an audio-only question does not depend on
the answer, so its text gives no better than a chance of one in four. A text-answerable question is the same
question after a sentence that reveals the answer, by world knowledge or by logic over the options. A
misleading one follows a sentence that speaks for another option, by what is usual or by what somebody says;
how the form of an option does is in `cues.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rlaudio.worlds.synthetic import scenes
from rlaudio.worlds.synthetic.instruments import INSTRUMENTS
from rlaudio.worlds.synthetic.kinds import KINDS, Kind, Mechanism
from rlaudio.worlds.synthetic.scenes import NUMBERS, Scene
from rlaudio.worlds.synthetic.sources import SOURCES
from rlaudio.worlds.synthetic.voices import VOICES, VOWELS

Rng = np.random.Generator


@dataclass(frozen=True)
class Draw:
    """An answer, the other three options, values that are no options, and a sound that the question names."""

    answer: str
    others: tuple[str, ...]
    outsiders: tuple[str, ...]
    named: str


@dataclass(frozen=True)
class Subject:
    """A kind of question, with everything needed to make items of it."""

    name: str
    category: Literal["sound", "music", "speech", "temporal"]
    values: tuple[str, ...]
    asks: tuple[str, ...]  # wordings; {named} is a sound that is not among the options
    compose: Callable[[Rng, Draw], Scene]
    clue: str  # a sentence around a piece of world knowledge, at {}
    clues: Mapping[str, Sequence[str]]  # value -> pieces of knowledge that identify it
    named: tuple[str, ...] = ()  # {named} is drawn from these
    logic: tuple[Callable[[Rng, Draw], str], ...] = ()  # beside exclusion or alternative


def exclusion(rng: Rng, draw: Draw) -> str:
    """A sentence that rules out every other option."""
    first, second, third = rng.permutation(draw.others)
    return f"It is not '{first}', not '{second}' and not '{third}'."


def alternative(rng: Rng, draw: Draw) -> str:
    """A sentence that leaves the answer and something that is no option."""
    first, second = rng.permutation([draw.answer, str(rng.choice(draw.outsiders))])
    return f"It is either '{first}' or '{second}'."


def _arithmetic(rng: Rng, draw: Draw) -> str:
    """A sum or a difference of small numbers that gives the answer."""
    answer = NUMBERS.index(draw.answer) + 1
    if answer == 4 or (answer > 1 and rng.random() < 0.5):
        part = int(rng.integers(1, answer))
        return f"It is {NUMBERS[part - 1]} and {NUMBERS[answer - part - 1]} more."
    more = int(rng.integers(1, 5 - answer))
    return f"It is {NUMBERS[answer + more - 1]} less {NUMBERS[more - 1]}."


def _row_with(rng: Rng, draw: Draw, *, last: bool) -> Scene:
    """The answer first or last in a row of two or three of the options."""
    rest = list(rng.permutation(draw.others)[: 1 if rng.random() < 0.6 else 2])
    return scenes.row(rng, [*rest, draw.answer] if last else [draw.answer, *rest])


def _row_after(rng: Rng, draw: Draw) -> Scene:
    """The named sound, the answer after it, and before or after both another option."""
    other = str(rng.choice(draw.others))
    pair = [draw.named, draw.answer]
    return scenes.row(rng, [other, *pair] if rng.random() < 0.5 else [*pair, other])


def _last_vowel(rng: Rng, draw: Draw) -> Scene:
    return scenes.last_vowel(rng, draw.answer, str(rng.choice(draw.others)))


def _only_answer(compose: Callable[[Rng, str], Scene]) -> Callable[[Rng, Draw], Scene]:
    return lambda rng, draw: compose(rng, draw.answer)


SOURCE_CLUES = {source.name: source.clues for source in SOURCES}
VOWEL_CLUES = {
    "ah": ("father", "car", "palm"),
    "ee": ("tree", "green", "sheep"),
    "oo": ("moon", "food", "shoe"),
    "eh": ("bed", "ten", "red"),
    "er": ("nurse", "her", "shirt"),
}
SHORT_SOUNDS = tuple(name for name in scenes.NAMES if name not in ("knocking", "clock"))

SUBJECTS: tuple[Subject, ...] = (
    Subject(
        name="source",
        category="sound",
        values=scenes.NAMES,
        asks=("Which sound is heard?", "What makes the sound in this clip?", "Which of these can be heard?"),
        compose=_only_answer(scenes.source),
        clue="What is heard {}.",
        clues=SOURCE_CLUES,
    ),
    Subject(
        name="background",
        category="sound",
        values=scenes.BEDS,
        asks=("What is heard in the background?", "Which sound goes on behind the other?"),
        compose=_only_answer(scenes.background),
        clue="What goes on in the background {}.",
        clues={name: SOURCE_CLUES[name] for name in scenes.BEDS},
    ),
    Subject(
        name="volume",
        category="sound",
        values=tuple(scenes.VOLUMES),
        asks=("How does the volume change?", "What does the loudness of the sound do?"),
        compose=_only_answer(scenes.volume),
        clue="It is like {}.",
        clues={
            "grows": ("a crescendo", "something that comes nearer"),
            "fades": ("the end of a song", "something that goes away"),
            "stays level": ("a fan that runs all day", "a machine that never rests"),
            "swells and fades": ("a car that drives past", "a wave on the beach"),
        },
    ),
    Subject(
        name="instrument",
        category="music",
        values=tuple(INSTRUMENTS),
        asks=("Which instrument plays?", "What are the notes played on?", "Which instrument is heard?"),
        compose=_only_answer(scenes.instrument),
        clue="The instrument {}.",
        clues={
            "piano": ("has black and white keys", "has hammers and pedals"),
            "flute": ("is blown across a hole", "is a woodwind"),
            "organ": ("has pipes", "stands in a church"),
            "guitar": ("has frets", "is played at a campfire"),
            "violin": ("is played with a bow", "is held under the chin"),
            "trumpet": ("is made of brass", "has three valves"),
            "xylophone": ("has wooden bars", "is played with mallets"),
            "drum": ("has a skin", "is beaten with sticks"),
        },
    ),
    Subject(
        name="contour",
        category="music",
        values=tuple(scenes.CONTOURS),
        asks=(
            "How does the pitch move?",
            "Which way does the melody go?",
            "What is the shape of the melody?",
        ),
        compose=_only_answer(scenes.contour),
        clue="The melody goes like {}.",
        clues={
            "rising": ("a balloon that is let go", "steps up a ladder"),
            "falling": ("a leaf from a tree", "steps down to the cellar"),
            "arched": ("a rainbow", "a ball that is thrown up"),
            "dipping": ("a valley", "a dive into a pool and out"),
            "level": ("a flat road", "a calm lake"),
        },
    ),
    Subject(
        name="interval",
        category="music",
        values=tuple(scenes.SEMITONES),
        asks=("Which interval is played?", "How far apart are the two notes?"),
        compose=_only_answer(scenes.interval),
        clue="The two notes are {}.",
        clues={
            "unison": ("C and the same C", "equal in frequency"),
            "third": ("C and E", "four semitones apart"),
            "fifth": ("C and G", "seven semitones apart"),
            "octave": ("C and the next C", "twelve semitones apart"),
        },
    ),
    Subject(
        name="rhythm",
        category="music",
        values=tuple(scenes.RHYTHMS),
        asks=("Which rhythm is played?", "How do the beats go?"),
        compose=_only_answer(scenes.rhythm),
        clue="The beats are like {}.",
        clues={
            "steady": ("a metronome", "marching soldiers"),
            "galloping": ("a horse that runs", "a cowboy who rides"),
            "speeding up": ("an accelerando", "a train that leaves"),
            "slowing down": ("a ritardando", "a wheel that runs out"),
        },
    ),
    Subject(
        name="vowel",
        category="speech",
        values=VOWELS,
        asks=("Which vowel is spoken?", "What does the voice say?"),
        compose=_only_answer(scenes.vowel),
        clue="It is the vowel of {}.",
        clues=VOWEL_CLUES,
    ),
    Subject(
        name="last_vowel",
        category="speech",
        values=VOWELS,
        asks=("Which vowel is spoken last?", "What does the voice say at the end?"),
        compose=_last_vowel,
        clue="At the end comes the vowel of {}.",
        clues=VOWEL_CLUES,
    ),
    Subject(
        name="voice",
        category="speech",
        values=VOICES,
        asks=("Who is speaking?", "Whose voice is heard?"),
        compose=_only_answer(scenes.voice),
        clue="The speaker is {}.",
        clues={
            "man": ("a father", "a king", "a grandfather"),
            "woman": ("a mother", "a queen", "a grandmother"),
            "child": ("a pupil of six", "a toddler", "a kid"),
            "robot": ("a machine", "an android", "built of steel"),
        },
    ),
    Subject(
        name="syllables",
        category="speech",
        values=NUMBERS,
        asks=("How many syllables are spoken?", "How often does the voice speak?"),
        compose=_only_answer(scenes.syllables),
        clue="It has the syllables of the word {}.",
        clues={
            "one": ("sun", "milk"),
            "two": ("table", "tiger"),
            "three": ("banana", "elephant"),
            "four": ("watermelon", "caterpillar"),
        },
        logic=(_arithmetic,),
    ),
    Subject(
        name="count",
        category="temporal",
        values=NUMBERS,
        asks=("How many times is the {named} heard?", "How often does the {named} sound?"),
        compose=lambda rng, draw: scenes.repeated_sound(rng, draw.named, draw.answer),
        clue="It sounds as often as {}.",
        clues={
            "one": ("a person has noses", "a month has a full moon"),
            "two": ("a bicycle has wheels", "a person has eyes"),
            "three": ("a triangle has sides", "a trio has players"),
            "four": ("a car has wheels", "a year has seasons"),
        },
        named=scenes.SINGLE,
        logic=(_arithmetic,),
    ),
    Subject(
        name="first",
        category="temporal",
        values=SHORT_SOUNDS,
        asks=("Which sound comes first?", "What is heard at the start?"),
        compose=lambda rng, draw: _row_with(rng, draw, last=False),
        clue="What comes first {}.",
        clues=SOURCE_CLUES,
    ),
    Subject(
        name="last",
        category="temporal",
        values=SHORT_SOUNDS,
        asks=("Which sound comes last?", "What is heard at the end?"),
        compose=lambda rng, draw: _row_with(rng, draw, last=True),
        clue="What comes last {}.",
        clues=SOURCE_CLUES,
    ),
    Subject(
        name="after",
        category="temporal",
        values=SHORT_SOUNDS,
        asks=("Which sound follows the {named}?", "What is heard right after the {named}?"),
        compose=_row_after,
        clue="What follows {}.",
        clues=SOURCE_CLUES,
        named=SHORT_SOUNDS,
    ),
    Subject(
        name="duration",
        category="temporal",
        values=tuple(scenes.SPANS),
        asks=("How long does the {named} last?", "For how long is the {named} heard?"),
        compose=lambda rng, draw: scenes.lasting(rng, draw.named, draw.answer),
        clue="It lasts {}.",
        clues={
            "half a second": ("500 milliseconds", "a blink of an eye"),
            "one second": ("1000 milliseconds", "a sixtieth of a minute"),
            "two seconds": ("2000 milliseconds", "a thirtieth of a minute"),
            "three seconds": ("3000 milliseconds", "a twentieth of a minute"),
        },
        named=scenes.STEADY,
    ),
)
CATEGORIES = ("sound", "music", "speech", "temporal")


NONE_OF_THESE = "none of these"
SUGGESTIONS = ("Someone hears '{}'.", "Most people say '{}'.", "At first it sounds like '{}'.")


@dataclass(frozen=True, eq=False)
class Item:
    """One generated question with its clip and its known truth."""

    subject: Subject
    question: str
    choices: tuple[str, ...]
    answer: str
    scene: Scene
    mechanism: Mechanism | None = None
    tempting: str | None = None  # the wrong option that the text, or its form, suggests
    tempting_short: str | None = None  # that option without its qualification, where it has one

    @property
    def kind(self) -> Kind:
        """What answers the question."""
        return KINDS[self.mechanism]

    @property
    def text_answerable(self) -> bool:
        """Whether the text alone gives the answer."""
        return self.kind == "text_answerable"


def make_item(rng: Rng, subject: Subject, mechanism: Mechanism | None) -> Item:
    """Draw options, then the answer among them, then wording and clip."""
    named = str(rng.choice(subject.named)) if subject.named else ""
    values = [value for value in subject.values if value != named]
    choices = tuple(str(value) for value in rng.choice(values, 4, replace=False))
    answer = choices[int(rng.integers(4))]
    others = tuple(choice for choice in choices if choice != answer)
    draw = Draw(answer, others, tuple(value for value in values if value not in choices), named)
    question = str(rng.choice(subject.asks)).format(named=named)
    tempting = None
    match mechanism:
        case "knowledge":
            question = f"{_knowledge(rng, subject, answer)} {question}"
        case "logic":
            ways = (alternative if draw.outsiders else exclusion, *subject.logic)
            question = f"{ways[int(rng.integers(len(ways)))](rng, draw)} {question}"
        case "prior":
            tempting = str(rng.choice(others))
            usual = _knowledge(rng, subject, tempting)
            question = f"Usually {usual[0].lower()}{usual[1:]} {question}"
        case "suggestion":
            tempting = str(rng.choice(others))
            question = f"{str(rng.choice(SUGGESTIONS)).format(tempting)} {question}"
    item = Item(subject, question, choices, answer, subject.compose(rng, draw), mechanism, tempting)
    return _with_another_clip(rng, item) if mechanism == "absent" else item


def offer_none(rng: Rng, item: Item) -> Item:
    """The item with a wrong option replaced by NONE_OF_THESE."""
    wrong = str(rng.choice([choice for choice in item.choices if choice != item.answer]))
    return replace(item, choices=_replaced(item.choices, wrong))


def _with_another_clip(rng: Rng, item: Item) -> Item:
    """A clip of another type's subject, and NONE_OF_THESE in place of the answer."""
    elsewhere = [subject for subject in SUBJECTS if subject.category != item.subject.category]
    other = make_item(rng, elsewhere[int(rng.integers(len(elsewhere)))], None)
    choices = _replaced(item.choices, item.answer)
    return replace(item, choices=choices, answer=NONE_OF_THESE, scene=other.scene)


def _replaced(choices: tuple[str, ...], gone: str) -> tuple[str, ...]:
    return tuple(NONE_OF_THESE if choice == gone else choice for choice in choices)


def _knowledge(rng: Rng, subject: Subject, value: str) -> str:
    return subject.clue.format(rng.choice(list(subject.clues[value])))
