"""DCASE 2026 with and without answers."""

from __future__ import annotations

import pytest

from rlaudio.data.audit import audit
from rlaudio.data.dcase2026 import dcase2026
from rlaudio.types import Choice, Contribution
from tests.data.trees import write_audio, write_lines, write_parquet

ROW_2026 = {
    "id": "dev_0001",
    "audio_path": "dev_audios/dev_0001.mp3",
    "question_text": "How many knocks?",
    "multi_choice": ["One", "Two", "Three", "Four"],
    "answer": "Two",
}


def test_dev_has_answers_and_eval_has_none(tmp_path):
    write_lines(tmp_path / "dev.jsonl", ROW_2026)
    unanswered = {k: v for k, v in ROW_2026.items() if k != "answer"} | {"audio_path": "eval_audios/1.wav"}
    write_lines(tmp_path / "eval-noanswer.jsonl", unanswered)
    clip = write_audio(tmp_path / "dev_audios" / "dev_0001.mp3")
    write_audio(tmp_path / "eval_audios" / "1.wav")
    dev, evaluated = dcase2026(path=tmp_path), dcase2026(path=tmp_path, split="eval")
    assert (dev[0].clips, dev[0].answer_index, dev[0].groups) == ((clip,), 1, {})
    assert evaluated[0].target == Choice(("One", "Two", "Three", "Four"), None)
    assert [data.benchmark.version for data in (dev, evaluated)] == ["2026 dev", "2026 eval"]
    assert audit(evaluated, for_training=False).usable


@pytest.mark.parametrize("split", ["train", "eval"])
def test_one_split_is_not_taken_for_another(tmp_path, split):
    file = write_lines(tmp_path / "dev.jsonl", ROW_2026)
    with pytest.raises(FileNotFoundError, match=r"no (data|eval-noanswer)\.jsonl, .*\(here: dev\.jsonl\)"):
        dcase2026(path=tmp_path, split=split)
    assert len(dcase2026(path=file, split=split)) == 1


def test_the_dev_set_of_the_hub_is_a_parquet_file_of_its_split(tmp_path):
    write_parquet(tmp_path / "dev.parquet", ROW_2026)
    assert dcase2026(path=tmp_path)[0].answer == "Two"


def test_the_training_set_is_in_the_format_of_audiomcq(tmp_path):
    row = ROW_2026 | {"audio-contribution": "strong", "gemini_cot": "I hear two.", "question_type": "sound"}
    data = dcase2026(path=write_lines(tmp_path / "data.jsonl", row).parent, split="train")
    assert data.benchmark is None and data[0].cot == {"gemini": "I hear two."}
    assert data.contributions == {"dev_0001": Contribution("dev_0001", "strong")}
