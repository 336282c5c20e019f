"""Log-mel features for vLLM's Gemma 4, which takes samples alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_FIELDS = ("input_features_padded", "input_features_mask")
_FRAMES = 4  # of an audio token


def accept() -> None:
    """Let requests to Gemma 4 hold audio features, in whose place stand as many tokens as are heard.

    vLLM would put a clip's first and last token there too, which the prompts here have already.
    """
    from vllm.model_executor.models import gemma4_mm as module
    from vllm.multimodal.parse import DictEmbeddingItems

    info: Any = module.Gemma4ProcessingInfo
    processor: Any = module.Gemma4MultiModalProcessor
    get_parser, get_updates = info.get_data_parser, processor._get_prompt_updates
    if getattr(get_parser, "takes_features", False):
        return

    def parser_of_features(self: Any) -> Any:
        parser = get_parser(self)
        parse = parser._parse_audio_data
        parser._parse_audio_data = lambda data: _items(data) if _are_features(data) else parse(data)
        return parser

    def updates_for_features(self: Any, mm_items: Any, out_mm_kwargs: Any, **given: Any) -> Sequence[Any]:
        if "audio" in mm_items and isinstance(mm_items["audio"], DictEmbeddingItems):
            placeholder = self.info.get_hf_processor().audio_token_id
            return [_expansion(placeholder, out_mm_kwargs["audio"])]
        updates: Sequence[Any] = get_updates(self, mm_items=mm_items, out_mm_kwargs=out_mm_kwargs, **given)
        return updates

    # mypy knows no attributes of functions; this one tells that vLLM has been changed already
    parser_of_features.takes_features = True  # type: ignore[attr-defined]
    info.get_data_parser, processor._get_prompt_updates = parser_of_features, updates_for_features


def _are_features(data: Any) -> bool:
    return isinstance(data, Mapping) and all(name in data for name in _FIELDS)


def _items(data: Mapping[str, Any]) -> Any:
    from vllm.multimodal.inputs import MultiModalFieldConfig
    from vllm.multimodal.parse import DictEmbeddingItems

    fields = {name: MultiModalFieldConfig.batched("audio") for name in _FIELDS}
    return DictEmbeddingItems(
        data, modality="audio", required_fields=set(_FIELDS), fields_factory=lambda _: fields
    )


def _expansion(token_id: int, clips: Sequence[Mapping[str, Any]]) -> Any:
    """The tokens of each clip in the place of its one placeholder."""
    from vllm.multimodal.processing import PromptReplacement

    def tokens(clip: int) -> list[int]:
        frames = int(clips[clip]["input_features_mask"].data.sum())
        return [token_id] * -(-frames // _FRAMES)

    return PromptReplacement(modality="audio", target=[token_id], replacement=tokens)
