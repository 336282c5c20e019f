"""The schema of a recipe: every key, its type, its default and what it means."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args

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

from rlaudio.audio.length_policy import MAX_SECONDS, SILENCE_SECONDS, TOO_LONG
from rlaudio.config import plugins
from rlaudio.config.names import check_name
from rlaudio.config.plugins import Bound
from rlaudio.contribution import VOTE
from rlaudio.data.question_rules import CONTROL
from rlaudio.prompts.wording import SYSTEM
from rlaudio.utils.literals import Control, Style
from rlaudio.utils.messages import shown
from rlaudio.utils.number_format import counted
from rlaudio.utils.plain_yaml import plain_yaml


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
Count = Annotated[int, _NUMBER, Field(ge=1, le=10**9)]
CountOrZero = Annotated[int, _NUMBER, Field(ge=0, le=10**9)]
Seed = Annotated[int, _NUMBER, Field(ge=0, lt=2**63)]
Positive = Annotated[float, _NUMBER, Field(gt=0, le=10**9)]
Rate = Annotated[float, _NUMBER, Field(gt=0, le=10)]
Weight = Annotated[float, _NUMBER, Field(ge=-(10**9), le=10**9)]
Share = Annotated[float, _NUMBER, Field(ge=0, le=1)]
Decay = Annotated[float, _NUMBER, Field(ge=0, lt=1)]
_SUCCESS = "answer_correctness"
_STEP = 32  # questions of a step, of SFT and of RL
_BATCH = 256  # questions that are answered at a time, by voters and in evaluations
Name = Annotated[str, AfterValidator(check_name)]


def _options_of(kind: str, use: Any) -> set[str]:
    """The options of a plug-in; none where there is no such one, which is told elsewhere."""
    try:
        return {option.name for option in plugins.describe(kind, use).options}
    except (ValueError, OSError, AttributeError):
        return set()


def _closest_key(name: str, section: type[BaseModel]) -> str | None:
    """The section's key that is or was meant."""
    return plugins.closest(name, section.model_fields)


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


PromptText = Annotated[str, Field(max_length=100_000), AfterValidator(_refuse_control_characters)]
RewardName = Annotated[Name, AfterValidator(_refuse_taken)]


# What a key enters that is not a result; a resumed run takes its new value. All other keys enter results.
NO_RESULT: dict[str, JsonValue] = {"enters": "nothing"}
ROUNDING: dict[str, JsonValue] = {"enters": "rounding"}  # the last digits of results


class Section(BaseModel):
    """A part of a recipe: typed, frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PromptSection(Section):
    style: Style | None = Field(
        default=None,
        description="ask for the answer alone, for <think> and <answer>, or for a letter; null: as the data "
        "set's authors ask, for the answer alone where they say nothing",
    )
    system: PromptText = Field(default=SYSTEM, description="system prompt; the default is the paper's")


class AudioSection(Section):
    max_seconds: Positive = Field(default=MAX_SECONDS, description="longest clip that a prompt may hold")
    too_long: Literal["truncate", "refuse"] = Field(
        default=TOO_LONG, description="what happens to longer clips; truncated ones are counted"
    )


class DataSection(Section):
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
    silence: Positive | Literal["clip"] = Field(
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
        default=_SUCCESS, description="the reward that is positive where a completion succeeds"
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
        known = _options_of("contribution", use)
        options = {k: v for k, v in value.items() if k in known or not _closest_key(k, cls)}
        shared = {k: v for k, v in value.items() if k not in options and k != "use"}
        return {"use": {"use": use, **options}, **shared}

    @model_serializer(mode="wrap")
    def _flat(self, shared: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**self.use.spec(), **{k: v for k, v in shared(self).items() if k != "use"}}

    @model_validator(mode="after")
    def _voters_can_reach_the_threshold(self) -> ContributionSection:
        if len(set(self.voters)) < len(self.voters):
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
    lr: Rate = Field(default=1e-6, description="peak learning rate of AdamW")
    warmup: Share = Field(default=0.01, description="fraction of the stage's steps")
    schedule: Literal["cosine", "constant", "linear"] = Field(default="cosine", description="after warm-up")
    weight_decay: Share = Field(default=0.0, description="decoupled")
    betas: tuple[Decay, Decay] = Field(default=(0.9, 0.999), description="AdamW's averages")
    max_grad_norm: Positive = Field(default=1.0, description="gradients are clipped to this norm")


class MismatchSection(Section):
    logprobs: Literal["sampled", "paper"] = Field(
        default="sampled",
        description="sampled: of the distribution that completions were drawn from, its top-k/top-p support "
        "included; paper: of the whole vocabulary, ratio to the trainer's own, as ms-swift does",
    )
    correct: Literal["none", "token", "sequence"] = Field(
        default="none", description="truncated importance sampling from sampler to trainer"
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
    questions: Count = Field(default=_STEP, description="questions per step")
    lr: Rate | None = Field(default=None, description="none: optimizer.lr")
    warmup: Share = Field(default=0.05, description="fraction of the stage's steps")
    target: Literal["answer", "structured", "simple"] = Field(
        default="answer", description="the answer alone, or after one of the annotated chains of thought"
    )


class TrainingSection(Section):
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
    steps: list[Count] = Field(
        default=[],
        description="steps of every stage, from 1, whose trace by torch's profiler is written to the run "
        "folder's profile/, for ui.perfetto.dev",
        json_schema_extra=NO_RESULT,
    )


class EvaluationSection(Section):
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
    completions: CountOrZero = Field(
        default=2_000,
        le=10_000,
        description="completions on the page, with their clips as far as 15 MB go",
        json_schema_extra=NO_RESULT,
    )


class Recipe(Section):
    """Everything about a run."""

    name: Name = Field(description="the file's name if not given", json_schema_extra=NO_RESULT)
    seed: Seed = Field(default=0, description="all random numbers are derived from it")
    threads: Count | None = Field(
        default=None,
        le=4096,
        description="CPU threads, at most as many as cores or OMP_NUM_THREADS, fewer while others use the "
        "cores; none: torch's choice",
        json_schema_extra=ROUNDING,
    )
    model: ModelPlugin = Field(description="model family and its weights")
    prompt: PromptSection = PromptSection()
    audio: AudioSection = AudioSection()
    data: DataSection = Field(description="questions to train on, and those held out")
    pretrain: PretrainSection | None = Field(default=None, description="build the model and its voters first")
    contribution: ContributionSection = ContributionSection()
    curriculum: CurriculumPlugin = Field(description="stages, and which questions each may use")
    algorithm: AlgorithmPlugin = Field(description="advantages and loss of the RL stage")
    scorer: ScorerPlugin = Field(
        default=plugins.bind("scorer", "robust"),
        description="says whether an answer is right, for evaluation, voters and rewards that name none",
    )
    rewards: dict[RewardName, RewardSpec] = Field(default={}, description="weighted sum of rewards, by name")
    reward_failures: Share = Field(
        default=0.0, description="share of a step's samples that may get no reward; they are dropped"
    )
    reward_timeout: Positive | None = Field(
        default=plugins.CALL_SECONDS,
        description="seconds in which the next value of a reward must come, the verdict of a scorer and the "
        "import of a plug-in's file, else the run saves and stops; none: no limit",
        json_schema_extra=NO_RESULT,
    )
    rollout: RolloutPlugin = Field(description="engine that samples completions")
    sampling: SamplingSection = SamplingSection()
    optimizer: OptimizerSection = OptimizerSection()
    sft: SFTSection = SFTSection()
    mismatch: MismatchSection = MismatchSection()
    strategy: StrategyPlugin = Field(
        default=plugins.bind("strategy", "plain"), description="where weights and optimizer state live"
    )
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    profile: ProfileSection = ProfileSection()
    report: ReportSection = ReportSection()

    @model_validator(mode="after")
    def _evaluates_on_something(self) -> Recipe:
        if self.evaluation.every and not self.data.evaluate:
            raise SectionError(
                "needs a held-out set; name one in data.evaluate or set it to 0", "evaluation", "every"
            )
        return self

    @model_validator(mode="after")
    def _names_files_of_their_own(self) -> Recipe:
        seen: dict[str, str] = {}
        for name in self.data.evaluate:
            if other := seen.get(name.casefold()):
                raise SectionError(
                    f"{other!r} and {name!r} would share a file where a disk ignores case; name them apart",
                    *("data", "evaluate"),
                )
            seen[name.casefold()] = name
        return self

    @model_validator(mode="after")
    def _pays_for_something(self) -> Recipe:
        if self.rewards and not any(spec.weight for spec in self.rewards.values()):
            raise SectionError("every weight is 0, so nothing would be learned; give one another", "rewards")
        return self

    @model_validator(mode="after")
    def _knows_the_reward_of_success(self) -> Recipe:
        success = self.contribution.success
        if self.rewards and success not in self.rewards and success != _SUCCESS:
            raise SectionError(
                f"names the reward {shown(success)}, which the recipe has not; expected one of "
                f"{', '.join(self.rewards)}",
                *("contribution", "success"),
            )
        return self

    @model_validator(mode="after")
    def _learns_until_its_tokens_are_spent(self) -> Recipe:
        if self.training.run_tokens and self.optimizer.schedule != "constant":
            raise SectionError(
                f"the last stage goes on after its steps, where optimizer.schedule {self.optimizer.schedule} "
                "has a learning rate of 0; set optimizer.schedule to constant",
                *("training", "run_tokens"),
            )
        return self

    @model_validator(mode="after")
    def _corrects_for_old_samples(self) -> Recipe:
        corrects = self.mismatch.logprobs == "sampled" and self.mismatch.correct != "none"
        if self.sampling.max_lag and not corrects:
            raise SectionError(
                "completions of older weights need importance correction; set mismatch.correct to token or "
                "sequence, and mismatch.logprobs to sampled",
                *("sampling", "max_lag"),
            )
        return self

    @model_validator(mode="after")
    def _scorers_have_names_of_their_own(self) -> Recipe:
        self.scorers()
        return self

    def reward_plugins(self) -> dict[str, Bound]:
        """The rewards by name, each with the recipe's scorer where it takes one and names none."""
        return {name: spec.reward.with_scorer(self.scorer) for name, spec in self.rewards.items()}

    def hears_silence(self) -> bool:
        """Whether a reward compares with answers to the same questions in silence."""
        return any("silent" in plugin.given for plugin in self.reward_plugins().values())

    def voting_scorer(self) -> Bound:
        """What says whether a voter is right."""
        return self.contribution.scorer or self.scorer

    def evaluation_scorers(self) -> dict[str, Bound]:
        """What held-out answers are scored by: the evaluation's scorer, then those of rewards; each once."""
        options = [reward.options for reward in self.reward_plugins().values()]
        of_rewards = [named[plugins.SCORER] for named in options if plugins.SCORER in named]
        return _by_label([self.evaluation.scorer or self.scorer, *of_rewards])

    def scorers(self) -> dict[str, Bound]:
        """All scorers by what tables and metrics call them. Raises ValueError where two have one name."""
        return _by_label([*self.evaluation_scorers().values(), self.voting_scorer()])

    def user_files(self) -> list[Path]:
        """The files that the recipe names by path, as plug-ins or as options of them, each once."""
        return sorted({file for plugin in self._plugged() for file in plugin.user_files})

    def read_files(self) -> list[Path]:
        """What else the options of its plug-ins name and numbers depend on, such as a judge's prompt."""
        return sorted({file for plugin in self._plugged() for file in plugin.read_files})

    def _plugged(self) -> list[Bound]:
        """Every plug-in of the recipe."""
        data = (self.data.train, *self.data.evaluate.values(), self.data.pretrain)
        others = (self.model, self.curriculum, self.algorithm, self.rollout, self.strategy, self.scorer)
        others_used = (*others, self.contribution.use)
        plugged = (*data, *self.reward_plugins().values(), *self.scorers().values(), *others_used)
        return [plugin for plugin in plugged if plugin]

    def to_yaml(self) -> str:
        """The recipe with every default filled in; itself a recipe that loads to an equal one."""
        return plain_yaml(self.model_dump(mode="json"))


def _by_label(scorers: Sequence[Bound]) -> dict[str, Bound]:
    by_label: dict[str, Bound] = {}
    for scorer in scorers:
        other = by_label.setdefault(scorer.label, scorer)
        if other != scorer:
            raise ValueError(
                f"tables and metrics would call two scorers {scorer.label!r}: {other.path} and "
                f"{scorer.path}; rename one of the files"
            )
    return by_label


def field_table() -> list[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every field of a recipe, in its order."""
    return list(_field_rows(Recipe, ""))


def keys_beside_results() -> dict[str, str]:
    """The keys that enter no results, and what they enter: "nothing" or "rounding"."""
    return dict(_beside_results(Recipe, ""))


def section_at(keys: Sequence[Hashable], root: type[BaseModel] | None = None) -> type[BaseModel]:
    """The section at these keys of a recipe, or of another `root`."""
    section: type[BaseModel] = root or Recipe
    for key in keys:
        section = _section_in(section.model_fields[str(key)].annotation) or section
    return section


def _beside_results(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in section.model_fields.items():
        if inner := _section_in(field.annotation):
            yield from _beside_results(inner, f"{prefix}{name}.")
        elif isinstance(field.json_schema_extra, dict) and "enters" in field.json_schema_extra:
            yield f"{prefix}{name}", str(field.json_schema_extra["enters"])


def _section_in(annotation: Any) -> type[Section] | None:
    """The section that is, or may be, a field's value; None for other fields."""
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)


def _field_rows(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        inner = _section_in(field.annotation)
        if inner:
            yield from _field_rows(inner, f"{prefix}{name}.")
        else:
            default = field.default.use if isinstance(field.default, Bound) else field.default
            text = "" if field.is_required() else str(default)
            yield f"{prefix}{name}", section.__annotations__[name], text, field.description or ""
