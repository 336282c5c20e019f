"""Judges of open answers behind an endpoint: as scorer, as MMAU-Pro's, as reward; servers that misbehave."""

import asyncio
import json
import threading
import time

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.config.option_values import OptionError
from rlaudio.config.plugins import bind
from rlaudio.evaluation.predictions import Predictions, score
from rlaudio.scorers.calling import verdicts_on
from rlaudio.scorers.exact import exact
from rlaudio.scorers.judge import judge as judge_scorer
from rlaudio.scorers.judges.endpoint import PROMPT, Endpoint
from rlaudio.scorers.judging import JudgeFailed, UnreadableVerdict, overall
from rlaudio.scoring import RewardError, RewardSum
from rlaudio.types import Dataset, OpenText, Question
from rlaudio.utils.endpoint.failures import GaveUp
from tests.data.trees import write_lines, write_parquet
from tests.endpoint_server import fails, hangs_up, says, sends
from tests.factories import make_group

OPEN = Question("o", "Why does it bark?", (), OpenText("It is hungry."), groups={"category": "open"})


@pytest.fixture
def endpoint(server, tmp_path):
    """Judges at the server, which are asked one by one and give up after a quarter of a second."""

    def endpoint(**options):
        given = {"url": server.url, "model": "m", "concurrency": 1, "timeout": 5, "retry_seconds": 0.25}
        return Endpoint(**given | {"folder": tmp_path / "kept"} | options)

    return endpoint


def graded(overall):
    return says(f"CORRECTNESS: 5\nOVERALL: {overall}")


def scored(judge, text="It wants food.", **options):
    return judge_scorer(OPEN, text, judge=judge, **options)


# --- what is asked ---------------------------------------------------------------------------------


def test_the_prompt_that_ships_holds_question_reference_and_the_answer_without_its_thought(server, endpoint):
    server.script = [graded(4)]
    scored(endpoint(), "<think>It may be tired.</think><answer>It wants food.</answer>")
    [body] = server.bodies
    [message] = body["messages"]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 512, 0.0)
    asked = message["content"].splitlines()
    assert "Question: Why does it bark?" in asked and "Reference answer: It is hungry." in asked
    assert asked[asked.index("=" * 10) :][:3] == ["=" * 10, "It wants food.", "=" * 10]
    assert "tired" not in message["content"]


def test_a_prompt_of_ones_own_is_filled_once_and_its_other_braces_stay(server, endpoint, tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text('Q {question} A {answer} T {text} {"OVERALL": n} {other}', encoding="utf-8")
    server.script = [graded(4)]
    scored(endpoint(prompt=prompt, system="Be fair."), "{question} {answer}")
    system, user = server.bodies[0]["messages"]
    assert system == {"role": "system", "content": "Be fair."}
    said = 'Q Why does it bark? A It is hungry. T {question} {answer} {"OVERALL": n} {other}'
    assert user == {"role": "user", "content": said}


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"url": "nowhere"}, ValueError, "the endpoint's address 'nowhere' is none"),
        ({"url": "http://user:word@h"}, ValueError, r"'http://\.\.\.@h' holds more than a host"),
        ({"model": ""}, ValueError, "has no model's name"),
        ({"concurrency": 0}, ValueError, "expected at least one token, one request at a time"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_refused_at_once(endpoint, options, error, said):
    with pytest.raises(error, match=said):
        endpoint(**options)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{question} {answer}", "has no {text}"), (b"\xff{text}", "is not UTF-8 text")],
)
def test_a_prompt_without_a_place_for_the_answer_is_refused_at_once(endpoint, tmp_path, content, said):
    (tmp_path / "prompt.txt").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        endpoint(prompt=tmp_path / "prompt.txt")


def test_equal_answers_on_their_way_are_asked_about_once_and_get_one_verdict(server, endpoint):
    server.script = [says("OVERALL: 4"), says("OVERALL: 1")]
    judge = endpoint(concurrency=4)

    async def ask(times):
        return await asyncio.gather(*(judge.ask("Why?", "Hungry.", "It wants food.") for _ in range(times)))

    assert asyncio.run(ask(4)) == ["OVERALL: 4"] * 4
    assert len(server.bodies) == 1
    assert asyncio.run(ask(2)) == ["OVERALL: 4"] * 2  # kept


def test_who_stops_waiting_takes_no_verdict_from_others(server, endpoint):
    server.script = [lambda handler: time.sleep(0.3), says("OVERALL: 4")]
    judge = endpoint(timeout=0.2, retry_seconds=30)

    async def ask():
        first, second = (asyncio.create_task(judge.ask("Why?", "Hungry.", "Food.")) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert asyncio.run(ask()) == "OVERALL: 4"


def test_a_server_that_was_given_up_is_tried_once_by_each_other_request(server, endpoint):
    server.script = [fails(503, "busy")] * 50
    judge = endpoint(retry_seconds=2, concurrency=2)
    with pytest.raises(JudgeFailed, match="GaveUp") as failed:
        scored(judge, "a")
    assert isinstance(failed.value.__cause__, GaveUp)
    tries = len(server.bodies)
    assert tries > 1
    for text in "bcdef":
        with pytest.raises(JudgeFailed, match="not repeated so soon after another request was given up"):
            scored(judge, text)
    assert len(server.bodies) == tries + 5
    server.script = [graded(5)]
    assert scored(judge, "g").score == 1.0


# --- verdicts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "points", "right"),
    [
        ("OVERALL: 5", 1.0, True),
        ("overall: 4 - good", 0.75, True),
        ("CORRECTNESS: 5\nOVERALL: 3.5", 0.625, False),
        ("OVERALL: 1", 0.0, False),
        ("CORRECTNESS: 5\nRELEVANCE: 4\nCOMPLETENESS: 4\nCLARITY: 5", 0.875, True),
    ],
)
def test_points_go_from_0_to_1_and_an_answer_is_right_from_4_of_5(server, endpoint, reply, points, right):
    server.script = [says(reply)]
    verdict = scored(endpoint())
    assert (verdict.score, verdict.right, verdict.counted) == (points, right, True)


def test_where_right_begins_is_an_option(server, endpoint):
    server.script = [graded(3)]
    assert scored(endpoint(), right_from=3).right


@pytest.mark.parametrize(
    "reply",
    ["", "Good answer!", "CORRECTNESS: 5", "OVERALL: 9", "OVERALL: 0", "OVERALL: five", "**OVERALL**: 5"],
)
def test_a_verdict_that_cannot_be_read_is_a_failure_and_no_0(server, endpoint, reply):
    server.script = [says(reply)]
    with pytest.raises(
        UnreadableVerdict, match=r"question o: judge endpoint:http.*#m said .*expected an overall score"
    ):
        scored(endpoint())


def test_left_out_instead_it_is_not_counted_and_says_why(server, endpoint):
    server.script = [says("Good answer!")]
    verdict = scored(endpoint(), unjudged="leave_out")
    assert not verdict.counted and not verdict.right and "said 'Good answer!'" in verdict.reason


def test_a_number_of_a_function_is_a_verdict_and_none_is_not():
    assert scored(lambda question, answer, text: 4.5).score == 0.875
    with pytest.raises(UnreadableVerdict):
        overall(None, lambda *_: None)


# --- servers that misbehave ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [fails(429, Retry_After="0"), fails(500), sends(200, b'{"cho', Content_Length="999"), hangs_up],
)
def test_what_may_pass_is_asked_again(server, endpoint, monkeypatch, failure):
    server.script = [failure, graded(5)]
    assert scored(endpoint(retry_seconds=30)).score == 1.0
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (fails(400, "no"), "RequestRefused"),
        (fails(401, "no"), "NoAccess"),
        (sends(200, b"<html>"), "BadAnswer"),
        (sends(200, b""), "BadAnswer"),
        (says(None), "BadAnswer"),
        (says("", "content_filter"), "RequestRefused"),
        (fails(503, "busy"), "GaveUp"),
        (lambda handler: time.sleep(1), "GaveUp"),
    ],
)
@pytest.mark.parametrize("use", ["judge", "mmau_pro"])
def test_a_server_without_an_answer_is_a_failure_and_names_question_and_kind(
    server, endpoint, failure, kind, use
):
    server.script = [failure] * 3
    scorer = bind("scorer", {"use": use, "judge": "endpoint:http://h#m"}).function.func
    with pytest.raises(
        JudgeFailed, match=rf"question o: judge endpoint:.* gave no verdict: {kind}: "
    ) as raised:
        scorer(OPEN, "Food.", judge=endpoint(timeout=0.2))
    assert type(raised.value.__cause__).__name__ == kind


def test_a_server_that_is_not_there_is_a_failure(endpoint):
    with pytest.raises(JudgeFailed, match="GaveUp"):
        scored(endpoint(url="http://127.0.0.1:9"))


# --- many at a time, each once -----------------------------------------------------------------------


def questions(count):
    return [Question(f"o{n}", f"Why {n}?", (), OpenText("So.")) for n in range(count)]


def test_answers_are_judged_together_and_kept(server, endpoint):
    server.text_for = lambda body: (
        f"OVERALL: {1 + int(body['messages'][0]['content'].split('Why ')[1][0]) % 5}"
    )
    scorer = bind("scorer", {"use": "judge", "judge": "endpoint:http://h#m"}).function
    scorer.keywords["judge"] = endpoint(concurrency=4)
    answers = [(question, "Because.") for question in questions(8)]
    verdicts = verdicts_on([*answers, *answers], {"judge": scorer, "exact": exact})
    points = [0.0, 0.25, 0.5, 0.75, 1.0, 0.0, 0.25, 0.5]
    assert [verdict["judge"].score for verdict in verdicts] == points * 2
    assert len(server.bodies) == 8  # equal ones are asked once
    verdicts_on(answers, {"judge": scorer})
    assert len(server.bodies) == 8


def test_another_prompt_or_model_is_asked_anew(server, endpoint, tmp_path):
    (tmp_path / "prompt.txt").write_text("{text}", encoding="utf-8")
    server.script = [graded(1), graded(2), graded(3)]
    judges = [endpoint(), endpoint(model="n"), endpoint(prompt=tmp_path / "prompt.txt"), endpoint()]
    assert [scored(judge).score for judge in judges] == [0.0, 0.25, 0.5, 0.0]


def test_after_a_failure_that_all_would_meet_nothing_more_is_asked(server, endpoint):
    server.script = [fails(401)] * 9
    scorer = bind("scorer", {"use": "judge", "judge": "endpoint:http://h#m"}).function
    scorer.keywords["judge"] = endpoint()
    with pytest.raises(JudgeFailed, match=r"NoAccess.*put the server's key"):
        verdicts_on([(question, "So.") for question in questions(5)], {"judge": scorer})
    assert len(server.bodies) == 1


def test_only_open_questions_of_mmau_pro_are_asked_about(server, endpoint):
    server.text_for = lambda body: "OVERALL: 5"
    closed = Question.multiple_choice("c", "What?", ("a", "b"), "a", groups={"category": "sound"})
    scorer = bind("scorer", {"use": "mmau_pro", "judge": "endpoint:http://h#m"}).function
    scorer.keywords["judge"] = endpoint()
    verdicts = verdicts_on([(OPEN, "Food."), (closed, "a")], {"mmau_pro": scorer})
    assert [verdict["mmau_pro"].counted for verdict in verdicts] == [True, False]
    assert len(server.bodies) == 1


# --- as a reward -------------------------------------------------------------------------------------


def reward_sum(judge, failures=0.0):
    reward = bind("reward", {"use": "judge", "judge": "endpoint:http://h#m"}).function
    reward.keywords["judge"] = judge
    return RewardSum({"judge": (reward, 1.0)}, failures, seconds=300)


def test_a_reward_judges_the_completions_of_a_step_together(server, endpoint):
    together = threading.Barrier(4, timeout=120)

    def waits_for_the_others(handler):
        together.wait()
        graded(5 if server.most_at_once == 4 else 1)(handler)

    server.script = [waits_for_the_others] * 4
    texts = ["a", "b", "c", "d"]
    [group] = reward_sum(endpoint(concurrency=4)).score([make_group(*texts, question=OPEN)])
    assert group.total.tolist() == [1.0] * 4


def test_a_reward_does_not_show_the_thought(server, endpoint):
    server.text_for = lambda body: "OVERALL: 5" if "food" in body["messages"][0]["content"] else "OVERALL: 2"
    texts = ["It wants food.", "<think>food</think><answer>No.</answer>"]
    [group] = reward_sum(endpoint()).score([make_group(*texts, question=OPEN)])
    assert group.total.tolist() == [1.0, 0.25]


@pytest.mark.parametrize("failure", [fails(400), says("Well."), sends(200, b"{}"), fails(500)])
def test_a_completion_without_a_verdict_is_dropped_or_stops_the_step_and_is_never_0(
    server, endpoint, failure
):
    server.text_for = lambda body: "OVERALL: 5"
    server.script = [failure]
    judge = endpoint(retry_seconds=0.0)
    [group] = reward_sum(judge, failures=0.5).score([make_group("a", "b", question=OPEN)])
    assert sorted(map(str, group.total)) == ["1.0", "nan"]
    server.script = [failure]
    with pytest.raises(
        RewardError, match=r"reward judge .* raised (JudgeFailed|UnreadableVerdict): question o"
    ):
        reward_sum(judge).score([make_group("c", "d", question=OPEN)])


def test_a_function_of_the_user_is_a_judge_of_the_reward(tmp_path):
    (tmp_path / "length.py").write_text("def length(question, answer, text):\n    return min(5, len(text))\n")
    reward = bind("reward", {"use": "judge", "judge": "./length.py"}, tmp_path).function
    [group] = RewardSum({"judge": (reward, 1.0)}).score([make_group("a", "abcde", question=OPEN)])
    assert group.total.tolist() == [0.0, 1.0]


# --- on the command line -----------------------------------------------------------------------------


def test_score_asks_an_endpoint_as_mmau_pros_judge_and_as_the_strict_rule(server, tmp_path):
    server.text_for = lambda body: "OVERALL: 5" if "food" in body["messages"][0]["content"] else "OVERALL: 1"
    rows = [
        {"id": f"o{n}", "question": "Why?", "choices": None, "answer": "Hunger.", "category": "open"}
        | {"audio_path": []}
        for n in range(4)
    ]
    write_parquet(tmp_path / "pro" / "test.parquet", *rows)
    texts = ["food", "sleep", "food!", "play"]
    said = [{"id": f"o{n}", "model_output": text} for n, text in enumerate(texts)]
    write_lines(tmp_path / "mine.jsonl", *said)
    judge = f"endpoint:{server.url}#m"
    command = ["score", f"{tmp_path / 'mine.jsonl'}", "--benchmark", f"mmau_pro={tmp_path / 'pro'}"]
    command += ["-o", f"judge={judge}", "--scorer", f"{{use: judge, judge: '{judge}'}}"]
    done = CliRunner().invoke(main, [*command, "--out", f"{tmp_path / 'out'}"])
    assert done.exit_code == 0, done.output
    assert "By mmau_pro, all: audio 60.0." in done.output  # 5/5 and 1/5 twice each
    table = json.loads((tmp_path / "out" / "evaluation.json").read_text())["mmau_pro"]
    assert table["scorer"] == "judge_judge=endpoint"
    assert table["tables"]["all"]["all"]["scores"]["audio"]["accuracy"] == 0.5
    assert len(server.bodies) == 4  # both ask the same


def test_a_judge_that_is_no_address_is_refused(tmp_path):
    with pytest.raises(
        OptionError, match="option judge: found 'endpoint:http://h'; expected endpoint:URL#MODEL"
    ):
        bind("scorer", {"use": "judge", "judge": "endpoint:http://h"}, tmp_path)


def test_predictions_are_scored_by_a_judge(server, endpoint, tmp_path):
    server.text_for = lambda body: "OVERALL: 4"
    scorer = bind("scorer", {"use": "judge", "judge": "endpoint:http://h#m"}).function
    scorer.keywords["judge"] = endpoint()
    predictions = Predictions(tmp_path / "p.jsonl", "text", {"o0": "So.", "o1": None})
    result = score(Dataset(tuple(questions(2))), predictions, {"judge": scorer})
    assert [row.verdict.score for row in result.rows] == [0.75, 0.75]
    assert PROMPT.is_file()
