"""Recipes: one YAML file says everything about a run. This file is its schema and how it is read.

    extends: base/tiny                       # one parent, by name or path; maps merge, all else replaces
    curriculum: {use: weak_to_strong}        # `use` names a plug-in, every other key is its option
    rewards: {format: {weight: 0.5}}         # in maps of plug-ins the key is the default of `use`

`-o key.key=value` comes last. Relative paths are relative to the file that names them; on the command line,
and in a recipe that ships and was asked for by name, to the working folder.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationError,
    model_serializer,
    model_validator,
)

from rlaudio import plugins
from rlaudio.layered import Keys, Layer, Origin, lay_over, read_layer, read_override
from rlaudio.plugins import (
    Bound,
    OptionError,
    absolute,
    absolute_model,
    absolute_option,
    is_path,
    shipped_folder,
    unknown,
)
from rlaudio.signatures import Option

SYSTEM_PROMPT = (
    "You are an audio understanding model that answers multiple choice questions based on audio content."
)


def _bind(kind: str, spec: Any) -> Bound:
    try:
        return plugins.bind(kind, spec)
    except FileNotFoundError as error:  # pydantic gathers ValueErrors only
        raise ValueError(str(error)) from error


_AS_YAML = PlainSerializer(Bound.spec)
Algorithm = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "algorithm")), _AS_YAML]
Curriculum = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "curriculum")), _AS_YAML]
Data = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "data")), _AS_YAML]
Model = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "model")), _AS_YAML]
Reward = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "reward")), _AS_YAML]
Rollout = Annotated[InstanceOf[Bound], BeforeValidator(partial(_bind, "rollout")), _AS_YAML]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: typed, frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PromptSection(Section):
    style: Literal["answer_only", "thinking"] = Field(
        default="answer_only", description="ask for the answer alone, or for <think> and <answer>"
    )
    system: str = Field(default=SYSTEM_PROMPT, description="system prompt; the default is the paper's")


class AudioSection(Section):
    max_seconds: Positive = Field(default=30.0, description="longest clip that a prompt may hold")
    too_long: Literal["truncate", "refuse"] = Field(
        default="truncate", description="what happens to longer clips; truncated ones are counted"
    )


class DataSection(Section):
    train: Data = Field(description="questions to train on")
    evaluate: dict[str, Data] = Field(default={}, description="held-out sets by name")
    clips_disjoint: bool = Field(default=True, description="refuse clips that are in train and held out")


class ContributionSection(Section):
    voters: list[str] = Field(default=[], description="models asked in silence; none: the data's labels")
    threshold: Count = Field(default=2, description="voters right on silence that make a question weak")
    silence: Positive | Literal["clip"] = Field(
        default=30.0, description="seconds of silence, or clip for each clip's own length"
    )
    orders: Count = Field(
        default=1, description="option orders each voter answers under; right means right under most"
    )
    batch_questions: Count = Field(default=64, description="questions answered at a time")
    on_labelled: Literal["keep", "relabel"] = Field(
        default="keep", description="what happens to questions that have a label"
    )

    @model_validator(mode="after")
    def _voters_can_reach_the_threshold(self) -> ContributionSection:
        if self.voters and self.threshold > len(self.voters):
            raise ValueError(
                f"threshold {self.threshold} is out of reach of {len(self.voters)} voters; lower it"
            )
        return self


class RewardSpec(Section):
    """A reward plug-in and its weight; `{use, weight, **options}` in YAML."""

    reward: Reward
    weight: float = Field(default=1.0, description="factor in the sum of rewards")

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
        if not isinstance(value, Mapping) or "reward" in value:
            return value
        weight = {"weight": value["weight"]} if "weight" in value else {}
        return {"reward": {k: v for k, v in value.items() if k != "weight"}, **weight}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"use": self.use, "weight": self.weight, **self.options}


class SamplingSection(Section):
    questions: Count = Field(default=32, description="questions per step")
    group_size: Count = Field(default=8, description="completions per question")
    temperature: Positive = Field(default=1.0, description="divides the logits")
    top_k: int = Field(default=0, ge=0, description="likeliest tokens to sample from; 0: all")
    top_p: float = Field(default=1.0, gt=0, le=1, description="probability mass to sample from")
    max_new_tokens: Count = Field(default=128, description="longest completion")


class OptimizerSection(Section):
    lr: Positive = Field(default=1e-6, description="peak learning rate of AdamW")
    warmup: Share = Field(default=0.01, description="fraction of the stage's steps")
    schedule: Literal["cosine", "constant", "linear"] = Field(default="cosine", description="after warm-up")
    weight_decay: float = Field(default=0.0, ge=0, description="decoupled")
    betas: tuple[Share, Share] = Field(default=(0.9, 0.999), description="AdamW's averages")
    max_grad_norm: Positive = Field(default=1.0, description="gradients are clipped to this norm")


class SFTSection(Section):
    questions: Count = Field(default=32, description="questions per step")
    lr: Positive | None = Field(default=None, description="none: optimizer.lr")
    warmup: Share = Field(default=0.05, description="fraction of the stage's steps")
    target: Literal["answer", "structured", "simple"] = Field(
        default="answer", description="the answer alone, or after one of the annotated chains of thought"
    )


class TrainingSection(Section):
    micro_batch_tokens: Count = Field(default=16384, description="packed tokens in one forward pass")
    save_every: Count = Field(default=50, description="steps between checkpoints")
    keep: Count = Field(default=2, description="checkpoints kept")
    logprob_chunk: Count = Field(default=1024, description="target tokens whose logits exist at a time")
    prompt_once: bool = Field(
        default=True, description="compute a group's prompt once; false: repeat it (the slow oracle)"
    )


class EvaluationSection(Section):
    matcher: Literal["exact", "robust"] = Field(default="robust", description="how an answer is read")
    controls: list[Literal["audio", "silence", "mismatch"]] = Field(
        default=["audio", "silence", "mismatch"], min_length=1, description="what the model hears"
    )
    batch_questions: Count = Field(default=64, description="questions answered at a time")
    bootstrap: int = Field(default=1000, ge=0, description="resamples behind the confidence intervals")
    every: int = Field(default=0, ge=0, description="steps between evaluations; 0: before and after only")


class ReportSection(Section):
    completions: int = Field(default=10, ge=0, description="completions shown with their audio")


class Recipe(Section):
    """Everything about a run."""

    name: str = Field(description="the file's name if not given")
    seed: int = Field(default=0, ge=0, description="every random number follows from it")
    threads: Count | None = Field(default=None, description="CPU threads; none: torch's choice")
    model: Model = Field(description="model family and its weights")
    prompt: PromptSection = PromptSection()
    audio: AudioSection = AudioSection()
    data: DataSection
    contribution: ContributionSection = ContributionSection()
    curriculum: Curriculum = Field(description="stages, and which questions each may use")
    algorithm: Algorithm = Field(description="advantages and loss of the RL stage")
    rewards: dict[str, RewardSpec] = Field(default={}, description="weighted sum of rewards, by name")
    reward_failures: Share = Field(
        default=0.0, description="share of a step's rewards that may fail; those are dropped"
    )
    rollout: Rollout = Field(description="engine that samples completions")
    sampling: SamplingSection = SamplingSection()
    optimizer: OptimizerSection = OptimizerSection()
    sft: SFTSection = SFTSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    report: ReportSection = ReportSection()

    def to_yaml(self) -> str:
        """The recipe with every default filled in; itself a recipe that loads to an equal one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def load_recipe(path_or_name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file or of a shipped name (`tiny_weak_to_strong`), `KEY=VALUE` overrides applied.

    Raises FileNotFoundError if there is no such file, and ValueError that names file, line and key of
    every problem in it.
    """
    path = find_recipe(path_or_name)
    defaults = Layer({"name": path.stem, **_DEFAULTS}, {(): Origin(str(path), path.parent)})
    layer = lay_over(defaults, _read_with_parents(path, _folder_of_paths(path_or_name, path), ()), _removes)
    for text in sorted(overrides, key=_override_order):
        layer = lay_over(layer, _with_explicit_plugins(read_override(text, Path.cwd())), _removes)
    try:
        return Recipe.model_validate(_resolved(layer))
    except ValidationError as error:
        raise ValueError("\n".join(_problems(error, layer))) from error


def find_recipe(path_or_name: str | Path, relative_to: Path | None = None) -> Path:
    """The file of a recipe: `x.yaml` is a path, relative to a folder; a bare name is one that ships.

    Raises FileNotFoundError.
    """
    name = str(path_or_name)
    if is_path(name):
        path = absolute(name, relative_to or Path.cwd())
        if path.is_file():
            return path
        shipped = Path(name).stem in shipped_recipes()
        hint = f"; {Path(name).stem} (without .yaml) is one that ships" if shipped else ""
        raise FileNotFoundError(f"no recipe {path}{hint}")
    path = shipped_folder("recipes") / f"{name}.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{unknown('recipe', name, shipped_recipes())}; a path ends in .yaml")
    return path


def shipped_recipes() -> dict[str, Path]:
    """Every recipe that ships by name; those in base/ are only for others to extend."""
    folder = shipped_folder("recipes")
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))
    }


def field_table() -> list[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every field of a recipe, in its order."""
    return list(_field_rows(Recipe, ""))


# --- layers to values ----------------------------------------------------------------------------

_PLUGINS: dict[Keys, str] = {
    ("model",): "model",
    ("data", "train"): "data",
    ("curriculum",): "curriculum",
    ("algorithm",): "algorithm",
    ("rollout",): "rollout",
}
_PLUGIN_MAPS: dict[Keys, str] = {("data", "evaluate"): "data", ("rewards",): "reward"}
_DEFAULTS = {"algorithm": {"use": "grpo"}, "rollout": {"use": "transformers"}}


def _removes(keys: Keys) -> bool:
    return keys in _PLUGIN_MAPS


def _read_with_parents(path: Path, folder: Path, children: tuple[Path, ...]) -> Layer:
    if path in children:
        circle = " -> ".join(str(p) for p in (*children[children.index(path) :], path))
        raise ValueError(f"{children[-1]}: extends goes in a circle: {circle}")
    whole = _with_explicit_plugins(read_layer(path, folder))
    layer = whole.without("extends")
    parent = whole.values.get("extends")
    if parent is None:
        return layer
    where = whole.origin(("extends",)).where
    if not isinstance(parent, str):
        raise ValueError(f"{where}: extends: expected one recipe's name or path, found {parent!r}")
    try:
        parent_path = find_recipe(parent, path.parent)
    except FileNotFoundError as error:
        raise ValueError(f"{where}: extends: {error}") from error
    below = _read_with_parents(parent_path, _folder_of_paths(parent, parent_path), (*children, path))
    return lay_over(below.without("name"), layer, _removes)  # a name belongs to one file


def _folder_of_paths(path_or_name: str | Path, path: Path) -> Path:
    """What relative paths in a recipe are relative to: data is not looked for inside an installed package."""
    return path.parent if is_path(str(path_or_name)) else Path.cwd()


def _override_order(text: str) -> tuple[int, bool]:
    """Wide keys before narrow ones and `use` before options, so that the order typed does not matter."""
    keys = text.partition("=")[0].split(".")
    return len(keys), keys[-1].strip() != "use"


def _with_explicit_plugins(layer: Layer) -> Layer:
    """The layer with `grpo` written as `{use: grpo}` and the user's files as absolute paths."""
    values = copy.deepcopy(layer.values)
    for keys, owner in _plugin_places(values):
        spec = owner[keys[-1]]
        if isinstance(spec, str):
            spec = owner[keys[-1]] = {"use": spec}
        if isinstance(spec, dict) and isinstance(spec.get("use"), str) and is_path(spec["use"]):
            spec["use"] = str(absolute(spec["use"], layer.origin((*keys, "use")).folder))
    return Layer(values, layer.origins)


def _resolved(layer: Layer) -> dict[str, Any]:
    """The values with `use` filled in and paths made absolute, each relative to where it was written."""
    values = copy.deepcopy(layer.values)
    for keys, owner in _plugin_places(values):
        spec = owner[keys[-1]]
        if not isinstance(spec, dict):
            continue
        if keys[:-1] in _PLUGIN_MAPS:
            use = str(keys[-1])
            spec.setdefault("use", str(absolute(use, layer.origin(keys).folder)) if is_path(use) else use)
        kind = _PLUGINS.get(keys) or _PLUGIN_MAPS[keys[:-1]]
        for name, option in _options(kind, spec.get("use")).items():
            if name in spec:
                spec[name] = absolute_option(kind, option, spec[name], layer.origin((*keys, name)).folder)
    contribution = values.get("contribution")
    if isinstance(contribution, dict) and isinstance(contribution.get("voters"), list):
        contribution["voters"] = [
            absolute_model(voter, layer.origin(("contribution", "voters", i)).folder)
            if isinstance(voter, str)
            else voter
            for i, voter in enumerate(contribution["voters"])
        ]
    return values


def _plugin_places(values: dict[str, Any]) -> Iterator[tuple[Keys, dict[Any, Any]]]:
    """Keys of every plug-in that is there, and the map that holds it."""
    for keys in (*_PLUGINS, *_PLUGIN_MAPS):
        owner: Any = values
        for key in keys[:-1]:
            owner = owner.get(key) if isinstance(owner, dict) else None
        if not isinstance(owner, dict) or keys[-1] not in owner:
            continue
        if keys in _PLUGINS:
            yield keys, owner
        elif isinstance(owner[keys[-1]], dict):
            yield from (((*keys, name), owner[keys[-1]]) for name in owner[keys[-1]])


def _options(kind: str, use: Any) -> dict[str, Option]:
    try:
        return {o.name: o for o in plugins.describe(kind, use).options} if isinstance(use, str) else {}
    except (ValueError, FileNotFoundError):
        return {}  # binding it will say the same with its place


# --- messages ------------------------------------------------------------------------------------


def _problems(error: ValidationError, layer: Layer) -> Iterator[str]:
    """One line per problem: file and line, key, what is wrong."""
    messages: dict[Keys, list[str]] = {}
    for problem in error.errors():
        keys: Keys = problem["loc"]
        while problem["type"] != "missing" and keys not in layer.origins:
            keys = keys[:-1]  # branches of unions and inner names of records are no keys of the recipe
        raised = problem.get("ctx", {}).get("error")
        if isinstance(raised, OptionError) and (*keys, raised.option) in layer.origins:
            keys = (*keys, raised.option)
        messages.setdefault(keys, []).append(_message(problem, keys))
    for keys, texts in messages.items():
        dotted = "".join(f"{key}: " for key in (".".join(map(str, keys)),) if key)
        yield f"{layer.origin(keys).where}: {dotted}{' or '.join(dict.fromkeys(texts))}"


def _message(problem: Any, keys: Keys) -> str:
    if problem["type"] == "extra_forbidden":
        return unknown("key", str(keys[-1]), _section(keys[:-1]).model_fields)
    if problem["type"] == "missing":
        return f"is missing; expected: {_section(keys[:-1]).model_fields[str(keys[-1])].description}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "model_type":
        return f"expected a map of KEY: VALUE; found {problem['input']!r}"
    return f"{problem['msg']}; found {problem['input']!r}"


def _section(keys: Keys) -> type[BaseModel]:
    section: Any = Recipe
    for key in keys:
        section = section.model_fields[str(key)].annotation
    return section


def _field_rows(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _field_rows(annotation, f"{prefix}{name}.")
        else:
            default = "" if field.is_required() else str(field.default)
            yield f"{prefix}{name}", section.__annotations__[name], default, field.description or ""
