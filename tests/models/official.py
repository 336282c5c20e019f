"""What a family's own processor makes of a chat: the oracle of its prompts."""

import base64
import functools
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from transformers import AutoProcessor

from rlaudio.types import Clip
from tests.models.small_models import skip_without

Encoded = dict[str, Any]  # input_ids [1, P], and features

_processor = functools.cache(AutoProcessor.from_pretrained)  # of a folder; it keeps nothing of a chat


def _chat(system: str, user: str, audio: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    asked = [*audio, {"type": "text", "text": user}]
    return [{"role": "system", "content": system}, {"role": "user", "content": asked}]


def _by_text(processor: Any, system: str, user: str, clips: Sequence[Clip], **options: Any) -> Encoded:
    chat = _chat(system, user, [{"type": "audio"}] * len(clips))
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    heard = {"audio": [clip.samples for clip in clips]} if clips else {}
    return dict(processor(text=[text], **heard, return_tensors="pt", **options))


def qwen2_audio(folder: Path, system: str, user: str, clips: Sequence[Clip]) -> Encoded:
    processor = _processor(folder)
    return _by_text(processor, system, user, clips, audio_kwargs={"sampling_rate": 16_000})


def audio_flamingo3(folder: Path, system: str, user: str, clips: Sequence[Clip]) -> Encoded:
    return _by_text(_processor(folder), system, user, clips)


def voxtral(folder: Path, system: str, user: str, clips: Sequence[Clip]) -> Encoded:
    """Without a system turn, which mistral_common refuses beside audio."""
    audio = [{"type": "audio", "base64": _wav(clip.samples)} for clip in clips]
    chat = _chat("", f"{system}\n\n{user}", audio)[1:]
    return dict(_processor(folder).apply_chat_template(chat))


def qwen3_omni(folder: Path, system: str, user: str, clips: Sequence[Clip]) -> Encoded:
    """By a processor with parts for images and video, which torchvision has to be there for."""
    skip_without("qwen3_omni", "torchvision")
    return _by_text(_omni_processor(folder), system, user, clips)


@functools.cache
def _omni_processor(folder: Path) -> Any:
    from transformers import (
        AutoTokenizer,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        Qwen3OmniMoeProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return Qwen3OmniMoeProcessor(
        Qwen2VLImageProcessor(),
        Qwen2VLVideoProcessor(),
        WhisperFeatureExtractor.from_pretrained(folder),
        tokenizer,
        chat_template=tokenizer.chat_template,
    )


def gemma4(folder: Path, system: str, user: str, clips: Sequence[Clip]) -> Encoded:
    """Its clips behind the text."""
    processor = _processor(folder)
    asked = [{"type": "text", "text": user}, *({"type": "audio"} for _ in clips)]
    chat = [{"role": "system", "content": system}, {"role": "user", "content": asked}]
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    heard = {"audio": [clip.samples for clip in clips]} if clips else {}
    return dict(processor(text=[text], **heard, return_tensors="pt"))


def _wav(samples: np.ndarray) -> str:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode()


OFFICIAL: Mapping[str, Callable[[Path, str, str, Sequence[Clip]], Encoded]] = {
    "qwen2_audio": qwen2_audio,
    "audio_flamingo3": audio_flamingo3,
    "voxtral": voxtral,
    "qwen3_omni": qwen3_omni,
    "gemma4": gemma4,
}
