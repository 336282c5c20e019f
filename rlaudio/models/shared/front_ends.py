"""How families hear clips: log-mel frames as they come, or windows of 30 s; features of a prompt and back.

Both give for each clip what the family's own processor gives, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from rlaudio.audio.logmel import LogMel
from rlaudio.types import Clip, Prompt


def pooled_tokens(frames: int) -> int:
    """Audio tokens of `frames` log-mel frames after a convolution and a pooling, each of stride 2."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def pooled_tokens_of_windows(frames: np.ndarray) -> int:
    """Audio tokens of a clip whose windows hold so many frames [W] of it."""
    return pooled_tokens(int(frames.sum()))


def frames_for_vllm(prompt: Prompt) -> dict[str, torch.Tensor]:
    """The frames of a prompt's clips under the names that vLLM's Omni models have for them."""
    features = prompt.present_features()
    lengths = torch.from_numpy(features["feature_lens"])
    return {
        "input_audio_features": torch.from_numpy(features["input_features"]),
        "audio_feature_lengths": lengths,
        "feature_attention_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
    }


class HeardFeatures(NamedTuple):
    """One clip as a front end heard it."""

    features: np.ndarray
    frames: np.ndarray  # [windows] of audio in each, padding left out
    tokens: int  # in the prompt
    seconds: float = math.inf  # of it at most that were heard
    cut: bool = False  # there was more


class ClipFeatures(NamedTuple):
    """One clip of a prompt, to be encoded."""

    digest: str
    features: np.ndarray  # [mels, frames], or [windows, mels, frames of a window]
    frames: np.ndarray  # [windows] of audio in each, padding left out


class FrontEnd(Protocol):
    """How a family hears a clip, and how a prompt holds the features of its clips."""

    def __call__(self, clip: Clip) -> HeardFeatures:
        """The features of one clip. Raises ValueError for a clip that it cannot take."""

    def features(self, heard: Sequence[HeardFeatures]) -> dict[str, np.ndarray]:
        """A prompt's features; nothing for no clip."""


class Frames:
    """Frames of all clips one after another, `input_features` [mels, frames]; none is padding.

    `feature_lens` [clips] are the frames of each. `audio_tokens` counts the tokens of so many frames.
    """

    def __init__(self, log_mel: LogMel, audio_tokens: Callable[[int], int]):
        self._log_mel = log_mel
        self._audio_tokens = audio_tokens

    def __call__(self, clip: Clip) -> HeardFeatures:
        """The frames [mels, frames] of one clip."""
        frames = self._log_mel(clip)
        return HeardFeatures(frames, np.array([frames.shape[1]]), self._audio_tokens(frames.shape[1]))

    def features(self, heard: Sequence[HeardFeatures]) -> dict[str, np.ndarray]:
        """A prompt's features; nothing for no clip."""
        if not heard:
            return {}
        log_mels = [clip.features for clip in heard]
        return {
            "input_features": log_mels[0] if len(heard) == 1 else np.concatenate(log_mels, axis=1),
            "feature_lens": np.array([log_mel.shape[1] for log_mel in log_mels], dtype=np.int64),
        }


def clips_of(prompt: Prompt) -> Iterator[ClipFeatures]:
    """Every clip of a prompt with its features, of either front end.

    Raises ValueError where the prompt's features are not here.
    """
    features = prompt.present_features()
    if not prompt.clips:
        return
    values, lengths = features["input_features"], features["feature_lens"]
    if "windows" in features:
        ends = np.cumsum(features["windows"])[:-1]
        parts, frames = np.split(values, ends), np.split(lengths, ends)
    else:
        parts, frames = np.split(values, np.cumsum(lengths)[:-1], axis=1), np.split(lengths, len(lengths))
    for clip, part, length in zip(prompt.clips, parts, frames, strict=True):
        yield ClipFeatures(clip.digest, part, length)


class UnpaddedLogMel(LogMel):
    """Features [mels, frames] of a clip as the extractor gives them without any padding, kept by digest."""

    def extract(self, clip: Clip) -> np.ndarray:
        """The features of `clip`, computed anew; frames = floor(samples / hop)."""
        self.check_rate(clip)
        [features] = self.extracted(clip.samples, padding=True)
        return np.ascontiguousarray(features)


class Windows:
    """Windows of the feature extractor's length, the last filled with silence, of all clips in order.

    `input_features` [windows, mels, frames of a window]; `feature_lens` [windows], frames of audio in each;
    `windows` [clips], those of each clip. `audio_tokens` counts the tokens of a clip from the frames in its
    windows. A clip longer than `most` windows is cut there, as the families' processors do. Of several
    windows the loudest frame bounds the quiet ones in all (`together`) or in its own window alone.
    """

    def __init__(
        self,
        feature_extractor: Any,
        audio_tokens: Callable[[np.ndarray], int],
        *,
        most: int | None,
        together: bool,
        cache_mb: float,
    ):
        self._log_mel = _WindowedLogMel(feature_extractor, together, cache_mb=cache_mb)
        self._audio_tokens = audio_tokens
        self._samples = feature_extractor.n_samples
        self._hop = feature_extractor.hop_length
        self._rate_hz = feature_extractor.sampling_rate
        self._most = most

    def __call__(self, clip: Clip) -> HeardFeatures:
        """The windows [windows, mels, frames of a window] of one clip."""
        most = math.inf if self._most is None else self._most * self._samples
        count = int(min(len(clip.samples), most))
        cut = count < len(clip.samples)
        if cut:
            clip = replace(clip, samples=clip.samples[:count])
        windows = self._log_mel(clip)
        in_each = np.clip(count - self._samples * np.arange(len(windows)), 0, self._samples)
        frames = -(-in_each // self._hop)
        return HeardFeatures(windows, frames, self._audio_tokens(frames), count / self._rate_hz, cut)

    def features(self, heard: Sequence[HeardFeatures]) -> dict[str, np.ndarray]:
        """A prompt's features; nothing for no clip."""
        if not heard:
            return {}
        return {
            "input_features": np.concatenate([clip.features for clip in heard]),
            "feature_lens": np.concatenate([clip.frames for clip in heard]).astype(np.int64),
            "windows": np.array([len(clip.features) for clip in heard], dtype=np.int64),
        }


class _WindowedLogMel(LogMel):
    """Features [windows, mels, frames of a window] float32 of a clip, kept by digest."""

    def __init__(self, feature_extractor: Any, together: bool, *, cache_mb: float) -> None:
        super().__init__(feature_extractor, cache_mb=cache_mb)
        self._together = together

    def extract(self, clip: Clip) -> np.ndarray:
        """The features of `clip`, computed anew."""
        extractor = self._extractor
        self.check_rate(clip)
        windows = -(-len(clip.samples) // extractor.n_samples)
        padded = np.zeros(windows * extractor.n_samples, dtype=np.float32)
        padded[: len(clip.samples)] = clip.samples
        pieces = [padded] if self._together else np.split(padded, windows)
        features = self.extracted(pieces, padding="longest")  # [pieces, mels, frames]
        frames = extractor.n_samples // extractor.hop_length
        split = features.reshape(len(pieces), features.shape[1], -1, frames).swapaxes(1, 2)
        return np.ascontiguousarray(split.reshape(windows, features.shape[1], frames))
