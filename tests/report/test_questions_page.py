"""The page of labelled questions."""

import json

import numpy as np
import soundfile
from click.testing import CliRunner

from rlaudio.cli.commands import main
from tests.report.test_page import data_of


def test_the_command_shows_questions_labels_and_clips(tmp_path):
    for name in ("dog", "cat"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.ones(8_000), 16_000)
    questions = [
        {
            "id": name,
            "audio_path": f"{name}.wav",
            "question": "Who?",
            "choices": ["dog", "cat"],
            "answer": name,
        }
        for name in ("dog", "cat", "gone")
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    arguments = ["data", "view", str(tmp_path / "data.jsonl"), "--out", str(tmp_path / "page.html")]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    data = data_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert [(group["id"], group["gold"], group["c"]) for group in data["groups"]][:2] == [
        ("dog", 0, []),
        ("cat", 1, []),
    ]
    assert ["mp3" in clip for clip in data["clips"]] == [True, True, False]
    assert "gone.wav" in data["clips"][2]["absent"]
    CliRunner().invoke(main, [*arguments, "--no-audio"], catch_exceptions=False)
    data = data_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert {clip["absent"] for clip in data["clips"]} == {"audio was not asked for"}
