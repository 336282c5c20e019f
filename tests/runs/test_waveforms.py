"""Clips that exist in no file of the user's."""

from dataclasses import replace

import numpy as np
import pytest

from rlaudio.runs.places import ROLLOUT_CLIPS
from rlaudio.runs.stored_files import StoredFiles
from rlaudio.runs.waveforms import (
    WaveformError,
    waveform_name,
    waveform_path,
    waveform_reader,
    write_waveforms,
)
from rlaudio.types import Clip, Completion, Group, Segment
from tests.factories import make_prompt, make_question


def clip(number: int, rate: int = 16_000) -> Clip:
    samples = np.random.default_rng(number).normal(size=40).astype(np.float32) * 2  # beyond -1 to 1 too
    return Clip(samples, f"{number:032d}", sample_rate_hz=rate)


def group(asked=(), heard=()) -> Group:
    """A group about clips, in which an environment lets the policy hear others."""
    question = replace(make_question(), clips=tuple(asked))
    segment = Segment(np.array([1]), None, "a", ("a",), clips=tuple(heard))
    return Group(make_prompt(question), (Completion((segment,), "stop", 0),))


def test_samples_of_questions_and_of_inserted_segments_are_kept_bit_for_bit(tmp_path):
    clips = [clip(1), clip(2, rate=8_000), clip(3)]
    write_waveforms(tmp_path, [group(clips[:1], clips[1:2]), group(heard=clips[2:])])
    read = waveform_reader(StoredFiles(tmp_path))
    for each in clips:
        np.testing.assert_array_equal(read(waveform_name(each)), each.samples)
        assert read(waveform_name(each)) is read(waveform_name(each))
    assert len(list((tmp_path / ROLLOUT_CLIPS).iterdir())) == 3


def test_what_is_kept_is_not_written_again(tmp_path):
    write_waveforms(tmp_path, [group([clip(1)])])
    file = waveform_path(StoredFiles(tmp_path), waveform_name(clip(1)))
    before = file.stat().st_mtime_ns, file.stat().st_ino
    write_waveforms(tmp_path, [group([clip(1)], [clip(1)])])
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_files_of_the_user_are_not_copied(tmp_path):
    write_waveforms(tmp_path, [group([tmp_path / "a.wav"])])
    assert not (tmp_path / ROLLOUT_CLIPS).exists()


def test_a_file_that_is_gone_or_leads_out_of_the_folder_is_no_waveform(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("gone.wav", "../../../outside.wav"):
        with pytest.raises(WaveformError, match="expected audio, found"):
            waveform_reader(StoredFiles(tmp_path / "run"))(name)
