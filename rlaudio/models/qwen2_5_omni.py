"""Qwen2.5-Omni, the thinker alone: audio and text in, text out. The paper's backbone."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict, snapshot_download
from huggingface_hub.errors import HFValidationError
from transformers import AutoTokenizer, DynamicCache, WhisperFeatureExtractor
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.audio.logmel import LogMel
from rlaudio.models.family import resolve_model_path
from rlaudio.types import Clip, Prompt, Question

Part = Literal["audio_tower", "projector", "language_model"]

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
PARTS = {
    "config": ("config.json",),
    "tokenizer": ("tokenizer.json", "vocab.json"),
    "audio feature extractor": ("preprocessor_config.json", "processor_config.json"),
}
KEPT = (".json", ".jinja", ".txt", ".model")  # kinds of files that describe a model
WEIGHT_INDEX = ".index.json"


def audio_tokens(frames: int) -> int:
    """Audio tokens of a clip of `frames` log-mel frames: a convolution and a pooling, each of stride 2."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


class Qwen2_5Omni:
    """The thinker of Qwen2.5-Omni with its tokenizer and audio front end.

    `freeze` names the parts that training leaves as they are. With audio tower and projector frozen each
    clip is encoded once and its embeddings are kept (`audio_cache_mb`).
    Source: Qwen2.5-Omni Technical Report, arXiv:2503.20215.
    """

    def __init__(
        self,
        *,
        path: str,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        device: str = "auto",
        attention: Literal["sdpa", "eager"] = "sdpa",
        freeze: Sequence[Part] = (),
        gradient_checkpointing: bool = False,
        audio_cache_mb: int = 512,
    ):
        self.path = _local_folder(resolve_model_path(path))
        self._other_files = _read_other_files(Path(self.path))
        _check_complete(self.path, self._other_files)
        self.dtype = getattr(torch, dtype)
        self.device = torch.device(_pick_device(device))
        self.attention = attention
        self.freeze = tuple(freeze)
        self.gradient_checkpointing = gradient_checkpointing
        self.tokenizer = AutoTokenizer.from_pretrained(self.path)
        self.feature_extractor = WhisperFeatureExtractor.from_pretrained(self.path)
        self.log_mel = LogMel(self.feature_extractor, cache_mb=audio_cache_mb)
        self.forbidden_token_ids = (*self._ids(PLACEHOLDERS), *self._padding_ids())
        self.stop_token_ids = self._ids(STOP)
        self.audio_token_id = self._ids([AUDIO])[0]
        self._special_ids = frozenset(self.tokenizer.all_special_ids)
        self._pieces: dict[int, str] = {}
        self._audio_cache = _AudioCache(audio_cache_mb * 2**20)

    # --- text and audio to prompts -------------------------------------------------------------

    def encode_prompt(self, question: Question, system_text: str, user_text: str, clip: Clip) -> Prompt:
        """The prompt of one question about one clip, in Qwen's chat format, audio before the text.

        Raises ValueError if a text holds one of the model's special tokens or the clip is too short
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
        before = self._prefix_ids(system_text)
        after = self._encode(f"<|audio_eos|>{user_text}<|im_end|>\n<|im_start|>assistant\n")
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
        """Text of a completion, special tokens left out, spaces as they are."""
        ids = np.asarray(token_ids).tolist()
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token_texts(self, token_ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The piece of text behind each token, empty for special tokens."""
        return tuple(self._piece(int(token)) for token in token_ids)

    # --- prompts to hidden states --------------------------------------------------------------

    @cached_property
    def model(self) -> Any:
        """The thinker, loaded on first use, in eval mode (no dropout), frozen as asked."""
        model: Any = Thinker.from_pretrained(self.path, dtype=self.dtype, attn_implementation=self.attention)
        model.to(self.device).eval()
        model.requires_grad_(True)
        unused = (model.visual, model.audio_tower.audio_bos_eos_token)  # audio-only input never reaches them
        for module in (*unused, *(m for part in self.freeze for m in _parts(model)[part])):
            module.requires_grad_(False)
        if self.gradient_checkpointing:
            model.gradient_checkpointing_enable()
        return model

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Input embeddings [B, T, d] of token ids [B, T], the audio of `prompts` (one a row) in place."""
        embeddings = self.model.get_input_embeddings()(token_ids)
        if not prompts:
            return embeddings
        audio = self._encode_audio(prompts)  # [audio tokens of all rows, d]
        where = (token_ids == self.audio_token_id).unsqueeze(-1)
        if int(where.sum()) != len(audio):
            raise ValueError(f"{int(where.sum())} audio placeholders for {len(audio)} audio embeddings")
        return embeddings.masked_scatter(where, audio.to(embeddings.dtype))

    def hidden(
        self, embeddings: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, cache: Any = None
    ) -> torch.Tensor:
        """Last hidden states [B, T, d]; `mask` [B, 1, T, S] is additive; a given cache is extended."""
        decoder = self.model.get_decoder()
        self._set_checkpointing(decoder, cache is None)
        return decoder(
            inputs_embeds=embeddings,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state

    def new_cache(self) -> DynamicCache:
        """An empty key-value cache for `hidden`."""
        return DynamicCache()

    @property
    def head(self) -> torch.nn.Linear:
        """The output projection, hidden states [..., d] to logits [..., V]."""
        return self.model.get_output_embeddings()

    # --- weights -------------------------------------------------------------------------------

    def named_weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The tensors that training may change, by their names in the model."""
        return ((name, p.detach()) for name, p in self.model.named_parameters() if p.requires_grad)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy named tensors into the model; tensors that are the model's own are left as they are."""
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in weights:
                if own[name].data_ptr() != tensor.data_ptr():
                    own[name].copy_(tensor)

    def frozen_copy(self) -> Qwen2_5Omni:
        """The same model with weights of its own that do not change: a reference policy."""
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model).requires_grad_(False)
        twin._audio_cache = _AudioCache(self._audio_cache.limit)
        return twin

    def save(self, folder: Path) -> None:
        """Write config, tokenizer, processor and weights in the official layout of Qwen2.5-Omni.

        The talker is not kept: the folder loads as a thinker in transformers and in vLLM.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._other_files.items():
            (folder / name).write_bytes(content)
        config = json.loads(self._other_files["config.json"]) | {"enable_audio_output": False}
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        state = revert_weight_conversion(self.model, self.model.state_dict())
        save_torch_state_dict({f"thinker.{name}": tensor for name, tensor in state.items()}, folder)

    # --- helpers -------------------------------------------------------------------------------

    def _ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        vocabulary = self.tokenizer.get_vocab()
        return tuple(vocabulary[token] for token in tokens if token in vocabulary)

    def _padding_ids(self) -> range:
        """Rows of the embedding behind the last token: they round the vocabulary up and mean nothing."""
        config: Any = Qwen2_5OmniThinkerConfig.from_pretrained(self.path)
        return range(len(self.tokenizer), config.text_config.vocab_size)

    def _encode(self, text: str) -> np.ndarray:
        return np.array(self.tokenizer.encode(text, add_special_tokens=False), dtype=np.int64)

    def _prefix_ids(self, system_text: str) -> np.ndarray:
        return self._encode(f"<|im_start|>system\n{system_text}<|im_end|>\n<|im_start|>user\n<|audio_bos|>")

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = "" if token in self._special_ids else self.decode([token])
        return self._pieces[token]

    def _refuse_special_tokens(self, text: str, question_id: str) -> None:
        if "<|" not in text:
            return
        found = [token for token in self.tokenizer.all_special_tokens if token in text]
        if found:
            raise ValueError(
                f"question {question_id}: its text holds the special token {found[0]!r}; "
                "expected plain text; remove the item or change its wording"
            )

    @property
    def _audio_is_frozen(self) -> bool:
        return {"audio_tower", "projector"} <= set(self.freeze)

    def _encode_audio(self, prompts: Sequence[Prompt]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all prompts, d] in the order of the prompts."""
        if not self._audio_is_frozen:
            return self._run_tower(prompts)
        new = {p.audio_digest: p for p in prompts if p.audio_digest not in self._audio_cache}
        if new:
            with torch.no_grad():
                encoded = self._run_tower(list(new.values()))
            counts = [audio_tokens(p.features.shape[1]) for p in new.values()]
            for digest, part in zip(new, encoded.split(counts), strict=True):
                self._audio_cache[digest] = part.clone()
        audio = torch.cat([self._audio_cache[p.audio_digest] for p in prompts])
        self._audio_cache.trim()
        return audio

    def _set_checkpointing(self, module: Any, possible: bool) -> None:
        """Training mode is what makes transformers checkpoint, and drop a cache; there is no dropout here."""
        if self.gradient_checkpointing:
            module.train(possible and torch.is_grad_enabled())

    def _run_tower(self, prompts: Sequence[Prompt]) -> torch.Tensor:
        lengths = torch.tensor([p.features.shape[1] for p in prompts], device=self.device)
        features = torch.from_numpy(np.concatenate([p.features for p in prompts], axis=1))
        tower = self.model.audio_tower
        self._set_checkpointing(tower, True)
        return tower(
            features.to(self.device, self.dtype),  # [mels, frames of all clips]
            feature_lens=lengths,
            aftercnn_lens=(lengths - 1) // 2 + 1,
        ).last_hidden_state


class _AudioCache(OrderedDict[str, torch.Tensor]):
    """Embeddings by clip digest; the oldest go first once more than `limit` bytes are held."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def trim(self) -> None:
        held = sum(tensor.nbytes for tensor in self.values())
        while held > self.limit:
            held -= self.popitem(last=False)[1].nbytes


def _parts(model: Any) -> dict[str, list[torch.nn.Module]]:
    tower = model.audio_tower
    encoder = [module for name, module in tower.named_children() if name != "proj"]
    return {
        "audio_tower": encoder,
        "projector": [tower.proj],
        "language_model": [model.get_decoder(), model.get_output_embeddings()],
    }


def _pick_device(device: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _local_folder(path: str) -> str:
    """The folder itself, or that of a model of the hub, downloaded once. Raises FileNotFoundError."""
    if Path(path).is_dir():
        return path
    try:
        return snapshot_download(path)
    except (HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"model {path}: no such folder, and the hub gave nothing under that name ({error}); "
            "expected a Hugging Face model folder, a name on the hub or tiny/NAME"
        ) from error


def _read_other_files(folder: Path) -> dict[str, bytes]:
    """What describes a model beside its weights: a saved model keeps it, even when the folder is gone."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {
        file.name: file.read_bytes()
        for file in files
        if file.suffix in KEPT and not file.name.endswith(WEIGHT_INDEX)
    }


def _check_complete(folder: str, files: Iterable[str]) -> None:
    """Refuse a folder without a part: transformers would make an empty tokenizer without a word."""
    for part, names in PARTS.items():
        if not set(names) & set(files):
            raise FileNotFoundError(
                f"model {folder} has no {part}; expected a complete Hugging Face folder, with "
                f"{' or '.join(names)}; save the processor beside the weights"
            )
