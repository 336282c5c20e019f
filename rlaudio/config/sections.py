"""The sections of a recipe: their keys with type, default and what they mean, and what must go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    JsonValue,
    PlainSerializer,
    field_validator,
    model_serializer,
    model_validator,
)

from rlaudio.audio.length_policy import MAX_SECONDS, MOST_SILENCE_SECONDS, SILENCE_SECONDS, TOO_LONG
from rlaudio.config import plugins
from rlaudio.config.plugins import Bound
from rlaudio.contribution import VOTE
from rlaudio.prompts.wording import SYSTEM
from rlaudio.utils.endpoint.address import Address, is_endpoint
from rlaudio.utils.literals import Control, Style
from rlaudio.utils.messages import CONTROL
from rlaudio.utils.names import check_name, closest
from rlaudio.utils.number_format import counted


def _bind(kind: str, spec: Any) -> Bound:
    try:
        return plugins.bind(kind, spec)
    except OSError as error:  # pydantic collects ValueErrors only
        raise ValueError(str(error)) from error


_AS_YAML = PlainSerializer(Bound.spec)
AlgorithmPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "algorithm")), _AS_YAML]
CurriculumPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "curriculum")), _AS_YAML]
ContributionPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "contribution")), _AS_YAML]
DataPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "data")), _AS_YAML]
CorpusPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "corpus")), _AS_YAML]
ModelPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "model")), _AS_YAML]
RewardPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "reward")), _AS_YAML]
ScorerPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "scorer")), _AS_YAML]
RolloutPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "rollout")), _AS_YAML]
StrategyPlugin = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "strategy")), _AS_YAML]


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number; found a bool")
    return value


_NUMBER = BeforeValidator(_refuse_bool)  # Python would count with a bool
MOST = 10**9
Count = Annotated[int, _NUMBER, Field(ge=1, le=MOST)]
CountOrZero = Annotated[int, _NUMBER, Field(ge=0, le=MOST)]
Seed = Annotated[int, _NUMBER, Field(ge=0, lt=2**63)]
Positive = Annotated[float, _NUMBER, Field(gt=0, le=10**9)]
SilenceSeconds = Annotated[float, _NUMBER, Field(gt=0, le=MOST_SILENCE_SECONDS)]
Rate = Annotated[float, _NUMBER, Field(gt=0, le=10)]
Weight = Annotated[float, _NUMBER, Field(ge=-(10**9), le=10**9)]
Share = Annotated[float, _NUMBER, Field(ge=0, le=1)]
Decay = Annotated[float, _NUMBER, Field(ge=0, lt=1)]
SUCCESS = "answer_correctness"
_STEP = 32  # questions of a step, of SFT and of RL
_BATCH = 256  # questions that are answered at a time, by voters and in evaluations
Name = Annotated[str, AfterValidator(check_name)]


class SectionError(ValueError):
    """A section's values do not go together; `keys` within it name the one to change."""

    def __init__(self, message: str, *keys: str):
        super().__init__(message)
        self.keys = keys


def _refuse_taken(name: str) -> str:
    if name in ("total", "failures"):
        raise ValueError(f"a reward cannot be named {name!r}: the metric reward/{name} exists; rename it")
    return name


def _refuse_control_characters(text: str) -> str:
    if control := CONTROL.search(text):
        raise ValueError(f"holds the character U+{ord(control.group()):04X}; expected text; take it out")
    return text


RewardName = Annotated[Name, AfterValidator(_refuse_taken)]


# What a key enters that is not a result; a resumed run takes its new value. All other keys enter results.
NO_RESULT: dict[str, JsonValue] = {"enters": "nothing"}
ROUNDING: dict[str, JsonValue] = {"enters": "rounding"}  # the last digits of results


class Section(BaseModel):
    """A part of a recipe: typed, frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PromptSection(Section):
    """What stands around a question."""

    style: Style | None = Field(
        default=None,
        description="ask for the answer alone, for <think> and <answer>, or for a letter; null: as the data "
        "set's authors ask, for the answer alone where they say nothing",
    )
    system: str = Field(
        default=SYSTEM, max_length=100_000, description="system prompt; the default is the paper's"
    )
    _is_text = field_validator("system")(_refuse_control_characters)


class AudioSection(Section):
    """How long clips may be."""

    max_seconds: Positive = Field(default=MAX_SECONDS, description="longest clip that a prompt may hold")
    too_long: Literal["truncate", "refuse"] = Field(
        default=TOO_LONG, description="what happens to longer clips; truncated ones are counted"
    )


class DataSection(Section):
    """Which questions there are, and what happens to those that cannot be used."""

    train: DataPlugin = Field(description="questions to train on")
    evaluate: dict[Name, DataPlugin] = Field(default={}, description="held-out sets by name")
    pretrain: CorpusPlugin | None = Field(
        default=None, description="examples for models trained from scratch"
    )
    bad_rows: Literal["refuse", "drop"] = Field(
        default="refuse", description="what happens to rows that cannot be used; dropped ones are counted"
    )
    clips_disjoint: bool = Field(
        default=True, description="refuse clips that are in train and held out", json_schema_extra=NO_RESULT
    )


class PretrainSection(Section):
    """Small models trained from scratch on `data.pretrain`, before all else: the base and its voters."""

    vocabulary: Count = Field(
        default=512, le=10_000_000, description="tokens of the tokenizer, trained on the examples"
    )
    hidden: Count = Field(
        default=128, ge=32, le=65_536, multiple_of=32, description="width of the language model"
    )
    layers: Count = Field(default=4, le=1000, description="layers of the language model")
    tokens: Count = Field(default=2400, description="packed tokens in one step")
    lr: Rate = Field(default=1e-3, description="peak learning rate")
    steps: Count = Field(default=1000, description="steps of the base")
    voters: CountOrZero = Field(default=3, le=1000, description="voters, each with a seed of its own")
    voter_steps: Count = Field(default=400, description="steps of each voter")


class ContributionSection(Section):
    """How audio contribution is measured; silence and the vote are the paper's, arXiv:2509.21060.

    `{use, voters, ..., **options}` in YAML: keys that are none of these are options of what `use` names.
    """

    use: ContributionPlugin = Field(
        default=plugins.bind("contribution", VOTE),
        description="what is made of the voters; its options stand beside the other keys",
    )
    voters: list[str] = Field(default=[], description="models asked in silence; none: the data's labels")
    silence: SilenceSeconds | Literal["clip"] = Field(
        default=SILENCE_SECONDS, description="seconds of silence, or clip for each clip's own length"
    )
    orders: Count | None = Field(
        default=None,
        description="cyclic option orders each voter is asked under; none: for vote the data's own, where "
        "several are right means right under most; for options all of them",
    )
    batch_questions: Count = Field(
        default=_BATCH, description="questions answered at a time", json_schema_extra=ROUNDING
    )
    on_labelled: Literal["keep", "relabel"] = Field(
        default="keep", description="what happens to questions that have a label"
    )

    on_policy: Literal["rollouts", "options"] = Field(
        default="rollouts",
        description="how it is measured on the policy, for algorithms that weigh and curricula that draw by "
        "it: success of completions, or probability of the gold option, with audio minus in silence",
    )
    silent_samples: Count = Field(
        default=4,
        description="completions in silence per question, for rollouts and for rewards that hear silence",
    )
    success: str = Field(
        default=SUCCESS, description="the reward that is positive where a completion succeeds"
    )
    scorer: ScorerPlugin | None = Field(
        default=None, description="says whether a voter is right; none: the recipe's scorer"
    )

    @property
    def threshold(self) -> int | None:
        """Voters that make a question weak; None where they do not vote."""
        return self.use.options.get("threshold")

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or isinstance(value.get("use"), Bound):
            return value
        use = value.get("use", VOTE)
        known = plugins.options_of("contribution", use)
        options = {k: v for k, v in value.items() if k in known or not closest(k, cls.model_fields)}
        shared = {k: v for k, v in value.items() if k not in options and k != "use"}
        return {"use": {"use": use, **options}, **shared}

    @model_serializer(mode="wrap")
    def _flat(self, shared: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**self.use.spec(), **{k: v for k, v in shared(self).items() if k != "use"}}

    @model_validator(mode="after")
    def _voters_can_reach_the_threshold(self) -> ContributionSection:
        models = [Address.parse(name) if is_endpoint(name) else name for name in self.voters]
        if len({(m.first, m.model) if isinstance(m, Address) else m for m in models}) < len(models):
            raise SectionError("one is named twice; it would vote twice: name different models", "voters")
        if self.threshold is not None and self.threshold < 1:
            raise SectionError(f"{self.threshold} makes every question weak; expected 1 or more", "threshold")
        if self.voters and self.threshold and self.threshold > len(self.voters):
            voters = counted(len(self.voters), "voter")
            raise SectionError(f"{self.threshold} is out of reach of {voters}; lower it", "threshold")
        return self


class RewardSpec(Section):
    """A reward plug-in and its weight; `{use, weight, style, function, **options}` in YAML."""

    reward: RewardPlugin
    weight: Weight = Field(default=1.0, description="factor in the sum of rewards")

    @property
    def use(self) -> str:
        """The plug-in's name or file."""
        return self.reward.use

    @property
    def options(self) -> Mapping[str, Any]:
        """The plug-in's options."""
        return self.reward.options

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or isinstance(value.get("reward"), Bound):
            return value
        weight = {"weight": value["weight"]} if "weight" in value else {}
        return {"reward": {k: v for k, v in value.items() if k != "weight"}, **weight}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        spec = self.reward.spec()
        return {"use": spec.pop("use"), "weight": self.weight, **spec}


class SamplingSection(Section):
    """How many completions of how many questions a step of RL has, and how they are drawn."""

    questions: Count = Field(default=_STEP, description="questions per step")
    group_size: Count = Field(default=8, description="completions per question")
    temperature: Positive = Field(default=1.0, ge=0.01, le=100, description="divides the logits")
    top_k: CountOrZero = Field(default=0, description="likeliest tokens to sample from; 0: all")
    top_p: Share = Field(default=1.0, gt=0, description="probability mass to sample from")
    max_new_tokens: Count = Field(default=128, description="longest completion")
    rounds: Count = Field(
        default=1,
        le=1000,
        description="times that questions are drawn until groups with spread fill the step (DAPO)",
    )
    max_lag: CountOrZero = Field(
        default=0,
        le=1,
        description="steps by which weights that sample may be older than those they train; 1: a step is "
        "sampled while the one before trains, by a copy of the model; needs mismatch.correct",
    )


class OptimizerSection(Section):
    """AdamW and its schedule."""

    lr: Rate = Field(default=1e-6, description="peak learning rate of AdamW")
    warmup: Share = Field(default=0.01, description="fraction of the stage's steps")
    schedule: Literal["cosine", "constant", "linear"] = Field(default="cosine", description="after warm-up")
    weight_decay: Share = Field(default=0.0, description="decoupled")
    betas: tuple[Decay, Decay] = Field(default=(0.9, 0.999), description="AdamW's averages")
    max_grad_norm: Positive = Field(default=1.0, description="gradients are clipped to this norm")


class MismatchSection(Section):
    """What is done about log-probs of sampler and trainer that differ."""

    logprobs: Literal["sampled", "paper"] = Field(
        default="sampled",
        description="sampled: of the distribution that completions were drawn from, its top-k/top-p support "
        "included; paper: of the whole vocabulary, ratio to the trainer's own, as ms-swift does",
    )
    correct: Literal["none", "token", "sequence"] = Field(
        default="none",
        description="truncated importance sampling from sampler to trainer, of the policy term alone",
    )
    cap: Positive = Field(default=2.0, description="largest importance weight")
    alarm: Positive = Field(
        default=0.05, description="mean gap in nats above which a run warns", json_schema_extra=NO_RESULT
    )

    @model_validator(mode="after")
    def _the_papers_ratio_is_not_corrected(self) -> MismatchSection:
        if self.logprobs == "paper" and self.correct != "none":
            raise SectionError(
                f"{self.correct}, but mismatch.logprobs is paper, which takes the ratio to the trainer's own "
                "log-probs and corrects nothing; set one of them to its default",
                "correct",
            )
        return self


class SFTSection(Section):
    """Supervised fine-tuning, where it differs from RL."""

    questions: Count = Field(default=_STEP, description="questions per step")
    lr: Rate | None = Field(default=None, description="none: optimizer.lr")
    warmup: Share = Field(default=0.05, description="fraction of the stage's steps")
    target: Literal["answer", "structured", "simple"] = Field(
        default="answer", description="the answer alone, or after one of the annotated chains of thought"
    )


class TrainingSection(Section):
    """How a step is computed, what is kept of it, and when RL ends."""

    micro_batch_tokens: Count = Field(
        default=16384, description="packed tokens in one forward pass", json_schema_extra=ROUNDING
    )
    save_every: Count = Field(
        default=50, description="steps between checkpoints", json_schema_extra=NO_RESULT
    )
    keep: Count = Field(
        default=2,
        description="newest checkpoints kept, and that which a resumed run opened",
        json_schema_extra=NO_RESULT,
    )
    logprob_chunk: Count = Field(
        default=1024, description="target tokens whose logits exist at a time", json_schema_extra=ROUNDING
    )
    epochs: Count = Field(default=1, description="times that RL learns from a step's completions")
    mini_batches: Count = Field(default=1, description="RL updates in each of those")
    max_rollouts: Count | None = Field(default=None, description="completions after which RL ends")
    max_tokens: Count | None = Field(default=None, description="optimizer tokens after which RL ends")
    run_tokens: Count | None = Field(
        default=None,
        description="optimizer tokens of a run, of SFT and RL together: its last stage goes on until they "
        "are spent, whatever its steps",
    )
    prompt_once: bool = Field(
        default=True,
        description="compute a group's prompt once; false: repeat it (the slow oracle)",
        json_schema_extra=ROUNDING,
    )


class ProfileSection(Section):
    """Which steps are profiled."""

    steps: list[Count] = Field(
        default=[],
        description="steps of every stage, from 1, whose trace by torch's profiler is written to the run "
        "folder's profile/, for ui.perfetto.dev",
        json_schema_extra=NO_RESULT,
    )


class EvaluationSection(Section):
    """What held-out questions are asked, and when."""

    scorer: ScorerPlugin | None = Field(
        default=None,
        description="says whether an answer is right; none: the recipe's scorer. Accuracies by a reward's "
        "own scorer are shown beside",
    )
    controls: list[Control] = Field(
        default=["audio", "silence", "mismatch"],
        min_length=1,
        description="what the model hears, see docs/evaluation.md",
    )
    orders: Count = Field(
        default=1,
        description="cyclic orders of its options in which every question is asked; tables are about the "
        "data's own, and say what is right in all",
    )
    batch_questions: Count = Field(
        default=_BATCH, description="questions answered at a time", json_schema_extra=ROUNDING
    )
    every: CountOrZero = Field(default=0, description="steps between evaluations amid a stage; 0: none")
    between_stages: list[Control] = Field(
        default=["audio"],
        description="what the model hears in the evaluation after each stage but the last; []: none",
    )

    @field_validator("controls")
    @classmethod
    def _each_once(cls, controls: list[Control]) -> list[Control]:
        twice = sorted({control for control in controls if controls.count(control) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice; name every control once")
        return controls


class ReportSection(Section):
    """What the page of a run shows."""

    completions: CountOrZero = Field(
        default=2_000,
        le=10_000,
        description="completions on the page, with their clips as far as 15 MB go",
        json_schema_extra=NO_RESULT,
    )
