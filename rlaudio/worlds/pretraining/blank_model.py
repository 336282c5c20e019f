"""An untrained thinker of Qwen2.5-Omni, small enough for a CPU, in the layout of the official checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import (
    Qwen2_5OmniConfig,
    Qwen2_5OmniThinkerConfig,
)

SPECIAL_TOKENS = {
    "im_start_token": "<|im_start|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "vision_pad_token": "<|vision_pad|>",
    "image_token": "<|IMAGE|>",
    "video_token": "<|VIDEO|>",
    "audio_token": "<|AUDIO|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
STOP, PADDING = "<|im_end|>", "<|endoftext|>"
TAGS = ("<answer>", "</answer>", "<think>", "</think>")  # ordinary text, one token each
# Words with the space before them, single digits, runs of anything else. No English contractions: options
# stand in quotes, and `'dog'` must not begin with the token `'d`.
_PIECES = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Qwen2.5-Omni's template without tools and video: a system turn if given, then turns in order.
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] in ('audio', 'audio_url') %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """The shape of a thinker. Heads are 32 wide, which vLLM's CPU attention can take."""

    hidden: int
    layers: int
    feed_forward: int
    audio_hidden: int = 96
    audio_layers: int = 2
    mels: int = 64


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A lossless byte-level BPE tokenizer of at most `vocabulary` tokens, special ones included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL_TOKENS) - 2 - len(TAGS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens(list(TAGS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=STOP,
        pad_token=PADDING,
        extra_special_tokens=SPECIAL_TOKENS,
        clean_up_tokenization_spaces=False,
        model_max_length=32_768,
        padding_side="left",
        chat_template=_CHAT_TEMPLATE,
    )


def write_blank_model(folder: Path, tokenizer: PreTrainedTokenizerFast, size: Size, seed: int) -> None:
    """Write an untrained model: config, float32 weights, tokenizer, processor, chat template.

    The folder loads as `Qwen2_5OmniThinkerForConditionalGeneration` and in vLLM.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = _thinker_config(tokenizer, size)
    torch.manual_seed(seed)
    thinker = Thinker(config)
    with torch.no_grad():  # equal at the start only: a model learns sooner to copy words from the prompt
        thinker.get_output_embeddings().weight.copy_(thinker.get_input_embeddings().weight)
    state = revert_weight_conversion(thinker, thinker.state_dict())
    weights = {f"thinker.{name}": tensor.contiguous() for name, tensor in state.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
    _write_config(folder, config, tokenizer)
    _write_processor(folder, size)


def _thinker_config(tokenizer: PreTrainedTokenizerFast, size: Size) -> Qwen2_5OmniThinkerConfig:
    token = tokenizer.get_vocab()
    heads = size.hidden // 32
    text = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": size.hidden,
        "intermediate_size": size.feed_forward,
        "num_hidden_layers": size.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 2),
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6,
        "initializer_range": 0.04,
        "tie_word_embeddings": False,
        "eos_token_id": token["<|im_end|>"],
        "pad_token_id": token["<|endoftext|>"],
        "rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10_000.0},
    }
    audio = {
        "num_mel_bins": size.mels,
        "d_model": size.audio_hidden,
        "encoder_layers": size.audio_layers,
        "encoder_attention_heads": size.audio_hidden // 32,
        "encoder_ffn_dim": 4 * size.audio_hidden,
        "n_window": 100,
        "output_dim": size.hidden,
        "max_source_positions": 1500,
        "initializer_range": 0.04,
    }
    vision = {  # never used, so minimal
        "depth": 1,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 1,
        "out_hidden_size": size.hidden,
        "fullatt_block_indexes": [0],
    }
    token_ids: dict[str, Any] = {
        "audio_token_index": token["<|AUDIO|>"],
        "image_token_index": token["<|IMAGE|>"],
        "video_token_index": token["<|VIDEO|>"],
        "audio_start_token_id": token["<|audio_bos|>"],
        "audio_end_token_id": token["<|audio_eos|>"],
        "vision_start_token_id": token["<|vision_bos|>"],
        "vision_end_token_id": token["<|vision_eos|>"],
        "user_token_id": tokenizer.encode("user")[0],
    }
    return Qwen2_5OmniThinkerConfig(
        audio_config=audio,
        vision_config=vision,
        text_config=text,
        initializer_range=0.04,
        tie_word_embeddings=False,
        **token_ids,
    )


def _write_config(
    folder: Path, thinker: Qwen2_5OmniThinkerConfig, tokenizer: PreTrainedTokenizerFast
) -> None:
    thinker.dtype = "float32"  # the dtype that weights are loaded in, stored as float16 or not
    config = Qwen2_5OmniConfig(thinker_config=thinker.to_dict(), enable_audio_output=False)
    config.architectures = ["Qwen2_5OmniForConditionalGeneration"]
    config.dtype = thinker.dtype
    config.save_pretrained(folder)
    generation = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2), encoding="utf-8")


def _write_processor(folder: Path, size: Size) -> None:
    """The feature extractor, and the processor that vLLM reads, which names image and video parts too."""
    extractor = WhisperFeatureExtractor(
        feature_size=size.mels, hop_length=160, n_fft=400, chunk_length=300, return_attention_mask=True
    )
    extractor.save_pretrained(folder)
    image = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
    processor = {
        "processor_class": "Qwen2_5OmniProcessor",
        "feature_extractor": json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8")),
        "image_processor": {"image_processor_type": "Qwen2VLImageProcessor", **image},
        "video_processor": {"video_processor_type": "Qwen2VLVideoProcessor", **image},
    }
    (folder / "processor_config.json").write_text(json.dumps(processor, indent=2), encoding="utf-8")
