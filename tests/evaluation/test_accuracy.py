"""Evaluation: who is asked what under which control, what counts as right, and what the tables say."""

import json
from dataclasses import asdict, replace

import pytest

from rlaudio.audio.controls import silence
from rlaudio.audio.reading import read_clip
from rlaudio.evaluation import asking
from rlaudio.evaluation.accuracy_table import accuracy_table
from rlaudio.evaluation.asking import EvaluationSettings
from rlaudio.rollout.scripted import Scripted
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import Benchmark, Choice, Verdict
from tests.word_family import questions_on_disk, word_prompts


def evaluate(questions, prompts, worker, **changes):
    """An evaluation with all controls, of which the changes are what a test is about."""
    settings = EvaluationSettings(
        controls=("audio", "silence", "mismatch"),
        scorers={"robust": robust},
        batch_questions=64,
        max_new_tokens=64,
        seed=0,
    )
    return asking.evaluate(questions, prompts, worker, replace(settings, **changes))


def listener(questions, *, knows=()):
    """Answers right when it hears the question's own clip or knows the question, and wrong otherwise."""
    local = {question.id: read_clip(question.clips[0]).digest for question in questions}

    def answer(prompt, sample):
        question = prompt.question
        right = prompt.audio_digest == local[question.id] or question.id in knows
        return f"<answer>{question.answer if right else 'a fish'}</answer>"

    return Scripted(answer)


@pytest.fixture
def questions(tmp_path):
    return questions_on_disk(
        tmp_path,
        8,
        labels={f"q{number}": ("weak", "strong")[number % 2] for number in range(8)},
        groups=[{"category": category, "source": "made"} for category in ["sound"] * 6 + ["speech"] * 2],
        text_answerable=[True, False, None, None] * 2,
    )


def test_a_listener_is_right_with_its_own_audio_only(questions):
    evaluation = evaluate(questions, word_prompts(), listener(questions))
    assert evaluation.accuracy("audio") == 1.0
    assert evaluation.accuracy("silence") == 0.0
    assert evaluation.accuracy("mismatch") == 0.0


def test_a_reader_of_the_text_is_right_under_every_control(questions):
    worker = Scripted(lambda prompt, sample: prompt.question.answer)
    evaluation = evaluate(questions, word_prompts(), worker)
    assert evaluation.accuracy_by_contribution()["all"] == {"audio": 1.0, "silence": 1.0, "mismatch": 1.0}


def test_silence_is_as_long_as_the_clip(questions):
    heard = []
    worker = Scripted(lambda prompt, sample: heard.append(prompt.audio_digest) or "")
    evaluate(questions, word_prompts(), worker, controls=["silence"])
    assert heard == [silence(read_clip(question.clips[0]).seconds).digest for question in questions]


def test_mismatched_audio_is_the_clip_of_another_question(questions):
    heard = []
    worker = Scripted(lambda prompt, sample: heard.append(prompt.audio_digest) or "")
    evaluation = evaluate(questions, word_prompts(), worker, controls=["mismatch"])
    clips = {question.id: read_clip(question.clips[0]).digest for question in questions}
    assert heard == [clips[row.heard] for row in evaluation.rows]
    assert all(row.heard != row.question.id for row in evaluation.rows)


def test_questions_are_asked_greedily_in_batches_of_one_control(questions):
    worker = listener(questions)
    evaluate(questions, word_prompts(), worker, controls=["audio", "silence"], batch_questions=5, seed=3)
    assert [(count, key) for count, _, key in worker.calls] == [
        (5, (3, "evaluate", "audio")),
        (3, (3, "evaluate", "audio")),
        (5, (3, "evaluate", "silence")),
        (3, (3, "evaluate", "silence")),
    ]
    assert {(sampling.group_size, sampling.temperature) for _, sampling, _ in worker.calls} == {(1, 0.0)}


def lax_and_strict(questions):
    """Answers of which `robust` finds all right, and `exact` those to weak questions."""

    def answer(prompt, sample):
        answer, label = prompt.question.answer, questions.contributions[prompt.question.id].label
        return answer if label == "weak" else f"The answer is {answer}."

    scorers = {"robust": robust, "exact": exact}
    return evaluate(questions, word_prompts(), Scripted(answer), controls=["audio"], scorers=scorers)


def test_the_first_scorer_decides_what_is_right_and_the_others_stand_beside(questions):
    evaluation = lax_and_strict(questions)
    assert evaluation.scorers == ("robust", "exact")
    assert (evaluation.accuracy("audio"), evaluation.accuracy("audio", scorer="exact")) == (1.0, 0.5)
    (line,) = (group for group in evaluation.groups() if group.name == "strong")
    assert line.scores["audio"].accuracy == 1.0
    strict = line.other_scores["exact"]["audio"]
    assert (strict.accuracy, strict.low, strict.unparsed) == (0.0, 0.0, 1.0)
    assert strict.high == pytest.approx(1.96**2 / (4 + 1.96**2), abs=1e-4)  # Wilson: 0 of 4
    assert evaluation.to_dict()["scorer"] == "robust"
    shown = evaluation.to_dict()["tables"]["all"]["all"]["other_scores"]["exact"]["audio"]
    assert (shown["accuracy"], shown["unparsed"]) == (0.5, 0.5)
    assert "scorer: robust" in accuracy_table(evaluation)
    assert "By exact, all: audio 50.0.\nBy exact, strong: audio 0.0.\n" in accuracy_table(evaluation)


def test_metrics_by_another_scorer_end_with_its_name(questions):
    assert lax_and_strict(questions).metrics() == {
        "eval/strong_audio": 1.0,
        "eval/weak_audio": 1.0,
        "eval/all_audio": 1.0,
        "eval/strong_audio_exact": 0.0,
        "eval/weak_audio_exact": 1.0,
        "eval/all_audio_exact": 0.5,
        "eval/unparsed": 0.0,
        "eval/unparsed_exact": 0.5,
    }


def test_unparsed_answers_are_no_metric_where_the_audio_was_not_played(questions):
    evaluation = evaluate(questions, word_prompts(), Scripted(lambda p, n: "hm"), controls=["silence"])
    assert set(evaluation.metrics()) == {"eval/strong_silence", "eval/weak_silence", "eval/all_silence"}


def test_a_single_answer_has_every_verdict_with_its_reason(questions):
    row = lax_and_strict(questions).rows[1].to_dict()
    assert (row["right"], row["predicted"], row["status"]) == (True, 1, "normalised")
    assert row["verdicts"] == {
        "robust": asdict(Verdict(True, 1, "normalised")),
        "exact": asdict(Verdict(False, None, "none", "no option")),
    }


def test_unparsed_answers_are_wrong_and_their_rate_is_shown(questions):
    unsure = {"q0", "q1"}
    worker = Scripted(lambda p, sample: "hm" if p.question.id in unsure else p.question.answer)
    evaluation = evaluate(questions, word_prompts(), worker, controls=["audio"])
    score = evaluation.groups()[0].scores["audio"]
    assert (score.accuracy, score.unparsed) == (0.75, 0.25)
    assert "Unparsed: audio 25.0." in accuracy_table(evaluation)
    assert (evaluation.unparsed("audio"), evaluation.unparsed("silence")) == (0.25, None)


def test_truncated_completions_are_counted(questions):
    worker = Scripted(lambda prompt, sample: "word " * (9 if prompt.question.id == "q0" else 2))
    evaluation = evaluate(questions, word_prompts(), worker, controls=["audio"], max_new_tokens=5)
    assert evaluation.groups()[0].scores["audio"].truncated == 1 / 8


def test_groups_hold_the_questions_of_each_category_label_and_known_truth(questions):
    evaluation = evaluate(questions, word_prompts(), listener(questions))
    assert {(g.grouping, g.name): g.question_count for g in evaluation.groups()} == {
        ("all", "all"): 8,
        ("category", "sound"): 6,
        ("category", "speech"): 2,
        ("source", "made"): 8,
        ("contribution", "strong"): 4,
        ("contribution", "weak"): 4,
        ("truth", "audio-only"): 2,
        ("truth", "text-answerable"): 2,
        ("source_truth", "made, audio-only"): 2,
        ("source_truth", "made, text-answerable"): 2,
    }


def test_accuracy_by_contribution_separates_weak_from_strong(questions):
    weak = {id for id, stated in questions.contributions.items() if stated.label == "weak"}
    worker = Scripted(lambda p, s: p.question.answer if p.question.id in weak else "a fish")
    evaluation = evaluate(questions, word_prompts(), worker, controls=["audio"])
    assert evaluation.accuracy_by_contribution() == {
        "strong": {"audio": 0.0},
        "weak": {"audio": 1.0},
        "all": {"audio": 0.5},
    }


def test_the_accuracy_of_a_group_without_questions_is_none(tmp_path):
    questions = questions_on_disk(tmp_path, 2)
    evaluation = evaluate(questions, word_prompts(), listener(questions), controls=["audio"])
    assert evaluation.accuracy("audio", "contribution", "weak") is None


def test_the_gain_over_silence_is_paired_over_the_questions(questions):
    worker = listener(questions, knows={"q0", "q1", "q2", "q3"})
    gain = evaluate(questions, word_prompts(), worker).groups()[0].gains["silence"]
    assert gain.difference == 0.5
    # Bonett and Price: five gained and one lost of ten, 0.4 -+ 1.96 sqrt((0.6 - 0.4^2) / 10)
    assert (gain.low, gain.high) == pytest.approx((-0.0111, 0.8111), abs=1e-4)
    assert gain.p_value == 2 / 2**4  # four items gained, none lost


def test_a_gain_of_nothing_has_an_interval_with_a_width_and_nothing_to_test(questions):
    worker = listener(questions, knows={question.id for question in questions})
    gain = evaluate(questions, word_prompts(), worker).groups()[0].gains["silence"]
    assert (gain.difference, gain.p_value) == (0.0, None)
    assert (gain.low, gain.high) == pytest.approx((-0.2772, 0.2772), abs=1e-4)  # 1.96 sqrt(2) / (8 + 2)


def test_answered_positions_show_a_habit(questions):
    worker = Scripted(lambda prompt, sample: prompt.question.choices[2])
    evaluation = evaluate(questions, word_prompts(), worker, controls=["audio"])
    assert evaluation.predicted_positions("audio") == (0, 0, 8)


def test_evaluation_and_rows_are_json(questions):
    evaluation = evaluate(questions, word_prompts(), listener(questions))
    assert json.loads(json.dumps(evaluation.to_dict()))["tables"]["all"]["all"]["questions"] == 8
    row = json.loads(json.dumps(evaluation.rows[0].to_dict()))
    assert (row["id"], row["text"], row["right"]) == ("q0", "<answer>a dog</answer>", True)


def test_the_same_seed_gives_the_same_evaluation(questions):
    first, second = (evaluate(questions, word_prompts(), listener(questions), seed=5) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    assert first.rows == second.rows


def test_the_table_is_no_wider_than_a_terminal_and_has_every_line_and_number_once(questions):
    one_source = [
        replace(question, groups={"half": str(number % 2), "source": "s"})
        for number, question in enumerate(questions)
    ]
    result = evaluate(replace(questions, questions=tuple(one_source)), word_prompts(), listener(questions))
    scores, gains, *notes = accuracy_table(result).split("\n\n")
    lines = [line for table in (scores, gains) for line in table.splitlines()]
    assert all(len(line) <= 100 for line in lines)
    assert sum(line.startswith("all ") for line in lines) == 2 and "audio - mismatch" in gains
    assert not any(line.startswith("source: s") for line in lines)
    assert notes[0].startswith("Equal lines, shown once: all = source: s; ")
    assert "source" in result.to_dict()["tables"]  # files keep all


def test_the_table_has_a_line_for_every_group(questions):
    table = accuracy_table(evaluate(questions, word_prompts(), listener(questions)))
    assert "contribution: strong" in table
    assert "100.0 [67.6, 100.0]" in table  # Wilson: 8 of 8 is at least 8 / (8 + 1.96^2)


@pytest.mark.parametrize(
    ("count", "given"),
    [(0, {}), (8, {"controls": []}), (8, {"scorers": {}})],
    ids=["questions", "controls", "scorers"],
)
def test_an_evaluation_of_nothing_is_refused(questions, count, given):
    with pytest.raises(ValueError, match="at least one of each"):
        evaluate(questions[:count], word_prompts(), listener(questions), **given)


@pytest.mark.parametrize("scorer", [robust, exact])
def test_equal_and_empty_options_are_evaluated_and_texts_equal_to_the_gold_are_right(tmp_path, scorer):
    options = [("a dog", "a cat", "a dog"), ("a cat", "a dog", "a cat"), ("a dog", "", "a cat")]
    golds = [2, 1, 0]  # the gold itself stands twice, a wrong option does, one is empty
    odd = [
        replace(question, target=Choice(texts, gold, "a dog"))
        for question, texts, gold in zip(questions_on_disk(tmp_path, 3), options, golds, strict=True)
    ]
    right = Scripted(lambda prompt, sample: "<answer>a dog</answer>")
    evaluation = evaluate(odd, word_prompts(), right, scorers={"scorer": scorer})
    assert evaluation.accuracy("audio") == 1.0 and accuracy_table(evaluation)
    silent = Scripted(lambda prompt, sample: "<answer></answer>")
    assert evaluate(odd, word_prompts(), silent, scorers={"scorer": scorer}).accuracy("audio") == 0.0


# --- orders of the options, other controls, official rules ---------------------------------------


def prefers(position, questions):
    """Answers with the option at one position, and right where the question is among `questions`."""
    return Scripted(
        lambda prompt, sample: (
            prompt.question.answer if prompt.question.id in questions else prompt.question.choices[position]
        )
    )


def test_what_is_right_in_every_order_of_the_options_is_told_beside_the_tables(questions):
    result = evaluate(
        questions, word_prompts(), prefers(0, {"q0", "q1"}), controls=["audio"], orders=4, batch_questions=6
    )
    assert len(result.rows) == 8 and len(result.reordered) == 24
    assert [row.question.id for row in result.rows] == [question.id for question in questions]
    assert result.stable("audio") == 2 / 8
    assert sum(result.by_order("audio")) == pytest.approx(
        4 * 2 / 8 + 6 / 8
    )  # the six others are right in one each
    assert "Right in every order of the options: 25.0" in accuracy_table(result)
    assert result.to_dict()["stable"] == {"audio": 0.25}


def test_questions_with_fewer_options_are_asked_in_fewer_orders(questions):
    two = [replace(q, target=Choice((q.answer, "a fish"), 0, q.answer)) for q in questions]
    result = evaluate(two, word_prompts(), prefers(0, set()), controls=["audio"], orders=4)
    assert {row.order for row in result.reordered} == {1}
    assert result.by_order("audio") == [1.0, 0.0]


def test_orders_are_compared_on_the_questions_that_were_asked_in_all(questions):
    few = [replace(q, target=Choice((q.answer, "a fish"), 0, q.answer)) for q in questions[:3]]
    known = {q.id for q in questions[3:]}
    result = evaluate([*few, *questions[3:]], word_prompts(), prefers(1, known), controls=["audio"], orders=4)
    assert result.by_order("audio") == [1.0] * 4 and result.stable("audio") == 1.0
    assert "(5 of 8 questions, those asked in every order): 100.0" in accuracy_table(result)


def test_options_that_refer_to_others_by_their_places_keep_their_order(questions, caplog):
    above = replace(questions[0].target, options=(*questions[0].choices[:-1], "all of the above"))
    asked = [replace(questions[0], target=above), *questions[1:]]
    result = evaluate(asked, word_prompts(), prefers(0, set()), controls=["audio"], orders=4)
    assert {row.question.id for row in result.reordered} == {question.id for question in questions[1:]}
    assert "1 of 8 questions keep their one order of options" in caplog.text and "first: q0" in caplog.text
    assert "(7 of 8 questions, those asked in every order)" in accuracy_table(result)


def test_a_set_of_which_some_answers_are_published_is_refused(questions):
    mixed = [replace(questions[0], target=Choice(questions[0].choices, None)), *questions[1:]]
    with pytest.raises(ValueError, match="the answers to 1 of 8 questions are not published"):
        evaluate(mixed, word_prompts(), prefers(0, set()), controls=["audio"])


def test_s_audio_is_accuracy_with_audio_minus_the_mean_of_silence_and_other_audio(questions):
    result = evaluate(questions, word_prompts(), listener(questions, knows={"q0", "q1"}))
    assert result.s_audio() == 1 - (2 / 8 + 2 / 8) / 2
    assert result.zero_contribution() == 2 / 8
    assert "S_audio (audio minus the mean of silence and mismatch): 75.0." in accuracy_table(result)


def test_answers_that_an_official_rule_leaves_out_are_out_of_its_denominator_alone(questions):
    def official(question, text):
        return Verdict(text == question.answer, None, counted=question.id != "q0")

    dataset = replace(questions, benchmark=Benchmark("made_up", "1", official, "model_output"))
    result = evaluate(dataset, word_prompts(), prefers(0, {"q0", "q1"}), controls=["audio"])
    accuracy = result.accuracy("audio")
    right = sum(
        row.question.choices[0] == row.question.answer for row in result.rows if row.question.id > "q1"
    )
    assert accuracy == (2 + right) / 8
    assert result.accuracy("audio", scorer="made_up") == (1 + right) / 7


def test_questions_whose_answers_are_not_published_have_no_accuracy(questions):
    secret = [replace(q, target=Choice(q.choices, None)) for q in questions]
    result = evaluate(secret, word_prompts(), prefers(1, set()), controls=["audio"])
    assert accuracy_table(result).splitlines() == [
        "The answers to the 8 questions are not published: no accuracy.",
        "Unparsed: audio 0.0.",
        "Answered positions: audio (0, 8).",
    ]
    assert "tables" not in result.to_dict()


def test_grades_are_averaged_and_what_a_rule_needs_is_said(questions):
    def graded(question, text):
        if question.id == "q0":
            return Verdict(False, None, "none", "needs a judge: open questions are graded", counted=False)
        return Verdict(False, None, "graded", score=0.6 if question.id < "q4" else 1.0)

    dataset = replace(questions, benchmark=Benchmark("made_up", "1", graded, "model_output"))
    result = evaluate(dataset, word_prompts(), prefers(0, set()), controls=["audio"])
    assert result.accuracy("audio", scorer="made_up") == pytest.approx((3 * 0.6 + 4) / 7)
    table = accuracy_table(result)
    assert "Left out by made_up: 1 of 8 answers, 1 of them since: needs a judge: open questions" in table
    assert "By made_up, all: audio 82.9 (1 of 8 left out)." in table


def test_what_the_audio_adds_to_grades_is_the_difference_of_their_means(questions):
    def graded(question, text):  # every answer is good enough to be called right
        return Verdict(True, None, "graded", score=1.0 if question.answer in text else 0.5)

    result = evaluate(questions, word_prompts(), listener(questions, knows={"q0"}), scorers={"mine": graded})
    [everything, *_] = result.groups()
    audio, silence = everything.scores["audio"], everything.scores["silence"]
    assert (audio.accuracy, silence.accuracy) == (1.0, pytest.approx(4.5 / 8))
    gain = everything.gains["silence"]
    assert gain.difference == pytest.approx(audio.accuracy - silence.accuracy)
    assert gain.low < gain.difference < gain.high and gain.p_value < 0.05


class _CountedRows(tuple):
    """The rows of an evaluation, and how often something went through all of them."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


def test_the_tables_go_through_the_answers_as_often_whatever_their_number(questions):
    def passes(size):
        listened = evaluate(questions[:size], word_prompts(), listener(questions))
        evaluation = replace(listened, rows=_CountedRows(listened.rows))
        evaluation.to_dict()
        accuracy_table(evaluation)
        return evaluation.rows.passes

    assert passes(2) == passes(8)
