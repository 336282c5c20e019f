"""What is odd about the level of a clip: too quiet, beyond full scale, clipped, channels without sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

DIGITAL_SILENCE = "digital silence"
VERY_QUIET = "very quiet, no sample above -48 dBFS"
PERHAPS_16_BITS = f"{VERY_QUIET}: perhaps numbers of 16 bits stored in more"
BEYOND_FULL_SCALE = "samples beyond full scale, kept as they are"
CLIPPED = "clipped, more than 2 % of its samples at full scale"
SILENT_CHANNELS = "channels without sound: the average over all is quieter than those with sound"

WIDE = ("PCM_24", "PCM_32")  # subtypes that numbers of 16 bits may have been written into
QUIET = 2.0**-8  # of full scale; a number of 16 bits, stored in 24 as it is, is no larger
_BEYOND = 1.25  # decoders of lossy formats overshoot full scale a little
_FULL = 0.99  # a peak from here on may be where a recorder clipped
_AT_PEAK = 0.9999  # of the peak; a pure tone has 0.9 % of its samples there
_MOST_AT_PEAK = 0.02
_SILENT = 1e-6  # of the power of the loudest channel: 60 dB below


def level_notes(samples: np.ndarray, subtype: str, *, whole: bool = True) -> Iterator[str]:
    """What is odd about the samples [frames, channels] of a file of a subtype of libsndfile's, as decoded.

    Unless they are the `whole` of it, sound may follow where there is none yet.
    """
    magnitudes = np.abs(samples)
    peak = float(magnitudes.max())
    if whole and 0 < peak < QUIET:
        yield PERHAPS_16_BITS if subtype in WIDE else VERY_QUIET
    if peak > _BEYOND:
        yield BEYOND_FULL_SCALE
    elif peak >= _FULL and (magnitudes >= _AT_PEAK * peak).mean() > _MOST_AT_PEAK:
        yield CLIPPED
    if whole and samples.shape[1] > 1:
        power = np.square(samples, dtype=np.float64).sum(axis=0)
        if power.max() > 0 and (power < _SILENT * power.max()).any():
            yield SILENT_CHANNELS
