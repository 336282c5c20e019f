"""The schema of a recipe: every key, its type, its default and what it means."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, Field, PrivateAttr, model_validator
from pydantic.fields import FieldInfo

from rlaudio.config import plugins
from rlaudio.config.plugins import Bound
from rlaudio.config.sections import (
    NO_RESULT,
    ROUNDING,
    SUCCESS,
    AlgorithmPlugin,
    AudioSection,
    ContributionSection,
    Count,
    CurriculumPlugin,
    DataSection,
    EvaluationSection,
    MismatchSection,
    ModelPlugin,
    Name,
    OptimizerSection,
    Positive,
    PretrainSection,
    ProfileSection,
    PromptSection,
    ReportSection,
    RewardName,
    RewardSpec,
    RolloutPlugin,
    SamplingSection,
    ScorerPlugin,
    Section,
    SectionError,
    Seed,
    SFTSection,
    Share,
    StrategyPlugin,
    TrainingSection,
)
from rlaudio.utils.messages import shown
from rlaudio.utils.plain_yaml import plain_yaml


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
    _inherited: frozenset[str] = PrivateAttr(default=frozenset())

    def __eq__(self, other: object) -> bool:
        """Whether all settings are equal, wherever they were written."""
        return isinstance(other, Recipe) and self.__dict__ == other.__dict__

    @model_validator(mode="after")
    def _goes_together(self) -> Recipe:
        for keys, problem in self._problems():
            raise SectionError(problem, *keys)
        self.scorers()  # raises where two have one name
        return self

    def _problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Keys whose values do not go together with those of other sections, and why."""
        held_out, schedule = [*self.data.evaluate], self.optimizer.schedule
        if self.evaluation.every and not held_out:
            yield ("evaluation", "every"), "needs a held-out set; name one in data.evaluate or set it to 0"
        for name in held_out:
            first = next(other for other in held_out if other.casefold() == name.casefold())
            if first != name:
                files = "would share a file where a disk ignores case; name them apart"
                yield ("data", "evaluate", name), f"{first!r} and {name!r} {files}"
        if self.rewards and not any(spec.weight for spec in self.rewards.values()):
            yield ("rewards",), "every weight is 0, so nothing would be learned; give one another"
        if self.rewards and self.contribution.success != SUCCESS and (problem := self.no_success()):
            yield ("contribution", "success"), problem
        if self.training.run_tokens and schedule != "constant":
            yield (
                ("training", "run_tokens"),
                f"the last stage goes on after its steps, where optimizer.schedule {schedule} has a learning "
                "rate of 0; set optimizer.schedule to constant",
            )
        corrects = self.mismatch.logprobs == "sampled" and self.mismatch.correct != "none"
        if self.sampling.max_lag and not corrects:
            yield (
                ("sampling", "max_lag"),
                "completions of older weights need importance correction; set mismatch.correct to token or "
                "sequence, and mismatch.logprobs to sampled",
            )

    def no_success(self) -> str | None:
        """What is wrong where no reward says whether a completion succeeds."""
        success = self.contribution.success
        if success in self.rewards:
            return None
        expected = f"expected one of {', '.join(self.rewards)}"
        return f"names the reward {shown(success)}, which the recipe has not; {expected}"

    @property
    def inherited(self) -> frozenset[str]:
        """The keys, such as `sampling.top_k`, whose values come from a recipe that this one extends."""
        return self._inherited

    def inheriting(self, keys: Iterable[str]) -> Recipe:
        """This recipe with these keys as those that it inherited."""
        recipe = self.model_copy()
        recipe._inherited = frozenset(keys)
        return recipe

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
    rows = []
    for key, field, annotation in _fields(Recipe):
        default = field.default.use if isinstance(field.default, Bound) else field.default
        text = "" if field.is_required() else str(default)
        rows.append((key, annotation, text, field.description or ""))
    return rows


def keys_beside_results() -> dict[str, str]:
    """The keys that enter no results, and what they enter: "nothing" or "rounding"."""
    stated = {key: field.json_schema_extra for key, field, _ in _fields(Recipe)}
    return {key: str(extra["enters"]) for key, extra in stated.items() if isinstance(extra, dict)}


def section_at(keys: Sequence[Hashable], root: type[BaseModel] | None = None) -> type[BaseModel]:
    """The section at these keys of a recipe, or of another `root`."""
    section: type[BaseModel] = root or Recipe
    for key in keys:
        section = _section_in(section.model_fields[str(key)].annotation) or section
    return section


def _fields(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo, str]]:
    """Dotted key, field and annotation of every value in a section and those within it."""
    for name, field in section.model_fields.items():
        if inner := _section_in(field.annotation):
            yield from _fields(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field, section.__annotations__[name]


def _section_in(annotation: Any) -> type[Section] | None:
    """The section that is, or may be, a field's value; None for other fields."""
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)
