"""Made-up completions have what rewards look at."""

from rlaudio.scoring.made_up import made_up_group
from rlaudio.types import Absent
from tests.factories import make_question


def test_pieces_spell_the_text_and_end_with_the_stop_token():
    question = make_question()
    group = made_up_group(question, ["<think>so </think> a dog", ""])
    full, empty = group.completions
    assert "".join(full.token_texts) == full.text and full.token_texts[-1] == ""
    assert full.length == len(full.token_texts) == 5 and empty.length == 1
    assert group.prompt.question is question and group.prompt.features is Absent.MADE_UP
