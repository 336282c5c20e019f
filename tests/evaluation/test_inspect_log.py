"""Logs of Inspect: what stands in them; Inspect's reader, in an environment of its own, opens them."""

import base64
import io
import json
import os
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

from rlaudio.audio.reading import read_clip
from rlaudio.cli import main
from rlaudio.evaluation import inspect_log
from rlaudio.evaluation.asking import EvaluationSettings, evaluate
from rlaudio.evaluation.inspect_log import write_inspect_logs
from rlaudio.rollout.scripted import Scripted
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import OpenText, Question, Verdict
from tests.word_family import questions_on_disk, word_prompts

CREATED = datetime(2026, 11, 29, tzinfo=UTC)
INSPECT = "inspect-ai==0.3.285"
READER = """
import json, sys
from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
from inspect_ai.log import resolve_sample_attachments

log = read_eval_log(sys.argv[1])
summaries = read_eval_log_sample_summaries(sys.argv[1])
sample = resolve_sample_attachments(log.samples[1], "full")
[*_, user] = sample.input
print(json.dumps({
    "status": log.status,
    "task": log.eval.task,
    "model": log.eval.model,
    "samples": [sample.id for sample in log.samples],
    "summaries": [summary.id for summary in summaries],
    "accuracy": {score.name: score.metrics["accuracy"].value for score in log.results.scores},
    "values": {name: score.value for name, score in sample.scores.items()},
    "answer": sample.scores["robust"].answer,
    "target": sample.target,
    "completion": sample.output.completion,
    "text": user.content[-1].text,
    "audio": user.content[0].audio[:23],
    "format": user.content[0].format,
}))
"""


def generous(question, text):
    """A rule that grades."""
    return Verdict(False, None, "judge", "no option", score=0.25, counted=question.id != "q0")


@pytest.fixture
def written(tmp_path):
    """The logs of three questions, of which every second is answered right."""
    questions = questions_on_disk(tmp_path, 3, groups=[{"category": "sound"}] * 3)
    worker = Scripted(
        lambda prompt, sample: prompt.question.answer if prompt.question.id == "q1" else "a fish"
    )
    settings = EvaluationSettings(
        controls=("audio", "mismatch", "no_audio"),
        scorers={"robust": robust, "exact": exact, "generous": generous},
        batch_questions=2,
        max_new_tokens=8,
        seed=0,
    )
    prompts = word_prompts()
    results = {"held_out": evaluate(questions, prompts, worker, settings)}
    paths = write_inspect_logs(results, tmp_path, prompts=prompts, model="tiny/base", created=CREATED)
    return {path.stem: path for path in paths}


def read(path: Path, name: str):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(name))


def heard(path: Path, id: str):
    """The clips in a sample, as lengths in seconds."""
    attachments = read(path, f"samples/{id}_epoch_1.json")["attachments"]
    for uri in attachments.values():
        samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        yield len(samples) / rate_hz


def test_there_is_a_log_for_every_set_and_control(written, tmp_path):
    assert set(written) == {"held_out_audio", "held_out_mismatch", "held_out_no_audio"}
    assert written["held_out_audio"] == tmp_path / "evaluation" / "inspect" / "held_out_audio.eval"
    assert not list((tmp_path / "evaluation" / "inspect").glob(".*"))


def test_the_header_has_accuracies_by_every_scorer_and_where_the_data_is_from(written):
    header = read(written["held_out_audio"], "header.json")
    assert (header["version"], header["status"], header["eval"]["model"]) == (2, "success", "tiny/base")
    assert header["eval"]["metadata"]["control"] == "audio" and header["eval"]["metadata"]["data"]
    accuracy = {score["name"]: score["metrics"]["accuracy"]["value"] for score in header["results"]["scores"]}
    assert accuracy == {"robust": pytest.approx(1 / 3), "exact": pytest.approx(1 / 3), "generous": 0.25}


def test_verdicts_are_correct_incorrect_a_grade_or_none_where_they_are_not_counted(written):
    sample = read(written["held_out_audio"], "samples/q1_epoch_1.json")
    assert {name: score["value"] for name, score in sample["scores"].items()} == {
        "robust": "C",
        "exact": "C",
        "generous": 0.25,
    }
    assert (sample["target"], sample["scores"]["robust"]["answer"]) == ("B", "a cat")
    missed = read(written["held_out_audio"], "samples/q0_epoch_1.json")
    assert (missed["scores"]["robust"]["value"], missed["scores"]["generous"]["value"]) == ("I", "N")


def test_clips_are_in_it_as_they_were_heard(written, tmp_path):
    lengths = {f"q{n}": read_clip(tmp_path / f"q{n}.wav").seconds for n in range(3)}
    for id, seconds in lengths.items():
        assert list(heard(written["held_out_audio"], id)) == [pytest.approx(seconds, abs=0.1)]
        lender = read(written["held_out_mismatch"], f"samples/{id}_epoch_1.json")["metadata"]["heard"]
        assert lender != id
        assert list(heard(written["held_out_mismatch"], id)) == [pytest.approx(lengths[lender], abs=0.1)]
        assert list(heard(written["held_out_no_audio"], id)) == []


def test_beyond_a_limit_clips_are_named_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(inspect_log, "MOST_AUDIO", 0)
    questions = questions_on_disk(tmp_path, 3)
    settings = EvaluationSettings(
        controls=("audio",), scorers={"robust": robust}, batch_questions=2, max_new_tokens=8, seed=0
    )
    prompts = word_prompts()
    results = {"s": evaluate(questions, prompts, Scripted(lambda prompt, sample: ""), settings)}
    [path] = write_inspect_logs(results, tmp_path, prompts=prompts, model="m", created=CREATED)
    assert [len(list(heard(path, f"q{n}"))) for n in range(3)] == [1, 0, 0]
    metadata = read(path, "samples/q2_epoch_1.json")["metadata"]
    assert (metadata["clips"], metadata["clips_attached"]) == ([str(tmp_path / "q2.wav")], 0)


@pytest.mark.parametrize(
    ("question", "target"),
    [
        (Question.multiple_choice("q", "?", ("a", "b", "c"), "c"), "C"),
        (Question.multiple_choice("q", "?", ("a", "b"), "something else"), "something else"),
        (Question("q", "?", (), OpenText("An answer.")), "An answer."),
        (Question("q", "?", (), OpenText()), ""),
    ],
)
def test_the_target_is_a_letter_or_the_text_of_the_answer(question, target):
    assert inspect_log._target(question) == target


def test_inspect_needs_a_folder():
    done = CliRunner().invoke(main, ["evaluate", "tiny/base", "--data", __file__, "--inspect"])
    assert done.exit_code == 2 and "--inspect writes into the folder of --out" in done.output


@pytest.fixture(scope="module")
def inspect_python(tmp_path_factory) -> Path:
    """Python of an environment that has Inspect; its pins do not go with ours."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed, which makes an environment for Inspect")
    folder = tmp_path_factory.mktemp("inspect")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in (
        ["venv", "-q", folder],
        ["pip", "install", "-q", "--python", folder / "bin/python", INSPECT],
    ):
        done = subprocess.run([uv, *command], env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"no environment for {INSPECT}: {done.stderr[-300:]}")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_inspects_own_reader_opens_a_log(written, inspect_python):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [inspect_python, "-c", READER, written["held_out_audio"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    log = json.loads(done.stdout)
    assert log["samples"] == log["summaries"] == ["q0", "q1", "q2"]
    assert (log["status"], log["task"], log["model"]) == ("success", "held_out_audio", "tiny/base")
    assert log["accuracy"] == {
        "robust": pytest.approx(1 / 3),
        "exact": pytest.approx(1 / 3),
        "generous": 0.25,
    }
    assert log["values"] == {"robust": "C", "exact": "C", "generous": 0.25}
    assert (log["answer"], log["target"], log["completion"]) == ("a cat", "B", "a cat")
    assert log["text"].startswith("Who calls 1? Please choose")
    assert (log["audio"], log["format"]) == ("data:audio/mpeg;base64,", "mp3")
