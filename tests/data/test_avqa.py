"""AVQA as R1-AQA uses it: positions as answers, lines in a .json file, and "audio" where it says "video"."""

from __future__ import annotations

import pytest

from rlaudio.data.avqa import avqa
from rlaudio.types import Choice
from tests.data.trees import write_audio, write_lines

ROW = {
    "id": 183,
    "video_name": "-HG3Omg_89c_000030",
    "question_text": "What happened in the video?",
    "multi_choice": ["motorboat", "Yacht consignment", "Sailboat set sail", "Consignment car"],
    "answer": 1,
    "question_relation": "View",
    "question_type": "Happening",
    "dataset_name": "AVQA",
    "audio_path": "wavs/-HG3Omg_89c_30.wav",
}


def test_a_line_is_read_with_the_answer_by_position(tmp_path):
    clip = write_audio(tmp_path / "wavs" / "-HG3Omg_89c_30.wav")
    (question,) = avqa(path=write_lines(tmp_path / "train_r1aqa_line.json", ROW).parent)
    assert (question.id, question.question) == ("183", "What happened in the audio?")
    assert question.target == Choice(tuple(ROW["multi_choice"]), 1, "Yacht consignment")
    assert question.groups == {"category": "Happening", "relation": "View", "source": "AVQA"}
    assert (question.clips, question.extra) == ((clip,), {"video_name": "-HG3Omg_89c_000030"})


@pytest.mark.parametrize("answer", [4, -1, "1", True, None])
def test_an_answer_that_is_no_position_is_a_bad_row(tmp_path, answer):
    path = write_lines(tmp_path / "train.jsonl", ROW, ROW | {"answer": answer})
    with pytest.raises(
        ValueError, match=r'jsonl:2: "answer" is .*; expected the position of an option, 0 to 3'
    ):
        avqa(path=path)
