"""Shapes of published models, to plan for them where their config.json is not at hand.

Each is what the published config.json says otherwise than the defaults of its class in transformers, as of
November 2026 (transformers 5.19). `tests/models/shared/test_known_shapes.py` compares the resulting counts
with the published ones, whose sources it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, Mapping[str, Any]]  # changes, by part of the config

# The defaults describe 7B but for the visual tower: they give its output's width as its width
# (huggingface/transformers issue 38889).
_VISION = {"hidden_size": 1280}
QWEN2_5_OMNI_7B: Shape = {"vision_config": _VISION}
QWEN2_5_OMNI_3B: Shape = {
    "audio_config": {"output_dim": 2048},
    "vision_config": {**_VISION, "out_hidden_size": 2048},
    "text_config": {
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
    },
}
QWEN3_OMNI_30B_A3B: Shape = {
    "audio_config": {"output_dim": 2048},
    "vision_config": {"out_hidden_size": 2048},
    "text_config": {
        "vocab_size": 152_064,
        "intermediate_size": 768,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
    },
}
QWEN2_AUDIO_7B: Shape = {
    "text_config": {"model_type": "qwen2", "intermediate_size": 11_008, "vocab_size": 156_032}
}
AUDIO_FLAMINGO_3: Shape = {
    "text_config": {
        "model_type": "qwen2",
        "vocab_size": 151_672,
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    }
}
VOXTRAL_MINI: Shape = {}  # which transformers' defaults describe
VOXTRAL_SMALL: Shape = {
    "text_config": {
        "model_type": "llama",
        "hidden_size": 5120,
        "intermediate_size": 32_768,
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 131_072,
    }
}
# `convert_gemma4_weights.py` in huggingface/transformers, which names the shapes of all sizes.
GEMMA_4_E2B: Shape = {
    "audio_config": {},
    "vision_config": {},
    "text_config": {
        "hidden_size": 1536,
        "intermediate_size": 6144,
        "num_hidden_layers": 35,
        "layer_types": [*["sliding_attention"] * 4, "full_attention"] * 7,
        "num_key_value_heads": 1,
        "num_kv_shared_layers": 20,
        "use_double_wide_mlp": True,
        "final_logit_softcapping": 30.0,
    },
}
GEMMA_4_E4B: Shape = {
    "audio_config": {},
    "vision_config": {},
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10_240,
        "num_hidden_layers": 42,
        "num_key_value_heads": 2,
        "num_kv_shared_layers": 18,
        "final_logit_softcapping": 30.0,
    },
}
