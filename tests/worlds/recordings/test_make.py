"""Questions about recordings: true by an independent solver, split cleanly, not to be guessed from text."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from rlaudio.audio.reading import read_clip
from rlaudio.cli import main
from rlaudio.data.audiomcq import audiomcq
from rlaudio.data.audit import audit
from rlaudio.data.splits import check_disjoint
from rlaudio.worlds.recordings import Wanted, make_questions
from rlaudio.worlds.recordings.questions import (
    AMOUNTS,
    KINDS,
    Draft,
    Pool,
    Recording,
    number_of,
    number_word,
)

DIGITS = [number_word(value) for value in range(10)]
PATTERN = "{label}_{speaker}_{take}.wav"


def pool_of(words, takes: int = 3) -> Pool:
    return Pool({w: [Recording(Path(f"{w}_ann_{t}.wav"), w, "ann") for t in range(takes)] for w in words})


def drafts(kind: str, mechanism, count: int = 300, words=DIGITS) -> list[Draft]:
    rng, pool = np.random.default_rng(0), pool_of(words)
    return [KINDS[kind](rng, pool, mechanism) for _ in range(count)]


# Solvers, written from the English of the questions alone.


def by_ear(question: str, words: list[str]) -> str:
    """The answer to a question for somebody who hears `words`."""
    asked = re.split(r"(?<=\.) ", question)[-1]
    if "order" in asked:
        return ", ".join(words)
    if "first" in asked or "last" in asked:
        return words[0 if "first" in asked else -1]
    if "sum" in asked or "together" in asked:
        return number_word(sum(DIGITS.index(word) for word in words))
    if "larger" in asked or "smaller" in asked:
        first, second = (DIGITS.index(word) for word in words)
        return (
            "they are equal"
            if first == second
            else "the first"
            if (first > second) == ("larger" in asked)
            else "the second"
        )
    named = re.search(r"the word (\w+)", asked)
    if "How" in asked:
        return number_word(words.count(named[1]) if named else len(words))
    assert len(words) == 1
    return words[0]


def by_reading(question: str, choices: list[str]) -> str:
    """The answer to a text-answerable question for somebody who hears nothing."""
    clue, asked = re.split(r"(?<=\.) ", question)
    if clue.startswith("It is not "):
        ruled_out = re.split(r", not | and not ", clue.removeprefix("It is not ").removesuffix("."))
        (left,) = set(choices) - set(ruled_out)
        return left
    if match := re.search(r"(follows|comes before) ([\w-]+) when counting", clue):
        return number_word(number_of(match[2]) + (1 if match[1] == "follows" else -1))
    if match := re.search(r"is the number of (.+)\.", clue):
        (amount,) = (amount for amount, things in AMOUNTS.items() if match[1] in things)
        return number_word(amount)
    if match := re.search(r"Counting up, you reach the (\w+) number", clue):
        smaller = f"the {match[1]}"
        (larger,) = {"the first", "the second"} - {smaller}
        return smaller if "smaller" in asked else larger
    if clue.startswith("Taking the second number from the first leaves zero"):
        return "they are equal"
    if "counting order" in clue:
        values = sorted((number_of(word) for word in choices[0].split(", ")), reverse="downwards" in clue)
        return ", ".join(map(number_word, values))
    if match := re.search(r"The first is (\w+), the last (\w+)", clue):
        (whole,) = (c for c in choices if c.startswith(match[1]) and c.endswith(match[2]))
        return whole
    words = [word for word in re.findall(r"\w+", clue) if word in DIGITS]
    return by_ear(asked, words)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mechanism", [None, "knowledge", "logic"])
def test_the_answer_is_what_is_heard(kind, mechanism):
    for draft in drafts(kind, mechanism):
        assert draft.answer == by_ear(draft.question, [recording.word for recording in draft.spoken])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mechanism", ["knowledge", "logic"])
def test_the_text_of_a_twin_gives_the_answer_away(kind, mechanism):
    for draft in drafts(kind, mechanism):
        assert draft.mechanism == mechanism
        assert draft.answer == by_reading(draft.question, [draft.answer, *draft.others])


@pytest.mark.parametrize("kind", KINDS)
def test_options_differ_and_are_four_or_for_compare_three(kind):
    for draft in drafts(kind, None):
        options = {draft.answer, *draft.others}
        assert len(options) == len(draft.others) + 1 == (3 if kind == "compare" else 4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_to_an_audio_only_question_is_at_chance_for_a_reader_who_knows_the_statistics(kind):
    """The best guess from option and wording frequencies, learned on half of the questions, is luck."""
    asked = drafts(kind, None, count=8000)
    learned: Counter = Counter()
    for draft in asked[:4000]:
        learned[draft.question, draft.answer] += 1
        for option in (draft.answer, *draft.others):
            learned[draft.question, option, "offered"] += 1

    def rate(draft: Draft, option: str) -> float:
        return learned[draft.question, option] / max(1, learned[draft.question, option, "offered"])

    right = 0.0
    for draft in asked[4000:]:
        rates = {option: rate(draft, option) for option in (draft.answer, *draft.others)}
        best = [option for option, value in rates.items() if value == max(rates.values())]
        right += (draft.answer in best) / len(best)
    chance = 1 / (3 if kind == "compare" else 4)
    assert abs(right / 4000 - chance) < 0.03


def test_the_most_frequent_sum_is_no_better_guess_than_another():
    ways = Counter(first + second for first in range(10) for second in range(10))
    right = 0.0
    for draft in drafts("sum", None, count=8000):
        most = max(ways[number_of(option)] for option in (draft.answer, *draft.others))
        best = [option for option in (draft.answer, *draft.others) if ways[number_of(option)] == most]
        right += (draft.answer in best) / len(best)
    assert abs(right / 8000 - 0.25) < 0.02


@pytest.mark.parametrize("kind", ["identify", "order", "count"])
@pytest.mark.parametrize(
    "words", [["yes", "no"], ["left", "right", "up"], ["dog", "cat", "cow", "hen", "bee"]]
)
def test_words_that_are_no_numbers_have_twins_by_logic_or_known_amounts(kind, words):
    for draft in drafts(kind, "knowledge", count=50, words=words):
        assert draft.mechanism == ("knowledge" if kind == "count" else "logic")
        assert len(draft.others) == (3 if kind == "count" else min(4, len(words)) - 1) or kind == "order"


def test_a_word_that_comes_twice_is_another_take():
    rng = np.random.default_rng(0)
    assert len(set(pool_of(["one"], takes=3).say(rng, ["one"] * 3))) == 3
    assert len(pool_of(["one"], takes=1).say(rng, ["one"] * 3)) == 3


def test_numbers_and_words_translate_both_ways():
    assert [number_word(value) for value in (0, 13, 15, 18, 20, 21, -1)] == [
        *("zero", "thirteen", "fifteen", "eighteen", "twenty", "21", "-1")
    ]
    assert [number_of(word) for word in ("zero", "nineteen", "07", "-3", "dog")] == [0, 19, 7, -3, None]


# The files. Every recording is noise of its own, so that it can be found again in a clip.


AMOUNT = {"train": 200, "test": 100, "new_speakers": 100, "pretrain": 60, "test_share": 0.34}
SPLITS = ("train", "test", "new_speakers")


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    return make_questions(
        folder, PATTERN, tmp_path_factory.mktemp("made") / "digits", Wanted(seed=1, **AMOUNT)
    )


@pytest.fixture(scope="module")
def questions(made):
    return {split: audiomcq(path=made.folder / f"{split}.jsonl") for split in SPLITS}


def test_the_numbers_of_everything_are_reported(made, questions):
    assert made.words == ("four", "one", "three", "two", "zero")
    assert made.recordings == {"train": 40, "test": 20, "new_speakers": 30}
    assert made.question_counts == {split: len(questions[split]) for split in SPLITS}
    assert made.question_counts == {split: AMOUNT[split] for split in SPLITS}
    assert len((made.folder / "pretrain.jsonl").read_text().splitlines()) == sum(made.pretrain.values())
    assert json.loads((made.folder / "about.json").read_text())["seed"] == 1


def test_everything_that_is_made_passes_the_audit(questions):
    for split in SPLITS:
        result = audit(questions[split], decode=True)
        assert result.usable, result.lines()


def test_what_was_made_is_told_by_kind(made):
    lines = made.lines()
    assert (
        f"{made.folder / 'test'}.jsonl: 100 questions (identify 20, order 20, count 20, sum 20, compare 20) "
        in (lines[1])
    )
    by_kind = Counter(json.loads(row)["kind"] for row in (made.folder / "pretrain.jsonl").open())
    told = ", ".join(f"{kind} {count}" for kind, count in by_kind.items())
    assert lines[-1].endswith(f"pretrain.jsonl: {by_kind.total()} examples ({told})")


def test_the_command_makes_as_many_questions_of_those_kinds_as_it_is_asked_for(folder, tmp_path):
    asked = ["--train", "9", "--test", "6", "--pretrain", "2", "--kind", "order", "--kind", "sum"]
    places = ["--clips", str(folder), "--labels", "{label}_{take}.wav", "--out", str(tmp_path / "out")]
    output = CliRunner().invoke(main, ["data", "questions", *places, *asked]).stdout.splitlines()
    assert "train.jsonl: 9 questions (order 5, sum 4) on" in output[0]
    assert "test.jsonl: 6 questions (order 3, sum 3) on" in output[1]
    assert output[2].startswith("new_speakers: no questions; the pattern has no {speaker}")


def test_a_recording_is_heard_in_one_split_only(made, questions):
    heard = {s: {name for q in questions[s] for name in q.extra["recordings"]} for s in SPLITS}
    assert heard["train"] and heard["test"] and heard["new_speakers"]
    assert not heard["train"] & heard["test"]
    assert not (heard["train"] | heard["test"]) & heard["new_speakers"]
    about = json.loads((made.folder / "about.json").read_text())["recordings"]
    assert all(heard[split] <= set(about[split]) for split in SPLITS)


def test_speakers_who_are_held_out_are_heard_in_no_other_split(made, questions):
    (new,) = made.held_out_speakers
    assert {speaker for q in questions["new_speakers"] for speaker in q.extra["speakers"]} == {new}
    for split in ("train", "test"):
        assert new not in {speaker for q in questions[split] for speaker in q.extra["speakers"]}


def test_clips_are_disjoint_by_what_is_heard(questions):
    check_disjoint(questions["train"], questions["test"])
    check_disjoint([*questions["train"], *questions["test"]], questions["new_speakers"])


def test_a_clip_consists_of_its_recordings_with_short_gaps(folder, questions):
    composed = [q for q in questions["test"] if len(q.extra["recordings"]) > 1]
    assert composed
    for question in composed[:20]:
        samples, rate_hz = soundfile.read(question.clips[0])
        assert rate_hz == 16_000
        speech = sum(2 * soundfile.info(folder / name).frames for name in question.extra["recordings"])
        gaps = (len(samples) - speech) / 16_000 / (len(question.extra["recordings"]) - 1)
        assert 0.1 <= gaps <= 0.3


def recordings_heard(clip: Path, known: dict[str, np.ndarray]) -> list[str]:
    """Names of the recordings in a clip, found sample by sample."""
    samples = read_clip(clip).samples
    heard, place = [], 0
    while place < len(samples):
        starts = range(max(0, place - 3), place + 1)  # a recording may begin with zeros
        here = [
            (name, start + len(recording))
            for name, recording in known.items()
            for start in starts
            if begins_with(samples[start:], recording)
        ]
        ((name, end),) = here
        heard.append(name)
        after_the_gap = np.flatnonzero(samples[end:])
        place = end + int(after_the_gap[0]) if len(after_the_gap) else len(samples)
    return heard


def begins_with(samples: np.ndarray, recording: np.ndarray) -> bool:
    if len(samples) < len(recording):
        return False
    return bool((np.abs(samples[: len(recording)] - recording) < 1e-4).all())


def test_examples_use_training_recordings_only_and_transcripts_are_true(made, folder):
    rows = [json.loads(line) for line in (made.folder / "pretrain.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in rows} == {"transcription", "question", "fact"}
    known = {path.name: read_clip(path).samples for path in folder.glob("*.wav")}
    training = set(json.loads((made.folder / "about.json").read_text())["recordings"]["train"])
    transcripts = [row for row in rows if row["kind"] == "transcription"]
    assert {row["audio_path"] for row in rows} == {None, *(row["audio_path"] for row in transcripts)}
    heard_alone = set()
    for row in transcripts:
        heard = recordings_heard(made.folder / row["audio_path"], known)
        assert set(heard) <= training
        assert row["response"] == ", ".join(number_word(int(name[0])) for name in heard)
        heard_alone |= set(heard) if len(heard) == 1 else set()
    assert heard_alone == training


def test_gold_positions_are_uniform_within_each_kind_audio_only_or_not(questions):
    for twin in (True, False):
        for kind in KINDS:
            positions = Counter(
                q.answer_index
                for q in questions["train"]
                if q.groups["source"] == f"recordings_{kind}" and q.text_answerable == twin
            )
            assert len(positions) == (3 if kind == "compare" else 4)
            assert max(positions.values()) - min(positions.values()) <= 1


def test_half_of_the_questions_of_each_kind_are_text_answerable(questions):
    for kind in KINDS:
        of_kind = [q for q in questions["train"] if q.groups["source"] == f"recordings_{kind}"]
        assert len(of_kind) == 40
        assert sum(bool(q.text_answerable) for q in of_kind) == 20
        assert {q.groups.get("mechanism") for q in of_kind} == {None, "knowledge", "logic"}


def test_the_same_seed_makes_the_same_files_and_another_seed_others(folder, made, tmp_path):
    again = make_questions(folder, PATTERN, tmp_path / "again", Wanted(seed=1, **AMOUNT)).folder
    other = make_questions(folder, PATTERN, tmp_path / "other", Wanted(seed=2, **AMOUNT)).folder
    files = sorted(path.relative_to(made.folder) for path in made.folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((made.folder / file).read_bytes() == (again / file).read_bytes() for file in files)
    assert (other / "train.jsonl").read_bytes() != (again / "train.jsonl").read_bytes()


def test_no_speakers_in_the_names_means_no_new_speakers(folder, tmp_path):
    made = make_questions(folder, "{label}_{take}.wav", tmp_path / "out", Wanted(**AMOUNT))
    assert made.held_out_speakers == ()
    assert not (tmp_path / "out" / "new_speakers.jsonl").exists()


def test_labels_can_be_folders(tmp_path):
    for word in ("turn_left", "turn_right"):
        for take in range(4):
            (tmp_path / word).mkdir(exist_ok=True)
            noise = np.random.default_rng(take).normal(0, 0.1, 800 + 10 * len(word))
            soundfile.write(tmp_path / word / f"{take}.wav", noise, 16_000)
    made = make_questions(
        tmp_path, "{label}/{take}.wav", tmp_path.with_name("out"), Wanted(train=12, test=12, pretrain=4)
    )
    assert made.words == ("turn left", "turn right")


def test_a_folder_that_exists_is_not_overwritten(folder, made):
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        make_questions(folder, PATTERN, made.folder)


def test_what_a_killed_attempt_left_is_replaced(folder, tmp_path):
    (tmp_path / "out.unfinished").mkdir()
    (tmp_path / "out.unfinished" / "old").touch()
    make_questions(folder, PATTERN, tmp_path / "out", Wanted(**AMOUNT))
    assert not (tmp_path / "out" / "old").exists()
    assert not (tmp_path / "out.unfinished").exists()


def test_a_single_label_is_an_error(folder, tmp_path):
    for take in range(6):
        name = f"0_ann_{take}.wav"
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ValueError, match="one label, 'zero'; expected at least two"):
        make_questions(tmp_path, PATTERN, tmp_path / "out", Wanted(held_out_speakers=0))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(["sing"], r"unknown kinds \['sing'\]"), (["sum"], r"\['sum'\] need labels that are numbers")],
)
def test_kinds_that_cannot_be_made_are_errors(tmp_path, kinds, message):
    clips = tmp_path / "clips"
    clips.mkdir()
    for seed, name in enumerate(("left_0", "left_1", "right_0", "right_1")):
        soundfile.write(clips / f"{name}.wav", np.random.default_rng(seed).normal(0, 0.1, 800), 16_000)
    with pytest.raises(ValueError, match=message):
        make_questions(clips, "{label}_{take}.wav", tmp_path / "out", Wanted(kinds=kinds))


def test_all_orders_of_three_words_are_possible_answers():
    orders = {
        draft.answer for draft in drafts("order", None, 2000, ["one", "two", "three"]) if "," in draft.answer
    }
    assert orders == {", ".join(words) for words in permutations(["one", "two", "three"])}
