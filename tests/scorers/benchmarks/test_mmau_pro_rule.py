"""MMAU-Pro: the rule that a question goes by, the nearest option, a judge's grade, and what needs which."""

import numpy as np
import pytest
import torch
from hypothesis import given
from transformers import BertConfig, BertModel, BertTokenizer

from rlaudio.config.plugins import bind
from rlaudio.scorers.benchmarks.mmau_pro_rule import mmau_pro_rule
from rlaudio.scorers.embedders.sentence_model import SentenceModel
from rlaudio.types import Check, OpenText, Question, Verdict
from tests.factories import make_question
from tests.scorers.made_up import ANY_TEXT

CLOSED = make_question(choices=("a dog", "a cat", "a cow"), answer="a cat", groups={"category": "sound"})
OPEN = Question("o", "Why does it bark?", (), OpenText("It is hungry."), groups={"category": "open"})
NO_COMMAS = Question("i", "Say it.", (), Check("No Commas"), groups={"category": "instruction following"})

LETTERS = """
import numpy as np

def letters(texts):
    return np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts])
"""


@pytest.fixture
def embedder(tmp_path):
    """Embeds a text as the counts of its letters."""
    path = tmp_path / "letters.py"
    path.write_text(LETTERS)
    return bind("embedder", str(path)).part


@pytest.fixture
def judge(tmp_path):
    """Writes judges that give what is written."""

    def write(gives):
        path = tmp_path / "judge.py"
        path.write_text(f"def judge(question, answer, text):\n    return {gives}\n")
        return bind("judge", str(path)).part

    return write


# --- without models ---


@given(ANY_TEXT)
def test_without_an_embedder_a_closed_question_is_left_out(text):
    verdict = mmau_pro_rule(CLOSED, text)
    assert not verdict.right and not verdict.counted and verdict.read is None
    assert verdict.reason.startswith("needs NV-Embed-v2: ")


@given(ANY_TEXT)
def test_without_a_judge_an_open_question_is_left_out(text):
    verdict = mmau_pro_rule(OPEN, text)
    assert not verdict.right and not verdict.counted and verdict.score is None
    assert verdict.reason.startswith("needs a judge: ")


def test_an_instruction_needs_no_model():
    assert mmau_pro_rule(NO_COMMAS, "it") == Verdict(True, None, "instruction", score=1.0)
    assert mmau_pro_rule(NO_COMMAS, "it, again") == Verdict(False, None, "instruction", score=0.0)


def test_an_instruction_that_is_not_followed_is_wrong_and_not_unparsed():
    assert not mmau_pro_rule(NO_COMMAS, "it, again").unparsed


def test_an_instruction_with_an_argument_that_cannot_be_compared_is_left_out():
    question = Question("i", "Say it.", (), Check("Number Bullets", {"N": "two"}))
    said = "the argument N of Number Bullets is 'two'; expected a number"
    assert mmau_pro_rule(question, "it") == Verdict(False, None, "none", said, counted=False)


def test_an_instruction_may_ask_for_the_question_again():
    question = Question("i", "Say it.", (), Check("Repeat Prompt"))
    assert mmau_pro_rule(question, "SAY IT. Yes.").right and not mmau_pro_rule(question, "Yes.").right


# --- closed questions ---


@pytest.mark.parametrize(("text", "read"), [("a cat", 1), ("CAT!", 1), ("dogs", 0), ("cow, a", 2)])
def test_the_option_with_the_nearest_embedding_is_read(embedder, text, read):
    assert mmau_pro_rule(CLOSED, text, embedder=embedder) == Verdict(read == 1, read, "nearest")


@pytest.mark.parametrize("text", ["", "?!", "zzz"])
def test_a_text_that_is_near_to_nothing_counts_as_the_first_option(embedder, text):
    assert mmau_pro_rule(CLOSED, text, embedder=embedder) == Verdict(False, 0, "nearest")


def test_length_of_vectors_does_not_matter(embedder):
    question = make_question(choices=("b", "aaaaab"), answer="b")
    assert mmau_pro_rule(question, "abbbb", embedder=embedder).right


def test_an_option_equal_to_the_right_one_is_right_and_one_in_other_case_is_not(embedder):
    question = make_question(choices=("rain", "fire", "rain"), answer="rain")
    assert mmau_pro_rule(question, "rain", embedder=embedder).right
    question = make_question(choices=("RAIN", "fire", "rain"), answer="rain")
    assert not mmau_pro_rule(question, "rain", embedder=embedder).right  # the first of equally near ones


@pytest.mark.parametrize("choices", [(), ("rain",)])
def test_a_closed_question_with_less_than_two_options_is_left_out(embedder, choices):
    question = make_question(choices=choices, answer="rain", groups={"category": "sound"})
    verdict = mmau_pro_rule(question, "rain", embedder=embedder)
    assert verdict == Verdict(False, None, "none", "less than two options", counted=False)


def test_a_closed_question_read_without_options_goes_to_no_judge(judge):
    question = Question("c", "What?", (), OpenText("rain"), groups={"category": "sound"})
    assert mmau_pro_rule(question, "rain", judge=judge("5")).reason == "less than two options"


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("[[1.0]] * 7", r"an array of shape \(7, 1\) for 1 texts; expected one finite vector for each text"),
        ("[1.0] * len(texts)", r"an array of shape \(1,\) for 1 texts"),
        ("[[float('nan')]] * len(texts)", r"an array of shape \(1, 1\), not all of it finite for 1 texts"),
        ("[[1.0], [1.0, 2.0]]", r"\[\[1.0\], \[1.0, 2.0\]\]; expected an array of numbers"),
        ("'none'", "'none'; expected an array of numbers"),
        ("[[1.0] * len(texts)] * len(texts)", "vectors of 1 and of 3; expected equal ones"),
    ],
)
def test_an_embedder_that_gives_something_else_is_refused(tmp_path, gives, said):
    path = tmp_path / "mine.py"
    path.write_text(f"def mine(texts):\n    return {gives}\n")
    with pytest.raises(ValueError, match=f"embedder {path}: {said}"):
        mmau_pro_rule(CLOSED, "a cat", embedder=bind("embedder", str(path)).part)


@pytest.fixture(scope="module")
def sentence_model(tmp_path_factory):
    """A folder with a small BERT of random weights."""
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "cat", "cow"]
    BertTokenizer(vocab={word: n for n, word in enumerate(words)}, model_max_length=16).save_pretrained(
        folder
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
    return folder


def test_the_folder_of_a_model_embeds_by_the_mean_over_a_texts_tokens(sentence_model):
    embed = SentenceModel(path=sentence_model)
    model = BertModel.from_pretrained(sentence_model).eval()
    with torch.inference_mode():
        hidden = model(torch.tensor([[2, 5, 7, 3]])).last_hidden_state[0]  # [CLS] a cat [SEP]
    np.testing.assert_allclose(embed(["a cat", "a cat a cow"])[0], hidden.mean(0).numpy(), atol=1e-6)


def test_a_long_text_is_cut_to_what_the_model_takes(sentence_model):
    assert SentenceModel(path=sentence_model)(["cat " * 500]).shape == (1, 8)


@pytest.mark.parametrize("option", CLOSED.choices)
def test_by_the_folder_of_a_model_an_option_is_nearest_to_itself(sentence_model, option):
    scorer = bind("scorer", {"use": "mmau_pro", "embedder": str(sentence_model)})
    verdict = scorer(CLOSED, option)
    assert CLOSED.choices[verdict.read] == option


# --- open questions ---


@pytest.mark.parametrize(
    ("gives", "score"),
    [
        ("5", 1.0),
        ("1.0", 0.2),
        ("{'overall': 4, 'clarity': 1}", 0.8),
        ("{'correctness': 5, 'relevance': 4, 'completeness': 4, 'clarity': 3}", 0.8),
        (
            "{'correctness': 5, 'relevance': 5, 'completeness': 5, 'clarity': 5, 'overall': 3}",
            1.0,
        ),  # as published
        ("{'correctness': 5}", 0.7),  # three are missing, and count as 3
        ("{}", 0.6),
        ("'CORRECTNESS: 5 - yes\\nrelevance: 4\\nCompleteness: 2\\nCLARITY:1\\nOVERALL: 4.5 - good'", 0.9),
        ("'CORRECTNESS: 5\\nRELEVANCE: 5\\nCOMPLETENESS: 5\\nCLARITY: [4]'", 0.9),
        ("'**CORRECTNESS**: 5'", 0.6),
        ("'I cannot say.'", 0.6),
    ],
)
def test_an_open_answer_is_graded_by_the_judges_overall_score(judge, gives, score):
    verdict = mmau_pro_rule(OPEN, "It wants food.", judge=judge(gives))
    assert verdict.score == pytest.approx(score) and verdict.counted and not verdict.unparsed


@pytest.mark.parametrize(("overall", "right"), [(5, True), (4, True), (3.9, False), (1, False)])
def test_an_open_answer_is_right_from_four_of_five(judge, overall, right):
    assert mmau_pro_rule(OPEN, "It wants food.", judge=judge(overall)).right is right


def test_the_judge_is_asked_about_question_reference_answer_and_text(judge):
    asks = judge("5 if (question, answer, text) == ('Why does it bark?', 'It is hungry.', 'Food.') else 1")
    assert mmau_pro_rule(OPEN, "Food.", judge=asks).score == 1.0


def test_an_open_question_with_options_goes_to_the_judge_too(judge):
    question = make_question(groups={"category": "open"})
    assert mmau_pro_rule(question, "a dog", judge=judge("5")).status == "judge"


def test_a_judge_without_a_score_leaves_the_answer_out(judge):
    verdict = mmau_pro_rule(OPEN, "Food.", judge=judge("None"))
    assert verdict == Verdict(False, None, "none", "the judge gave no score", counted=False)


@pytest.mark.parametrize("gives", ["0", "5.1", "[4]", "float('nan')", "{'overall': '4'}"])
def test_a_judge_that_gives_no_score_from_1_to_5_is_refused(judge, gives):
    with pytest.raises(ValueError, match="expected scores from 1 to 5"):
        mmau_pro_rule(OPEN, "Food.", judge=judge(gives))
