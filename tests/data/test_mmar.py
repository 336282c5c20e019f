"""MMAR: rubrics are kept, null groups left out, an empty option is one, and the id is not the file's name."""

from __future__ import annotations

import pytest

from rlaudio.audio.reading import open_clip
from rlaudio.data.audit import audit
from rlaudio.data.mmar import mmar
from rlaudio.types import Choice
from tests.data.trees import write_audio, write_lines, write_list

ROW = {
    "id": "yt_1",
    "audio_path": "./audio/other_name.wav",
    "question": "What is said?",
    "choices": ["Yes", "No"],
    "answer": "No",
    "modality": "speech",
    "category": "Semantic Layer",
    "sub-category": "Content Analysis",
    "language": None,
    "source": "youtube",
    "url": "https://example.org",
    "timestamp": "00:01",
}
RUBRIC = {"thinking": "They refuse.", "cue": [], "rubric": [{"criterion": "hears the no", "weight": 0.2}]}


def test_a_row_is_read_with_its_whole_row_in_extra_and_without_null_groups(tmp_path):
    write_lines(tmp_path / "MMAR-meta.jsonl", ROW | RUBRIC)
    clip = write_audio(tmp_path / "audio" / "other_name.wav")
    data = mmar(path=tmp_path)
    assert (data[0].id, data[0].clips, data[0].target) == ("yt_1", (clip,), Choice(("Yes", "No"), 1, "No"))
    assert data[0].groups == {
        "modality": "speech",
        "category": "Semantic Layer",
        "sub-category": "Content Analysis",
        "source": "youtube",
    }
    assert data[0].extra == ROW | RUBRIC  # all of it, for the official script
    assert (data.benchmark.version, data.benchmark.prediction_key) == (
        "2025, with rubrics",
        "answer_prediction",
    )
    assert open_clip(data[0].clips[0]).seconds == pytest.approx(0.1)


@pytest.mark.parametrize("write", [write_list, write_lines])
def test_the_json_file_of_the_hub_is_read_as_a_list_and_as_lines(tmp_path, write):
    data = mmar(path=write(tmp_path / "MMAR-meta.json", ROW, ROW | {"id": "yt_2"}))
    assert ([q.id for q in data], data.benchmark.version) == (["yt_1", "yt_2"], "2025")


def test_an_empty_option_is_an_option_and_can_be_right(tmp_path):
    write_audio(tmp_path / "audio" / "other_name.wav")
    data = mmar(path=write_lines(tmp_path / "MMAR-meta.jsonl", ROW | {"choices": ["a", ""], "answer": ""}))
    assert data[0].target == Choice(("a", ""), 1, "")
    assert audit(data, for_training=False).usable
