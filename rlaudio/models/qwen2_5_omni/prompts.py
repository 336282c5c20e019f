"""Prompts of Qwen2.5-Omni, from question and clip to token ids and features, and token ids back to text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from transformers import AutoTokenizer, WhisperFeatureExtractor
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.audio.logmel import LogMel
from rlaudio.models.family import special_tokens
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.types import Clip, HeardClip, Prompt, Question

AUDIO = "<|AUDIO|>"
STOP = ("<|im_end|>", "<|endoftext|>")
PLACEHOLDERS = (
    AUDIO,
    "<|IMAGE|>",
    "<|VIDEO|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|vision_pad|>",
)


MIN_CLIP_SECONDS = 0.04  # what one audio token stands for


def audio_tokens(frames: int) -> int:
    """Audio tokens of a clip of `frames` log-mel frames: a convolution and a pooling, each of stride 2."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


class LogMelClip(NamedTuple):
    """One clip of a prompt, to be encoded."""

    digest: str
    features: np.ndarray  # [mels, frames]


def clips_of(prompt: Prompt) -> Iterator[LogMelClip]:
    """Every clip of a prompt with its frames. Raises ValueError where the prompt's features are not here."""
    features = prompt.present_features()
    if not prompt.clips:
        return
    ends = np.cumsum(features["feature_lens"])[:-1]
    for clip, frames in zip(prompt.clips, np.split(features["input_features"], ends, axis=1), strict=True):
        yield LogMelClip(clip.digest, frames)


class _FrontEnd(NamedTuple):
    """What of a model's folder makes prompts; nothing changes it."""

    tokenizer: Any
    feature_extractor: Any
    padding_ids: range  # rows of the embedding after the last token, which round the vocabulary up


@lru_cache(maxsize=16)
def _front_end(folder: str, stamps: tuple[object, ...]) -> _FrontEnd:
    """The front end in a folder: a run opens each of its models several times, and reading takes a second."""
    config: Any = Qwen2_5OmniThinkerConfig.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    padding_ids = range(len(tokenizer), config.text_config.vocab_size)
    return _FrontEnd(tokenizer, WhisperFeatureExtractor.from_pretrained(folder), padding_ids)


def _stamps(folder: str) -> tuple[object, ...]:
    """What changes when one of the folder's files does, its weights apart; empty for what is no folder."""
    files = sorted(path for path in Path(folder).glob("*") if path.suffix != ".safetensors")
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


class PromptEncoder:
    """Tokenizer and audio front end of the model in `folder`; features are kept up to `cache_mb`."""

    def __init__(self, folder: str, *, cache_mb: float):
        front_end = _front_end(folder, _stamps(folder))
        self.tokenizer, self.feature_extractor = front_end.tokenizer, front_end.feature_extractor
        self.log_mel = LogMel(self.feature_extractor, cache_mb=cache_mb)
        self.forbidden_token_ids = (*self._ids(PLACEHOLDERS), *front_end.padding_ids)
        self.stop_token_ids = self._ids(STOP)
        self.audio_token_id = self._ids([AUDIO])[0]
        self._special_ids = frozenset(self.tokenizer.all_special_ids)
        self._special_tokens = special_tokens(self.tokenizer)
        self._pieces: dict[int, str] = {}

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """The prompt of one question in Qwen's chat format, all clips before the text.

        Features are `input_features` [mels, frames of all clips] and `feature_lens` [clips], their frames.
        Raises ValueError if a text contains one of the model's special tokens or a clip is shorter than
        `MIN_CLIP_SECONDS`.
        """
        for text in (system_text, user_text):
            self._refuse_special_tokens(text, question.id)
        for clip in clips:
            if clip.seconds < MIN_CLIP_SECONDS:
                raise ValueError(
                    f"question {question.id}: the clip lasts {clip.seconds * 1000:.4g} ms; expected at least "
                    f"{MIN_CLIP_SECONDS * 1000:.4g} ms of audio; remove the item"
                )
        log_mels = [self.log_mel(clip) for clip in clips]  # [mels, frames] each
        token_ids = self._token_ids(system_text, user_text, [log_mel.shape[1] for log_mel in log_mels])
        return Prompt(
            question=question,
            token_ids=token_ids,
            positions=np.arange(len(token_ids)),  # audio and text alone: M-RoPE's three axes coincide
            clips=tuple(HeardClip(clip.digest, clip.truncated, clip.seconds) for clip in clips),
            features=_features(log_mels),
        )

    def encode_completion(self, text: str) -> np.ndarray:
        """Token ids [C] of an answer, `<|im_end|>` at the end."""
        return np.append(self._encode(text), self.stop_token_ids[0])

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Text of a completion without special tokens, spaces unchanged."""
        ids = np.asarray(token_ids).tolist()
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token_texts(self, token_ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The text of each token, empty for special tokens."""
        return tuple(self._piece(int(token)) for token in token_ids)

    def _token_ids(self, system_text: str, user_text: str, frames: Sequence[int]) -> np.ndarray:
        """Token ids [P], a placeholder for every audio token; `frames` of every clip."""
        opening, closing = BEFORE_USER.format(system=system_text), user_text + AFTER_USER
        if not frames:
            return self._encode(opening + closing)
        pieces = [self._encode(f"{opening}<|audio_bos|>")]
        for number, of_clip in enumerate(frames, start=1):
            following = closing if number == len(frames) else "<|audio_bos|>"
            pieces.append(np.full(audio_tokens(of_clip), self.audio_token_id))
            pieces.append(self._encode(f"<|audio_eos|>{following}"))
        return np.concatenate(pieces)

    def _ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        vocabulary = self.tokenizer.get_vocab()
        return tuple(vocabulary[token] for token in tokens if token in vocabulary)

    def _encode(self, text: str) -> np.ndarray:
        backend = self.tokenizer.backend_tokenizer  # a quarter of the time of the class around it
        return np.array(backend.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = "" if token in self._special_ids else self.decode([token])
        return self._pieces[token]

    def _refuse_special_tokens(self, text: str, question_id: str) -> None:
        special = sorted(token for token in self._special_tokens if token in text)
        if special:
            raise ValueError(
                f"question {question_id}: its text holds the special token {special[0]!r}; "
                "expected plain text; remove the item or change its wording"
            )


def _features(log_mels: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """A prompt's features of its clips' log-mel frames [mels, frames]; nothing for no clip."""
    if not log_mels:
        return {}
    return {
        "input_features": log_mels[0] if len(log_mels) == 1 else np.concatenate(log_mels, axis=1),
        "feature_lens": np.array([log_mel.shape[1] for log_mel in log_mels], dtype=np.int64),
    }
