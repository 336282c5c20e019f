"""MMSU: lettered options, two to four; audio inside Parquet, or below the root by a path with a slash."""

from __future__ import annotations

import pytest

from rlaudio.audio.reading import open_clip
from rlaudio.data.bad_rows import listing_bad_rows
from rlaudio.data.mmsu import mmsu
from rlaudio.types import Choice
from rlaudio.utils.cache_root import cache_root
from tests.data.trees import audio_bytes, write_audio, write_lines, write_parquet

ROW = {
    "id": "m1",
    "task_name": "stress",
    "question": "Which word is stressed?",
    "choice_a": "one",
    "choice_b": "two",
    "choice_c": "three",
    "choice_d": "four",
    "answer_gt": "two",
    "category": "Perception",
    "sub-category": "Linguistics",
    "sub-sub-category": "Phonology",
    "linguistics_sub_discipline": "Prosody",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_audio_inside_parquet_is_a_file_of_the_cache_written_once(tmp_path):
    rows = [ROW | {"id": f"m{n}", "audio": {"bytes": audio_bytes(), "path": "a.wav"}} for n in (1, 2)]
    write_parquet(tmp_path / "MMSU" / "data" / "train-00000-of-00001.parquet", *rows)
    data = mmsu(path=tmp_path / "MMSU")
    assert data[0].clips == data[1].clips and data[0].clips[0].suffix == ".wav"
    assert [f for f in (cache_root() / "clips").rglob("*") if f.is_file()] == [data[0].clips[0]]
    assert open_clip(data[0].clips[0]).seconds == pytest.approx(0.1)
    assert data[0].style == "letters" and "bytes" not in str(data[0].extra)
    assert list(data[0].groups) == [
        *("category", "task_name", "sub-category", "sub-sub-category", "linguistics_sub_discipline")
    ]


def test_samples_inside_parquet_are_a_file_and_not_kept_in_memory(tmp_path):
    audio = {"array": [0.0, 0.5] * 800, "sampling_rate": 16_000, "path": "a.wav"}
    (question,) = mmsu(path=write_parquet(tmp_path / "train.parquet", ROW | {"audio": audio}))
    assert open_clip(question.clips[0]).seconds == pytest.approx(0.1)
    assert question.extra == ROW


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_shards_of_parquet_follow_each_other_whatever_the_codec(tmp_path, suffix):
    for shard in (0, 1):
        audio = {"bytes": audio_bytes(suffix, rate_hz=44_100, channels=2), "path": f"a{suffix}"}
        write_parquet(tmp_path / "data" / f"train-{shard}.parquet", ROW | {"id": f"s{shard}", "audio": audio})
    data = mmsu(path=tmp_path)
    assert [question.id for question in data] == ["s0", "s1"]
    assert open_clip(data[1].clips[0]).seconds == pytest.approx(0.1, abs=0.06)


@pytest.mark.parametrize("stated", ["/audio/m1.wav", "audio/m1.wav", "{root}/audio/m1.wav"])
def test_a_path_with_a_slash_before_it_is_below_the_root(tmp_path, stated):
    clip = write_audio(tmp_path / "audio" / "m1.wav")
    write_lines(tmp_path / "mmsu.jsonl", ROW | {"audio_path": stated.format(root=tmp_path)})
    assert mmsu(path=tmp_path)[0].clips == (clip,)


def test_a_slash_does_not_lead_out_of_the_root(tmp_path):
    write_lines(tmp_path / "mmsu.jsonl", ROW | {"audio_path": "/../../etc/passwd"})
    with pytest.raises(ValueError, match=r'"audio_path" is \'/\.\./\.\./etc/passwd\'|leads to'):
        mmsu(path=tmp_path)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"choice_c": "", "choice_d": None}, ("one", "two")),
        ({"choice_d": ""}, ("one", "two", "three")),
        ({"choice_c": ""}, ("one", "two", "", "four")),  # D stays D
    ],
)
def test_absent_options_at_the_end_are_no_options_and_letters_keep_theirs(tmp_path, changes, options):
    data = mmsu(path=write_lines(tmp_path / "mmsu.jsonl", ROW | {"audio_path": "a.wav"} | changes))
    assert data[0].target == Choice(options, 1, "two")
    scorer = data.benchmark.scorer
    assert [scorer(data[0], letter).right for letter in "ABCD"] == [False, True, False, False]


def test_a_row_without_options_is_a_bad_row(tmp_path):
    none = ROW | {f"choice_{letter}": "" for letter in "abcd"} | {"audio_path": "a.wav"}
    path = write_lines(tmp_path / "mmsu.jsonl", none, ROW | {"audio_path": "a.wav"})
    with listing_bad_rows() as bad:
        assert len(mmsu(path=path)) == 1
    assert str(bad[0]) == f"{path}:1: \"choice_a\" is ''; expected the text of an option (id m1)"
