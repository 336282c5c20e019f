"""Where a text thinks and answers, and what SFT teaches."""

import pytest
from hypothesis import given

from rlaudio.answers import (
    Span,
    answer_spans,
    sft_target,
    simple_analysis,
    structured_stages,
    think_spans,
)
from tests.answers.texts import TEXTS
from tests.factories import make_question

# --- spans ---


def inside(text, spans):
    return [text[span.start : span.end] for span in spans]


def test_think_spans_have_offsets_into_the_text():
    text = "x<think>ab</think>y<THINK>c</THINK>"
    assert think_spans(text) == [Span(8, 10), Span(26, 27)]


def test_a_thought_that_never_ends_runs_to_the_end():
    assert think_spans("<think>ab") == [Span(7, 9, closed=False)]


def test_a_thought_that_the_prompt_opened_starts_with_the_text():
    assert think_spans("ab</think>c") == [Span(0, 2)]


def test_an_empty_thought_is_an_empty_span():
    assert think_spans("<think></think>") == [Span(7, 7)]


def test_a_thought_inside_a_thought_is_part_of_it():
    text = "<think>a<think>b</think>c<think>d<think>e</think>f</think>g</think>h"
    assert inside(text, think_spans(text)) == ["a<think>b</think>c<think>d<think>e</think>f</think>g"]


def test_an_opening_tag_inside_a_thought_that_is_not_closed_is_part_of_it():
    text = "<think>a<think>b</think>c<think>d</think>"
    assert inside(text, think_spans(text)) == ["a<think>b", "d"]


def test_answer_spans_leave_out_thoughts():
    text = "<think><answer>a</answer></think><answer>bc</answer>"
    assert inside(text, answer_spans(text)) == ["bc"]


def test_an_answer_that_the_text_cuts_off_is_not_closed():
    assert answer_spans("<answer>a</answer><answer>b") == [Span(8, 9), Span(26, 27, closed=False)]


@pytest.mark.parametrize("tag", ["</", "</ans", "</answer", "</ANSWER", "</answer>", "<answer>", "<answer/>"])
def test_an_answer_ends_where_its_closing_tag_begins(tag):
    assert answer_spans(f"<answer>b{tag}") == [Span(8, 9)]


def test_tags_may_have_spaces():
    text = "< think >a</ think><answer >b</ answer >"
    assert inside(text, answer_spans(text)) == ["b"]


def test_an_empty_answer_at_the_end_is_none_where_there_is_another():
    assert answer_spans("<answer>a</answer><answer>") == [Span(8, 9)]
    assert answer_spans("<answer>") == [Span(8, 8, closed=False)]


@given(TEXTS)
def test_spans_lie_in_the_text_and_do_not_overlap(text):
    for spans in (think_spans(text), answer_spans(text)):
        edges = [edge for span in spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(text) for edge in edges)


# --- SFT targets ---


def test_the_sft_target_is_the_gold_answer_in_tags():
    assert sft_target(make_question(answer="a cat")) == "<answer>a cat</answer>"


def test_the_structured_target_puts_the_stages_into_the_thought():
    cot = {"structured": "<stage1>one<stage1><stage2>two<stage2>\n<stage3> three <stage3>"}
    assert sft_target(make_question(cot=cot), "structured") == (
        "<think><stage1>one</stage1>\n<stage2>two</stage2>\n<stage3>three</stage3></think>\n"
        "<answer>a dog</answer>"
    )


def test_the_simple_target_puts_the_analysis_into_the_thought():
    cot = {"simple": "<simple analysis>It barks.</simple analysis>"}
    assert sft_target(make_question(cot=cot), "simple") == "<think>It barks.</think>\n<answer>a dog</answer>"


def test_a_missing_chain_of_thought_is_named_with_its_question():
    with pytest.raises(ValueError, match=r"question q7: no 'simple' chain of thought among \['structured'\]"):
        sft_target(make_question(id="q7", cot={"structured": "..."}), "simple")


@pytest.mark.parametrize("slash", ["/", ""])
def test_stages_are_read_in_both_spellings(slash):
    text = "".join(f"<stage{n}> s{n}\n<{slash}stage{n}>" for n in (1, 2, 3))
    assert structured_stages(text) == ["s1", "s2", "s3"]


def test_a_missing_stage_is_named():
    with pytest.raises(ValueError, match="no stage 2"):
        structured_stages("<stage1>a</stage1><stage3>c</stage3>")


@pytest.mark.parametrize(
    "text", ["<simple analysis>x</simple analysis>", "<simple analysis> x <simple analysis>", " x "]
)
def test_the_simple_analysis_is_read_in_both_spellings_and_untagged(text):
    assert simple_analysis(text) == "x"
