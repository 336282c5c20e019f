"""Prompts of a family, from question and clips to token ids and features, and token ids back to text.

A family's encoder says which tokens it has, how a chat is written, and how it hears a clip; the rest is
here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from transformers import AutoTokenizer, WhisperFeatureExtractor

from rlaudio.models.family import special_tokens
from rlaudio.models.shared.front_ends import FrontEnd
from rlaudio.types import Clip, HeardClip, Prompt, Question

MIN_CLIP_SECONDS = 0.04  # what an audio token of the finest families stands for


class PromptEncoder(ABC):
    """Tokenizer and audio front end of the model in `folder`; features are kept up to `cache_mb`.

    `vocabulary` counts the rows of the embedding; `remote_code` allows the folder's own Python files. What a
    family says of itself follows first.
    """

    audio: ClassVar[str]  # the token that stands for a piece of audio
    stop: ClassVar[tuple[str, ...]]  # the first ends a completion
    placeholders: ClassVar[tuple[str, ...]]  # of audio and other media: never sampled
    extractor_class: ClassVar[Any] = WhisperFeatureExtractor
    most_clips: ClassVar[int | None] = None  # of a prompt; None: any number

    @classmethod
    @abstractmethod
    def chat(cls, system_text: str, user_text: str, clips: int) -> str:
        """The text of a prompt with one `audio` token a clip, all clips beside each other."""

    @abstractmethod
    def front_end(self, feature_extractor: Any, cache_mb: float) -> FrontEnd:
        """How clips are heard: features, and the number of audio tokens."""

    # --- what families have in common ------------------------------------------------------------

    def __init__(self, folder: str, *, vocabulary: int, cache_mb: float, remote_code: bool = False):
        read = _read_files(folder, _stamps(folder), remote_code, self.extractor_class)
        self.tokenizer, self.feature_extractor = read
        self.hear = self.front_end(self.feature_extractor, cache_mb)
        known = self.tokenizer.get_vocab()
        padding_ids = range(len(self.tokenizer), vocabulary)  # rows that round the vocabulary up
        self.forbidden_token_ids = (*_ids(known, self.placeholders), *padding_ids)
        self.stop_token_ids = _ids(known, self.stop)
        self.audio_token_id = _ids(known, [self.audio])[0]
        self._special_ids = frozenset(self.tokenizer.all_special_ids)
        self._special_tokens = special_tokens(self.tokenizer)
        self._pieces: dict[int, str] = {}

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """The prompt of one question, its clips where the chat has them; features are the front end's.

        Raises ValueError if a text contains one of the model's special tokens, a clip is shorter than
        `MIN_CLIP_SECONDS`, or there are more than the model takes.
        """
        for text in (system_text, user_text):
            self._refuse_special_tokens(text, question.id)
        self._refuse_clips(clips, question.id)
        heard = [self.hear(clip) for clip in clips]
        counts = [clip.tokens for clip in heard]
        token_ids = self.token_ids(system_text, user_text, counts)
        return Prompt(
            question=question,
            token_ids=token_ids,
            positions=np.arange(len(token_ids)),  # audio and text alone: M-RoPE's three axes coincide
            clips=tuple(
                HeardClip(clip.digest, clip.truncated or end.cut, min(clip.seconds, end.seconds))
                for clip, end in zip(clips, heard, strict=True)
            ),
            features=self.hear.features(heard),
        )

    def token_ids(self, system_text: str, user_text: str, counts: Sequence[int]) -> np.ndarray:
        """Token ids [P] of a prompt, `counts` audio tokens in the place of each clip."""
        first, *others = self.chat(system_text, user_text, len(counts)).split(self.audio)
        pieces = [self._encode(first)]
        for count, text in zip(counts, others, strict=True):
            pieces += [np.full(count, self.audio_token_id), self._encode(text)]
        return np.concatenate(pieces)

    def encode_completion(self, text: str) -> np.ndarray:
        """Token ids [C] of an answer, the stop token at the end."""
        return np.append(self._encode(text), self.stop_token_ids[0])

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Text of a completion without special tokens, spaces unchanged."""
        ids = np.asarray(token_ids).tolist()
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token_texts(self, token_ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The text of each token, empty for special tokens."""
        return tuple(self._piece(int(token)) for token in token_ids)

    # --- helpers ---------------------------------------------------------------------------------

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

    def _refuse_clips(self, clips: Sequence[Clip], question_id: str) -> None:
        for clip in clips:
            if clip.seconds < MIN_CLIP_SECONDS:
                raise ValueError(
                    f"question {question_id}: the clip lasts {clip.seconds * 1000:.4g} ms; expected at least "
                    f"{MIN_CLIP_SECONDS * 1000:.4g} ms of audio; remove the item"
                )
        if self.most_clips is not None and len(clips) > self.most_clips:
            raise ValueError(
                f"question {question_id} has {len(clips)} clips; expected at most {self.most_clips}, which "
                "is what the model's own processor takes; remove the item"
            )


class _Files(NamedTuple):
    """What of a model's folder makes prompts; nothing changes it."""

    tokenizer: Any
    feature_extractor: Any


@lru_cache(maxsize=16)
def _read_files(folder: str, stamps: tuple[object, ...], remote_code: bool, extractor_class: Any) -> _Files:
    """The files of a folder: a run opens each of its models several times, and reading takes a second."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=remote_code)
    return _Files(tokenizer, extractor_class.from_pretrained(folder))


def _stamps(folder: str) -> tuple[object, ...]:
    """What changes when one of the folder's files does, its weights apart; empty for what is no folder."""
    files = sorted(path for path in Path(folder).glob("*") if path.suffix != ".safetensors")
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def _ids(vocabulary: dict[str, int], tokens: Iterable[str]) -> tuple[int, ...]:
    return tuple(vocabulary[token] for token in tokens if token in vocabulary)
