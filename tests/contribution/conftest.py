"""Voters and questions that several tests ask."""

import pytest

from tests.contribution.ballots import Ballot
from tests.word_family import questions_on_disk


@pytest.fixture
def ballot():
    return Ballot()


@pytest.fixture
def questions(tmp_path):
    return questions_on_disk(
        tmp_path,
        4,
        groups=[{"category": category} for category in ("sound", "sound", "speech", "speech")],
        text_answerable=[True, False, True, False],
    )
