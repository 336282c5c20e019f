"""Building blocks of synthesis."""

import numpy as np
import pytest

from rlaudio.worlds.synthetic.signal import (
    SAMPLE_RATE_HZ,
    decay,
    envelope,
    glide,
    length,
    noise,
    sequence,
    tone,
)


def loudest_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples)


@pytest.mark.parametrize("pitch", [110.0, 440.0, 3000.0])
def test_a_tone_has_its_pitch_and_a_peak_of_one(pitch):
    samples = tone(pitch, [1.0, 0.3], 0.5)
    assert loudest_hz(samples) == pytest.approx(pitch, abs=2.0)
    assert np.abs(samples).max() == pytest.approx(1.0, abs=0.02) and len(samples) == 8000


def test_a_tone_follows_a_track():
    samples = tone(glide(1.0, 300.0, 900.0), [1.0])
    assert loudest_hz(samples[:1600]) == pytest.approx(330, abs=25)
    assert loudest_hz(samples[-1600:]) == pytest.approx(870, abs=25)


def test_partials_above_7500_hz_are_left_out():
    np.testing.assert_array_equal(tone(3000.0, [1.0, 0.5, 0.9], 0.1), tone(3000.0, [1.0, 0.5], 0.1))


def test_noise_lies_in_its_band():
    samples = noise(np.random.default_rng(0), 0.5, 1000.0, 2000.0)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, len(power))
    assert power[(hz > 900) & (hz < 2400)].sum() > 0.9 * power.sum()
    assert np.abs(samples).max() == pytest.approx(1.0) and len(samples) == 8000


@pytest.mark.parametrize(("attack", "release"), [(0.01, 0.03), (0.5, 0.5)])
def test_an_envelope_begins_and_ends_near_zero_also_where_ramps_do_not_fit(attack, release):
    shape = envelope(0.1, attack, release)
    assert len(shape) == length(0.1) and shape[0] < 0.05 and shape[-1] < 0.05 and shape.max() > 0.95
    assert (np.diff(shape[: len(shape) // 4]) >= 0).all()


def test_a_decay_falls_to_a_third_in_its_time():
    shape = decay(0.5, 0.1)
    assert shape[length(0.12)] / shape[length(0.02)] == pytest.approx(np.exp(-1), rel=0.01)


def test_parts_follow_each_other_with_gaps_between_them_alone():
    row = sequence([np.ones(5), np.ones(3)], 2 / SAMPLE_RATE_HZ)
    assert row.tolist() == [1] * 5 + [0] * 2 + [1] * 3
