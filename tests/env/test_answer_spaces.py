"""Spaces of what an agent may answer."""

import numpy as np

from rlaudio.env.answer_spaces import AnyText, Waveform


def test_spaces_hold_what_a_model_may_write_and_a_file_may_hold():
    assert all(
        text in AnyText() for text in ("", "狗叫", "<answer>$\\alpha$</answer>", AnyText(seed=0).sample())
    )
    assert 3 not in AnyText() and "x" * 200_000 not in AnyText()
    clips = Waveform(1000)
    assert np.zeros(1000, np.float32) in clips and clips.sample() in clips
    loud = np.full(10, 100, np.float32)
    assert not any(
        x in clips for x in (np.zeros(1001, np.float32), np.zeros(10), np.zeros((1, 9)), loud, "a")
    )
