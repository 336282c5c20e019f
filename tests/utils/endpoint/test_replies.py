"""What a server answers is read from JSON that may be anything, and kept to be paid once."""

import json

import pytest

from rlaudio.utils.endpoint.failures import BadAnswer, RequestRefused
from rlaudio.utils.endpoint.replies import Answers, Reply, read_reply

TOLD = Reply("ü <b>", "length", 5, 7, (("a", -0.5), ("b", -1.0)))


def answer(text="fine", reason="stop", **more):
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": reason} | more]}).encode()


def test_a_reply_is_read_with_its_counts_and_first_tokens():
    told = [{"token": "a", "logprob": -0.5}, {"token": 1, "logprob": -1}, {"token": "b", "logprob": 0.5}]
    body = json.loads(answer("x", "length", logprobs={"content": [{"top_logprobs": told}]}))
    body["usage"] = {"prompt_tokens": 5, "completion_tokens": True}
    assert read_reply(json.dumps(body).encode()) == Reply("x", "length", 5, None, (("a", -0.5),))


@pytest.mark.parametrize("reason", [None, "stop", "tool_calls"])
def test_only_a_length_is_one(reason):
    assert read_reply(answer(reason=reason)).stop_reason == "stop"


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": "x"}', answer(None), answer(["a"])]
)
def test_anything_else_is_a_bad_answer_and_no_empty_text(content):
    with pytest.raises(BadAnswer, match="expected a"):
        read_reply(content)


def test_what_a_filter_withheld_is_refused():
    with pytest.raises(RequestRefused, match="content filter"):
        read_reply(answer("", "content_filter"))


def test_a_kept_reply_comes_back_as_it_was(tmp_path):
    answers = Answers(tmp_path)
    assert answers.get("abc") is None and answers.damaged == 0
    answers.put("abc", TOLD)
    assert Answers(tmp_path).get("abc") == TOLD
    assert [path.name for path in tmp_path.rglob("*.json")] == ["abc.json"]


@pytest.mark.parametrize("damage", ["", "{", '{"key": "abc"}'])
def test_a_kept_reply_that_is_damaged_is_none_and_counted(tmp_path, damage):
    answers = Answers(tmp_path)
    answers.put("abc", TOLD)
    (file,) = tmp_path.rglob("abc.json")
    file.write_text(damage, encoding="utf-8")
    assert answers.get("abc") is None and answers.damaged == 1


def test_a_reply_of_another_question_is_never_given(tmp_path):
    answers = Answers(tmp_path)
    answers.put("abc", TOLD)
    (file,) = tmp_path.rglob("abc.json")
    file.rename(file.with_name("abd.json"))
    assert answers.get("abd") is None and answers.damaged == 1
