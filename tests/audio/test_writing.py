"""Generated clips."""

import numpy as np
import soundfile

from rlaudio.audio.writing import write_wav


def test_samples_are_written_in_16_bits_and_what_is_outside_is_clipped(tmp_path):
    samples = np.array([0.0, 0.5, -0.25, 1.5, -1.5], dtype=np.float32)
    write_wav(tmp_path / "a.wav", samples)
    read, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate == 16_000 and soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"
    assert read.tolist() == [0, 16384, -8192, 32767, -32768]
