"""What TensorBoard shows beside the curves: distributions, completions as text, clips, the recipe's values.

Heavy imports stay in the functions: torch's writer takes two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.types import Choice, Clip, Question, ScoredGroup

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVERY = 10  # steps between two that are shown; the first one is shown, too
_GROUPS = 2  # of a step, as text
_TITLE = 100  # characters of a question


def is_shown(step: int) -> bool:
    """Whether distributions and texts of a step are written: all would be as large as the rollouts."""
    return step == 1 or step % EVERY == 0


def add_rollouts(writer: SummaryWriter, step: int, groups: Sequence[LearnedGroup]) -> None:
    """Histograms of rewards, lengths and advantages of a step, and two of its groups as text."""
    if not any(learned.scored.rewards for learned in groups):  # targets of SFT
        return
    for name, values in _distributions(groups).items():
        finite = values[np.isfinite(values)]
        if finite.size:
            writer.add_histogram(name, finite, step)
    for number, learned in enumerate(groups[:_GROUPS]):
        scored = learned.scored
        writer.add_text(f"group/{number}", as_markdown(scored.group.prompt.question, scored), step)
    writer.flush()


def add_clip(writer: SummaryWriter, tag: str, question: Question, clip: Clip, step: int) -> None:
    """A clip under the question about it, as title; the options are its description."""
    from torch.utils.tensorboard import summary

    heard = summary.audio(tag, clip.samples[None], sample_rate=clip.sample_rate_hz)
    heard.value[0].metadata.display_name = _short(question.question)
    heard.value[0].metadata.summary_description = "\n".join(_options(question))
    writer._get_file_writer().add_summary(heard, step)


def add_hparams(writer: SummaryWriter, recipe: Mapping[str, Any], results: Mapping[str, float]) -> None:
    """The recipe's values by key, `optimizer.lr`, beside the run's results, for the table of runs."""
    from torch.utils.tensorboard.summary import hparams

    for part in hparams(dict(flat(recipe)), dict(results)):
        writer._get_file_writer().add_summary(part)
    for name, value in results.items():
        writer.add_scalar(name, value, 0)
    writer.flush()


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bool | int | float | str]]:
    """Numbers and texts in nested maps, by their keys joined with dots; what is not there is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, bool | int | float | str):
            yield f"{prefix}{name}", value
        elif isinstance(value, list | tuple) and value:
            yield f"{prefix}{name}", ", ".join(map(str, value))


def as_markdown(question: Question, scored: ScoredGroup) -> str:
    """Question, options and completions with totals, indented: Markdown leaves indented text as it is."""
    lines = [question.question, *_options(question)]
    for completion, total in zip(scored.group.completions, scored.total, strict=True):
        reward = "none" if np.isnan(total) else f"{total:g}"
        lines += ["", f"total reward {reward}:", *completion.text.splitlines()]
    return "\n".join("    " + line for line in lines)


def _distributions(groups: Sequence[LearnedGroup]) -> dict[str, np.ndarray]:
    """Values of all completions of a step by the name of their metric; advantages are those of tokens."""
    scored = [learned.scored for learned in groups]
    lengths = [completion.length for s in scored for completion in s.group.completions]
    advantages = [a for learned in groups for a in learned.advantages if a is not None]
    names = dict.fromkeys(name for s in scored for name in s.rewards)
    return {
        "reward/total": np.concatenate([s.total for s in scored]),
        **{f"reward/{name}": np.concatenate([s.rewards[name] for s in scored]) for name in names},
        "rollout/length": np.array(lengths, dtype=np.float64),
        "advantage": np.concatenate(advantages) if advantages else np.zeros(0),
    }


def _options(question: Question) -> list[str]:
    gold = question.target.gold if isinstance(question.target, Choice) else None
    return [("* " if number == gold else "- ") + choice for number, choice in enumerate(question.choices)]


def _short(text: str) -> str:
    return text if len(text) <= _TITLE else f"{text[: _TITLE - 3]}..."
