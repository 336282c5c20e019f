"""Voters that answer as they are told, and how they are asked."""

from functools import partial

import numpy as np

from rlaudio.contribution import labelling
from rlaudio.contribution.methods.vote import vote
from rlaudio.contribution.voters import Voter
from rlaudio.contribution.voting import (
    Votes,
)
from rlaudio.rollout.scripted import Scripted
from tests.settings import label_settings
from tests.word_family import word_prompts


def bools(text: str) -> np.ndarray:
    """Rows of 1 and 0, one a voter: "110 100"."""
    rows = [[sign == "1" for sign in row] for row in text.split()]
    return np.array(rows if len(rows) > 1 else rows[0])


def votes_of(text: str) -> Votes:
    right = np.atleast_2d(bools(text))
    return Votes(tuple("abcdef"[: len(right)]), right.astype(float), right)


def vote_rule(threshold=2, **asked):
    """Voters that make a question weak, and how they are asked."""
    return threshold, asked


class Ballot:
    """Opens scripted voters and remembers them: each knows the ids named for it and says "a fish" else."""

    def __init__(self):
        self.workers: list[Scripted] = []

    def voter(self, knows="", *, answer=None, digest="0" * 32, **prompts) -> Voter:
        def recall(prompt, sample):
            return prompt.question.answer if prompt.question.id in knows.split() else "a fish"

        def open_worker() -> Scripted:
            assert all(worker.closed for worker in self.workers), "another voter's worker is still open"
            self.workers.append(Scripted(answer or recall))
            return self.workers[-1]

        return Voter(word_prompts(**prompts), open_worker, digest)

    @property
    def asked(self) -> int:
        return sum(count for worker in self.workers for count, _, _ in worker.calls)


def label(questions, voters, folder, rule=vote_rule(), **settings):
    """What the voters make of the questions, by the paper's rule where a test names no other."""
    threshold, asked = rule
    settings = label_settings(folder, **asked, **settings)
    return labelling.label(questions, voters, settings, partial(vote, threshold=threshold))


def three_voters(ballot: Ballot) -> dict[str, Voter]:
    """q0 is known to all, q1 to two, q2 to one, q3 to none."""
    return {"a": ballot.voter("q0 q1 q2"), "b": ballot.voter("q0 q1"), "c": ballot.voter("q0")}
