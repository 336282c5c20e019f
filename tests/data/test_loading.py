"""What formats share: files of a folder, a wrong audio root, large files, the hub, the benchmarks."""

from __future__ import annotations

import gc
import pickle

import pytest

from rlaudio.data import stored_texts
from rlaudio.data.audiomcq import audiomcq
from rlaudio.data.audit import load_audited
from rlaudio.data.jsonl import jsonl
from rlaudio.data.mmar import mmar
from rlaudio.utils.cache_root import cache_root
from tests.data.trees import audio_bytes, write_audio, write_lines, write_parquet
from tests.full_disk import files_of_at_most


def rows(count: int, **changes) -> list[dict]:
    row = {"question": "Q?", "choices": ["x", "y"], "answer": "x"} | changes
    return [row | {"id": f"q{number}", "audio_path": f"clips/{number}.wav"} for number in range(count)]


def test_a_wrong_audio_root_stops_with_a_count_of_the_first_hundred_rows(tmp_path):
    path = write_lines(tmp_path / "data.jsonl", *rows(150))
    for number in range(30):
        write_audio(tmp_path / "clips" / f"{number}.wav")
    with pytest.raises(
        ValueError, match=r"of the first 100 rows 70 name audio that is not there, such as .*30"
    ):
        load_audited(lambda: jsonl(path=path))


def test_a_few_missing_files_are_bad_rows(tmp_path):
    path = write_lines(tmp_path / "data.jsonl", *rows(5))
    for number in range(3):
        write_audio(tmp_path / "clips" / f"{number}.wav")
    _, audited = load_audited(lambda: jsonl(path=path))
    assert [(bad.kind, bad.id) for bad in audited.bad_rows] == [
        ("missing audio", "q3"),
        ("missing audio", "q4"),
    ]


def test_codecs_rates_and_channels_may_be_mixed(tmp_path):
    names = ["a.wav", "b.flac", "c.ogg", "d.mp3"]
    for number, name in enumerate(names):
        write_audio(tmp_path / name, rate_hz=(16_000, 44_100)[number % 2], channels=1 + number % 2)
    path = write_lines(
        tmp_path / "data.jsonl",
        *[row | {"audio_path": name} for row, name in zip(rows(4), names, strict=True)],
    )
    _, audited = load_audited(lambda: jsonl(path=path), decode=True)
    assert audited.usable and audited.clips == 4


def test_labels_beside_the_data_are_read_by_every_format(tmp_path):
    write_lines(tmp_path / "labels.jsonl", {"id": "q0", "contribution": "strong", "score": 0.75})
    data = mmar(path=write_lines(tmp_path / "MMAR-meta.jsonl", *rows(2)))
    assert {id: stated.score for id, stated in data.contributions.items()} == {"q0": 0.75}


def test_of_several_files_one_must_be_named(tmp_path):
    for name in ("a.jsonl", "b.jsonl", "labels.jsonl"):
        write_lines(tmp_path / name, *rows(1))
    with pytest.raises(
        FileNotFoundError, match=r"no MMAR-meta\.jsonl, .*name one file \(here: a\.jsonl, b\.jsonl\)"
    ):
        mmar(path=tmp_path)
    (tmp_path / "b.jsonl").unlink()
    assert len(mmar(path=tmp_path)) == 1


def test_a_bad_limit_and_an_empty_file_are_errors(tmp_path):
    path = write_lines(tmp_path / "data.jsonl", *rows(2))
    assert len(jsonl(path=path, limit=1)) == 1
    with pytest.raises(ValueError, match="limit is 0; expected at least 1"):
        jsonl(path=path, limit=0)
    with pytest.raises(ValueError, match=r"empty\.jsonl: no questions, it is empty"):
        jsonl(path=write_lines(tmp_path / "empty.jsonl"))


def test_audiomcq_is_read_from_parquet_below_datasets(tmp_path):
    row = rows(1)[0] | {"audio-contribution": "weak", "question_type": "sound", "source_dataset": "Clotho"}
    write_parquet(tmp_path / "datasets" / "Clotho" / "train.parquet", row)
    data = audiomcq(path=tmp_path, audio_root=tmp_path / "audio")
    assert data[0].clips == (tmp_path / "audio/clips/0.wav",)
    assert (data[0].groups, data.contributions["q0"].label) == (
        {"category": "sound", "source": "Clotho"},
        "weak",
    )


def test_audio_inside_rows_becomes_files_with_their_ending_and_is_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    row = {**rows(1)[0], "audio_path": {"bytes": audio_bytes(".flac"), "path": "x/a.FLAC"}}
    data = audiomcq(path=write_parquet(tmp_path / "t.parquet", row))
    assert data[0].clips[0].suffix == ".flac" and data[0].clips[0].is_relative_to(cache_root())
    assert data[0].clips[0].read_bytes() == audio_bytes(".flac") and not data[0].extra


def test_a_cache_that_cannot_keep_the_audio_is_told_and_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_parquet(tmp_path / "t.parquet", {**rows(1)[0], "audio_path": {"bytes": audio_bytes()}})
    with files_of_at_most(100), pytest.raises(OSError, match=r"cache/.*: File too large; .* XDG_CACHE_HOME"):
        audiomcq(path=path)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_column_of_bytes_is_audio(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    row = {**rows(1)[0], "audio_path": audio_bytes()}
    data = audiomcq(path=write_parquet(tmp_path / "t.parquet", row))
    assert data[0].clips[0].read_bytes() == audio_bytes()


@pytest.mark.parametrize(
    "audio",
    [
        {"array": [[0.1] * 2000] * 2, "sampling_rate": 16_000},  # channels first
        {"array": [0.1, None], "sampling_rate": 16_000},
        {"array": [0.1], "sampling_rate": None},
        {"array": [0.1], "sampling_rate": "16000"},
        {"array": [[0.1], [0.2, 0.3]], "sampling_rate": 16_000},
        {"array": 5, "sampling_rate": "x"},
    ],
)
def test_an_array_that_is_no_samples_is_a_bad_row_that_shows_it(tmp_path, audio):
    path = write_lines(tmp_path / "t.jsonl", {**rows(1)[0], "audio_path": audio})
    with pytest.raises(
        ValueError, match=r't\.jsonl:1: "audio_path" holds array .* expected numbers by frame'
    ):
        audiomcq(path=path)


@pytest.mark.parametrize("target", ["gone.jsonl", "data.jsonl"])
def test_a_link_that_leads_nowhere_is_told(tmp_path, target):
    (tmp_path / "data.jsonl").symlink_to(target)
    with pytest.raises(ValueError, match=r"data\.jsonl: a link that leads nowhere; expected a file of rows"):
        audiomcq(path=tmp_path)


def test_hidden_files_and_folders_are_no_data(tmp_path):
    write_lines(tmp_path / "datasets" / "t.jsonl", *rows(1))
    write_lines(tmp_path / "datasets" / ".ipynb_checkpoints" / "t-checkpoint.jsonl", *rows(1))
    (tmp_path / "datasets" / "._t.jsonl").write_bytes(b"\x00\x05\x16\x07\x00\x02")
    assert len(audiomcq(path=tmp_path)) == 1


def test_the_chains_of_thought_of_a_large_file_stay_in_it(tmp_path, monkeypatch):
    path = write_lines(
        tmp_path / "t.jsonl", *rows(3, structured_cot="<stage1>é<stage1>", note="<simple analysis>")
    )
    kept = audiomcq(path=path)
    monkeypatch.setattr(stored_texts, "LARGE", 1)
    stored = audiomcq(path=path)
    assert stored[2].cot == {"structured": "<stage1>é</stage1>", "simple": "<simple analysis>"}
    assert list(stored) == list(kept) and "é" not in repr(stored[2].cot)
    assert pickle.loads(pickle.dumps(stored[1])) == kept[1]


def test_a_large_file_that_has_changed_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_texts, "LARGE", 1)
    path = write_lines(tmp_path / "t.jsonl", *rows(2, gemini_cot="Hm."))
    data = audiomcq(path=path)
    write_lines(path, *rows(2, gemini_cot="Well, hm."))
    with pytest.raises(ValueError, match=r"question q1 no longer stands at byte \d+; the file has changed"):
        dict(data[1].cot)


def test_a_name_of_the_hub_without_the_library_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(
        FileNotFoundError, match=r"owner/name: no such .*datasets is not installed.*hf download"
    ):
        mmar(path="owner/name")


def test_what_was_fetched_at_a_commit_is_read_without_library_and_network(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    commit = "0123456789" * 4
    write_parquet(cache_root() / "hub" / "owner" / "name" / commit / "test.parquet", *rows(2))
    data = mmar(path="owner/name", revision=commit)
    assert len(data) == 2 and commit in data[0].place


def test_a_revision_of_data_that_is_here_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is here and has no revisions; delete revision \('v1'\)"):
        mmar(path=tmp_path, revision="v1")


def test_what_was_read_goes_to_the_oldest_generation_and_stays_collectable(
    tmp_path, monkeypatch, what_is_imported_is_no_garbage
):
    path = write_lines(tmp_path / "data.jsonl", *rows(1))
    write_audio(tmp_path / "clips" / "0.wav")
    monkeypatch.setattr(gc, "get_freeze_count", what_is_imported_is_no_garbage)
    gc.unfreeze()
    try:
        read = jsonl(path=path)
        assert any(known is read[0] for known in gc.get_objects(generation=2))
        assert gc.get_freeze_count() == 0
    finally:
        gc.freeze()  # for the other tests
