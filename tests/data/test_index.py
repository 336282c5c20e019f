"""What is measured of clips: once, by workers, in a file that damage and several processes do no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rlaudio.audio.opening import DAMAGED_FRAMES
from rlaudio.audio.reading import clip_of, read_clip
from rlaudio.audio.writing import write_wav
from rlaudio.data import index
from rlaudio.data.index import INDEX_FILE, index_file, measure
from tests.audio.test_mpeg import damaged_mp3


def write_clips(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        write_wav(path, np.random.default_rng(number).normal(scale=0.1, size=1600 * (number + 1)))
    return paths


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[Path]:
    """Three clips whose measuring pays to be kept, though this process does the work."""
    monkeypatch.setattr(index, "_WORTH", 0)
    monkeypatch.setattr(
        index, "_measured_by_workers", lambda p, k, d, _: index._measured_here(p, k, d).items()
    )
    return write_clips(tmp_path / "audio", 3)


@pytest.fixture
def never(monkeypatch):
    """From a call on no file may be opened to be measured."""

    def forbid() -> None:
        def opened(*arguments, **options):
            raise AssertionError("measured again")

        monkeypatch.setattr(index, "clip_header", opened)
        monkeypatch.setattr(index, "open_clip", opened)

    return forbid


def test_lengths_and_digests_are_those_of_the_files(clips):
    measured = measure(clips, decode=0.15)
    assert [measured[clip].seconds for clip in clips] == pytest.approx([0.1, 0.2, 0.3])
    assert [measured[clip].up_to(0.15) for clip in clips] == [
        index.Decoded(cut.digest, cut.seconds, cut.notes, cut.truncated)
        for cut in (read_clip(clip, max_seconds=0.15) for clip in clips)
    ]


def test_what_was_measured_is_not_measured_again(clips, never):
    before = measure(clips, decode=30.0)
    never()
    assert measure(clips, decode=30.0) == before
    assert measure(clips) == before


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere"), Path.mkdir])
def test_an_index_that_is_no_ordinary_file_is_neither_read_nor_written_through(clips, make):
    beside = index_file(clips)
    (beside.parent / "elsewhere").write_text("mine")
    make(beside)
    assert len(measure(clips, decode=30.0)) == len(clips)
    assert (beside.parent / "elsewhere").read_text() == "mine"


def test_what_a_shorter_limit_did_not_cut_is_known_for_a_longer_one(clips, never):
    first = measure(clips[:1], decode=0.2)[clips[0]]
    measure(clips, decode=0.2)
    never()
    assert measure(clips[:1], decode=9.0)[clips[0]].up_to(9.0) == first.up_to(0.2)


def test_a_clip_that_changed_is_measured_again(clips):
    measure(clips)
    write_wav(clips[1], np.zeros(16_000))
    assert measure(clips)[clips[1]].seconds == 1.0


def test_a_lengths_entry_keeps_what_was_decoded_when_more_is_decoded(clips, never):
    measure(clips, decode=0.1)
    measure(clips, decode=0.2)
    never()
    assert measure(clips, decode=0.1).keys() == measure(clips, decode=0.2).keys()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) * 2 // 3],
        lambda content: content.replace(b'"path"', b'"pa\xff\0h"'),
        lambda content: content.replace(b'"decoded": [', b'"decoded": [7, '),
        lambda content: content.replace(b'"soxr"', b'"other resampler"'),
        lambda content: b"\0" * 100 + content[::-1],
        lambda content: b"",
    ],
    ids=["cut off", "bytes", "values", "other version", "no text", "empty"],
)
def test_what_is_damaged_is_measured_again_and_then_known(clips, never, damage):
    before = measure(clips, decode=1.0)
    file = index_file(clips)
    file.write_bytes(damage(file.read_bytes()))
    assert measure(clips, decode=1.0) == before
    never()
    assert measure(clips, decode=1.0) == before


def test_problems_are_told_and_not_kept(clips, tmp_path):
    (tmp_path / "audio" / "odd.wav").write_text("no audio")
    odd = [tmp_path / "audio" / "gone.wav", tmp_path / "audio" / "odd.wav"]
    measured = measure([*clips, *odd])
    assert [measured[clip].problem[0] for clip in odd] == ["missing audio", "unusable audio"]
    with pytest.raises(FileNotFoundError, match=r"gone\.wav: no such file"):
        measured[odd[0]].or_raise()
    write_wav(odd[0], np.zeros(1600))
    assert measure(odd)[odd[0]].problem is None


def test_damage_that_the_decoder_prints_is_told_of_few_clips_too(clips, tmp_path, monkeypatch, capfd):
    others, count = threading.active_count() - 1, threading.active_count  # threads of other tests
    monkeypatch.setattr(threading, "active_count", lambda: count() - others)
    damaged = damaged_mp3(tmp_path)
    measured = measure([*clips, damaged, *clips], decode=30.0)
    assert DAMAGED_FRAMES in measured[damaged].up_to(30.0).notes
    assert list(measured) == [*clips, damaged]
    assert capfd.readouterr() == ("", "")


def test_few_clips_leave_no_file(tmp_path):
    clips = write_clips(tmp_path / "audio", 2)
    measure(clips, decode=1.0)
    assert not (tmp_path / "audio" / INDEX_FILE).exists()


def test_the_index_lies_in_the_folder_of_all_clips_and_serves_the_folders_below(tmp_path, clips):
    others = write_clips(tmp_path / "more" / "deep", 1)
    measure([*clips, *others])
    assert index_file(others) == index_file(clips) == tmp_path / INDEX_FILE


def test_a_folder_that_cannot_be_written_has_its_index_in_the_cache(clips, never, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (clips[0].parent / INDEX_FILE).mkdir()  # as a file system that is read only, also for root
    before = measure(clips)
    assert [file.suffix for file in (tmp_path / "cache" / "rlaudio" / "clips").iterdir()] == [".index"]
    never()
    assert measure(clips) == before


def test_samples_are_measured_without_a_file(clips):
    clip = clip_of(np.ones(1600))
    measured = measure([clip, *clips], decode=0.05)
    assert measured[clip].seconds == 0.1
    assert measured[clip].up_to(0.05).digest == clip_of(np.ones(800)).digest


MEASURING = """
import json, sys
from pathlib import Path
from rlaudio.data import index
index._WORTH = 0
index._measured_by_workers = lambda p, k, d, _: index._measured_here(p, k, d).items()
opened, header = [], index.clip_header
index.clip_header = lambda path: opened.append(path) or header(path)
index.measure([Path(name) for name in json.loads(sys.argv[1])])
print(len(opened))
"""


def test_two_processes_that_measure_at_once_share_the_work_and_leave_a_whole_index(clips, never):
    given = [sys.executable, "-c", MEASURING, json.dumps([str(clip) for clip in clips])]
    both = [subprocess.Popen(given, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)]
    opened = [int(process.communicate()[0]) for process in both]
    assert sum(opened) == len(clips)
    never()
    assert len(measure(clips)) == 3


def test_workers_measure_what_this_process_would(tmp_path, monkeypatch):
    clips = write_clips(tmp_path / "audio", 3)
    here = measure(clips, decode=1.0)
    monkeypatch.setattr(index, "_WORTH", 0)
    monkeypatch.setattr(index, "usable_cores", lambda: 1)
    assert measure(clips, decode=1.0) == here
