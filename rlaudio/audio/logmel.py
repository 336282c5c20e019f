"""Log-mel features, bit for bit those of the model's own extractor, without its padding to 300 seconds.

The extractor is asked for the clip plus just enough zeros that every frame which contains audio is computed
as it would be in the padded clip: frames beyond the audio enter the extractor's maximum, and the window of
the clip's last frames must not reach the reflected samples at the end.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from rlaudio.types import Clip

LEAST_FRAMES = 100  # OpenBLAS multiplies small matrices by another kernel (AVX-512), which rounds otherwise


class LogMel:
    """Features `[mels, frames]` float32 of a clip, kept by digest up to `cache_mb` of memory.

    `feature_extractor` is a transformers `WhisperFeatureExtractor`; frames are 100 a second.
    Raises ValueError for a clip at another rate or longer than the extractor's window.
    """

    def __init__(self, feature_extractor: Any, *, cache_mb: float = 256.0) -> None:
        if feature_extractor.dither != 0.0:
            raise ValueError(
                f"the feature extractor has dither = {feature_extractor.dither}: its features are random and "
                "could not be the same in rollout and training; set dither to 0.0 in preprocessor_config.json"
            )
        self._extractor = feature_extractor
        self._lock = Lock()  # prompts are made ahead by threads, see rlaudio.utils.ahead
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()
        self._cache_bytes = 0
        self._cache_limit = int(cache_mb * 2**20)

    def __call__(self, clip: Clip) -> np.ndarray:
        """The features of `clip`; treat them as read-only, later calls return the same array."""
        with self._lock:
            if clip.digest in self._cache:
                self._cache.move_to_end(clip.digest)
                return self._cache[clip.digest]
        features = self.extract(clip)
        with self._lock:
            if clip.digest in self._cache:  # another thread was faster
                return self._cache[clip.digest]
            self._cache[clip.digest] = features
            self._cache_bytes += features.nbytes
            while self._cache_bytes > self._cache_limit:
                _, oldest = self._cache.popitem(last=False)
                self._cache_bytes -= oldest.nbytes
        return features

    def extract(self, clip: Clip) -> np.ndarray:
        """The features of `clip` [mels, frames], computed anew; frames = ceil(samples / hop)."""
        extractor = self._extractor
        count = len(clip.samples)
        self.check_rate(clip)
        if not 0 < count <= extractor.n_samples:
            raise ValueError(
                f"clip of {clip.seconds:g} s; the feature extractor takes more than 0 and at most "
                f"{extractor.chunk_length} s; lower audio.max_seconds"
            )
        hop = extractor.hop_length
        frames = math.ceil(count / hop)
        frames_that_reach_the_end = math.ceil(extractor.n_fft / 2 / hop)
        length = min(max(frames + frames_that_reach_the_end, LEAST_FRAMES) * hop, extractor.n_samples)
        padded = np.zeros(length, dtype=np.float32)
        padded[:count] = clip.samples
        [features] = self.extracted(padded, padding="longest")  # [mels, frames + 2]
        return np.ascontiguousarray(features[:, :frames])

    def extracted(self, samples: np.ndarray | Sequence[np.ndarray], *, padding: str | bool) -> np.ndarray:
        """The extractor's features of a clip or of several [clips, mels, frames], in float32.

        Its window would have torch's default dtype, which another thread changes while it opens a model in
        half precision.
        """
        with _WindowInFloat32():
            features: np.ndarray = self._extractor(
                samples,
                sampling_rate=self._extractor.sampling_rate,
                padding=padding,
                truncation=False,
                return_tensors="np",
            )["input_features"]
        return features

    def check_rate(self, clip: Clip) -> None:
        """Refuse a clip at another rate than the features are for. Raises ValueError."""
        if clip.sample_rate_hz != self._extractor.sampling_rate:
            raise ValueError(
                f"clip at {clip.sample_rate_hz} Hz; the features are for {self._extractor.sampling_rate} Hz"
            )


class _WindowInFloat32(TorchFunctionMode):
    """Within it, in this thread alone, a Hann window of no stated dtype is float32."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.hann_window:
            options.setdefault("dtype", torch.float32)
        return func(*args, **options)


def reference(feature_extractor: Any, clip: Clip) -> np.ndarray:
    """Features `[mels, frames]` padded to the full window, as Qwen2.5-Omni's processor does; the oracle."""
    output = feature_extractor(
        clip.samples,
        sampling_rate=clip.sample_rate_hz,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="np",
    )
    return output["input_features"][0][:, output["attention_mask"][0].astype(bool)]
