"""Qwen2.5-Omni, the thinker alone: audio and text in, text out. The paper's backbone."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict
from transformers import AutoTokenizer, WhisperFeatureExtractor
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker
from transformers.cache_utils import Cache
from transformers.core_model_loading import revert_weight_conversion
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from rlaudio.audio.logmel import LogMel
from rlaudio.models.family import EnginePrompt, additive_mask, resolve_model_path
from rlaudio.models.shared import lora
from rlaudio.models.shared.branching import Branching, attend, attend_without_gradient
from rlaudio.models.shared.chat_format import AFTER_USER, BEFORE_USER
from rlaudio.models.shared.checkpoint_files import (
    check_complete,
    in_own_memory,
    local_folder,
    read_other_files,
)
from rlaudio.models.shared.growing_cache import new_cache
from rlaudio.types import Clip, HeardClip, Prompt, Question

TrainedPart = Literal["audio_tower", "projector", "language_model"]

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
BRANCHING = "branching"  # transformers' name for attention that takes a `Branching` or else a mask


def audio_tokens(frames: int) -> int:
    """Audio tokens of a clip of `frames` log-mel frames: a convolution and a pooling, each of stride 2."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


class Qwen2_5Omni:
    """The thinker of Qwen2.5-Omni with its tokenizer and audio front end.

    `path` is a model's folder, or that of an adapter, which names its base. `freeze` names the parts that
    training leaves as they are. Where nothing trains in audio tower and projector each clip is encoded once
    and its embeddings are kept (`audio_cache_mb`).

    With `lora_rank` above 0 only an adapter of that rank trains, on the linear layers that `lora_targets`
    names: `q_proj` is the language model's, `audio_tower.q_proj` the audio tower's. All other weights stay
    as they are, so a part is named in `freeze` or has targets, not both. Unless given, `lora_alpha` is twice
    the rank, as in SEAR and RT-OPD (arXiv:2609.28778), and the targets are all linear layers of the language
    model's blocks (arXiv:2305.14314, section 4).
    Source: Qwen2.5-Omni Technical Report, arXiv:2503.20215.
    """

    def __init__(
        self,
        *,
        path: str,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        device: str = "auto",
        attention: Literal["sdpa", "eager"] = "sdpa",
        freeze: Sequence[TrainedPart] = (),
        gradient_checkpointing: bool = False,
        audio_cache_mb: int = 512,
        lora_rank: int = 0,
        lora_alpha: float | None = None,
        lora_targets: tuple[str, ...] = (
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ),
    ):
        given = Path(local_folder(resolve_model_path(path)))
        self.adapter_folder = given if lora.is_adapter(given) else None
        self.base = lora.base_of(given) if self.adapter_folder else _findable(path)
        self.path = local_folder(resolve_model_path(self.base)) if self.adapter_folder else str(given)
        self._other_files = read_other_files(Path(self.path))
        check_complete(self.path, self._other_files)
        self.dtype = getattr(torch, dtype)
        self.device = torch.device(_pick_device(device))
        self.attention = attention
        self.freeze = tuple(freeze)
        self.adapter = self._adapter(lora_rank, lora_alpha, lora_targets)
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

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """The prompt of one question in Qwen's chat format, all clips before the text.

        Features are `input_features` [mels, frames of all clips] and `feature_lens` [clips], their frames.
        Raises ValueError if a text holds one of the model's special tokens or a clip is too short to give a
        single audio token (40 ms).
        """
        for text in (system_text, user_text):
            self._refuse_special_tokens(text, question.id)
        log_mels = [self.log_mel(clip) for clip in clips]  # [mels, frames] each
        token_ids = self._prompt_ids(question, system_text, user_text, clips, [f.shape[1] for f in log_mels])
        return Prompt(
            question=question,
            token_ids=token_ids,
            positions=np.arange(len(token_ids)),  # audio and text alone: M-RoPE's three axes coincide
            clips=tuple(HeardClip(clip.digest, clip.truncated) for clip in clips),
            features={
                "input_features": log_mels[0] if len(log_mels) == 1 else np.concatenate(log_mels, axis=1),
                "feature_lens": np.array([f.shape[1] for f in log_mels], dtype=np.int64),
            }
            if log_mels
            else {},
        )

    def _prompt_ids(
        self,
        question: Question,
        system_text: str,
        user_text: str,
        clips: Sequence[Clip],
        frames: Sequence[int],
    ) -> np.ndarray:
        """Token ids [P], a placeholder for every audio token."""
        opening, closing = BEFORE_USER.format(system=system_text), user_text + AFTER_USER
        if not clips:
            return self._encode(opening + closing)
        pieces = [self._encode(f"{opening}<|audio_bos|>")]
        for number, (clip, count) in enumerate(zip(clips, map(audio_tokens, frames), strict=True), start=1):
            if count < 1:
                raise ValueError(
                    f"question {question.id}: the clip lasts {clip.seconds * 1000:.0f} ms; "
                    "expected at least 40 ms of audio; remove the item"
                )
            following = closing if number == len(clips) else "<|audio_bos|>"
            pieces += [np.full(count, self.audio_token_id), self._encode(f"<|audio_eos|>{following}")]
        return np.concatenate(pieces)

    def engine_prompt(self, prompt: Prompt) -> EnginePrompt:
        """The same prompt for vLLM: it takes log-mel frames as they are and expands one placeholder."""
        is_audio = prompt.token_ids == self.audio_token_id
        expanded = np.flatnonzero(is_audio[1:] & is_audio[:-1]) + 1  # placeholders but for each clip's first
        token_ids: list[int] = np.delete(prompt.token_ids, expanded).tolist()
        features = prompt.present_features()
        if not prompt.clips:
            return EnginePrompt(token_ids, {})
        lengths = torch.from_numpy(features["feature_lens"])
        audio = {
            "input_audio_features": torch.from_numpy(features["input_features"]),
            "audio_feature_lengths": lengths,
            "feature_attention_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
        }
        return EnginePrompt(token_ids, audio)

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
        if self.attention == "sdpa":
            model.get_decoder().set_attn_implementation(BRANCHING)
        model.requires_grad_(True)
        unused = (model.visual, model.audio_tower.audio_bos_eos_token)  # audio-only input never reaches them
        for module in (*unused, *(m for part in self.freeze for m in _parts(model)[part])):
            module.requires_grad_(False)
        self._put_adapter(model)
        if self.gradient_checkpointing:  # not reentrant: that would want a gradient for the layers' input
            model.gradient_checkpointing_enable({"use_reentrant": False})
        return model.to(self.device).eval()

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Input embeddings [B, T, d] of token ids [B, T], the audio of `prompts` in place, in their order."""
        embeddings = self.model.get_input_embeddings()(token_ids)
        clips = [clip for prompt in prompts for clip in _clips_of(prompt)]
        if not clips:
            return embeddings
        audio = self._encode_audio(clips)  # [audio tokens of all rows, d]
        where = (token_ids == self.audio_token_id).unsqueeze(-1)
        if int(where.sum()) != len(audio):
            raise ValueError(f"{int(where.sum())} audio placeholders for {len(audio)} audio embeddings")
        return embeddings.masked_scatter(where, audio.to(embeddings.dtype))

    def hidden(
        self,
        embeddings: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | Branching | None,
        cache: Any = None,
    ) -> torch.Tensor:
        """Last hidden states [B, T, d]; a mask [B, 1, T, S] is additive; a given cache is extended.

        Without a mask every token attends to itself and to what stands before it; the cache is then empty.
        """
        decoder = self.model.get_decoder()
        self._set_checkpointing(decoder, cache is None)
        return decoder(
            inputs_embeds=embeddings,
            position_ids=positions,
            attention_mask=self._masks(mask, embeddings.shape[1]),
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state

    def new_cache(self) -> Cache:
        """An empty key-value cache for `hidden`."""
        return new_cache()

    @property
    def head(self) -> torch.nn.Linear:
        """The output projection, hidden states [..., d] to logits [..., V]; it may carry an adapter."""
        return self.model.get_output_embeddings()

    # --- weights -------------------------------------------------------------------------------

    def named_weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The tensors that training may change, by their names in the model."""
        return ((name, p.detach()) for name, p in self.model.named_parameters() if p.requires_grad)

    def checkpoint_weights(self, *, whole: bool = False) -> Iterable[tuple[str, torch.Tensor]]:
        """What training may have changed, or the whole model, named as in the official checkpoint.

        Adapters are merged.
        """
        if whole:
            named = self._official_names(lora.merged_state(self.model))
            return ((name, tensor.to(self.device)) for name, tensor in named)
        if self.has_adapter:  # one by one: together they would be as large as the model
            merged = lora.merged_layers(self.model)
            return (named for name, tensor in merged for named in self._official_names({name: tensor}))
        return self._official_names(dict(self.named_weights()))

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy named tensors into the model; tensors that are the model's own are left as they are."""
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in weights:
                if own[name].data_ptr() != tensor.data_ptr():
                    own[name].copy_(tensor)

    def frozen_copy(self, folder: Path | None = None) -> Qwen2_5Omni:
        """The model as it is now, or as `save` wrote it into `folder`, with weights that do not change.

        What training leaves as it is is shared with the policy: beside an adapter, that is the whole base.
        """
        twin = copy.copy(self)
        twin._audio_cache = _AudioCache(self._audio_cache.limit)
        if folder and not lora.is_adapter(folder):
            twin.path = str(folder)
            twin.__dict__.pop("model", None)  # loaded from there on first use
            twin.model.requires_grad_(False)
            return twin
        twin.model = lora.frozen_copy(self.model)
        if twin.model.audio_tower is self.model.audio_tower:
            twin._audio_cache = self._audio_cache
        if folder:
            lora.read_weights(twin.model, folder)
        lora.switch_off_zeros(twin.model)
        return twin

    def trained_copy(self) -> Qwen2_5Omni:
        """The same model with weights of its own that train as these do, and may be taken apart.

        Audio that does not train is still encoded by the whole model: processes need not do it in step.
        """
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model)
        if not lora.trains(self.model.audio_tower):
            twin._encode_audio = self._encode_audio  # type: ignore[method-assign]
        return twin

    def save(self, folder: Path) -> None:
        """Write what `path` opens again: an adapter in peft's format, or else a whole model."""
        if self.has_adapter:
            lora.save_adapter(self.model, folder)
        else:
            self.export(folder)

    def export(self, folder: Path) -> None:
        """Write config, tokenizer, processor and weights in the official layout of Qwen2.5-Omni.

        An adapter is merged into its base. The talker is not kept: the folder loads as a thinker in
        transformers and in vLLM.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._other_files.items():
            (folder / name).write_bytes(content)
        config = json.loads(self._other_files["config.json"]) | {"enable_audio_output": False}
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        weights = in_own_memory(lora.merged_state(self.model))
        save_torch_state_dict(dict(self._official_names(weights)), folder)

    # --- helpers -------------------------------------------------------------------------------

    def _official_names(self, state: dict[str, torch.Tensor]) -> Iterable[tuple[str, torch.Tensor]]:
        named = revert_weight_conversion(self.model, state)
        return ((f"thinker.{name}", tensor) for name, tensor in named.items())

    def _ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        vocabulary = self.tokenizer.get_vocab()
        return tuple(vocabulary[token] for token in tokens if token in vocabulary)

    def _padding_ids(self) -> range:
        """Rows of the embedding behind the last token: they round the vocabulary up and mean nothing."""
        config: Any = Qwen2_5OmniThinkerConfig.from_pretrained(self.path)
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
        found = [token for token in self.tokenizer.all_special_tokens if token in text]
        if found:
            raise ValueError(
                f"question {question_id}: its text holds the special token {found[0]!r}; "
                "expected plain text; remove the item or change its wording"
            )

    @property
    def has_adapter(self) -> bool:
        return bool(self.adapter or self.adapter_folder)

    def _adapter(self, rank: int, alpha: float | None, targets: Sequence[str]) -> lora.Adapter | None:
        """The recipe's adapter, if it has one. Raises ValueError."""
        if rank < 0:
            raise ValueError(f"lora_rank is {rank}; expected the rank of an adapter, or 0 for none")
        if not rank:
            return None
        with torch.device("meta"):
            blank: Any = Thinker(Qwen2_5OmniThinkerConfig.from_pretrained(self.path))
        lora.check_targets(targets, _linear_layers(blank), self.freeze)
        return lora.Adapter(rank=rank, alpha=2.0 * rank if alpha is None else alpha, targets=tuple(targets))

    def _put_adapter(self, model: Any) -> None:
        """Put the adapter, from its folder or a new one, on a model that has just been loaded."""
        layers = _linear_layers(model)
        names = [name for target in self.adapter.targets for name in layers[target]] if self.adapter else []
        if self.adapter_folder:
            lora.open_adapter(model, self.adapter_folder, self.base)
            if self.adapter:
                lora.check_same(model, self.adapter, names, self.adapter_folder)
        elif self.adapter:
            lora.add_adapter(model, self.adapter, names, self.base)

    def _encode_audio(self, clips: Sequence[_LogMelClip]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""
        if lora.trains(self.model.audio_tower):
            return self._run_tower(clips)
        new = {clip.digest: clip for clip in clips if clip.digest not in self._audio_cache}
        with torch.no_grad():  # one by one: in a batch the last bits change, and a resumed run would differ
            self._audio_cache.update({digest: self._run_tower([clip]) for digest, clip in new.items()})
        audio = torch.cat([self._audio_cache[clip.digest] for clip in clips])
        self._audio_cache.trim()
        return audio

    def _masks(self, mask: torch.Tensor | Branching | None, tokens: int) -> Any:
        """The mask as the decoder takes it."""
        if isinstance(mask, torch.Tensor):
            return mask
        if self.attention == "eager":
            meant = Branching(((tokens, ()),)) if mask is None else mask
            return additive_mask(meant.visible(self.device), self.dtype)
        return dict.fromkeys(self.model.get_decoder().config.layer_types, mask)  # handed on as it is

    def _set_checkpointing(self, module: Any, possible: bool) -> None:
        """Training mode is what makes transformers checkpoint, and drop a cache; there is no dropout here."""
        if self.gradient_checkpointing:
            module.train(possible and torch.is_grad_enabled())

    def _run_tower(self, clips: Sequence[_LogMelClip]) -> torch.Tensor:
        lengths = torch.tensor([clip.features.shape[1] for clip in clips], device=self.device)
        features = torch.from_numpy(np.concatenate([clip.features for clip in clips], axis=1))
        tower = self.model.audio_tower
        self._set_checkpointing(tower, True)
        return tower(
            features.to(self.device, self.dtype),  # [mels, frames of all clips]
            feature_lens=lengths,
            aftercnn_lens=(lengths - 1) // 2 + 1,
        ).last_hidden_state


class _LogMelClip(NamedTuple):
    digest: str
    features: np.ndarray  # [mels, frames]


def _clips_of(prompt: Prompt) -> Iterator[_LogMelClip]:
    """Every clip of a prompt with its frames. Raises ValueError where the prompt's features are not here."""
    features = prompt.present_features()
    if not prompt.clips:
        return
    ends = np.cumsum(features["feature_lens"])[:-1]
    for clip, frames in zip(prompt.clips, np.split(features["input_features"], ends, axis=1), strict=True):
        yield _LogMelClip(clip.digest, frames)


class _AudioCache(OrderedDict[str, torch.Tensor]):
    """Embeddings by clip digest; the oldest go first once more than `limit` bytes are held."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def trim(self) -> None:
        held = sum(tensor.nbytes for tensor in self.values())
        while held > self.limit:
            held -= self.popitem(last=False)[1].nbytes


def _branching_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers, [B, T, heads, width]."""
    if isinstance(mask, Branching):
        return attend(query, key, value, mask, options["scaling"]), None
    if query.device.type == "cpu" and not torch.is_grad_enabled():
        return attend_without_gradient(query, key, value, mask, options["scaling"]), None
    return sdpa_attention_forward(module, query, key, value, mask, **options)


ALL_ATTENTION_FUNCTIONS.register(BRANCHING, _branching_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(BRANCHING, sdpa_mask)


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


def _linear_layers(model: Any) -> dict[str, list[str]]:
    return lora.linear_layers(model, _parts(model), main="language_model")


def _findable(path: str) -> str:
    """A model's path as an adapter names it: that of a folder is absolute."""
    return str(Path(path).resolve()) if Path(path).is_dir() else path
