"""What the files of a run folder must hold, as far as something reads it back; other keys are left alone.

The writers are `Evaluation.to_dict`, `LabelSummary.to_dict`, `build_summary`, `RunFolder` and
`rlaudio.runs.rollouts`; a folder may come from somebody else, or be damaged.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on


def _is_name(text: str) -> str:
    if not text or text in (".", "..") or any(character in text for character in "/\\\0"):
        raise ValueError("a name, which is no path")
    return text


MOST = 1e300  # of an absolute value: sums of such numbers are finite too

Number = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]
WholeNumber = Annotated[int, Field(ge=0, le=2**53)]
TokenId = Annotated[int, Field(ge=-(2**63), lt=2**63)]
FileName = Annotated[str, AfterValidator(_is_name)]  # part of a file's name


# --- recipe.yaml ---------------------------------------------------------------------------------


class _Model(TypedDict, total=False):
    path: str


class _Reward(TypedDict, total=False):
    weight: Number


class _Contribution(TypedDict, total=False):
    voters: list[str] | None


class _Report(TypedDict, total=False):
    completions: WholeNumber


class _Recipe(TypedDict, total=False):
    name: str
    seed: int
    model: _Model | None
    rewards: dict[str, _Reward | None] | None
    contribution: _Contribution | None
    report: _Report | None


# --- metrics and timings -------------------------------------------------------------------------


def _is_metrics(row: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(row.get("stage"), str):
        raise ValueError("a row with the name of a stage under 'stage'")
    _is_name(row["stage"])
    if not _is_number(row.get("step"), int) or not 0 <= row["step"] <= 2**53:
        raise ValueError("a row with a whole number under 'step'")
    for key, value in row.items():
        if key != "stage" and not (value is None or (_is_number(value, int | float) and abs(value) <= MOST)):
            raise ValueError(f"a row with a finite number under {key[:80]!r}")
    return row


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


# --- evaluation ----------------------------------------------------------------------------------


class _Score(TypedDict):
    accuracy: Number
    low: Number
    high: Number
    unparsed: NotRequired[Number | None]


class _Gain(TypedDict):
    difference: Number
    low: Number
    high: Number
    p_value: NotRequired[Number | None]


class _GroupScores(TypedDict):
    questions: WholeNumber
    chance: Number
    scores: dict[str, _Score]
    gains: dict[str, _Gain]
    other_scores: dict[str, dict[str, _Score]]


class _Baselines(TypedDict):
    chance: Number
    always_first: Number
    longest_option: Number
    gold_positions: list[WholeNumber]


def _has_all(tables: dict[str, Any]) -> dict[str, Any]:
    if "all" not in tables.get("all", {}):
        raise ValueError("tables with a line of all questions (all.all)")
    return tables


class _Evaluation(TypedDict):
    scorer: str
    baselines: _Baselines
    predicted_positions: dict[str, list[WholeNumber]]
    tables: Annotated[dict[str, dict[str, _GroupScores]], AfterValidator(_has_all)]
    provenance: NotRequired[dict[str, str]]


class _Verdict(TypedDict):
    right: bool
    score: NotRequired[Number | None]


class _Answer(TypedDict):
    id: str
    control: str
    right: bool
    contribution: str | None
    text_answerable: bool | None
    groups: dict[str, str]
    choices: list[str]
    question: NotRequired[str]
    clips: NotRequired[list[str]]
    verdicts: NotRequired[dict[str, _Verdict]]


# --- labels, summary, data, samples --------------------------------------------------------------


class _Quality(TypedDict):
    precision: Number | None
    recall: Number | None
    f1: Number | None


class _GroupLabels(TypedDict):
    questions: WholeNumber
    weak: Number
    chance_floor: Number
    right_in_silence: dict[str, Number]
    quality: _Quality | None
    luck_ceiling: Number | None


class _Agreement(TypedDict):
    fleiss_kappa: Number | None


class _OrderGain(TypedDict):
    plain: Number | None


class _Variant(TypedDict):
    title: NotRequired[str]
    threshold: WholeNumber | Number
    voters: list[str]
    weak: Number
    flip_rate: Number


class _CalibrationBin(TypedDict):
    low: Number
    high: Number
    questions: WholeNumber
    predicted: Number
    observed: Number


class _Labels(TypedDict):
    rule: str
    tables: Annotated[dict[str, dict[str, _GroupLabels]], AfterValidator(_has_all)]
    agreement: _Agreement
    order_gain: _OrderGain | None
    thresholds: list[_Variant]
    leave_one_out: list[_Variant]
    calibration: NotRequired[list[_CalibrationBin]]


class _StoredLabel(TypedDict):
    id: str
    contribution: str
    score: NotRequired[Number | None]


class _Summary(TypedDict):
    seconds: dict[str, Number]
    peak_memory_gb: Number
    rollouts: WholeNumber
    optimizer_tokens: WholeNumber


class _DataSet(TypedDict):
    rows: WholeNumber
    questions: str
    audio: str
    row_questions: str
    row_audio: str
    labels: NotRequired[str]
    row_labels: NotRequired[str]


class _Inputs(TypedDict, total=False):
    recipe: dict[str, Any]
    models: dict[str, dict[str, str]]  # key of the recipe -> file -> digest
    plugins: dict[str, str | None]  # changed files that were accepted -> digest; None: it was removed


class _Stamps(TypedDict, total=False):
    data: dict[str, str]
    models: dict[str, dict[str, str]]


class _SampledCompletion(TypedDict):
    text: str
    stop_reason: str
    rewards: dict[str, Number | None]
    total: Number | None
    tokens: WholeNumber


class _Sample(TypedDict):
    question: str
    choices: list[str]
    gold: int | None
    groups: dict[str, str]
    contribution: str | None
    audio: FileName
    completions: Annotated[list[_SampledCompletion], Field(min_length=1)]


class _Samples(TypedDict):
    stage: str
    step: WholeNumber
    samples: list[_Sample]


# --- rollouts ------------------------------------------------------------------------------------


class _Choice(TypedDict):
    kind: Literal["choice"]
    options: list[str]
    gold: int | None
    answer: str


def _gold_is_an_option(target: _Choice) -> _Choice:
    gold, options = target["gold"], target["options"]
    if gold is not None and not 0 <= gold < len(options):
        raise ValueError(f"a gold of {len(options)} options, not number {gold}")
    return target


class _OpenText(TypedDict):
    kind: Literal["open"]
    answer: str


class _Check(TypedDict):
    kind: Literal["check"]
    rule: str
    arguments: dict[str, Any]


class _StoredClip(TypedDict, total=False):
    path: str
    digest: str
    truncated: bool
    notes: list[str]
    sample_rate_hz: WholeNumber
    file: FileName  # with the keys above but the first


def _is_whole(clip: _StoredClip) -> _StoredClip:
    missing = {"digest", "truncated", "notes", "sample_rate_hz"} - clip.keys() if "file" in clip else ()
    if missing:
        raise ValueError(f"a clip in a file with {min(missing)}")
    return clip


_StoredClips = list[Annotated[_StoredClip, AfterValidator(_is_whole)]]


class _Question(TypedDict):
    id: str
    question: str
    clips: _StoredClips
    target: Annotated[
        Annotated[_Choice, AfterValidator(_gold_is_an_option)] | _OpenText | _Check,
        Field(discriminator="kind"),
    ]
    groups: dict[str, str]
    text_answerable: bool | None
    cot: dict[str, str]
    extra: NotRequired[dict[str, Any]]


class _HeardClip(TypedDict):
    digest: str
    truncated: bool


class _Prompt(TypedDict):
    token_ids: list[TokenId]
    positions: list[TokenId]
    clips: list[_HeardClip]


class _Segment(TypedDict):
    text: str
    token_ids: list[TokenId]
    token_texts: list[str]
    logprobs: list[Number | None] | None
    support: list[list[TokenId]] | None
    clips: NotRequired[_StoredClips]


def _is_aligned(segment: _Segment) -> _Segment:
    """The segment, whose lists say something of each of its tokens."""
    count, support = len(segment["token_ids"]), segment["support"] or []
    _same_length("token_texts", segment["token_texts"], count, "tokens", may_be_empty=True)
    if segment["logprobs"] is not None:
        _same_length("logprobs", segment["logprobs"], count, "tokens")
    if segment["support"] is not None:
        _same_length("support", support, count, "tokens")
    if len({len(tokens) for tokens in support}) > 1:
        raise ValueError("as many tokens in support for every token")
    return segment


class _Completion(TypedDict):
    segments: list[Annotated[_Segment, AfterValidator(_is_aligned)]]
    stop_reason: str
    weights_version: int


class _Failure(TypedDict):
    reward: str
    question_id: str
    sample: int
    reason: str


class _Group(TypedDict):
    question: _Question
    prompt: _Prompt
    completions: list[_Completion]
    rewards: dict[str, list[Number | None]]
    weights: dict[str, Number]
    total: list[Number | None]
    failures: list[_Failure]
    advantages: list[list[Number | None] | None]
    signals: list[dict[str, list[Number | None]]]
    contribution: Number | None


def _fits_together(group: _Group) -> _Group:
    """The group, whose lists say something of each of its completions, or of each token sampled in them."""
    _same_length(
        "prompt.positions", group["prompt"]["positions"], len(group["prompt"]["token_ids"]), "tokens"
    )
    completions = group["completions"]
    _same_length("total", group["total"], len(completions), "completions")
    for name, values in group["rewards"].items():
        _same_length(f"rewards.{name[:80]}", values, len(completions), "completions")
    for key in ("advantages", "signals"):
        _same_length(key, group[key], len(completions), "completions", may_be_empty=True)
    learned = group["advantages"] or [None] * len(completions)
    observed = group["signals"] or [{}] * len(completions)
    for completion, advantages, signals in zip(completions, learned, observed, strict=True):
        sampled = sum(len(s["token_ids"]) for s in completion["segments"] if s["logprobs"] is not None)
        for name, of_tokens in [("advantages", advantages), *signals.items()]:
            if of_tokens is not None:
                _same_length(f"{name[:80]} of a completion", of_tokens, sampled, "sampled tokens")
    for failure in group["failures"]:
        if not 0 <= failure["sample"] < len(completions):
            raise ValueError(f"failures of samples 0 to {len(completions) - 1}, not {failure['sample']}")
    return group


def _same_length(
    name: str, values: list[Any], count: int, of_what: str, *, may_be_empty: bool = False
) -> None:
    if len(values) != count and (values or not may_be_empty):
        raise ValueError(f"as many {name} as {of_what}: {count}, not {len(values)}")


RECIPE: TypeAdapter[Any] = TypeAdapter(_Recipe)
MAP: TypeAdapter[Any] = TypeAdapter(dict[str, Any])
METRICS: TypeAdapter[Any] = TypeAdapter(Annotated[dict[str, Any], AfterValidator(_is_metrics)])
EVALUATIONS: TypeAdapter[Any] = TypeAdapter(dict[FileName, _Evaluation])  # by held-out set
ANSWER: TypeAdapter[Any] = TypeAdapter(_Answer)
LABELS: TypeAdapter[Any] = TypeAdapter(dict[str, _Labels])
LABEL: TypeAdapter[Any] = TypeAdapter(_StoredLabel)
CLIPS: TypeAdapter[Any] = TypeAdapter(dict[str, dict[str, list[FileName]]])  # set, question id, digests
SUMMARY: TypeAdapter[Any] = TypeAdapter(_Summary)
DATA: TypeAdapter[Any] = TypeAdapter(dict[str, _DataSet])
INPUTS: TypeAdapter[Any] = TypeAdapter(_Inputs)
STAMPS: TypeAdapter[Any] = TypeAdapter(_Stamps)
DIGESTS: TypeAdapter[Any] = TypeAdapter(dict[str, str])
PLUGINS: TypeAdapter[Any] = TypeAdapter(dict[str, str | None])
SAMPLES: TypeAdapter[Any] = TypeAdapter(_Samples)
GROUP: TypeAdapter[Any] = TypeAdapter(Annotated[_Group, AfterValidator(_fits_together)])
