"""Prompts of Qwen2.5-Omni, from question and clip to token ids and features, and token ids back to text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from transformers import AutoTokenizer, WhisperFeatureExtractor
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.audio.logmel import LogMel
from rlaudio.types import Clip, Prompt, Question

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
# Qwen's chat format around the audio placeholders.
BEFORE_AUDIO = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n<|audio_bos|>"
AFTER_AUDIO = "<|audio_eos|>{user}<|im_end|>\n<|im_start|>assistant\n"


def audio_tokens(frames: int) -> int:
    """Audio tokens of a clip of `frames` log-mel frames: a convolution and a pooling, each of stride 2."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


class PromptEncoder:
    """Tokenizer and audio front end of the model in `folder`; features are kept up to `cache_mb`."""

    def __init__(self, folder: str, *, cache_mb: float):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.feature_extractor = WhisperFeatureExtractor.from_pretrained(folder)
        self.log_mel = LogMel(self.feature_extractor, cache_mb=cache_mb)
        self.forbidden_token_ids = (*self._ids(PLACEHOLDERS), *self._padding_ids(folder))
        self.stop_token_ids = self._ids(STOP)
        self.audio_token_id = self._ids([AUDIO])[0]
        self._special_ids = frozenset(self.tokenizer.all_special_ids)
        self._pieces: dict[int, str] = {}

    def encode_prompt(self, question: Question, system_text: str, user_text: str, clip: Clip) -> Prompt:
        """The prompt of one question about one clip, in Qwen's chat format, audio before the text.

        Raises ValueError if a text contains one of the model's special tokens or the clip is too short
        to give a single audio token (40 ms).
        """
        for text in (system_text, user_text):
            self._refuse_special_tokens(text, question.id)
        features = self.log_mel(clip)  # [mels, frames]
        count = audio_tokens(features.shape[1])
        if count < 1:
            raise ValueError(
                f"question {question.id}: the clip lasts {clip.seconds * 1000:.0f} ms; "
                "expected at least 40 ms of audio; remove the item"
            )
        before = self._encode(BEFORE_AUDIO.format(system=system_text))
        after = self._encode(AFTER_AUDIO.format(user=user_text))
        token_ids = np.concatenate([before, np.full(count, self.audio_token_id), after]).astype(np.int64)
        return Prompt(
            question=question,
            token_ids=token_ids,
            features=features,
            audio_digest=clip.digest,
            positions=np.arange(len(token_ids)),  # audio and text alone: M-RoPE's three axes coincide
            truncated=clip.truncated,
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

    def _ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        vocabulary = self.tokenizer.get_vocab()
        return tuple(vocabulary[token] for token in tokens if token in vocabulary)

    def _padding_ids(self, folder: str) -> range:
        """Rows of the embedding after the last token, which round the vocabulary up and have no meaning."""
        config: Any = Qwen2_5OmniThinkerConfig.from_pretrained(folder)
        return range(len(self.tokenizer), config.text_config.vocab_size)

    def _encode(self, text: str) -> np.ndarray:
        return np.array(self.tokenizer.encode(text, add_special_tokens=False), dtype=np.int64)

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = "" if token in self._special_ids else self.decode([token])
        return self._pieces[token]

    def _refuse_special_tokens(self, text: str, question_id: str) -> None:
        if "<|" not in text:
            return
        special = [token for token in self.tokenizer.all_special_tokens if token in text]
        if special:
            raise ValueError(
                f"question {question_id}: its text holds the special token {special[0]!r}; "
                "expected plain text; remove the item or change its wording"
            )
