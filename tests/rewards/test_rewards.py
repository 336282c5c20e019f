"""The rewards that ship, with values worked out by hand."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlaudio.answers import sft_target, think_spans
from rlaudio.config.plugins import bind, load
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from tests.factories import make_completion, make_group, make_question

answer_correctness = load("reward", "answer_correctness")
format_reward = load("reward", "format")
cot_length = load("reward", "cot_length")

RIGHT, WRONG = "<answer>a dog</answer>", "<answer>a cat</answer>"


def thinking(tokens: int, answer: str = RIGHT) -> str:
    """A completion whose thought has that many tokens of `make_completion`."""
    return f"<think>{' '.join(['hm'] * tokens)}</think>{answer}"


def score(reward, text: str, **options) -> float:
    return reward(make_question(), make_completion(text), **options)


def correctness(text: str, scorer=exact) -> float:
    return score(answer_correctness, text, scorer=scorer)


def lengths_scored(*texts, scorer=exact, **options) -> list[float]:
    return cot_length(make_group(*texts), scorer=scorer, **options)


# --- answer_correctness ---


def test_a_right_answer_scores_1_and_a_wrong_one_0():
    assert correctness(RIGHT) == 1.0
    assert correctness(WRONG) == 0.0


def test_the_scorer_decides_whether_spelling_counts():
    assert correctness("<answer>'A dog'.</answer>") == 0.0
    assert correctness("<answer>'A dog'.</answer>", robust) == 1.0


def test_the_options_of_the_scorer_are_written_with_it():
    claps = make_question(choices=("three", "two"))
    for scorer, value in (("robust", 0.0), ({"use": "robust", "letters": True}, 1.0)):
        reward = bind("reward", {"use": "answer_correctness", "scorer": scorer})
        assert reward(claps, make_completion("A")) == value


@pytest.mark.parametrize(
    ("text", "total"),
    [(RIGHT, 2.5), ("a dog", 2.0), (f"<think>hm</think>{RIGHT}", 2.0), (WRONG, 0.5), ("a cat", 0.0)],
)
def test_the_papers_two_rewards_add_up_to_its_four_totals(text, total):
    assert 2.0 * correctness(text) + 0.5 * score(format_reward, text) == total


# --- format ---

TAGS = st.sampled_from(["<answer>", "</answer>", "<ANSWER>", "<think>", "</think>", "a dog", " ", "\n"])


def paper_format(completion: str) -> float:
    """The authors' format rule written a second time, by counting."""
    text = completion.strip()
    head, *answers = text.split("<answer>")
    if head or len(answers) != 1:
        return 0.0
    return float(answers[0].count("</answer>") == 1 and answers[0][-9:] == "</answer>")


@given(st.lists(TAGS | st.text(max_size=2), max_size=8).map("".join))
@example("<answer></answer>")
@example(" <answer>a\ndog</answer>\n")
@example("<answer>a dog</answer>.")
@example("<answer><answer>a dog</answer>")
def test_answer_only_agrees_with_a_second_writing_of_the_papers_rule(text):
    assert score(format_reward, text) == paper_format(text)


THOUGHT = "<think>a bark</think>"
STAGES = "<think><stage1>a</stage1>\n<stage2>b</stage2>\n<stage3>c</stage3></think>"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (THOUGHT + RIGHT, 1.0),
        (f"\n{THOUGHT}\n\n{RIGHT} ", 1.0),
        (f"<think></think>{RIGHT}", 1.0),  # an empty thought is for cot_length to judge
        (STAGES + RIGHT, 1.0),
        (RIGHT, 0.0),
        (THOUGHT, 0.0),
        (RIGHT + THOUGHT, 0.0),  # order
        (f"So {THOUGHT}{RIGHT}", 0.0),  # text outside
        (f"{THOUGHT}so{RIGHT}", 0.0),
        (f"{THOUGHT}{RIGHT}.", 0.0),
        (THOUGHT + THOUGHT + RIGHT, 0.0),  # duplicates
        (THOUGHT + RIGHT + RIGHT, 0.0),
        (f"<think>{RIGHT}</think>", 0.0),  # nested
        (f"<think>a {RIGHT}", 0.0),  # open
        (f"<think>a{RIGHT}</think>{RIGHT}", 0.0),
        (f"<Think>a</Think>{RIGHT}", 0.0),  # case
    ],
)
def test_think_answer_wants_each_block_once_in_order_and_nothing_else(text, value):
    assert score(format_reward, text, mode="think_answer") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (STAGES + RIGHT, 1.0),
        (THOUGHT + RIGHT, 0.0),
        (STAGES.replace("stage3", "stage2") + RIGHT, 0.0),
        (STAGES.replace("stage1", "stage0").replace("stage2", "stage1") + RIGHT, 0.0),
        (STAGES.replace("<stage2>", "so <stage2>") + RIGHT, 0.0),
        (STAGES.removeprefix("<think>").removesuffix("</think>") + RIGHT, 0.0),
    ],
)
def test_structured_wants_three_stages_in_the_thought(text, value):
    assert score(format_reward, text, mode="structured") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [(THOUGHT + RIGHT, 1.0), (RIGHT, 0.75), (THOUGHT, 0.25), (THOUGHT + RIGHT + RIGHT, 0.25), ("a dog", 0.0)],
)
def test_partial_credit_is_a_quarter_for_the_thought_and_the_rest_for_the_answer(text, value):
    assert score(format_reward, text, mode="think_answer", partial=True) == value


@pytest.mark.parametrize(("text", "value"), [("", 0.0), ("a dog", 0.0), (f"So {RIGHT}", 1.0)])
def test_partial_credit_without_a_thought_is_for_the_answer_block_alone(text, value):
    assert score(format_reward, text, partial=True) == value


def test_the_sft_targets_have_the_format_that_is_rewarded():
    cot = {
        "simple": "A bark.",
        "structured": "".join(f"<stage{n}>A bark.<stage{n}>" for n in (1, 2, 3)),
    }
    question = make_question(cot=cot)
    layouts = {"answer": "answer_only", "simple": "think_answer", "structured": "structured"}
    for kind, mode in layouts.items():
        assert format_reward(question, make_completion(sft_target(question, kind)), mode=mode) == 1.0


# --- cot_length: what is counted ---


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (thinking(5), 5),
        (RIGHT, 0),  # no thought
        ("<think></think>" + RIGHT, 0),
        ("<think>hm hm " + RIGHT, 2 + 4),  # never closed: the answer's four tokens are thought too
        ("hm hm</think>" + RIGHT, 2),  # the prompt opened it
        (thinking(2) + thinking(3), 5),
    ],
)
def test_the_tokens_of_the_thought_are_counted(text, tokens):
    assert lengths_scored(text, shape="window", low=tokens, high=tokens) == [1.0]


@given(st.lists(st.sampled_from(["<think>", "</think>", "a ", "dog", "."]), max_size=30).map("".join))
def test_tokens_of_all_thoughts_are_counted_together(text):
    completion = make_completion(text)
    ends = [sum(map(len, completion.token_texts[: n + 1])) for n in range(len(completion.token_texts))]
    lengths = list(map(len, completion.token_texts))
    inside = [
        any(span.start < end and end - length < span.end for span in think_spans(text)) and length > 0
        for end, length in zip(ends, lengths, strict=True)
    ]
    assert completion.count_tokens([(s.start, s.end) for s in think_spans(text)]) == sum(inside)


def test_very_many_thoughts_are_counted_in_time_in_proportion():
    assert lengths_scored("<think>x</think>" * 30_000, low=30_000, high=30_000) == [1.0]


def test_a_truncated_completion_is_counted_to_its_last_token():
    cut = make_completion("<think>hm hm hm", stop_reason="length")
    assert lengths_scored(cut, shape="window", low=3, high=3) == [1.0]


def test_the_stop_token_is_not_part_of_the_thought():
    assert lengths_scored("<think>hm", shape="window", low=1, high=1) == [1.0]


# --- cot_length: the shapes ---


@pytest.mark.parametrize(("tokens", "value"), [(1, 0.0), (2, 1.0), (3, 1.0), (4, 1.0), (5, 0.0)])
def test_window_includes_both_ends(tokens, value):
    assert lengths_scored(thinking(tokens), shape="window", low=2, high=4) == [value]


def test_a_window_that_no_length_fits_is_refused():
    with pytest.raises(ValueError, match="low 9 is above high 3"):
        lengths_scored(RIGHT, shape="window", low=9, high=3)


@pytest.mark.parametrize(
    ("tokens", "answer", "value"),
    [
        (0, RIGHT, 2.0),
        (4, RIGHT, 1.5),  # half way: cos is 0
        (0, WRONG, -10.0),
        (4, WRONG, -5.0),
        (2, RIGHT, 1.0 + 0.5 * (1 + math.sqrt(0.5))),
        (8, RIGHT, -10.0),  # len = L_max
        (8, WRONG, -10.0),
        (9, RIGHT, -10.0),
    ],
)
def test_cosine_with_the_papers_values(tokens, answer, value):
    scored = lengths_scored(thinking(tokens, answer), shape="cosine", max_tokens=8)
    assert scored == [pytest.approx(value)]


def test_cosine_of_a_truncated_thought_exceeds():
    cut = make_completion("<think>" + "hm " * 8, stop_reason="length")
    assert lengths_scored(cut, shape="cosine", max_tokens=8, exceeding=-3.0) == [-3.0]


@pytest.mark.parametrize(
    ("tokens", "value"), [(0, 0.0), (6, 0.0), (7, -0.25), (8, -0.5), (10, -1.0), (20, -1.0)]
)
def test_soft_overlong_falls_over_its_buffer_and_stops_at_minus_1(tokens, value):
    assert lengths_scored(thinking(tokens), shape="soft_overlong", max_tokens=10, buffer=4) == [value]


def test_soft_overlong_without_a_buffer_is_a_step():
    texts = [thinking(10), thinking(11)]
    assert lengths_scored(*texts, shape="soft_overlong", max_tokens=10, buffer=0) == [0.0, -1.0]


def test_all_tokens_of_a_completion_count_if_asked_for():
    text = "a dog barks"  # three words and the stop token
    options = {"shape": "soft_overlong", "max_tokens": 6, "buffer": 4}
    assert lengths_scored(text, **options) == [0.0]
    assert lengths_scored(text, count="completion", **options) == [-0.5]


def test_kimi_ranks_the_group_and_never_praises_a_wrong_answer():
    texts = [
        thinking(2),
        thinking(4),
        thinking(6),
        thinking(2, WRONG),
        thinking(5, WRONG),
        thinking(6, WRONG),
    ]
    assert lengths_scored(*texts, shape="kimi") == [0.5, 0.0, -0.5, 0.0, -0.25, -0.5]


def test_kimi_of_a_group_of_one_is_0():
    assert lengths_scored(thinking(7), shape="kimi") == [0.0]


@pytest.mark.parametrize("answer", [RIGHT, WRONG])
def test_kimi_of_equal_lengths_is_0(answer):
    assert lengths_scored(*[thinking(3, answer)] * 4, shape="kimi") == [0.0] * 4


def test_kimi_of_an_all_wrong_group_only_punishes():
    assert lengths_scored(thinking(1, WRONG), thinking(3, WRONG), shape="kimi") == [0.0, -0.5]


def test_kimi_of_an_all_right_group_sums_to_0():
    assert sum(lengths_scored(*map(thinking, (1, 2, 3)), shape="kimi")) == 0.0


@pytest.mark.parametrize(
    ("tokens", "answer", "value"), [(10, RIGHT, 1.0), (7, RIGHT, 0.7), (12, RIGHT, 0.8), (7, WRONG, -0.3)]
)
def test_lcpo_exact_takes_alpha_for_each_token_from_the_target(tokens, answer, value):
    scored = lengths_scored(thinking(tokens, answer), shape="lcpo_exact", target=10, alpha=0.1)
    assert scored == [pytest.approx(value)]


@pytest.mark.parametrize(
    ("tokens", "answer", "value"),
    [
        (10, RIGHT, 0.5),
        (8, RIGHT, 0.7),
        (12, RIGHT, 0.3),
        (0, RIGHT, 1.0),  # clipped above
        (20, RIGHT, 0.0),  # clipped below
        (8, WRONG, 0.0),
    ],
)
def test_lcpo_max_pays_right_answers_below_the_target(tokens, answer, value):
    scored = lengths_scored(thinking(tokens, answer), shape="lcpo_max", target=10, alpha=0.1)
    assert scored == [pytest.approx(value)]


SHAPES = ["window", "cosine", "soft_overlong", "kimi", "lcpo_exact", "lcpo_max"]


@pytest.mark.parametrize("shape", SHAPES)
@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1, max_size=8))
def test_every_shape_gives_each_completion_a_finite_number(shape, group):
    texts = [thinking(tokens, RIGHT if right else WRONG) for tokens, right in group]
    scored = lengths_scored(*texts, shape=shape)
    assert len(scored) == len(texts)
    assert all(math.isfinite(value) for value in scored)


@pytest.mark.parametrize("shape", ["cosine", "soft_overlong", "kimi", "lcpo_max"])
def test_a_shorter_right_answer_is_never_worth_less(shape):
    scored = lengths_scored(*map(thinking, range(0, 140, 7)), shape=shape)
    assert scored == sorted(scored, reverse=True)


def test_the_scorer_decides_which_lengths_are_those_of_right_answers():
    text = thinking(0, "<answer>a dog.</answer>")
    assert lengths_scored(text, shape="cosine") == [-10.0]
    assert lengths_scored(text, shape="cosine", scorer=robust) == [2.0]


def test_a_recipe_binds_every_option():
    options = {"shape": "cosine", "right": [1, 0.5], "max_tokens": "8", "scorer": "exact"}
    reward = bind("reward", {"use": "cot_length", **options})
    assert reward.function(make_group(thinking(4))) == [0.75]
