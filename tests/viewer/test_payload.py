"""What a page carries: all of a small set, and of a large one what fits, with words about the rest."""

import json
import math

import numpy as np
import pytest

from rlaudio.viewer import payload as module
from rlaudio.viewer.clips import PageClip
from rlaudio.viewer.payload import json_script, payload
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedCompletion, ViewedGroup

CLIP = PageClip(b"mp3" * 100, np.array([0.0, 0.5, 1.0]), 1.25)


def group(number: int, *completions: ViewedCompletion, **fields) -> ViewedGroup:
    return ViewedGroup(f"q{number}", "Which sound?", completions, **fields)


def clip(name: str, read=lambda: CLIP) -> ClipToHear:
    return ClipToHear(name, read)


def test_values_stand_in_the_order_of_the_columns_and_flags_as_their_places():
    completion = ViewedCompletion("dog", {"b": 2.0, "a": 1.23456789}, frozenset(["late"]))
    viewed = Viewed(
        [group(0, completion, values={"c": 3.0})],
        [Column("a", "reward"), Column("c", of_group=True), Column("b")],
        {"right": "", "late": ""},
    )
    shown = payload(viewed)
    assert [column["name"] for column in shown["columns"]] == ["a", "c", "b"]
    assert shown["groups"][0]["v"] == [3.0]
    assert shown["groups"][0]["c"][0]["v"] == [1.2346, 2.0] and shown["groups"][0]["c"][0]["f"] == [1]


def test_a_number_that_is_not_finite_has_no_value_and_a_column_without_any_is_left_out():
    completions = [ViewedCompletion("x", {"a": value, "b": math.nan}) for value in (math.nan, math.inf, 1.0)]
    shown = payload(Viewed([group(0, *completions)], [Column("a"), Column("b"), Column("c")]))
    assert [column["name"] for column in shown["columns"]] == ["a"]
    assert [completion["v"] for completion in shown["groups"][0]["c"]] == [[None], [None], [1.0]]


def test_of_many_completions_whole_groups_are_shown_and_the_page_says_how_many():
    groups = [group(number, *[ViewedCompletion("x")] * 4) for number in range(5)]
    shown = payload(Viewed(groups, selection="Some."), most=11)
    assert [group["id"] for group in shown["groups"]] == ["q0", "q1"]
    assert shown["selection"] == "Some. Shown are the first 2 of 5 groups, as many as a page holds."
    assert payload(Viewed(groups), most=20)["selection"] == ""


def test_equal_clips_are_carried_once():
    groups = [group(0, clips=[clip("a"), clip("b")]), group(1, clips=[clip("a")])]
    shown = payload(Viewed(groups))
    assert [group["clips"] for group in shown["groups"]] == [[0, 1], [0]]
    assert [clip["name"] for clip in shown["clips"]] == ["a", "b"]
    assert shown["clips"][0]["peaks"] == [0, 50, 100] and shown["notes"] == []


def test_clips_beyond_what_a_page_holds_are_left_out_and_never_read(monkeypatch):
    monkeypatch.setattr(module, "MOST_CLIP_CHARACTERS", 900)
    reads = []
    groups = [group(n, clips=[clip(str(n), lambda n=n: reads.append(n) or CLIP)]) for n in range(5)]
    shown = payload(Viewed(groups))
    assert ["mp3" in clip for clip in shown["clips"]] == [True, True, False, False, False]
    assert reads == [0, 1, 2]
    assert shown["notes"] == [
        "3 clips of 5 cannot be heard here: left out, since the clips of this page take their 15 MB."
    ]


def test_a_clip_that_cannot_be_read_says_why_in_its_place():
    def read():
        raise OSError("dog.wav: no such file")

    shown = payload(Viewed([group(0, clips=[clip("a", read), ClipToHear("b", absent="not kept")])]))
    assert [clip["absent"] for clip in shown["clips"]] == ["dog.wav: no such file", "not kept"]
    assert shown["notes"] == ["2 clips of 2 cannot be heard here: each says why in its place."]


def test_long_texts_are_cut_and_tokens_beyond_the_most_lose_their_tints(monkeypatch):
    monkeypatch.setattr(module, "MOST_TOKENS", 3)
    monkeypatch.setattr(module, "LONGEST_TEXT", 200)
    tinted = ViewedCompletion("ab", pieces=("a", "b"), tints={"log-prob": np.array([-0.5, math.nan])})
    shown = payload(Viewed([group(0, tinted, tinted, ViewedCompletion("x" * 250))], tints={"log-prob": ""}))
    first, second, third = shown["groups"][0]["c"]
    assert (first["p"], first["k"]) == (["a", "b"], {"0": [-0.5, None]}) and "p" not in second
    assert len(third["t"]) == 200 and third["cut"] == "50 more characters"
    assert len(shown["notes"]) == 2


def test_half_of_a_surrogate_pair_does_not_hinder_a_page():
    assert '"a ? b"' in json_script("a \ud800 b", "data")


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "]]>", "a & b", "\u2028"])
def test_no_text_can_leave_its_block_and_every_text_comes_back(text):
    block = str(json_script({text: [text]}, "data"))
    inside = block.partition(">")[2].rpartition("</script>")[0]
    assert not set("<>&\u2028") & set(inside) and json.loads(inside) == {text: [text]}
