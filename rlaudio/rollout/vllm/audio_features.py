"""Log-mel features for vLLM's models whose parser of requests takes samples or embeddings alone.

vLLM would extract features anew; here the features of a prompt reach the model, so that both engines hear the
same. Requests are parsed in the process that makes them, so nothing changes in a server.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from rlaudio.rollout.vllm import gemma4_features

_FIELDS = {"input_features", "feature_attention_mask"}
_PARSERS: Mapping[str, tuple[str, str, str]] = {  # by architecture: module, parser, function of its fields
    "Qwen2AudioForConditionalGeneration": (
        "qwen2_audio",
        "Qwen2AudioMultiModalDataParser",
        "_qwen2audio_field_config",
    ),
    "AudioFlamingo3ForConditionalGeneration": (
        "audioflamingo3",
        "AudioFlamingo3MultiModalDataParser",
        "_audioflamingo3_field_config",
    ),
}


def accept_features(architectures: Iterable[str]) -> None:
    """Let requests to these architectures hold audio features."""
    for name in architectures:
        if name == "Gemma4ForConditionalGeneration":
            gemma4_features.accept()
        if name in _PARSERS:
            _accept(*_PARSERS[name])


def _accept(module_name: str, parser_name: str, fields_name: str) -> None:
    from vllm.multimodal.parse import DictEmbeddingItems

    module = importlib.import_module(f"vllm.model_executor.models.{module_name}")
    parser: Any = getattr(module, parser_name)
    parse = parser._parse_audio_data
    if getattr(parse, "takes_features", False):
        return

    def parse_features(self: Any, data: Any) -> Any:
        if isinstance(data, dict) and data.keys() >= _FIELDS:
            return DictEmbeddingItems(
                data, modality="audio", required_fields=_FIELDS, fields_factory=getattr(module, fields_name)
            )
        return parse(self, data)

    parse_features.takes_features = True  # type: ignore[attr-defined]
    parser._parse_audio_data = parse_features
