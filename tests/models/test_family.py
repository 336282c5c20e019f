"""Special tokens of a tokenizer, and of the chat format."""

from rlaudio.models.family import special_tokens
from rlaudio.worlds.pretraining import blank_model


def test_every_token_of_the_chat_format_is_special_and_no_tag_is(shared_family):
    special = special_tokens(shared_family.tokenizer)
    assert {*blank_model.SPECIAL_TOKENS.values(), blank_model.STOP, blank_model.PADDING} == special


def test_a_tokenizer_that_names_no_special_tokens_has_none():
    assert special_tokens(object()) == frozenset()
