"""The robust rule: what counts as the gold option, and what never does."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.answers import normalise
from rlaudio.config.plugins import bind
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import Check, Choice, OpenText, Question, Verdict
from tests.answers.texts import ANIMALS, TEXTS
from tests.factories import make_question

CAT = make_question(choices=ANIMALS, answer="a cat")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("<answer>a cat</answer>", Verdict(True, 1, "exact")),
        ("The answer is 'A cat'.", Verdict(True, 1, "normalised")),
        ("(B) a cat", Verdict(True, 1, "letter")),
        ("a cow", Verdict(False, 2, "exact")),
        ("(A) a cat", Verdict(False, None, "ambiguous", "contradiction")),
        ("<answer>a cat", Verdict(True, 1, "exact")),
        ("<answer>a ca", Verdict(False, None, "none", "unfinished")),
        ("", Verdict(False, None, "none", "no answer")),
        ("I cannot tell", Verdict(False, None, "none", "no option")),
    ],
)
def test_the_verdict_says_what_was_read_and_how_or_why_nothing_was(text, verdict):
    assert robust(CAT, text) == verdict


@given(TEXTS)
def test_it_is_right_only_when_it_reads_the_gold_option(text):
    verdict = robust(CAT, text)
    assert verdict.right == (verdict.read == 1)


def test_letters_count_only_if_asked_for():
    assert not robust(CAT, "B").right
    assert robust(CAT, "B", letters=True).right


def test_spellings_of_numbers_count_unless_that_is_switched_off():
    claps = make_question(choices=("three", "two"))
    assert robust(claps, "3").right
    assert not robust(claps, "3", numbers=False).right


def test_every_option_that_is_spelled_like_the_gold_one_is_right():
    question = make_question(choices=("A dog.", "a cat", "A  dog"), answer="A dog.")
    assert robust(question, "A  dog").right
    assert not robust(question, "a cat").right


def test_options_that_differ_in_case_only_are_told_apart_by_it():
    notes = make_question(choices=("C", "c"), answer="c")
    assert robust(notes, "'c'").right
    assert not robust(notes, "'C'").right


@pytest.mark.parametrize("answer", ANIMALS)
def test_an_unparsed_answer_is_wrong_whatever_the_gold(answer):
    verdict = robust(make_question(choices=ANIMALS, answer=answer), "I cannot tell")
    assert not verdict.right and verdict.unparsed


def test_a_mention_in_a_sentence_never_counts():
    assert not robust(CAT, "I hear a cat somewhere").right
    assert not robust(CAT, "I hear a cat. Something moves.").right  # what is heard is not all that is asked


VERDICTS = [
    json.loads(line)
    for line in Path(__file__).with_name("verdicts.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("row", VERDICTS, ids=lambda row: f"{row['text'][:40]!r} {row['gold']!r}")
def test_it_agrees_with_a_human_reader(row):
    question = make_question(choices=tuple(row["choices"]), answer=row["gold"])
    assert robust(question, row["text"], letters=True, numbers=True).right is row["right"]


READINGS = [  # by kind, made up: what is read of every text, null where none may be; broken JSON is meant
    json.loads(line)
    for line in Path(__file__).with_name("readings.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("row", READINGS, ids=lambda row: row["kind"])
def test_it_reads_the_option_that_a_human_reader_takes(row):
    question = make_question(choices=tuple(row["choices"]), answer=row["choices"][0])
    reads = {text: robust(question, text, letters=row["letters"]).read for text in row["reads"]}
    assert {t: None if n is None else row["choices"][n] for t, n in reads.items()} == row["reads"]


# --- several answer blocks ---


@pytest.mark.parametrize(("which", "right"), [("first", False), ("last", True), ("reject", False)])
def test_of_several_answer_blocks_the_recipe_says_which_counts(which, right):
    text = "<answer>a dog</answer> No, wait. <answer>a cat</answer>"
    scorer = bind("scorer", {"use": "robust", "which": which}).function
    assert scorer(CAT, text).right is right


@pytest.mark.parametrize("which", ["first", "last", "reject"])
@pytest.mark.parametrize("gold", ANIMALS)
def test_a_block_for_every_option_is_never_right(which, gold):
    text = "".join(f"<answer>{option}</answer>" for option in ANIMALS)
    verdict = robust(make_question(choices=ANIMALS, answer=gold), text, which=which)
    assert verdict == Verdict(False, None, "ambiguous", "several")


@pytest.mark.parametrize("answer", ["A B C D", "A, B, C, D", "ABCD", " ".join(ANIMALS), "\n".join(ANIMALS)])
@pytest.mark.parametrize("gold", ANIMALS)
def test_all_options_in_one_block_are_never_right(answer, gold):
    question = make_question(choices=ANIMALS, answer=gold)
    assert not robust(question, f"<answer>{answer}</answer>", letters=True).right


# --- wrong options, whatever stands around them ---

# Options inside each other, with signs, letters and numbers, as the benchmarks have them.
ROWS = [
    ANIMALS,
    ("Dog", "Dog barks", "Dog barks and cat meows", "Cat meows"),
    ("happy", "happy and calm", "unhappy", "not happy"),
    ("-3 dB", "3 dB", "0.3 dB", "30 dB"),
    ("3/4", "4/4", "6/8", "2/4"),
    ("C", "C#", "C major", "c minor"),
    ("B", "A", "D", "C"),
    ("1", "2", "12", "21"),
    ("Speaker A", "Speaker B", "Both A and B", "None of the above"),
    ("Yes", "No"),
    ("-5", "5", "1.5", "15"),
    ("x < 5", "x > 5", "5"),
    ("a cat", "not a cat", "a cat or a dog", "no cat"),
    ("the sound of a cat", "I hear a cat", "only a cat", "a cat"),
    ("It is raining", "It is not raining", "There is no rain"),
    ("definitely", "probably", "maybe"),
    ("the first", "the second", "neither"),
    ("left", "right"),
    ("狗", "猫", "不是狗"),
    ("It rains", "Because it rains", "rain"),
    ("50%", "90%", "10%"),
    ("trio", "duo", "solo"),
    ("rock", "rock and roll", "hard rock"),
]
REJECTED = [  # {x} is rejected, doubted, or one of several
    *(
        "not {x}",
        "It is not {x}.",
        "The answer isn't {x}.",
        "{x} is wrong",
        "{x}? No.",
        "I doubt that it is {x}.",
    ),
    *("anything but {x}", "neither {x} nor {y}", "The answer is not \\boxed{{{x}}}", "Definitely not\n{x}"),
    *("This is wrong:\n{x}", "If the answer is {x}, I would hear it.", "{y}, not {x}", "not {x} but {y}"),
    *(
        "{x} or {y}",
        "{y} or {x}",
        "{x}, {y}",
        "{x}; {y}",
        "{x}\n\n{y}",
        "{x}, or maybe {y}",
        "Either {x} or {y}.",
    ),
    *("- {x}\n- {y}", "\\boxed{{{x}}} \\boxed{{{y}}}", "It could be {x}. It could be {y}."),
    *("I'm not sure it is {x}.", "I'm sure it is not {x}.", "The sound is not that of {x}."),
    *("I can't hear {x}.", "I hear no {x}.", "There isn't {x}.", "{x} cannot be heard.", "{x} is not heard."),
    *("I hear {x}, {y}.", "I hear {x} or {y}.", "There is {x}. There is {y}.", "Sounds unlike {x}."),
    *("The sound does not come from {x}.", "This is not the sound of {x}.", "Must not be {x}."),
    *("It is not {x}; it is {y}.", "It isn't {x}, it's {y}.", "{y} (not {x})", "{y}, as opposed to {x}"),
    *("{y}, not {x} or {y}", "Yes, {x} or {y}", "Maybe {x}, maybe {y}", "Only {x}, {y}", "Not only {x}"),
    *("Because it is {x}, the answer is {y}.", "Because both {x}, {y}", "{x} because {x} is wrong"),
    *(
        "The audio contains no {x}.",
        "What I hear is {x} or {y}.",
        "What I hear is not {x}.",
        "From {x} or {y}",
    ),
    *(
        "{x}. {y} can be heard.",
        "{x}. There is {y}.",
        "The answer is {x}. There is {y}.",
        "I count {x} or {y}",
    ),
    *("The man is {x}. The woman is {y}.", "The man is not {x}.", "不选{x}", "答案选{x}还是{y}"),
    *("不是{x}", "不是{x}\uff0c是{y}", "不是{x}而是{y}", "是{x}还是{y}", "答えは{x}ではありません"),
    *("La respuesta no es {x}", "La respuesta es {x} o {y}", "Die Antwort ist nicht {x}"),
    *("~~{x}~~", "~~{x}~~ {y}", "{x} ({y})"),
    *('{{"answer": "{x}", "correct": false}}', '{{"answer": "{x}", "answer": "{y}"}}'),
    *('{{"answer": "{x}", "option": "{y}"}}', '{{"wrong": "{x}"}}', "Of {x} and {y}, I know none."),
    *("{x}\n{y}\nThe answer is not {x}.", "{x}\n{y}\nAnswer: {x} or {y}", "{x}\n{y}\nAnswer: {y}"),
    *("The answer is {x}. No, that is wrong.", "The answer is {x}. Or {y}.", "The wrong answer is {x}."),
    *("{x}. Psych!", "{x}. Let me reconsider.", "{x}. Undo that.", "The answer is {x}. I misspoke."),
    *("{x}. Cap.", "{x}. Pass.", "{x}. The other one.", "{x}. Go with the first.", "{x}. That's cap."),
    *("The answer is {x}. Just teasing.", "{x} because it is heard. Gotcha!", "\\boxed{{{x}}}. Sike!"),
    *("The answer is {x}. Wait, the answer is {y}.", "Answer: {x}. Final answer: {y}", "{x}. Sorry, {y}."),
    *("{y}: 90%, {x}: 10%", "{x}: 10%\n{y}: 90%", "{x} (50%), {y} (50%)", '{{"{x}": 0.2, "{y}": 0.8}}'),
    *("- [ ] {x}\n- [x] {y}", "{x} \u2717\n{y} \u2713", "{x}: false\n{y}: true", "[x] {x}\n[x] {y}"),
    *("Because it is not {x}, the answer is {y}.", "The sound of {y} suggests {x}", "{y}. It is not {x}."),
    *("Because it is not {x}, the answer is {x}.", "{x} because it is not {x}", "{x}. I do not hear {x}."),
    *("\\cancel{{{x}}}", "\\neq \\boxed{{{x}}}", "\\sout{{{x}}} {y}", "<!-- {x} -->", "{x}? {y}"),
    *("{x}. Hard pass.", "{x}. Crossed out."),
    *("It does not sound like {x}, it sounds like {y}.", "It does not sound like {x}.", "Not only {x}."),
    *("It is more like {y} than {x}.", "It could be {x}, it could be {y}.", "There is no {x}, there is {y}."),
    *("It can't be {x}, so it is {y}.", "{y}, not like {x}", "not {x} alone", "{x} only, {y} only"),
    *("{y}, nicht {x}", "{x}ではなく{y}", "{y}\uff0c不选{x}", "no es {x}, es {y}", "не {x}, \u0430 {y}"),
]
FRAMES = [
    *("{x}", "{x}!", "**{x}**", "`{x}`", "\\boxed{{\\text{{{x}}}}}", "\u300c{x}\u300d", "Answer: {x}"),
    *(
        "The answer is {x}.",
        "I think it's {x}.",
        "It sounds like {x}.",
        "{x} is correct.",
        "Let me listen.\n\n{x}",
    ),
    *("I'm sure it is {x}.", "I am fairly confident that the answer is: {x}", "The sound is that of {x}."),
    *("So the correct answer is: {x}", "<answer>{x}</ans", "### {x}", "{x}<|im_end|>"),
    *("Ans: {x}", "Result: {x}", "Solution: {x}", "The answer is that {x}.", "La respuesta es {x}"),
    *("La réponse est {x}", "Die Antwort ist {x}", "A resposta é {x}", "La risposta è {x}", "答えは{x}です"),
    *("정답은 {x}입니다", "Правильный ответ: {x}", "正解\uff1a{x}", "所以答案是{x}。"),
    *('{{"answer": "{x}", "confidence": 0.9}}', "{x}</answer>", "</answer>{x}", "&quot;{x}&quot;"),
    *("<final_answer>{x}</final_answer>", "&lt;answer&gt;{x}&lt;/answer&gt;", "→ {x}", ": {x}"),
    *(
        "In the clip, it is {x}.",
        "I'm going with {x}.",
        "The emotion conveyed is {x}.",
        "【答案】{x}",
        "故选{x}",
    ),
    *("Because it barks, the answer is {x}", "The answer, I think, is {x}.", "Output: {x}"),
    *("I chose {x}", "If I had to choose, I'd say {x}.", "Wait, no. The answer is {x}.", "Cevap: {x}"),
    *("What is it?\nThe answer is {x}.", "- [x] {x}", "{x}\nUser: and now?", "=={x}==", "Jawaban: {x}"),
    *("- **{x}**", "- `{x}`", "\u2013 **{x}**", "* **{x}**", "{x}. All good."),
    *("It may well be {x}.", "It can only be {x}.", "Could be {x}.", "It is most likely to be {x}."),
    *("{x} only", "{x} alone", "{x} and nothing else", "It must have been {x}."),
    *("The answer is {x}. The man is joking.", "{x}. If you have any other questions, just ask."),
    *("{x}. She says it is a lie.", "{x}. There is also music."),
]


def options(row=st.sampled_from(ROWS)):
    return row.flatmap(lambda choices: st.tuples(st.just(choices), st.permutations(choices)))


@given(options(), st.sampled_from(REJECTED), st.booleans())
def test_an_option_that_is_rejected_or_one_of_several_is_not_right(drawn, template, tagged):
    choices, (x, y, *_) = drawn
    text = template.format(x=x, y=y)
    if text in choices or normalise(f"not {x}") in map(normalise, choices):
        return  # the text is an option
    question = make_question(choices=choices, answer=x)
    assert not robust(question, f"<answer>{text}</answer>" if tagged else text, letters=True).right


@pytest.mark.parametrize("row", [row for row in ROWS if row != ("Yes", "No")], ids="-".join)
@pytest.mark.parametrize("words", ["The truth is different.", "The facts say otherwise.", "It's a myth."])
def test_a_truth_that_differs_takes_an_answer_back_that_is_not_yes_or_no(row, words):
    for option in row:
        question = make_question(choices=row, answer=option)
        assert not robust(question, f"{option}. {words}", letters=True).right


@given(options(), st.sampled_from(FRAMES))
def test_a_framed_option_is_that_option_and_no_other(drawn, template):
    choices, (x, y, *_) = drawn
    text = template.format(x=x)
    assert robust(make_question(choices=choices, answer=x), text, letters=True).right
    assert not robust(make_question(choices=choices, answer=y), text, letters=True).right


HEARD = [  # frames that an option may begin or end like, as "only a cat" does
    *("I can hear {x}.", "There is {x}.", "{x} can be heard.", "Probably {x}.", "Sounds like {x}."),
    *(
        "The audio contains {x}.",
        "What I hear is {x}.",
        "It is from {x}.",
        "That would be {x}.",
        "That is {x}.",
    ),
    *("Must be {x}.", "This is the noise of {x}.", "The sound comes from {x}.", "Yes, {x}.", "Only {x}"),
    *(
        "maybe {x}",
        "{x} it is.",
        "Of the options, {x}.",
        "It is produced by {x}",
        "Because it meows, it is {x}.",
        "Because there's no barking, it is {x}.",
    ),
]


@given(options(), st.sampled_from(HEARD))
def test_what_is_heard_is_that_option_or_none_but_no_other(drawn, template):
    choices, (x, y, *_) = drawn
    text = template.format(x=x)
    if normalise(text) in map(normalise, choices):
        return  # the text is an option
    assert not robust(make_question(choices=choices, answer=y), text, letters=True).right


@pytest.mark.parametrize("template", HEARD)
@pytest.mark.parametrize("choices", [ANIMALS, ("C", "C#", "C major", "c minor"), ("1", "2", "12", "21")])
def test_what_is_heard_is_read(template, choices):
    for option in choices:
        assert robust(make_question(choices=choices, answer=option), template.format(x=option)).right


# --- numbers without their unit, lists ---

NUMBERS = st.integers(-30, 130) | st.floats(-9, 9).map(lambda x: round(x, 1) + 0.0)


@given(st.lists(NUMBERS, min_size=2, max_size=5, unique=True), st.data())
def test_a_number_without_its_unit_is_the_option_of_that_number_and_no_other(numbers, data):
    unit = data.draw(st.sampled_from(["seconds", "Hz", "BPM", "dB", "%", "dogs"]))
    gold, said = data.draw(st.sampled_from(numbers)), data.draw(st.sampled_from(numbers) | NUMBERS)
    question = make_question(choices=tuple(f"{n} {unit}" for n in numbers), answer=f"{gold} {unit}")
    for text in (f"<answer>{said}</answer>", f"The answer is {said}.", f"\\boxed{{{said}}}"):
        assert robust(question, text).right == (said == gold), text
    assert not robust(question, f"<answer>{said} or {gold}</answer>").right or said == gold


@pytest.mark.parametrize("choices", [("5 seconds", "5 minutes"), ("3 dogs", "5 cats"), ("5 s", "a cat")])
def test_a_number_alone_names_nothing_where_units_tell_options_apart(choices):
    for gold in choices:
        assert not robust(make_question(choices=choices, answer=gold), "<answer>5</answer>").right


LISTS = {
    "How many dogs and cats are heard?": ("2, 3", "3, 2"),
    "What melody is played?": ("C, E, G", "G, E, C"),
    "What do the left and right speaker play?": ("piano, drum", "drum, piano"),
    "Who speaks to whom?": ("man and woman", "woman and man"),
    "Describe the sounds over time.": ("a door opens, a dog barks", "a dog barks, a door opens"),
    "How does it begin and end?": ("piano and drums", "drums and piano"),
    "What time signature?": ("3, 4", "4, 3"),
    "Which animals are heard?": ("a dog, a cat, a cow", "a cow, a cat, a dog"),  # whatever is asked
}


@pytest.mark.parametrize("asked", LISTS)
def test_a_list_in_another_order_is_another_answer(asked):
    gold, reversed_list = LISTS[asked]
    question = make_question(question=asked, choices=(gold, "silence"), answer=gold)
    for frame in ("<answer>{x}</answer>", "The answer is {x}.", "\\boxed{{{x}}}"):
        assert not robust(question, frame.format(x=reversed_list)).right
        assert robust(question, frame.format(x=gold)).right


# --- time ---

SHORT, LONG = 2_000, 16_000  # characters
MOST = 24  # times longer, by a text that is 8 times longer; a quadratic rule takes 64 times longer
TOO_SHORT = 0.02  # seconds; a growth within them is the noise of the clock


def takes_time_in_proportion(read, short, long):
    """Whether `read` spends on `long` no more CPU time per character than on `short`, in the best of three
    tries: a busy machine may slow one of them down."""
    for _ in range(3):
        begun = time.thread_time()
        read(short)
        between = time.thread_time()
        read(long)
        if time.thread_time() - between < TOO_SHORT + MOST * (between - begun):
            return True
    return False


def filled(piece, length):
    return piece * (length // len(piece))


def long_texts(length):
    def fill(piece):
        return filled(piece, length)

    return [
        *(
            "(" * length + "a cat" + ")" * length,
            "(" * length,
            fill("\\boxed{"),
            fill("\\text{") + "}" * length,
        ),
        *(fill("<answer>"), fill("</answer>"), fill("<think></think>"), "<answer>a cat" + "<" * length),
        *(
            "\n" * length + "x",
            fill("x\nAnswer: "),
            fill("- "),
            fill("-\n"),
            fill("\u2013\n1"),
            fill("&lt;"),
        ),
        *(
            fill("~~a"),
            fill("<s>"),
            fill('{"answer":'),
            '{"answer": [' + "[" * length + "}",
            fill("because a, "),
        ),
        *(
            fill("it is not a"),
            fill("不是"),
            fill("a cat ("),
            fill("<think>"),
            "{" + "9" * length + "}",
        ),
        *(fill("[x] a\n"), fill("a: 1%, "), "1" * length + "%", fill("Wait. "), fill("\nUser")),
        *(fill("\\sout{"), fill("<!--"), fill("[a](#"), fill("a: no. "), fill("i very ")),
        *(sign * length + "x" for sign in "#=-_*~|<>&\\/.!?"),
        *(
            "*" + " " * length + "x",
            "# answer" + " " * length + "x",
            "|" + " " * length + "x",
            fill("ha, ") + "x",
        ),
        *(
            "-" + "\t" * length + "x",
            '{"answer":' + " " * length + "x}}",
            '{"answer": a' + " " * length + "}x",
        ),
        *(
            "a" + " " * length + "cat x",
            fill("not "),
            fill("the answer is "),
            fill("1,"),
            fill("twenty-"),
        ),
    ]


@pytest.mark.parametrize(
    ("short", "long"), zip(long_texts(SHORT), long_texts(LONG), strict=True), ids=lambda text: text[:12]
)
def test_long_answers_take_time_in_proportion_to_their_length(short, long):
    assert not robust(CAT, long, letters=True).right
    assert takes_time_in_proportion(lambda text: robust(CAT, text, letters=True), short, long)


@pytest.mark.parametrize(
    "piece", ["a (not ", "not a, it is ", "number of a ", "because a, ", "the sound of ", "a or "]
)
def test_long_options_let_no_phrase_take_longer(piece):
    def read(length):
        long_option = make_question(choices=("x" * length, "a cat"), answer="a cat")
        return robust(long_option, filled(piece, length), letters=True)

    assert not read(LONG).right
    assert takes_time_in_proportion(read, SHORT, LONG)


@pytest.mark.parametrize("piece", ["<answer>", "<answer>a cat</answer"])
def test_the_papers_rule_takes_time_in_proportion_too(piece):
    assert not exact(CAT, filled(piece, LONG)).right
    short, long = filled(piece, SHORT), filled(piece, LONG)
    assert takes_time_in_proportion(lambda text: exact(CAT, text), short, long)


def test_a_question_without_options_has_none_to_be_read():
    for target in (OpenText("rain"), Check("All Uppercase"), Choice((), None, "rain")):
        verdict = robust(Question("q", "What is heard?", (), target), "It is rain.")
        assert (verdict.right, verdict.read, verdict.reason) == (False, None, "no options")
