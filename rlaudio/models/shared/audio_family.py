"""What model families have in common: a tokenizer, an audio tower, a projector and a language model.

A family that transformers opens is a subclass, and says what is its own: see architecture.py.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict
from transformers.cache_utils import Cache

from rlaudio.models.family import EnginePrompt, additive_mask, resolve_model_path
from rlaudio.models.shared import checkpoint_names, lora
from rlaudio.models.shared.alignment import aligned
from rlaudio.models.shared.architecture import Architecture, Modules
from rlaudio.models.shared.audio_cache import AudioCache
from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.branching_attention import BRANCHING
from rlaudio.models.shared.checkpoint_files import (
    check_complete,
    check_config,
    in_own_memory,
    local_folder,
    open_complete,
    read_other_files,
)
from rlaudio.models.shared.devices import pick_device
from rlaudio.models.shared.front_ends import ClipFeatures, clips_of
from rlaudio.models.shared.growing_cache import new_cache
from rlaudio.types import Clip, Prompt, Question

ModelComponent = Literal["audio_tower", "projector", "language_model", "router"]


class AudioFamily(Architecture):
    """A model with its tokenizer and audio front end.

    `path` is a model's folder, or that of an adapter, which names its base. `freeze` names the parts that
    training leaves as they are. Where nothing trains in audio tower and projector each clip is encoded once
    and its embeddings are kept (`audio_cache_mb`).

    With `lora_rank` above 0 only an adapter of that rank trains, on the linear layers that `lora_targets`
    names: `q_proj` is the language model's, `audio_tower.q_proj` the audio tower's. All other weights stay
    as they are, so a part is named in `freeze` or has targets, not both. Unless given, `lora_alpha` is twice
    the rank, as in SEAR and RT-OPD (arXiv:2609.28778), and the targets are all linear layers of the language
    model's blocks (arXiv:2305.14314, section 4).
    """

    # --- opening -------------------------------------------------------------------------------

    def __init__(
        self,
        *,
        path: str,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        device: str = "auto",
        attention: Literal["sdpa", "eager"] = "sdpa",
        freeze: Sequence[ModelComponent] = (),
        gradient_checkpointing: bool = False,
        audio_cache_mb: int = 512,
        lora_rank: int = 0,
        lora_alpha: float | None = None,
        lora_targets: tuple[str, ...] | None = None,
    ):
        given = Path(local_folder(resolve_model_path(path)))
        self.adapter_folder = given if lora.is_adapter(given) else None
        self.base = lora.base_of(given) if self.adapter_folder else _findable(path)
        self.path = local_folder(resolve_model_path(self.base)) if self.adapter_folder else str(given)
        self._other_files = read_other_files(Path(self.path))
        check_complete(self.path, self._other_files)
        check_config(self.path, self._other_files["config.json"], self.model_types)
        self.dtype = getattr(torch, dtype)
        self.device = pick_device(device)
        self.attention = attention
        self.freeze = tuple(freeze)
        self.adapter = self._adapter(lora_rank, lora_alpha, lora_targets)
        self.gradient_checkpointing = gradient_checkpointing
        vocabulary = self.read_config(self.path).text_config.vocab_size
        self._prompts = self.prompts(self.path, vocabulary=vocabulary, cache_mb=audio_cache_mb)
        self.tokenizer = self._prompts.tokenizer
        self.feature_extractor = self._prompts.feature_extractor
        self.forbidden_token_ids = self._prompts.forbidden_token_ids
        self.stop_token_ids = self._prompts.stop_token_ids
        self.audio_token_id = self._prompts.audio_token_id
        self._audio_cache = AudioCache(audio_cache_mb * 2**20)

    # --- text and audio to prompts -------------------------------------------------------------

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """The prompt of one question, all its clips before the text; see `PromptEncoder.encode_prompt`."""
        return self._prompts.encode_prompt(question, system_text, user_text, clips)

    def engine_prompt(self, prompt: Prompt) -> EnginePrompt:
        """The same prompt for vLLM, which takes features unchanged and expands one placeholder itself."""
        is_audio = prompt.token_ids == self.audio_token_id
        expanded = np.flatnonzero(is_audio[1:] & is_audio[:-1]) + 1  # placeholders but for each clip's first
        token_ids: list[int] = np.delete(prompt.token_ids, expanded).tolist()
        return EnginePrompt(token_ids, self.engine_audio(prompt) if prompt.clips else {})

    def encode_completion(self, text: str) -> np.ndarray:
        """Token ids [C] of an answer, the stop token at the end."""
        return self._prompts.encode_completion(text)

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Text of a completion without special tokens, spaces unchanged."""
        return self._prompts.decode(token_ids)

    def token_texts(self, token_ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The text of each token, empty for special tokens."""
        return self._prompts.token_texts(token_ids)

    # --- prompts to hidden states --------------------------------------------------------------

    @cached_property
    def model(self) -> Any:
        """The model, loaded on first use, in eval mode (no dropout), frozen as asked."""
        model = self._opened()
        if self.gradient_checkpointing:  # not reentrant: that would need a gradient for the layers' input
            model.gradient_checkpointing_enable({"use_reentrant": False})
        return model.to(self.device).eval()

    def blank(self) -> torch.nn.Module:
        """The same model on torch's meta device: names, shapes and what trains, without memory.

        Raises ValueError where the folder's weights are missing, damaged or those of another model.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*which is a no-op", UserWarning)  # of an adapter's weights
            return self._opened(device_map="meta")

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Input embeddings [B, T, d] of token ids [B, T], the audio of `prompts` in place, in their order."""
        embeddings = self.model.get_input_embeddings()(token_ids)
        clips = [clip for prompt in prompts for clip in clips_of(prompt)]
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

        Without a mask every token attends to itself and the tokens before it; the cache is then empty.
        """
        decoder = self.model.get_decoder()
        self._set_checkpointing([decoder], cache is None)
        return decoder(
            inputs_embeds=embeddings,
            position_ids=positions,
            **self._attending(mask, embeddings.shape[1]),
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
        return checkpoint_names.trained_weights(self.model)

    def checkpoint_weights(self, *, whole: bool = False) -> Iterable[tuple[str, torch.Tensor]]:
        """What training may have changed, or the whole model, named as in the official checkpoint.

        Adapters are merged.
        """
        if whole:
            state = self._official(lora.merged_state(self.model))
            return ((name, tensor.to(self.device)) for name, tensor in state)
        if self.has_adapter:  # one layer at a time: together they would need the memory of the model
            layers = lora.merged_layers(self.model)
            return (named for name, tensor in layers for named in self._official({name: tensor}))
        return self._official(dict(checkpoint_names.trained_weights(self.model)))

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy named tensors into the model; a tensor that shares its memory is skipped."""
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in weights:
                if parameters[name].data_ptr() != tensor.data_ptr():
                    parameters[name].copy_(tensor)

    def frozen_copy(self, folder: Path | None = None) -> Self:
        """The model as it is now, or as `save` wrote it into `folder`, with weights that do not change.

        Weights that do not train are shared with the policy: with an adapter, those of the whole base.
        """
        twin = copy.copy(self)
        twin._audio_cache = AudioCache(self._audio_cache.limit)
        if folder and not lora.is_adapter(folder):
            twin.path = str(folder)
            twin.__dict__.pop("model", None)  # loaded from there on first use
            twin.model.requires_grad_(False)
            return twin
        twin.model = lora.frozen_copy(self.model)
        if all(a is b for a, b in zip(twin._audio_modules(), self._audio_modules(), strict=True)):
            twin._audio_cache = self._audio_cache
        if folder:
            lora.read_weights(twin.model, folder)
        lora.switch_off_zeros(twin.model)
        return twin

    def trained_copy(self) -> Self:
        """The same model with separate weights that train as these do, and may be sharded.

        Audio that does not train is still encoded by this model, so that processes need not do it together.
        """
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model)
        if not self._audio_trains():
            twin._encode_audio = self._encode_audio  # type: ignore[method-assign]
        return twin

    def save(self, folder: Path) -> None:
        """Write what `path` opens again: an adapter in peft's format, or else a whole model."""
        if self.has_adapter:
            lora.save_adapter(self.model, folder)
        else:
            self.export(folder)

    def export(self, folder: Path) -> None:
        """Write config, tokenizer, processor, model card and weights in the family's official layout.

        An adapter is merged into its base. Of an omni model the talker is left out: the folder loads as a
        thinker in transformers and in vLLM.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._other_files.items():
            (folder / name).write_bytes(content)
        config = json.loads(self._other_files["config.json"]) | self.exported
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        (folder / "README.md").write_text(self.card, encoding="utf-8")
        weights = in_own_memory(dict(self._official(lora.merged_state(self.model))))
        save_torch_state_dict(weights, folder)

    # --- helpers -------------------------------------------------------------------------------

    @property
    def has_adapter(self) -> bool:
        return bool(self.adapter or self.adapter_folder)

    def _opened(self, **options: Any) -> Any:
        """The model with the folder's weights, frozen as asked. Raises ValueError."""
        model = open_complete(
            self.model_class, self.path, dtype=self.dtype, attn_implementation=self.attention, **options
        )
        return self._set_up(aligned(model))

    def _set_up(self, model: Any) -> Any:
        """A model as transformers made it, frozen as asked and with the adapter."""
        if self.attention == "sdpa":
            model.get_decoder().set_attn_implementation(BRANCHING)
        model.requires_grad_(True)
        components = self.components(model)
        lora.check_freeze(self.freeze, components)
        for module in (*self.unused(model), *(m for part in self.freeze for m in components[part])):
            module.requires_grad_(False)
        self._put_adapter(model)
        return model

    def _adapter(self, rank: int, alpha: float | None, targets: Sequence[str] | None) -> lora.Adapter | None:
        """The recipe's adapter, if it has one. Raises ValueError."""
        if rank < 0:
            raise ValueError(f"lora_rank is {rank}; expected the rank of an adapter, or 0 for none")
        if not rank:
            return None
        blank = self.blank_of(self.read_config(self.path))
        layers = self.linear_layers(blank)
        targets = lora.targets_in(layers) if targets is None else targets
        lora.check_targets(targets, layers, self.freeze)
        lora.check_rank(rank, [blank.get_submodule(name) for target in targets for name in layers[target]])
        return lora.Adapter(rank=rank, alpha=2.0 * rank if alpha is None else alpha, targets=tuple(targets))

    def _put_adapter(self, model: Any) -> None:
        """Put the adapter, from its folder or a new one, on a model that has just been loaded."""
        layers = self.linear_layers(model)
        names = [name for target in self.adapter.targets for name in layers[target]] if self.adapter else []
        if self.adapter_folder:
            lora.open_adapter(model, self.adapter_folder, self.base)
            if self.adapter:
                lora.check_same(model, self.adapter, names, self.adapter_folder)
        elif self.adapter:
            lora.add_adapter(model, self.adapter, names, self.base)

    def _encode_audio(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""
        if self._audio_trains():
            return self._run_tower(clips)
        new = {clip.digest: clip for clip in clips if clip.digest not in self._audio_cache}
        with torch.no_grad():  # one by one: a batch changes the last bits, and a resumed run would differ
            self._audio_cache.update({digest: self._run_tower([clip]) for digest, clip in new.items()})
        audio = torch.cat([self._audio_cache[clip.digest] for clip in clips])
        self._audio_cache.trim()
        return audio

    def _run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        self._set_checkpointing(self._audio_modules(), True)
        return self.run_tower(clips)

    def _audio_modules(self) -> Modules:
        components = self.components(self.model)
        return [*components["audio_tower"], *components["projector"]]

    def _audio_trains(self) -> bool:
        return any(lora.trains(module) for module in self._audio_modules())

    def _official(self, state: Mapping[str, torch.Tensor]) -> Iterable[tuple[str, torch.Tensor]]:
        return checkpoint_names.official_names(self.model, state, self.prefix)

    def _attending(self, mask: torch.Tensor | Branching | None, tokens: int) -> dict[str, Any]:
        """What a token attends to, as the decoder takes it."""
        if isinstance(mask, torch.Tensor):
            return {"attention_mask": mask}
        if self.attention == "eager":
            branching = Branching(((tokens, ()),)) if mask is None else mask
            return {"attention_mask": additive_mask(branching.visible(self.device), self.dtype)}
        return {"branching": mask}  # passed on to the attention, see branching_attention.py

    def _set_checkpointing(self, modules: Modules, possible: bool) -> None:
        """transformers checkpoints, and drops a cache, in training mode; there is no dropout here."""
        if self.gradient_checkpointing:
            for module in modules:
                module.train(possible and torch.is_grad_enabled())


def _findable(path: str) -> str:
    """A model's path as an adapter names it: that of a folder is absolute."""
    return str(Path(path).resolve()) if Path(path).is_dir() else path
