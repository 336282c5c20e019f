"""`rlaudio label` and `rlaudio evaluate` in vLLM: the same answers, and silence that is computed once."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.contribution.voters import Voter, ask_in_silence
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.runs.journals import Journal
from rlaudio.runs.places import LABEL_ROWS
from rlaudio.types import Question
from tests.conftest import TINY
from tests.settings import label_settings


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> list[Question]:
    """Twelve questions about tones of different lengths, each with words of its own."""
    folder = tmp_path_factory.mktemp("clips")
    animals = ("a dog", "a cat", "a cow", "a bird")
    made = []
    for number in range(12):
        clip = folder / f"{number}.wav"
        soundfile.write(clip, 0.3 * np.sin(np.arange(4000 + 1000 * number) / (3 + number)), 16_000)
        text = f"Question {number}: which animal calls " + "again " * (number % 5) + "in this clip?"
        made.append(Question.multiple_choice(f"q{number}", text, animals, animals[number % 4], clip))
    return made


@pytest.fixture(scope="module")
def data(questions, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("data") / "questions.jsonl"
    write_audiomcq(questions, file)
    return file


class StaysOpen:
    """The session's worker for somebody who closes it."""

    def __init__(self, worker):
        self.generate = worker.generate

    def close(self):
        pass


def recipe(data: Path, use: str):
    given = [
        f"model={{path: {TINY}, device: cpu}}",
        f"data={{train: {{path: {data}, outside_root: true}}, evaluate: {{}}}}",
        f"data.evaluate.held_out={{use: audiomcq, path: {data}, outside_root: true}}",
        f"contribution={{voters: [{TINY}], threshold: 1, silence: 3.0}}",
        "sampling.max_new_tokens=8",
        "evaluation={batch_questions: 5}",
        f"rollout.use={use}",
    ]
    return load_recipe("base/no_training", given)


def answers(folder: Path) -> dict:
    return {row["id"]: row for row in map(json.loads, (folder / LABEL_ROWS).read_text().splitlines())}


def test_voters_answer_in_vllm_what_they_answer_under_transformers(needs_vllm, data, tmp_path):
    by_worker = {}
    for use in ("vllm", "transformers"):
        (tmp_path / use).mkdir()
        pipeline.label_data(recipe(data, use), tmp_path / use)
        by_worker[use] = answers(tmp_path / use)
    assert len(by_worker["vllm"]) == 12
    assert by_worker["vllm"] == by_worker["transformers"]


def test_an_evaluation_in_vllm_is_the_evaluation_under_transformers(needs_vllm, data):
    in_vllm, plain = (
        pipeline.evaluate_recipe(recipe(data, use))["held_out"] for use in ("vllm", "transformers")
    )
    assert len(plain.rows) == 3 * 12  # own clip, silence, another's clip
    assert [row.to_dict() for row in in_vllm.rows] == [row.to_dict() for row in plain.rows]


def test_what_voters_hear_in_silence_comes_from_the_prefix_cache(policy, vllm_worker, questions, tmp_path):
    voter = Voter(PromptBuilder(policy), lambda: StaysOpen(vllm_worker), "a digest")
    asked, cached = vllm_worker.prompt_tokens
    ask_in_silence(
        voter,
        questions,
        label_settings(tmp_path, silence=30.0, batch_questions=4, max_new_tokens=4),
        journal=Journal(tmp_path / "journal"),
        label="test",
    )
    asked, cached = (
        now - before for now, before in zip(vllm_worker.prompt_tokens, (asked, cached), strict=True)
    )
    lengths = [len(voter.prompts.prompt(q, "silence", silence_seconds=30.0).token_ids) for q in questions]
    assert asked == sum(lengths)
    # 750 tokens of silence and what stands before them; the first prompt of all is computed whole
    assert cached >= 11 * (750 - 32)
