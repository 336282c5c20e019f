"""Which files are recordings, and which split each is in."""

from __future__ import annotations

import numpy as np
import pytest

from rlaudio.worlds.recordings.folder import find_recordings, split_recordings, without_copies

PATTERN = "{label}_{speaker}_{take}.wav"


def test_hidden_files_are_no_recordings(tmp_path, caplog):
    for name in ("yes_1.wav", "._yes_1.wav", "no_1.wav", ".trash/no_2.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    recordings = find_recordings(tmp_path, "{label}_{take}.wav")
    assert [recording.path.name for recording in recordings] == ["no_1.wav", "yes_1.wav"]
    assert "2 hidden files left out" in caplog.text


def test_a_copy_under_another_name_is_left_out(folder, tmp_path, caplog):
    for name in ("0_ann_0.wav", "1_ann_1.wav"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "0_ann_9.wav").write_bytes((folder / "0_ann_0.wav").read_bytes())
    left = without_copies(find_recordings(tmp_path, PATTERN))
    assert [recording.path.name for recording in left] == ["0_ann_0.wav", "1_ann_1.wav"]
    assert "0_ann_9.wav: the same audio as" in caplog.text


def test_a_pattern_that_fits_no_file_shows_one(folder):
    with pytest.raises(
        ValueError, match=r"no file is named like \{speaker\}-\{label\}\.wav \(there is: 0_ann_0\.wav\)"
    ):
        find_recordings(folder, "{speaker}-{label}.wav")


def test_files_that_do_not_fit_are_counted(folder, tmp_path, caplog):
    (tmp_path / "0_ann_0.wav").write_bytes((folder / "0_ann_0.wav").read_bytes())
    (tmp_path / "noise.wav").touch()
    assert len(find_recordings(tmp_path, PATTERN)) == 1
    assert "1 files are not named like" in caplog.text


@pytest.mark.parametrize("pattern", ["{speaker}.wav", "{label}_{label}.wav", "digits.wav"])
def test_a_pattern_without_one_label_is_an_error(folder, pattern):
    with pytest.raises(ValueError, match=r"expected \{label\} once"):
        find_recordings(folder, pattern)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        find_recordings(tmp_path / "gone", PATTERN)


def test_holding_out_every_speaker_is_an_error(folder):
    with pytest.raises(ValueError, match=r"3 speakers \(ann, bob, eve\).*left for training"):
        split_recordings(
            find_recordings(folder, PATTERN), np.random.default_rng(0), test_share=0.1, held_out_speakers=3
        )


def test_words_with_one_take_cannot_be_split(folder):
    one_take = [
        recording for recording in find_recordings(folder, PATTERN) if recording.path.stem.endswith("0")
    ]
    with pytest.raises(ValueError, match=r"the split test has no recording of four, one"):
        split_recordings(one_take, np.random.default_rng(0), test_share=0.1, held_out_speakers=1)
