"""Do the engine that samples and the engine that trains agree? Asked after every sync of weights.

An engine that keeps old weights, half of them or old cache entries, gets other audio or reports
log-probs of another distribution goes on answering, and training on its completions looks healthy for a
long time. So a few fixed prompts are sampled, and the log-probs that the engine reports are compared with
those that the family's own model gives to the same tokens, in the plain form: one row a completion, no
cache, nothing shared. An error that moves them by less than the tolerance is not detected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from rlaudio.models.family import ModelFamily, additive_mask
from rlaudio.prompts.wording import SYSTEM
from rlaudio.types import Clip, Group, Prompt, Question, SamplingParams

Generate = Callable[[Sequence[Prompt], SamplingParams, tuple[int | str, ...]], list[Group]]

# Not 1, so that raw log-probs differ from those of the sampled distribution.
SAMPLING = SamplingParams(group_size=1, temperature=1.3, top_k=0, top_p=1.0, max_new_tokens=8)
KEY = ("canary",)
COUNTING = "Count: " + " ".join(map(str, range(1, 61)))  # longer than any engine's cache block
TOLERANCES = {torch.float32: 1e-3}  # measured: 1e-5 at most
HALF_PRECISION = 0.1  # not measured on a large model; one logit's last bit may be as much


class CanaryError(ValueError):
    """Sampling and training disagree about the policy."""


class Canary:
    """Compares log-probs of fixed prompts, two with a clip and one of text alone.

    `tolerance` is how many nats a prompt's log-probs may differ by, on the mean of its completion's tokens:
    rounding alone moves single tokens further. None: the tolerance of the dtype.
    """

    def __init__(self, family: ModelFamily, tolerance: float | None = None):
        self.family = family
        self.tolerance = tolerance or TOLERANCES.get(family.dtype, HALF_PRECISION)
        self.prompts = canary_prompts(family)

    def enter_caches(self, generate: Generate) -> None:
        """Have the engine answer the prompts before an update, so that stale cache entries are detected."""
        generate(self.prompts, SAMPLING, KEY)

    def check(self, generate: Generate, phase: str) -> float:
        """The largest prompt's difference in nats. Raises CanaryError, with the phase, if it is too large."""
        groups = generate(self.prompts, SAMPLING, KEY)
        gaps = {group.prompt.question.id: self._gap(group) for group in groups}
        worst = float(np.max(list(gaps.values())))  # NaN if one is
        if worst <= self.tolerance:  # NaN is not
            return worst
        wrong = [name for name, gap in gaps.items() if not gap <= self.tolerance]
        raise CanaryError(
            f"{phase}: log-probs of the sampling engine and the model differ by {worst:.3g} nats a token on "
            f"{', '.join(wrong)}; expected at most {self.tolerance:g}. {_suspects(wrong)}"
        )

    def _gap(self, group: Group) -> float:
        trained = plain_logprobs(self.family, group, SAMPLING.temperature)
        differences = [
            np.abs(completion.logprobs - expected)
            for completion, expected in zip(group.completions, trained, strict=True)
        ]
        return float(np.concatenate(differences).mean())


def check_room(family: ModelFamily, max_model_len: int) -> None:
    """Raises ValueError for an engine whose context is too short for the fixed prompts."""
    needed = max(len(prompt.token_ids) for prompt in canary_prompts(family)) + SAMPLING.max_new_tokens
    if max_model_len < needed:
        raise ValueError(
            f"rollout.max_model_len is {max_model_len}; expected at least {needed}: the length of the "
            "prompts on which the engine is compared with the model"
        )


def canary_prompts(family: ModelFamily) -> tuple[Prompt, ...]:
    """The fixed prompts: the same words after a tone, after noise of the same length, and without audio."""
    seconds = np.arange(16_000) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * (300 + 400 * seconds) * seconds)
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(seconds))
    heard = [
        family.encode_prompt(_question(name), SYSTEM, COUNTING, [_clip(name, samples)])
        for name, samples in (("canary-tone", tone), ("canary-noise", noise))
    ]
    return (*heard, text_prompt(_question("canary-text"), family.encode_completion(COUNTING)))


def text_prompt(question: Question, token_ids: np.ndarray) -> Prompt:
    """A prompt without audio."""
    return Prompt(
        question=question,
        token_ids=token_ids,
        positions=np.arange(len(token_ids)),
    )


@torch.no_grad()
def plain_logprobs(family: ModelFamily, group: Group, temperature: float) -> list[np.ndarray]:
    """Log-probs [C] of each completion under the family's model, forbidden tokens left out."""
    prompt, device = group.prompt, family.device
    start = len(prompt.token_ids)
    lengths = [len(c.token_ids) for c in group.completions]
    token_ids = torch.zeros(len(lengths), start + max(lengths), dtype=torch.long, device=device)  # [G, T]
    token_ids[:, :start] = torch.from_numpy(prompt.token_ids)
    for row, completion in zip(token_ids, group.completions, strict=True):
        row[start : start + len(completion.token_ids)] = torch.from_numpy(completion.token_ids)
    width = token_ids.shape[1]
    earlier = torch.ones(width, width, dtype=torch.bool, device=device).tril()
    hidden = family.hidden(
        family.embed(token_ids, [prompt] * len(lengths)),
        torch.arange(width, device=device).expand_as(token_ids),
        additive_mask(earlier.expand(len(lengths), 1, -1, -1), family.dtype),
    )
    logits = family.head(hidden[:, start - 1 : -1]).float() / temperature  # [G, C, V]
    logits[..., list(family.forbidden_token_ids)] = float("-inf")
    logprobs = logits.log_softmax(-1).gather(-1, token_ids[:, start:, None]).squeeze(-1).cpu().numpy()
    return [row[:length] for row, length in zip(logprobs, lengths, strict=True)]


def _suspects(wrong: Sequence[str]) -> str:
    if "canary-text" not in wrong:
        return (
            "Text alone agrees: the engine hears other audio than the prompt holds, keeps audio that old "
            "weights encoded, or did not get the audio tower's weights"
        )
    return (
        "The engine samples from other weights, keeps cache entries of old ones, or reports log-probs of "
        "another distribution; if both are right and only rounding differs, raise rollout.canary_tolerance"
    )


def _question(name: str) -> Question:
    return Question.multiple_choice(name, COUNTING, ("61", "62"), "61")


def _clip(name: str, samples: np.ndarray) -> Clip:
    return Clip(samples.astype(np.float32), digest=name)
