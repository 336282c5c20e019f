"""Small random models of every family, in the layout of its official folder.

Each is built from the family's own config class and saved by transformers. The tokenizers are small and hold
the special tokens that are published:

- Qwen2-Audio: `Qwen2AudioProcessor` in transformers names the audio tokens, and has the chat template;
- Audio Flamingo 3: tokens and chat template of `convert_audioflamingo3_to_hf.py` in huggingface/transformers;
- Voxtral: `tekken_240911.json`, which mistral_common ships, cut short, with an audio section and the control
  tokens of version 7 that mistral_common's `SpecialTokens` names;
- Qwen3-Omni: tokens as transformers' `Qwen3OmniMoeProcessor` asks its tokenizer for them, named as in the
  model's tokenizer_config.json; the chat template without tools, thinking and video;
- Gemma 4: tokens of `convert_gemma4_weights.py` in huggingface/transformers; the chat template of
  google/gemma-4-E4B-it without tools and thinking. Its window is shorter than the prompts of the tests.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor

from rlaudio.worlds.pretraining import blank_model

MELS = 128  # of all families
_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
    "initializer_range": 0.1,
    "tie_word_embeddings": False,
}
_ENCODER = {
    "num_mel_bins": MELS,
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "initializer_range": 0.1,
}


def _tokenizer(special: Mapping[str, str], chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with Qwen's tokens of chats, and the named ones."""
    texts = [f"You listen. What sound is it? a dog, a cat, option {n}" for n in range(20)]
    trained = blank_model.train_tokenizer(texts, 400)
    return PreTrainedTokenizerFast(
        tokenizer_object=_without_special(trained),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={"im_start_token": "<|im_start|>", **special},
        clean_up_tokenization_spaces=False,
        padding_side="left",
        chat_template=chat_template,
    )


def _without_special(tokenizer: PreTrainedTokenizerFast, first: Sequence[str] = ()) -> Any:
    """Its tokens without special ones, behind those that have the first ids."""
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content["added_tokens"] = []
    ids = content["model"]["vocab"].items()
    behind = {token: len(first) + number for token, number in ids}
    content["model"]["vocab"] = {token: number for number, token in enumerate(first)} | behind
    return Tokenizer.from_str(json.dumps(content))


def _rows(tokenizer: Any) -> int:
    return -(-len(tokenizer) // 64) * 64  # as official vocabularies are rounded up


def _ids(tokenizer: Any) -> dict[str, int]:
    return {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}


def _extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=MELS, return_attention_mask=True)


def _write(folder: Path, model: Any, processor: Any) -> None:
    """The folder, its weights named as in the official checkpoints: transformers 5.19 says `model` twice."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    _rename(folder / "model.safetensors", "language_model.model.model.", "language_model.model.")


def _rename(file: Path, before: str, after: str) -> None:
    """Change what names of weights begin with."""
    weights = load_file(file)
    renamed = {
        after + name.removeprefix(before) if name.startswith(before) else name: tensor
        for name, tensor in weights.items()
    }
    save_file(renamed, file, metadata={"format": "pt"})


def qwen2_audio(folder: Path) -> None:
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

    tokenizer = _tokenizer(
        {
            "audio_token": "<|AUDIO|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        }
    )
    config = Qwen2AudioConfig(
        audio_config=dict(_ENCODER),
        text_config={"model_type": "qwen2", "vocab_size": _rows(tokenizer), **_TEXT, **_ids(tokenizer)},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    processor = Qwen2AudioProcessor(feature_extractor=_extractor(), tokenizer=tokenizer)
    _write(folder, Qwen2AudioForConditionalGeneration(config), processor)


_FLAMINGO_CHAT = (
    "{% if messages[0]['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages if m['content'] is not none %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% set audio = namespace(found=False) %}{% set text_buf = namespace(v='') %}"
    "{% for c in m['content'] %}"
    "{% if c.get('type') == 'audio' or 'audio' in c %}{% set audio.found = True %}"
    "{% elif c.get('type') == 'text' or 'text' in c %}{% set text_buf.v = text_buf.v + c['text'] %}"
    "{% endif %}{% endfor %}"
    "{% if audio.found %}{{ '<sound>' }}{% endif %}{{ text_buf.v }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def audio_flamingo3(folder: Path) -> None:
    from transformers import (
        AudioFlamingo3Config,
        AudioFlamingo3ForConditionalGeneration,
        AudioFlamingo3Processor,
    )

    tokenizer = _tokenizer({"audio_token": "<sound>"})
    config = AudioFlamingo3Config(
        audio_config=_named(_ENCODER),
        text_config={"model_type": "qwen2", "vocab_size": _rows(tokenizer), **_TEXT, **_ids(tokenizer)},
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    processor = AudioFlamingo3Processor(_extractor(), tokenizer, chat_template=_FLAMINGO_CHAT)
    _write(folder, AudioFlamingo3ForConditionalGeneration(config), processor)


def _named(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's options by the names of newer configs."""
    newer = {
        "d_model": "hidden_size",
        "encoder_layers": "num_hidden_layers",
        "encoder_attention_heads": "num_attention_heads",
        "encoder_ffn_dim": "intermediate_size",
    }
    return {newer.get(name, name): value for name, value in encoder.items()}


_CONTROL = (
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
    "<SPECIAL_20>",
    "<SPECIAL_21>",
    "<SPECIAL_22>",
    "<SPECIAL_23>",
    "[AUDIO]",
    "[BEGIN_AUDIO]",
    "<SPECIAL_26>",
    "<SPECIAL_27>",
    "<SPECIAL_28>",
    "<SPECIAL_29>",
    "<SPECIAL_30>",
    "<SPECIAL_31>",
    "<SPECIAL_32>",
    "<SPECIAL_33>",
    "[TRANSCRIBE]",
    "<SPECIAL_35>",
)  # fmt: skip - in the order of their ids


def _tekken(file: Path, pieces: int = 700) -> None:
    import mistral_common

    shipped = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    content = json.loads(shipped.read_text(encoding="utf-8"))
    control = len(_CONTROL)
    content["config"] |= {
        "version": "v7",
        "num_vocab_tokens": pieces,
        "default_vocab_size": pieces + control,
        "default_num_special_tokens": control,
    }
    content["vocab"] = content["vocab"][:pieces]
    content["special_tokens"] = [
        {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(_CONTROL)
    ]
    content["multimodal"] = None
    content["audio"] = {  # of mistralai/Voxtral-Mini-3B-2507
        "sampling_rate": 16_000,
        "frame_rate": 12.5,
        "audio_encoding_config": {"num_mel_bins": MELS, "hop_length": 160, "window_size": 400},
        "chunk_length_s": 30.0,
    }
    file.write_text(json.dumps(content), encoding="utf-8")


def voxtral(folder: Path) -> None:
    from transformers import (
        MistralCommonBackend,
        VoxtralConfig,
        VoxtralForConditionalGeneration,
        VoxtralProcessor,
    )

    folder.mkdir(parents=True, exist_ok=True)
    _tekken(folder / "tekken.json")
    tokenizer = MistralCommonBackend.from_pretrained(folder)
    config = VoxtralConfig(
        audio_config=_named(_ENCODER) | {"intermediate_size": 128},  # four positions go into a token
        text_config={
            "model_type": "llama", "vocab_size": len(tokenizer), "head_dim": 32, "bos_token_id": 1,
            "eos_token_id": 2, "pad_token_id": 11, **_TEXT,
        },
        audio_token_id=24,
    )  # fmt: skip
    model = VoxtralForConditionalGeneration(config)
    _write(folder, model, VoxtralProcessor(_extractor(), tokenizer))


_QWEN3_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen3_omni(folder: Path) -> None:
    from transformers import Qwen3OmniMoeConfig, Qwen3OmniMoeThinkerForConditionalGeneration
    from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeThinkerConfig

    tokenizer = _tokenizer(
        {
            "image_token": "<|image_pad|>", "audio_token": "<|audio_pad|>", "video_token": "<|video_pad|>",
            "vision_bos_token": "<|vision_start|>", "vision_eos_token": "<|vision_end|>",
            "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>",
        },
        _QWEN3_CHAT,
    )  # fmt: skip
    token = tokenizer.convert_tokens_to_ids
    thinker = Qwen3OmniMoeThinkerConfig(
        audio_config=_ENCODER
        | {"downsample_hidden_size": 8, "output_dim": 64, "n_window": 50, "n_window_infer": 800},
        vision_config={
            "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 1, "out_hidden_size": 64,
            "deepstack_visual_indexes": [0],
        },
        text_config={
            "vocab_size": _rows(tokenizer), "head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2,
            "moe_intermediate_size": 48, **_TEXT, **_ids(tokenizer),
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e6,
                "mrope_interleaved": True,
            },
        },
        audio_token_id=token("<|audio_pad|>"),
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        audio_start_token_id=token("<|audio_start|>"),
        vision_start_token_id=token("<|vision_start|>"),
        user_token_id=0,
    )  # fmt: skip
    Qwen3OmniMoeThinkerForConditionalGeneration(thinker).save_pretrained(folder)
    _rename(folder / "model.safetensors", "", "thinker.")
    config = Qwen3OmniMoeConfig(thinker_config=thinker.to_dict(), enable_audio_output=False)
    config.architectures = ["Qwen3OmniMoeForConditionalGeneration"]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _extractor().save_pretrained(folder)


_GEMMA4_CHAT = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "<|turn>system\n{{ messages[0]['content'] | trim }}<turn|>\n{% set messages = messages[1:] %}{% endif %}"
    "{% for message in messages %}<|turn>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}<turn|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
)


def gemma4(folder: Path) -> None:
    """Layers of both kinds, of which the last two use keys and values of the first two."""
    from transformers import (
        Gemma4AudioFeatureExtractor,
        Gemma4Config,
        Gemma4ForConditionalGeneration,
        Gemma4ImageProcessor,
        Gemma4Processor,
        Gemma4VideoProcessor,
    )

    first = ("<pad>", "<eos>", "<bos>", "<unk>")  # as published: vLLM takes padding to be 0
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_without_special(_tokenizer({}), first),
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        extra_special_tokens={
            "image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>",
            "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
            "sot_token": "<|turn>", "eot_token": "<turn|>",
            "soc_token": "<|channel>", "eoc_token": "<channel|>",
            "think_token": "<|think|>", "escape_token": '<|"|>',
            "str_token": "<|tool_response>", "etr_token": "<tool_response|>",
            "stc_token": "<|tool_call>", "etc_token": "<tool_call|>",
            "std_token": "<|tool>", "etd_token": "<tool|>",
        },
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )  # fmt: skip
    processor = Gemma4Processor(
        Gemma4AudioFeatureExtractor(),
        Gemma4ImageProcessor(),
        tokenizer,
        Gemma4VideoProcessor(),
        chat_template=_GEMMA4_CHAT,
    )
    token = tokenizer.convert_tokens_to_ids
    ids = {**_ids(tokenizer), "bos_token_id": tokenizer.bos_token_id}
    config = Gemma4Config(
        text_config=_TEXT
        | {
            "vocab_size": _rows(tokenizer), "vocab_size_per_layer_input": _rows(tokenizer), **ids,
            "num_hidden_layers": 4, "num_kv_shared_layers": 2, "use_double_wide_mlp": True,
            "layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 16,
            "head_dim": 32, "global_head_dim": 64, "hidden_size_per_layer_input": 16,
            "final_logit_softcapping": 2.0, "tie_word_embeddings": True,
        },
        audio_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "output_proj_dims": 48,
            "subsampling_conv_channels": [MELS, 4], "initializer_range": 0.1,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1,
            "num_key_value_heads": 1, "head_dim": 32, "position_embedding_size": 16,
            "default_output_length": 280,
        },
        image_token_id=token("<|image|>"), video_token_id=token("<|video|>"),
        audio_token_id=token("<|audio|>"), boi_token_id=token("<|image>"), eoi_token_id=token("<image|>"),
        boa_token_id=token("<|audio>"), eoa_token_index=token("<audio|>"),
    )  # fmt: skip
    model = Gemma4ForConditionalGeneration(config)
    for layer in model.get_decoder().layers[:2]:  # whose scores nothing divides by the root of the width
        torch.nn.init.constant_(layer.self_attn.k_norm.weight, 0.25)
    _write(folder, model, processor)


MODELS: Mapping[str, Callable[[Path], None]] = {
    "qwen2_audio": qwen2_audio,
    "audio_flamingo3": audio_flamingo3,
    "voxtral": voxtral,
    "qwen3_omni": qwen3_omni,
    "gemma4": gemma4,
}


NEEDS = {
    "voxtral": ("mistral_common",),
    "gemma4": ("torchvision", "PIL"),
}  # by their processors; vLLM brings them


def skip_without(name: str, *modules: str) -> None:
    """Skip where modules of a family's processor are missing, unless vLLM, which brings them, is tested."""
    for module in modules if os.environ.get("RLAUDIO_TEST_VLLM") != "1" else ():
        pytest.importorskip(module, reason=f"the processor of {name} needs it, and vLLM brings it along")


def write_model(name: str, folder: Path) -> Path:
    """Write the small model of a family into the folder; the same weights every time.

    Skips the test where something is missing that vLLM brings along, unless RLAUDIO_TEST_VLLM is 1.
    """
    skip_without(name, *NEEDS.get(name, ()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        MODELS[name](folder)
    return folder
