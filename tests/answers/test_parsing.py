"""The reading of answers, trap by trap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.answers import Parsed, normalise, parse
from tests.answers.texts import ANIMALS, TEXTS

# --- the traps of reading, numbered as in the design notes ---


@pytest.mark.parametrize("letters", [False, True])
def test_trap_1_the_article_a_is_not_the_letter_a(letters):
    assert parse("A dog barks", ("a cat meows", "a dog barks"), letters=letters) == Parsed("exact", 1)
    assert parse("A dog", ("cat", "dog"), letters=letters) == Parsed("normalised", 1)


def test_trap_1_a_letter_counts_only_if_the_prompt_labels_its_options():
    assert parse("B", ANIMALS) == Parsed("none")
    assert parse("B", ANIMALS, letters=True) == Parsed("letter", 1)


@pytest.mark.parametrize(
    "text", ["B", "b", "(B)", "B)", "B.", "Option B", "The answer is B.", "**B**", r"\text{B}"]
)
def test_trap_1_letters_are_read_in_their_usual_dress(text):
    assert parse(f"<answer>{text}</answer>", ANIMALS, letters=True) == Parsed("letter", 1)


def test_trap_1_a_letter_before_other_words_needs_a_delimiter():
    assert parse("B) the one that meows", ANIMALS, letters=True) == Parsed("letter", 1)
    assert parse("B the one that meows", ANIMALS, letters=True) == Parsed("none")


def test_trap_1_a_letter_beyond_the_options_names_none():
    assert parse("E", ANIMALS, letters=True) == Parsed("none")


def test_trap_2_the_text_of_a_one_character_option_beats_the_letter():
    pitches = ("G", "A", "D", "C")
    assert parse("D", pitches, letters=True) == Parsed("exact", 2)
    assert parse("(A)", pitches, letters=True) == Parsed("normalised", 1)
    assert parse("3", ("1", "3", "2"), letters=True) == Parsed("exact", 1)


def test_trap_2_a_one_letter_option_is_never_found_inside_a_sentence():
    assert parse("it is a loud tone", ("A", "B"), contains=True) == Parsed("none")


@pytest.mark.parametrize(
    ("text", "choices", "index"),
    [
        ("happy and calm", ("happy", "happy and calm"), 1),
        ("happy", ("happy and calm", "happy"), 1),
        ("a dog, then a cat", ("a cat, then a dog", "a dog, then a cat"), 1),
        ("1.5", ("15", "1.5"), 1),
        ("-5", ("5", "-5"), 1),
        ("C#", ("C", "C#"), 1),
    ],
)
def test_trap_3_options_that_contain_each_other_are_told_apart(text, choices, index):
    assert parse(text, choices, numbers=True, contains=True).index == index


@pytest.mark.parametrize("text", ["happy and", "happy and calm and sad", "calm and happy"])
def test_trap_3_no_credit_for_beginnings_extensions_or_reorderings(text):
    assert parse(text, ("happy", "happy and calm")) == Parsed("none")


def test_trap_3_the_longest_mention_wins():
    text = "all of them are happy and calm here"
    assert parse(text, ("happy", "happy and calm"), contains=True) == Parsed("unique_contains", 1)


@pytest.mark.parametrize("text", ["21.2s", "21.2 s", "21.2 sec", "21.20 seconds"])
def test_trap_5_units_are_read_in_every_spelling_if_asked_for(text):
    choices = ("24.4s", "21.2s", "21s", "2.12s")
    assert parse(text, choices, numbers=True).index == 1


def test_trap_5_number_words_are_digits_only_if_asked_for():
    assert parse("three", ("2", "3")) == Parsed("none")
    assert parse("three", ("2", "3"), numbers=True) == Parsed("normalised", 1)
    assert parse("3 claps", ("two claps", "three claps"), numbers=True) == Parsed("normalised", 1)


def test_trap_5_numbers_never_merge_options_that_differ():
    assert parse("3", ("three", "3.0"), numbers=True) == Parsed("ambiguous")


def test_trap_6_of_several_answer_blocks_the_policy_decides():
    text = "<answer>a cat</answer> no, <answer>a dog</answer>"
    assert parse(text, ANIMALS) == Parsed("exact", 0)
    assert parse(text, ANIMALS, which="first") == Parsed("exact", 1)
    assert parse(text, ANIMALS, which="reject") == Parsed("ambiguous")


@pytest.mark.parametrize(
    "text",
    [
        "<answer>a dog, a cat, a cow, a bird</answer>",  # lists all options
        "<answer>['a dog', 'a cat', 'a cow', 'a bird']</answer>",
        "<answer>a dog or maybe a cat</answer>",  # hedges
        "<think>so <answer>a dog</answer></think>",  # answers inside the thought
        "<think>so <answer>a dog</answer>",  # the thought never ends
        "<answer>a d",  # the tag never ends, and the option neither
        "<answer></answer>",
        "<answer>  </answer>",
        "",
        "Please choose the answer from the following options: ['a dog', 'a cat', 'a cow', 'a bird']. "
        "Output the final answer in <answer> </answer>.",  # echoes the prompt
        "<answer>(B) a dog</answer>",  # letter and text disagree
        "<answer>(E) a dog</answer>",
        "<answer>a dog</answer></think>",  # all of it was thought
    ],
)
@pytest.mark.parametrize("letters", [False, True])
def test_trap_6_no_credit_for_hacks(text, letters):
    assert not parse(text, ANIMALS, letters=letters).parsed


def test_trap_6_a_letter_that_disagrees_with_the_text_is_ambiguous():
    assert parse("(A) a cat", ANIMALS) == Parsed("ambiguous")
    assert parse("(A) surely a cat", ANIMALS, letters=True) == Parsed("ambiguous")


@pytest.mark.parametrize(
    "text", ["(B) a cat", "B. a cat", "b) A cat.", "(B)a cat", "B: a cat", "The answer is (B) a cat."]
)
def test_trap_6_a_letter_that_agrees_with_the_text_is_read_in_any_prompt(text):
    assert parse(text, ANIMALS) == Parsed("letter", 1)


@pytest.mark.parametrize(
    "text",
    [
        "a cat.",
        "'a cat'",
        '"a cat"',
        "\u2018a cat\u2019",
        "\u201ca cat\u201d.",
        "['a cat']",
        "**a cat**",
        r"\text{a cat}",
        r"$\boxed{\text{a cat}}$",
        "a\u00a0 cat",
        "a\u200b cat",
        "\uff41 \uff43\uff41\uff54",
        "The answer is a cat.",
        "Answer: a cat",
        "The correct answer is: 'a cat'",
    ],
)
def test_trap_6_dress_is_taken_off(text):
    assert parse(f"<answer>{text}</answer>", ANIMALS) == Parsed("normalised", 1)


def test_trap_6_typographic_apostrophes_are_apostrophes():
    assert parse("the dog\u2019s bark", ("the cat's cry", "the dog's bark")) == Parsed("normalised", 1)


def test_trap_6_brackets_that_do_not_belong_together_stay():
    assert normalise("(a) cat (b)") == "(a) cat (b)"


def test_trap_6_of_nested_blocks_the_inner_one_counts():
    assert parse("<answer><answer>a cat</answer></answer>", ANIMALS) == Parsed("exact", 1)


def test_trap_7_a_near_number_gets_no_partial_credit():
    assert parse("4", ("3", "5"), numbers=True) == Parsed("none")


@given(TEXTS)
def test_trap_8_an_unparsed_answer_is_never_mapped_to_an_option(text):
    parsed = parse(text, ANIMALS, letters=True, numbers=True, contains=True)
    assert parsed.parsed == (parsed.status not in ("ambiguous", "none"))


@pytest.mark.parametrize(
    "text", ["not a fish but a cat", "It isn't a cat.", "I hear no reason for a cat", "a dog or a cat"]
)
def test_trap_9_negations_and_second_mentions_are_ambiguous(text):
    assert parse(text, ANIMALS, contains=True) == Parsed("ambiguous")


def test_trap_9_a_negation_inside_the_option_is_its_own():
    choices = ("singing without music", "music without singing")
    assert parse("this is music without singing, I think", choices, contains=True).index == 1


def test_a_mention_is_read_where_it_is_asked_for():
    assert parse("I hear 'a cat' here.", ANIMALS, contains=True) == Parsed("unique_contains", 1)


@pytest.mark.parametrize("text", ["a catalogue", "a cat's tail", "a cat-like cry", "extra cat"])
def test_a_mention_is_of_whole_words(text):
    assert parse(text, ANIMALS, contains=True) == Parsed("none")


def test_text_outside_the_thought_is_the_answer_where_there_is_no_block():
    assert parse("<think>a dog?</think> a cat", ANIMALS) == Parsed("exact", 1)


@given(st.sampled_from(ANIMALS), st.booleans(), st.booleans(), st.booleans())
def test_every_option_names_itself_under_all_layers(option, letters, numbers, contains):
    parsed = parse(f"<answer>{option}</answer>", ANIMALS, letters=letters, numbers=numbers, contains=contains)
    assert parsed == Parsed("exact", ANIMALS.index(option))


OPTIONS = st.text(st.characters(exclude_characters="<"), min_size=1).filter(str.strip)


@given(st.lists(OPTIONS, min_size=1, max_size=5, unique_by=normalise), st.data())
def test_any_option_names_itself(choices, data):
    option = data.draw(st.sampled_from(choices))
    assert parse(f"<answer>{option}</answer>", choices).index == choices.index(option)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer"),
        ("<answer> </answer>", "no answer"),
        ("<think>a dog</think>", "no answer"),
        ("<answer>a do", "unfinished"),
        ("<think>so a dog", "unfinished"),
        ("a fish", "no option"),
        ("(A) a cat", "contradiction"),
        ("It isn't a cat", "negated"),
        ("a dog or a cat", "several"),
        ("(B) a cat", ""),
    ],
)
def test_a_text_that_names_no_option_says_why(text, reason):
    assert parse(text, ANIMALS, contains=True).reason == reason


@pytest.mark.parametrize(("text", "index"), [("two options", 0), ("both answers", 1), ("(all choices)", 2)])
def test_the_last_letter_of_a_plural_is_no_label(text, index):
    assert parse(text, ("two", "both", "all"), letters=True, contains=True).index == index
