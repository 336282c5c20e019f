"""Gemma 4 with audio (E2B, E4B): a conformer, a projector, a language model with an embedding for each layer.

prompts.py   question and clip to token ids and features
shapes.py    sizes, for plans
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Gemma4ForConditionalGeneration

from rlaudio.models.gemma4 import shapes
from rlaudio.models.gemma4.turns import Gemma4Prompts
from rlaudio.models.shared.architecture import Modules
from rlaudio.models.shared.audio_family import AudioFamily
from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.capped_head import CappedHead
from rlaudio.models.shared.cards import processor_card
from rlaudio.models.shared.front_ends import ClipFeatures, clips_of
from rlaudio.models.shared.growing_cache import PlacedCache
from rlaudio.models.shared.known_shapes import GEMMA_4_E2B, GEMMA_4_E4B
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.types import Prompt


class Gemma4(AudioFamily):
    """Gemma 4 with its tokenizer and audio front end; its options are `AudioFamily`'s.

    A clip is heard up to 30 s. `freeze: [per_layer_embeddings]` leaves the embeddings for the layers, nearly
    half of the weights of E2B, as they are.
    """

    model_class = Gemma4ForConditionalGeneration
    model_types = MODEL_TYPES["gemma4"]
    prompts = Gemma4Prompts
    card = processor_card("Gemma 4", "Gemma4ForConditionalGeneration", clip_last=True)
    unused_name = "visual tower (unused)"
    known: ClassVar = {
        **dict.fromkeys(("google/gemma-4-E2B-it", "google/gemma-4-E2B"), GEMMA_4_E2B),
        **dict.fromkeys(("google/gemma-4-E4B-it", "google/gemma-4-E4B"), GEMMA_4_E4B),
    }
    tower_shape = staticmethod(shapes.tower_shape)
    decoder_shape = staticmethod(shapes.decoder_shape)

    @staticmethod
    def components(model: Any) -> dict[str, Modules]:
        """The modules of each part."""
        decoder = model.get_decoder()
        return {
            "audio_tower": [model.model.audio_tower],
            "projector": [model.model.embed_audio],
            "per_layer_embeddings": [decoder.embed_tokens_per_layer],
            "language_model": [decoder, model.get_output_embeddings()],
        }

    @staticmethod
    def unused(model: Any) -> Modules:
        """The visual tower and its projector."""
        return [model.model.vision_tower, model.model.embed_vision]

    def _set_up(self, model: Any) -> Any:
        # in eager attention its mask is inverted: huggingface/transformers issue 48818
        model.model.audio_tower.set_attn_implementation("sdpa")
        return super()._set_up(model)

    # --- audio -----------------------------------------------------------------------------------

    def run_tower(self, clips: Sequence[ClipFeatures]) -> torch.Tensor:
        """Audio embeddings [audio tokens of all clips, d] in the order of the clips."""
        features, heard = _padded(clips)
        out = self.model.model.get_audio_features(features.to(self.device, self.dtype), heard.to(self.device))
        audio: torch.Tensor = out.pooler_output[out.attention_mask]
        return audio

    def engine_audio(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """The features of a prompt's clips under vLLM's names for them."""
        features, heard = _padded(list(clips_of(prompt)))
        return {"input_features_padded": features, "input_features_mask": heard}

    # --- prompts to hidden states ----------------------------------------------------------------

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Input embeddings [B, T, d + layers * p]: behind each token's embedding those for the layers.

        The layers' are those of the token, and of padding where audio stands.
        """
        decoder = self.model.get_decoder()
        heard = token_ids == self.audio_token_id
        for_layers = decoder.embed_tokens_per_layer(token_ids.masked_fill(heard, decoder.padding_idx))
        return torch.cat([super().embed(token_ids, prompts), for_layers], dim=-1)

    def hidden(
        self,
        embeddings: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | Branching | None,
        cache: Any = None,
    ) -> torch.Tensor:
        """Last hidden states [B, T, d] of what `embed` gives; see `AudioFamily.hidden`."""
        decoder = self.model.get_decoder()
        self._set_checkpointing([decoder], cache is None)
        width, layers = decoder.config.hidden_size, decoder.config.num_hidden_layers
        attending = self._attending(mask, embeddings.shape[1])
        full = near = attending.pop("attention_mask", None)
        if attending.get("branching") is None:  # whose attention knows the window
            keys = positions if cache is None else cache.place(positions)
            near = self._near(full, positions, keys)
        return decoder(
            inputs_embeds=embeddings[..., :width],
            per_layer_inputs=embeddings[..., width:].unflatten(-1, (layers, -1)),
            position_ids=positions,
            attention_mask={"full_attention": full, "sliding_attention": near},
            past_key_values=cache,
            use_cache=cache is not None,
            **attending,
        ).last_hidden_state

    def _near(
        self, mask: torch.Tensor | None, positions: torch.Tensor, keys: torch.Tensor
    ) -> torch.Tensor | None:
        """The additive mask [B, 1, T, S] of layers with a window; `mask` is the others', None: causal."""
        window = self.model.config.text_config.sliding_window
        if mask is None and keys.shape[1] <= window:
            return None
        gap = (positions[:, :, None] - keys[:, None, :])[:, None]  # [B, 1, T, S]
        lowest = torch.finfo(self.dtype).min
        if mask is None:
            mask = torch.zeros_like(gap, dtype=self.dtype).masked_fill_(gap < 0, lowest)
        return torch.where(gap < window, mask, lowest)

    def new_cache(self) -> PlacedCache:
        """An empty key-value cache for `hidden`."""
        return PlacedCache()

    @property
    def head(self) -> torch.nn.Linear | CappedHead:
        """The output projection, hidden states [..., d] to logits [..., V]."""
        projection = self.model.get_output_embeddings()
        cap = self.model.config.text_config.final_logit_softcapping
        return CappedHead(projection, cap) if cap else projection


def _padded(clips: Sequence[ClipFeatures]) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [clips, frames, mels], shorter clips filled up, and which frames are audio [clips, frames]."""
    frames = [torch.from_numpy(clip.features.T) for clip in clips]
    features = pad_sequence(frames, batch_first=True).contiguous()
    lengths = torch.tensor([len(of_clip) for of_clip in frames])
    return features, torch.arange(features.shape[1]) < lengths[:, None]
