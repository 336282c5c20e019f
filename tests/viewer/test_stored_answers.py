"""How stored answers are shown."""

from rlaudio.viewer.stored_answers import answered_question, scorer_columns, viewed_answer

VERDICTS = {"robust": {"right": True}, "grade": {"right": False, "score": 0.25}, "other": {"right": True}}
ROW = {"control": "audio", "right": True, "text": "a", "verdicts": VERDICTS, "status": "exact"}
FIRST = {"id": "q", "contribution": None, "choices": ["a", "b"], "groups": {"category": "c"}}


def test_the_own_scorer_makes_the_total():
    assert [(c.name, c.kind) for c in scorer_columns(["x", "y"])] == [("x", "total"), ("y", "reward")]


def test_an_answer_has_the_points_of_the_scorers_asked_for():
    shown = viewed_answer(ROW, "base", ["robust", "grade"], in_silence=True, others=["new"])
    assert shown.values == {"robust": 1.0, "grade": 0.25}
    assert shown.flags == {"right", "right in silence too", "parts disagree", "new"}


def test_only_a_right_answer_with_its_audio_is_right_in_silence_too():
    for change in ({"control": "silence"}, {"right": False}):
        assert "right in silence too" not in viewed_answer(ROW | change, "", [], in_silence=True).flags
    plain = viewed_answer(
        ROW | {"verdicts": None, "status": "none", "truncated": True}, "", [], in_silence=False
    )
    assert plain.flags == {"right", "unparsed"} and plain.stop_reason == "length" and plain.values == {}


def test_the_right_option_is_found_by_its_text():
    assert answered_question("test", FIRST | {"answer": "b"}, [], []).gold == 1
    open_question = answered_question("test", FIRST | {"choices": [], "contribution": "weak"}, [], [])
    assert open_question.gold is None and open_question.facts == {"category": "c", "contribution": "weak"}
