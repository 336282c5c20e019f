"""Letters of options from the likeliest first tokens: bounds by hand, and labels of scripted servers."""

from functools import partial
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.contribution import labelling
from rlaudio.contribution.letter_shares import LetterShares
from rlaudio.contribution.methods.letters import letters
from rlaudio.contribution.voters import Voter
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.endpoint_worker import EndpointModel
from tests.settings import label_settings
from tests.word_family import questions_on_disk, word_prompts


def told(**shares):
    """Tokens with these probabilities."""
    return [(token, log(share)) for token, share in shares.items()]


def one_order(tokens, options=4, gold=0):
    return LetterShares.of([(tokens, options, gold)])


# --- bounds ---------------------------------------------------------------------------------------------


def test_what_was_not_told_may_belong_to_the_gold_letter_or_to_others():
    shares = one_order(told(A=0.5, B=0.3, x=0.1))  # 0.1 was not told, and x is no letter of an option
    assert (shares.lowest[0], shares.highest[0]) == pytest.approx((0.5 / 0.9, 0.6 / 0.9))
    assert shares.gold_shares[0] == pytest.approx(0.55 / 0.9)
    assert shares.chosen_gold[0]


def test_a_letter_counts_in_every_spelling():
    tokens = [("A", log(0.2)), (" A", log(0.1)), ("A.", log(0.1)), ("a", log(0.1)), ("B", log(0.5))]
    assert one_order(tokens).lowest[0] == pytest.approx(0.4 / 0.9)


def test_a_gold_letter_that_was_not_told_has_at_most_what_is_left():
    shares = one_order(told(A=0.8), gold=2)
    assert (shares.lowest[0], shares.highest[0]) == pytest.approx((0.0, 0.2))
    assert not shares.chosen_gold[0]


def test_a_model_that_surely_begins_otherwise_answers_nothing():
    shares = one_order([("The", 0.0)])
    assert (shares.lowest[0], shares.highest[0], shares.chosen_gold[0]) == (0.0, 0.0, False)


def test_a_letter_beyond_the_options_is_none_of_them():
    assert one_order(told(A=0.5, E=0.5)).lowest[0] == pytest.approx(1.0)


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), st.integers(0, 3), st.integers(1, 4))
def test_the_share_of_all_tokens_lies_within_the_bounds_of_a_few(weights, gold, few):
    shares = np.array(weights) / sum(weights)
    tokens = [(token, log(share)) for token, share in zip("ABCDx", shares, strict=True)]
    likeliest = sorted(tokens, key=lambda pair: -pair[1])[:few]
    true = shares[gold] / shares[:4].sum()
    bounds = one_order(likeliest, gold=gold)
    # what is left may be of no letter at all, so the share that x takes away widens nothing: x is in the rest
    assert bounds.lowest[0] <= true + 1e-9
    assert bounds.lowest[0] <= bounds.gold_shares[0] <= bounds.highest[0] <= 1.0 + 1e-9


# --- labels ---------------------------------------------------------------------------------------------


class Server:
    """Tells tokens by question id, in silence; with audio it is sure of the gold letter."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.prompts = []

    def first_tokens(self, prompts):
        self.prompts += prompts
        return [self._told(prompt) for prompt in prompts]

    def _told(self, prompt):
        question = prompt.question
        gold = "ABCD"[question.answer_index]
        if prompt.clips[0].seconds < 1.0:
            return told(**{gold: 1.0})
        return [(gold if token == "gold" else token, lp) for token, lp in self.tokens[question.id]]

    def close(self):
        pass


def voter(server) -> Voter:
    model = EndpointModel("endpoint:http://localhost:1#m")
    return Voter(PromptBuilder(model), lambda: server, model.digest)


def label(questions, voters, folder, **settings):
    return labelling.label(questions, voters, label_settings(folder, **settings), partial(letters))


@pytest.fixture
def questions(tmp_path):
    return questions_on_disk(tmp_path, 3)


def test_labels_follow_the_middle_of_the_bounds_and_say_how_wide_they_are(tmp_path, questions, caplog):
    server = Server({"q0": told(gold=0.9), "q1": told(gold=0.1), "q2": told(gold=0.4, x=0.2)})
    labels = label(questions, {"far": voter(server)}, tmp_path)
    known, unknown, unsure = labels.contributions.values()
    assert [known.label, unknown.label, unsure.label] == ["weak", "weak", "weak"]
    assert known.interval == pytest.approx((0.0, 0.1))
    assert unknown.interval == pytest.approx((0.0, 0.9))
    assert unsure.interval == pytest.approx((0.0, 0.5))
    assert known.gain == pytest.approx(1 - 0.95)
    assert known.gain_interval == pytest.approx((0.0, 0.1))
    assert "1 of 3 labels depend on probability that the servers did not tell" in caplog.text
    assert "its share among the options' letters, first token, mean over 1 voter" in known.method


def test_each_order_is_asked_in_letters_in_silence_and_with_audio(tmp_path, questions):
    server = Server({question.id: told(gold=1.0) for question in questions})
    label(questions, {"far": voter(server)}, tmp_path)
    assert len(server.prompts) == 3 * 4 * 2
    assert {prompt.question.style for prompt in server.prompts} == {"letters"}


def test_a_voter_in_a_folder_is_refused_since_its_quantity_is_another(tmp_path, questions):
    near = Voter(word_prompts(), lambda: None, "0" * 32)
    with pytest.raises(ValueError, match=r"near: a voter in a folder .* set contribution.use to options"):
        label(questions, {"near": near}, tmp_path)
