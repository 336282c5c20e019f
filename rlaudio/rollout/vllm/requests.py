"""Prompts and sampling as vLLM takes them, in this process or over HTTP.

vLLM gets token ids and the log-mel frames that training uses; it extracts no features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.vllm.audio_features import accept_features
from rlaudio.rollout.vllm.setup import architectures, set_environment
from rlaudio.types import Prompt, SamplingParams


def sampling_options(family: ModelFamily, sampling: SamplingParams, report: int, seed: int) -> dict[str, Any]:
    """Options of vLLM's SamplingParams for a question's group, `report` likeliest tokens beside each."""
    greedy = sampling.temperature == 0.0
    return {
        "n": 1 if greedy else sampling.group_size,  # audio is processed once for all n
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "seed": None if greedy else seed,
        "max_tokens": sampling.max_new_tokens,
        "stop_token_ids": list(family.stop_token_ids),
        "ignore_eos": True,  # those stop and nothing else
        "logit_bias": dict.fromkeys(family.forbidden_token_ids, float("-inf")),  # exact: adds to the logits
        "logprobs": report,
        "detokenize": False,
    }


def whole_groups(groups: list[list[SampledTokens]], sampling: SamplingParams) -> list[list[SampledTokens]]:
    """Groups of the requested size: greedy completions are requested once and copied."""
    return [group * sampling.group_size for group in groups] if sampling.temperature == 0.0 else groups


def together(prompts: Sequence[Prompt], group_size: int, step_tokens: int | None) -> Iterator[slice]:
    """Parts of the prompts that vLLM's CPU build takes whole in one step; on a GPU, None, all at once.

    Where it takes a prompt in pieces it rewinds the random generator of the request's seed, and a CPU
    generator cannot be rewound: `CPU Generator does not use offset`.
    """
    start = tokens = 0
    for end, prompt in enumerate(prompts):
        needed = group_size * len(prompt.token_ids)
        if step_tokens and tokens + needed > step_tokens and end > start:
            yield slice(start, end)
            start, tokens = end, 0
        tokens += needed
    if start < len(prompts):
        yield slice(start, len(prompts))


def engine_request(family: ModelFamily, prompt: Prompt) -> dict[str, Any]:
    """A prompt as vLLM takes it: token ids and the features that training uses."""
    if len(prompt.clips) > 1:
        raise ValueError(
            f"question {prompt.question.id} has {len(prompt.clips)} clips; expected at most one: vLLM is "
            "opened for that; sample with rollout.use=transformers"
        )
    inputs = family.engine_prompt(prompt)
    request: dict[str, Any] = {"prompt_token_ids": inputs.token_ids}
    if inputs.audio:
        request["multi_modal_data"] = {"audio": dict(inputs.audio)}
        request["multi_modal_uuids"] = {"audio": [prompt.audio_digest]}  # no second hash of the features
    return request


class HttpPrompts:
    """Prompts as vLLM's servers take them over HTTP, prepared here by the code that prepares them there."""

    def __init__(self, family: ModelFamily, max_model_len: int):
        set_environment(family.device.type == "cuda", beside=False)
        from vllm.engine.arg_utils import EngineArgs
        from vllm.renderers import renderer_from_config

        config = EngineArgs(
            family.path, max_model_len=max_model_len, generation_config="vllm", **reading(family)
        ).create_engine_config()
        self.family = family
        self.vocabulary: int = config.model_config.get_vocab_size()
        self._renderer = renderer_from_config(config)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The prompt's part of a request: token ids, and log-mel frames in vLLM's own encoding."""
        from vllm.entrypoints.scale_out.token_in_token_out.mm_features import extract_mm_features

        (rendered,) = self._renderer.render_cmpl([engine_request(self.family, prompt)], skip_mm_cache=True)
        check_same_prompt(prompt, rendered["prompt_token_ids"])
        body: dict[str, Any] = {"token_ids": rendered["prompt_token_ids"]}
        features = extract_mm_features(rendered)
        return body if features is None else body | {"features": features.model_dump()}


def reading(family: ModelFamily) -> dict[str, Any]:
    """Engine options for the family's folder and its prompts, which hold features from now on."""
    accept_features(architectures(family))
    return reading_in(str(family.dtype).removeprefix("torch."))


def reading_in(dtype: str) -> dict[str, Any]:
    """Engine options for a folder that is read in this dtype, and for prompts with a clip."""
    return {
        "dtype": dtype,
        "limit_mm_per_prompt": {"audio": 1, "image": 0, "video": 0},
        "enable_mm_embeds": True,  # audio comes as features
    }


def check_same_prompt(prompt: Prompt, token_ids: Sequence[int]) -> None:
    """Both engines must have seen the same tokens, expanded placeholders included."""
    if list(token_ids) != prompt.token_ids.tolist():
        raise RuntimeError(
            f"question {prompt.question.id}: vLLM made {len(token_ids)} tokens of a prompt of "
            f"{len(prompt.token_ids)}, or other ones; the family's engine_prompt does not fit this vLLM"
        )
