"""What model families have in common: a tokenizer, an audio tower, a projector and a language model.

A family that transformers opens is a subclass, and says what is its own: see architecture.py.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache

from rlaudio.models.family import EnginePrompt, additive_mask
from rlaudio.models.shared import lora
from rlaudio.models.shared.architecture import Modules
from rlaudio.models.shared.audio_cache import AudioCache
from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.capped_head import CappedHead
from rlaudio.models.shared.folder_model import FolderModel, ModelComponent, Opening
from rlaudio.models.shared.front_ends import ClipFeatures, clips_of
from rlaudio.models.shared.growing_cache import new_cache
from rlaudio.types import Clip, Prompt, Question
from rlaudio.utils.onednn_linear import missing_rows


class AudioFamily(FolderModel):
    """A model with its tokenizer and audio front end.

    `path` is a model's folder, or that of an adapter, which names its base, or a name on the hub, pinned as
    `OWNER/NAME@COMMIT`. `freeze` names the parts that training leaves as they are. Where nothing trains in
    audio tower and projector each clip is encoded once and its embeddings are kept (`audio_cache_mb`).

    With `lora_rank` above 0 only an adapter of that rank trains, on the linear layers that `lora_targets`
    names: `q_proj` is the language model's, `audio_tower.q_proj` the audio tower's. All other weights stay
    as they are, so a part is named in `freeze` or has targets, not both. Unless given, `lora_alpha` is twice
    the rank, as in SEAR and RT-OPD (arXiv:2609.28778), and the targets are all linear layers of the language
    model's blocks (arXiv:2305.14314, section 4).

    `trust_remote_code` runs a tokenizer's Python file from the folder; all else is transformers' own code.
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
        trust_remote_code: bool = False,
    ):
        how = Opening(
            dtype=dtype,
            device=device,
            attention=attention,
            freeze=tuple(freeze),
            gradient_checkpointing=gradient_checkpointing,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            lora_targets=lora_targets,
        )
        super().__init__(path, how)
        vocabulary = self.read_config(self.path).text_config.vocab_size
        self._prompts = self.prompts(
            self.path, vocabulary=vocabulary, cache_mb=audio_cache_mb, remote_code=trust_remote_code
        )
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
        """The prompt of one question; see `PromptEncoder.encode_prompt`."""
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
        tokens = embeddings.shape[1]
        attending = self._attending(mask, tokens)
        missing = missing_rows(embeddings) if attending.get("branching") else 0
        if missing:  # once, and not in every linear layer
            embeddings, positions = pad(embeddings, (0, 0, 0, missing)), pad(positions, (0, missing))
        hidden: torch.Tensor = decoder(
            inputs_embeds=embeddings,
            position_ids=positions,
            **attending,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        return hidden[:, :tokens]

    @property
    def packs_prompts(self) -> bool:
        """Whether prompts are computed without padding; GPU kernels would need a mask of all their tokens."""
        kind = type(self)  # a family with another cache, or its own way to the states, goes the general way
        inherited = kind.hidden is AudioFamily.hidden and kind.new_cache is AudioFamily.new_cache
        return inherited and self.device.type == "cpu" and self.attention == "sdpa"

    def new_cache(self) -> Cache:
        """An empty key-value cache for `hidden`."""
        return new_cache()

    @property
    def head(self) -> torch.nn.Linear | CappedHead:
        """The output projection, hidden states [..., d] to logits [..., V]; it may carry an adapter."""
        return self.model.get_output_embeddings()

    # --- weights -------------------------------------------------------------------------------

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

    # --- helpers -------------------------------------------------------------------------------

    def _encode_audio(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""
        if self._audio_trains():
            return self._run_tower(clips)
        audio = self._audio_cache.of(clip.digest for clip in clips)
        new = {clip.digest: clip for clip in clips if clip.digest not in audio}
        with torch.no_grad():  # one by one: a batch changes the last bits, and a resumed run would differ
            encoded = {digest: self._run_tower([clip]) for digest, clip in new.items()}
        self._audio_cache.add(encoded)
        audio |= encoded
        return torch.cat([audio[clip.digest] for clip in clips])

    def _run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        self._set_checkpointing(self._audio_modules(), True)
        return self.run_tower(clips)

    def _audio_modules(self) -> Modules:
        components = self.components(self.model)
        return [*components["audio_tower"], *components["projector"]]

    def _audio_trains(self) -> bool:
        return any(lora.trains(module) for module in self._audio_modules())

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
