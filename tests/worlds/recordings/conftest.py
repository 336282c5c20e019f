"""Recordings that several test files ask about."""

from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Five digits by three speakers, six takes each, at 8 kHz."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for label in range(5):
        for speaker in ("ann", "bob", "eve"):
            for take in range(6):
                samples = rng.integers(-9000, 9000, int(rng.integers(600, 1200)), dtype=np.int16)
                soundfile.write(folder / f"{label}_{speaker}_{take}.wav", samples, 8_000)
    (folder / "README.md").write_text("five digits")
    return folder
