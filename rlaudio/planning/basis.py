"""What all parts of a plan start from: the recipe, sizes of its model, devices, and what is assumed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from rlaudio.algorithms.algorithm import Algorithm
from rlaudio.answers import sft_target
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import Recipe
from rlaudio.models.shared.describing import model_size
from rlaudio.models.shared.sizes import ModelSize
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.hardware import Hardware
from rlaudio.planning.memory import Sharding
from rlaudio.planning.servers import RolloutServers, servers_of
from rlaudio.planning.tokens import Attention, StepTokens
from rlaudio.prompts.wording import render_user_text
from rlaudio.training.policy import NARROW_SUPPORT
from rlaudio.types import Question
from rlaudio.utils.lanes import lanes_of

CHARACTERS_PER_TOKEN = 4  # of English, where there is no tokenizer to ask
FRAMES_PER_SECOND = 100


@dataclass(frozen=True)
class Basis:
    """A recipe on given devices, with every assumption filled in."""

    recipe: Recipe
    hardware: Hardware
    model: ModelSize
    assumed: Assumptions
    sharding: Sharding
    servers: RolloutServers | None

    @property
    def dtype(self) -> str:
        """Of the model's weights."""
        return str(self._options.get("dtype", "float32"))

    @property
    def attention(self) -> Attention:
        """The kernel of the model's attention."""
        if self._options.get("attention") == "eager":
            return "eager"
        return "gpu" if self.sharding.on_gpu else "cpu"

    @property
    def checkpointing(self) -> bool:
        """Whether activations are computed again on the way back."""
        return bool(self._options.get("gradient_checkpointing", False))

    @property
    def audio_cache_mb(self) -> int:
        """What the model's family may keep of encoded clips."""
        return int(self._options.get("audio_cache_mb", 0))

    @property
    def rate(self) -> float:
        """Operations a second in matrix products."""
        return self.hardware.flops[self.dtype] * self.assumed.utilisation

    @property
    def engine_sleeps(self) -> bool:
        """Whether vLLM frees its GPU memory while the policy trains."""
        rollout = self.recipe.rollout
        ahead = bool(self.recipe.sampling.max_lag)  # then it samples while the policy trains
        return rollout.use == "vllm" and self.sharding.on_gpu and rollout.options["sleep"] and not ahead

    @property
    def head_rows(self) -> int:
        """Rows of the output projection computed for a target: those of a narrow sampling support, or all."""
        top_k = self.recipe.sampling.top_k
        narrow = 0 < top_k <= NARROW_SUPPORT and self.recipe.mismatch.logprobs == "sampled"
        return top_k if narrow and self.sharding.stage != 3 else self.model.decoder.vocabulary

    @property
    def answer_tokens(self) -> int:
        """Tokens of an answer alone, and of its end."""
        return count_tokens(self.model, sft_target(replace(STAND_INS[0], style=self.recipe.prompt.style))) + 1

    @cached_property
    def algorithm(self) -> Algorithm:
        """That of the stages of RL."""
        algorithm: Algorithm = self.recipe.algorithm()
        return algorithm

    def questions_together(self, tokens: StepTokens) -> int:
        """Questions whose completions are sampled together; all of them where vLLM schedules."""
        if self.recipe.rollout.use in ("vllm", "vllm_server"):
            return tokens.question_count
        options = {**bind("rollout", "transformers").options, **self.recipe.rollout.options}
        budget = int(options["batch_tokens"])
        row = tokens.prompt + tokens.group_size * self.recipe.sampling.max_new_tokens
        return min(tokens.question_count, max(1, budget // row))

    def step_tokens(self, kind: str) -> StepTokens:
        """Tokens of a step on one device. Raises ValueError where devices cannot share its questions."""
        recipe, assumed, devices = self.recipe, self.assumed, self.assumed.all_devices
        sft = kind == "sft"
        key, count = (
            ("sft.questions", recipe.sft.questions)
            if sft
            else ("sampling.questions", recipe.sampling.questions)
        )
        if count % devices:
            raise ValueError(
                f"{key} is {count} and there are {devices} devices; expected a multiple of {devices}, "
                f"such as {count - count % devices + devices}"
            )
        frames = math.ceil(FRAMES_PER_SECOND * (assumed.seconds or 0.0))
        audio = self.model.tower.tokens(frames)
        answer_alone = sft and recipe.sft.target == "answer"  # a chain of thought is as long as a completion
        return StepTokens(
            question_count=count // devices,
            group_size=1 if sft else recipe.sampling.group_size,
            prompt=(assumed.text or 0) + audio,
            audio=audio,
            frames=frames,
            completion=self.answer_tokens if answer_alone else assumed.completion or 0,
            packed=recipe.training.prompt_once,
            budget=recipe.training.micro_batch_tokens,
        )

    @property
    def _options(self) -> Any:
        return self.recipe.model.options


def basis_of(recipe: Recipe, hardware: Hardware, assumed: Assumptions) -> Basis:
    """The basis of a recipe's plan. Raises ValueError and FileNotFoundError where it cannot be planned."""
    network = hardware.network if assumed.network is None else 1e9 * assumed.network
    hardware = replace(hardware, network=network)
    model = model_size(recipe.model.use, recipe.model.options)
    user = render_user_text(replace(STAND_INS[0], style=recipe.prompt.style))
    text = model.prompt_text.format(system=recipe.prompt.system, user=user)
    filled = replace(
        assumed,
        seconds=recipe.audio.max_seconds if assumed.seconds is None else assumed.seconds,
        completion=assumed.completion or recipe.sampling.max_new_tokens,
        text=assumed.text or count_tokens(model, text),
    )
    sharding = _sharding(recipe, hardware, filled)
    servers = servers_of(recipe.rollout, model, hardware, filled.rollout_nodes, filled.devices)
    return Basis(recipe, hardware, model, filled, sharding, servers)


def count_tokens(model: ModelSize, text: str) -> int:
    """Tokens of a text, by the model's tokenizer or by the length of what is not a special token."""
    if model.tokenizer:
        tokenizer: Any = Tokenizer.from_file(str(model.tokenizer))
        return len(tokenizer.encode(text, add_special_tokens=False).ids)
    plain, special = re.subn(r"<\|\w+\|>", "", text)
    return special + math.ceil(len(plain) / CHARACTERS_PER_TOKEN)


# --- helpers -------------------------------------------------------------------------------------


def _sharding(recipe: Recipe, hardware: Hardware, assumed: Assumptions) -> Sharding:
    devices, nodes, on_gpu = assumed.all_devices, assumed.nodes, hardware.name != "cpu"
    options = recipe.strategy.options
    if recipe.strategy.use == "plain":
        lanes = 1 if on_gpu else lanes_of(recipe.threads)
        return Sharding(devices=devices, nodes=nodes, on_gpu=on_gpu, lanes=lanes)
    if recipe.strategy.use == "zero":
        stage, offload = int(options["stage"]), options["offload"] == "cpu"
        return Sharding(stage=stage, offload=offload, devices=devices, nodes=nodes, on_gpu=on_gpu)
    raise ValueError(f"the strategy {recipe.strategy.use} cannot be planned; expected plain or zero")


# A typical question of AudioMCQ, often enough for a curriculum to split.
STAND_INS = tuple(
    Question.multiple_choice(
        f"stand-in-{number}",
        "Which sound follows right after the door is closed in the recording?",
        ("A dog barking twice", "Footsteps on gravel", "A car engine starting", "Someone laughing"),
        "Footsteps on gravel",
        Path(f"stand-in-{number}.wav"),
        cot={"structured": "<stage1>a</stage1><stage2>b</stage2><stage3>c</stage3>", "simple": "a"},
    )
    for number in range(64)
)
