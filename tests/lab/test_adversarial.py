"""Made-up completions that try to be paid for nothing."""

import pytest

from rlaudio.lab.adversarial import cases, questions, right_and_wrong
from rlaudio.scorers.exact import exact


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.id)
def test_the_corpus_holds_no_right_answer_in_the_form_asked_for(question):
    right, wrong = right_and_wrong(question)
    assert exact(question, right.text).right and not exact(question, wrong.text).right
    assert len({case.name for case in cases(question)}) == len(cases(question)) >= 25
    assert not any(case.text.strip() == right.text for case in cases(question))
