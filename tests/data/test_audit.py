"""The audit of questions, and the search for clips that two sets share."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.levels import DIGITAL_SILENCE
from rlaudio.audio.reading import KEPT_CHANNEL
from rlaudio.data.audit import audit, load_audited, odd_lines
from rlaudio.data.bad_rows import BadRow, refuse_or_list
from rlaudio.data.jsonl import jsonl
from rlaudio.data.splits import check_disjoint, clip_digests, shared_clips
from rlaudio.types import Dataset, OpenText, Question
from tests.factories import make_contributions, make_question


def write_noise(path: Path, seed: int, seconds: float = 0.1, **options) -> Path:
    count = round(16_000 * seconds)
    soundfile.write(
        path, np.random.default_rng(seed).integers(-9000, 9000, count, dtype=np.int16), 16_000, **options
    )
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    return write_noise(tmp_path / "a.wav", seed=0)


def kinds(result) -> list[str]:
    return [row.kind for row in result.bad_rows]


def test_good_questions_are_counted(tmp_path, clip):
    other = write_noise(tmp_path / "b.wav", seed=1, seconds=0.3)
    questions = [
        make_question(id="1", clip=clip, answer="a dog", groups={"category": "sound", "source": "Clotho"}),
        make_question(id="2", clip=clip, answer="a cow", groups={"category": "sound"}),
        make_question(id="3", clip=other, answer="a cow", groups={"category": "music"}),
    ]
    result = audit(Dataset(tuple(questions), make_contributions(**{"2": "weak", "3": "strong"})))
    assert result.usable
    assert (result.question_count, result.clips, result.longer_than_limit) == (3, 2, 0)
    assert result.seconds == pytest.approx(0.4)
    assert result.by_group == {"category": {"sound": 2, "music": 1}, "source": {"Clotho": 1}}
    assert result.by_contribution == {"unlabelled": 1, "weak": 1, "strong": 1}
    assert result.gold_positions == (1, 0, 2)
    assert result.refusal("train") is None


def test_more_choices_than_a_question_may_have_are_not_compared_pair_by_pair():
    many = make_question(id="many", choices=tuple(f" {number} " for number in range(100_000)))  # 1e10 pairs
    nested = make_question(id="nested", choices=("a dog", "a dog barks"))
    result = audit([many, nested], audio=False)
    assert kinds(result) == ["too many choices", "too long"]
    assert result.odd_questions == {"nested options": ["nested"]}


def test_a_file_of_this_format_is_not_called_another_one_where_all_its_clips_are_outside(tmp_path):
    row = {"id": "a", "question": "What?", "choices": ["a", "b"], "answer": "a", "clips": ["/tmp/a.wav"]}
    file = tmp_path / "data.jsonl"
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="outside_root") as error:
        jsonl(path=file)
    _, result = load_audited(lambda: jsonl(path=file))
    assert "in this format" not in str(error.value) + result.problems()


def test_a_file_of_another_format_is_told_that_one_can_read_it(tmp_path):
    row = {"uid": "a", "ask": "What?", "options": ["a", "b"], "right": 0}
    file = tmp_path / "quiz.jsonl"
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    said = r"no row is in this format: .* mmau=PATH .* docs/data\.md \(A format of your own\)"
    with pytest.raises(ValueError, match=said):
        jsonl(path=file)
    _, result = load_audited(lambda: jsonl(path=file))
    assert re.search(said, result.problems()) and re.search(said, result.refusal("data.train"))
    good = {"id": "b", "question": "What?", "choices": ["a", "b"], "answer": "a", "clips": []}
    file.write_text(f"{json.dumps(row)}\n{json.dumps(good)}\n", encoding="utf-8")
    _, result = load_audited(lambda: jsonl(path=file))
    assert result.left_out == 1 and not re.search(said, result.problems())


def test_lines_tell_the_counts(clip):
    text = "\n".join(audit([make_question(clip=clip, answer="a cat")]).lines())
    assert "1 question over 1 clip, " in text
    assert "position of the gold answer: 1:0 2:1" in text


def test_a_set_without_questions_and_one_without_known_answers_are_told_in_words(clip):
    assert audit([]).lines() == ["no questions"]
    text = "\n".join(audit([Question("q", "What is heard?", (clip,), OpenText("rain"))]).lines())
    assert "position of the gold answer: none is known" in text


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"answer": "a horse"}, "answer not among the choices"),
        ({"answer": "A dog"}, "answer not among the choices"),
        ({"choices": ("a dog",)}, "too few choices"),
        ({"choices": ("a dog", "a cat", "A dog ")}, "duplicate choices"),
        ({"choices": ("a dog", "")}, "empty text"),
        ({"question": " "}, "empty text"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_bad_row(clip, fields, kind):
    result = audit([make_question(id="q7", clip=clip, **{"answer": "a dog"} | fields)])
    assert kinds(result) == [kind]
    assert result.bad_rows[0].id == "q7"


def test_the_second_of_two_equal_ids_is_a_bad_row(clip):
    result = audit([make_question(id="q", clip=clip), make_question(id="q", clip=clip)])
    assert kinds(result) == ["duplicate id"]
    assert result.bad_rows[0].index == 1
    assert "rows 1 and 2" in result.bad_rows[0].reason


def test_equal_ids_of_a_file_are_named_by_their_lines(clip):
    questions = [make_question(id="q", clip=clip, place=f"t.jsonl:{line}") for line in (3, 8)]
    (row,) = audit(questions).bad_rows
    assert str(row) == "t.jsonl:8: this id stands at t.jsonl:3 and t.jsonl:8; expected different ids (id q)"


def test_what_could_not_be_read_is_in_the_audit_of_a_loaded_set_even_if_the_loader_makes_a_new_one(clip):
    def filtered():
        refuse_or_list([BadRow("malformed row", "not JSON", f"t.jsonl:{line}") for line in (1, 1, 4)], "t")
        return [make_question(id="a", clip=clip), make_question(id="b", clip=clip, answer="a horse")]

    questions, result = load_audited(filtered)
    assert [question.id for question in result.without_bad_rows(questions)] == ["a"]
    assert (result.rows, result.left_out) == (4, 3)  # two lines gave no question, one a bad question
    assert "4 problems in 3 of 4 questions (3 x malformed row, 1 x answer not among" in result.problems()


def test_bad_rows_that_may_be_dropped_are_refused_where_no_other_is_left(clip):
    bad = make_question(id="b", clip=clip, answer="a horse")
    assert audit([make_question(clip=clip), bad]).refusal("train", drop=True) is None
    refusal = audit([bad]).refusal("train", drop=True)
    assert refusal is not None and "none is left without these rows:\n  b: answer" in refusal


def test_a_row_with_two_problems_is_left_out_once(tmp_path):
    result = audit([make_question(clip=tmp_path / "gone.wav", answer="a horse")])
    assert (len(result.bad_rows), result.left_out) == (2, 1)


def test_every_question_about_a_missing_clip_is_a_bad_row(tmp_path):
    gone = tmp_path / "gone.wav"
    assert kinds(audit([make_question(id=str(i), clip=gone) for i in range(2)])) == ["missing audio"] * 2


def test_a_clip_that_is_not_audio_is_a_bad_row(tmp_path):
    (tmp_path / "a.wav").write_text("not audio at all")
    assert kinds(audit([make_question(clip=tmp_path / "a.wav")])) == ["unusable audio"]


def test_damage_inside_a_clip_is_found_by_decoding(tmp_path):
    damaged = np.append(np.zeros(70_000), np.nan)
    soundfile.write(tmp_path / "a.wav", damaged, 16_000, subtype="FLOAT")
    questions = [make_question(clip=tmp_path / "a.wav")]
    assert audit(questions).usable
    assert kinds(audit(questions, decode=True)) == ["unusable audio"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 20_000.0], ids=["NaN", "infinity", "integers as floats"])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_a_float_file_of_impossible_samples_is_found_without_decoding_all_of_it(tmp_path, value, subtype):
    soundfile.write(tmp_path / "a.wav", np.array([0.0, value] * 800), 16_000, subtype=subtype)
    assert kinds(audit([make_question(clip=tmp_path / "a.wav")])) == ["unusable audio"]


def test_a_clip_a_little_too_short_is_said_to_be_shorter_than_the_limit(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(639) / 9, 16_000)
    [row] = audit([make_question(clip=tmp_path / "a.wav")], min_seconds=0.04).bad_rows
    assert "lasts 39.94 ms; expected 40 ms or more" in row.reason


@pytest.mark.parametrize("decode", [False, True])
def test_a_clip_shorter_than_the_model_takes_is_a_bad_row(tmp_path, decode):
    short = make_question(id="a", clip=write_noise(tmp_path / "a.wav", seed=0, seconds=0.03))
    enough = make_question(id="b", clip=write_noise(tmp_path / "b.wav", seed=0, seconds=0.04))
    result = audit([short, enough], min_seconds=0.04, decode=decode)
    assert [(row.id, row.kind) for row in result.bad_rows] == [("a", "unusable audio")]
    assert "a.wav: lasts 30 ms; expected 40 ms or more" in result.bad_rows[0].reason


def test_a_limit_that_leaves_less_than_the_model_takes_is_found(clip):
    assert kinds(audit([make_question(clip=clip)], max_seconds=0.02, min_seconds=0.04)) == ["unusable audio"]


def test_clips_that_are_usable_but_odd_are_counted_by_decoding(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(1600), 16_000)
    left = np.sin(np.arange(1600) / 5)
    soundfile.write(tmp_path / "opposite.wav", np.stack([left, -left], axis=1), 16_000)
    questions = [make_question(id=name, clip=tmp_path / f"{name}.wav") for name in ("silent", "opposite")]
    result = audit(questions, decode=True)
    assert result.usable
    assert {what: len(clips) for what, clips in result.odd_clips.items()} == {
        DIGITAL_SILENCE: 1,
        KEPT_CHANNEL: 1,
    }
    told = odd_lines({"": result})
    assert any(line.startswith(f"digital silence: 1 clip ({tmp_path / 'silent.wav'}); ") for line in told)
    assert all("docs/data.md" in line for line in told)


def test_a_pipe_is_a_bad_row(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert kinds(audit([make_question(clip=tmp_path / "a.wav")])) == ["missing audio"]


def test_long_clips_are_counted_or_refused_as_the_policy_says(tmp_path):
    questions = [make_question(clip=write_noise(tmp_path / "a.wav", seed=0, seconds=2.0))]
    cut = audit(questions, max_seconds=1.0)
    assert (cut.longer_than_limit, cut.usable) == (1, True)
    assert kinds(audit(questions, max_seconds=1.0, too_long="refuse")) == ["unusable audio"]


def test_the_error_counts_every_kind_and_gives_examples(tmp_path, clip):
    questions = [
        *(make_question(id=f"q{i}", clip=tmp_path / f"gone{i}.wav") for i in range(6)),
        make_question(id="odd", clip=clip, answer="a horse"),
    ]
    message = r"^train: 7 problems in 7 of 7 questions \(6 x missing audio, 1 x answer not among"
    refusal = audit(questions).refusal("train")
    assert re.match(message, refusal)
    assert "q0: " in refusal
    assert "and 2 more" in refusal


def test_what_is_left_without_bad_rows_is_usable(tmp_path, clip):
    good = [make_question(id="a", clip=clip), make_question(id="b", clip=clip)]
    bad = [make_question(id="a", clip=clip), make_question(id="c", clip=tmp_path / "gone.wav")]
    questions = [good[0], *bad, good[1]]
    left = audit(questions).without_bad_rows(questions)
    assert list(left) == good
    assert audit(left).usable


def test_an_audit_of_nothing_is_empty():
    assert audit([]).gold_positions == ()


def test_the_same_audio_under_another_name_is_shared(tmp_path):
    train = [make_question(clip=write_noise(tmp_path / f"{seed}.wav", seed)) for seed in range(3)]
    test = [
        make_question(clip=write_noise(tmp_path / "new.wav", seed=9)),
        make_question(clip=write_noise(tmp_path / "copy.flac", seed=1)),
    ]
    assert shared_clips(train, test) == [(tmp_path / "1.wav", tmp_path / "copy.flac")]
    with pytest.raises(ValueError, match=r"1 clips of test are in train.*\n.*1\.wav = .*copy\.flac"):
        check_disjoint(train, test)


def test_the_same_file_on_both_sides_is_shared(clip):
    question = make_question(clip=clip)
    assert shared_clips([question], [question]) == [(clip, clip)]


def test_clips_that_agree_up_to_the_limit_are_shared(tmp_path):
    long = write_noise(tmp_path / "long.wav", seed=0, seconds=2.0)
    samples, _ = soundfile.read(long, dtype="int16")
    soundfile.write(tmp_path / "longer.wav", np.concatenate([samples, samples]), 16_000)
    left, right = make_question(clip=long), make_question(clip=tmp_path / "longer.wav")
    assert shared_clips([left], [right]) == []
    assert len(shared_clips([left], [right], max_seconds=1.5)) == 1


def test_different_clips_of_one_length_are_disjoint(tmp_path):
    left = make_question(clip=write_noise(tmp_path / "a.wav", seed=0))
    right = make_question(clip=write_noise(tmp_path / "b.wav", seed=1))
    check_disjoint([left], [right])


def test_digests_come_for_each_file_once(tmp_path, clip):
    other = write_noise(tmp_path / "b.wav", seed=1)
    digests = clip_digests([clip, other, clip])
    assert list(digests) == [clip, other]
    assert digests[clip] != digests[other]
