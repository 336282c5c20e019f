"""Encoded clips that a folder keeps."""

import pytest

from rlaudio.runs.clip_files import clip_file, clip_index, has_clips, write_clip, write_clip_index
from rlaudio.runs.stored_files import StoredFiles


def test_clips_that_a_new_index_does_not_name_are_deleted_and_others_stay(tmp_path):
    for digest in ("a", "b", "c"):
        write_clip(tmp_path, digest, digest.encode())
    assert not has_clips(tmp_path)
    write_clip_index(tmp_path, {"test": {"q1": ["a", "b"]}, "train": {"q2": ["c"]}})
    write_clip_index(tmp_path, {"test": {"q1": ["b"]}})
    assert [(tmp_path / clip_file(digest)).exists() for digest in "abc"] == [False, True, False]
    assert has_clips(tmp_path) and clip_index(StoredFiles(tmp_path)) == {"test": {"q1": ["b"]}}


def test_an_index_that_leads_out_of_the_folder_deletes_nothing(tmp_path):
    run, outside = tmp_path / "run", tmp_path / "outside.mp3"
    outside.touch()
    write_clip_index(run, {})
    (run / "clips" / "clips.json").write_text('{"test": {"q1": ["../../outside"]}}')
    write_clip_index(run, {})
    assert outside.exists() and clip_index(StoredFiles(run)) == {}


def test_no_index_is_an_empty_one(tmp_path):
    assert clip_index(StoredFiles(tmp_path)) == {}
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "clips.json").write_text("[]")
    with pytest.raises(ValueError, match=r"clips\.json"):
        clip_index(StoredFiles(tmp_path))
