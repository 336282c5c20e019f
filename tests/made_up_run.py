"""A run folder without a run: plausible numbers from a seed, written by rlaudio's own writers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rlaudio.contribution.label_summary import summarise
from rlaudio.contribution.methods.vote import VoteLabels
from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.runs.files import write_rows
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.runs.summary import build_summary
from rlaudio.types import (
    Absent,
    Clip,
    Completion,
    Contribution,
    Dataset,
    Group,
    HeardClip,
    Prompt,
    Question,
    ScoredGroup,
    Verdict,
)
from tests.settings import label_settings

RECIPE = """\
name: made_up_weak_to_strong
seed: 7
model: {use: qwen2_5_omni, path: tiny/base}
curriculum: {use: weak_to_strong, sft_epochs: 1, rl_steps: 100}
algorithm: {use: grpo, kl: 0.001}
rewards:
  answer_correctness: {weight: 2.0, scorer: exact}
  format: {weight: 0.5}
report: {completions: 2000}
"""
SOUNDS = ("a dog", "a violin", "rain", "a siren", "footsteps", "a flute", "a drum", "a church bell")
CATEGORIES = ("sound", "music", "speech", "temporal")
HOSTILE = "<answer>a dog</answer><script>alert('model')</script> & <b>bold</b>"


def made_up_questions(count: int, rng: np.random.Generator) -> Dataset:
    """Questions of all types; the text of every other one gives its answer away."""
    questions = []
    contributions = {}
    for number in range(count):
        choices = tuple(str(choice) for choice in rng.permutation(SOUNDS)[:4])
        questions.append(
            Question.multiple_choice(
                f"q{number}",
                "Which of these can be heard after the second pause?",
                choices,
                choices[rng.integers(4)],
                Path(f"q{number}.wav"),
                groups={
                    "category": CATEGORIES[number % 4],
                    "source": ("generated", "recorded")[number % 3 == 0],
                },
                text_answerable=number % 2 == 0,
            )
        )
        label = "weak" if (number % 2 == 0) != (rng.random() < 0.08) else "strong"
        contributions[f"q{number}"] = Contribution(f"q{number}", label)
    return Dataset(tuple(questions), contributions)


def made_up_evaluation(questions: Dataset, skill: float, rng: np.random.Generator) -> Evaluation:
    """Answers of a model that hears with probability `skill`, and reads the text half as well."""
    rows = []
    for control in ("audio", "silence", "mismatch"):
        for question in questions:
            reads = 0.5 + 0.4 * skill if question.text_answerable else 0.0
            knows = max(skill if control == "audio" else 0.0, reads)
            predicted = question.answer_index if rng.random() < knows else int(rng.integers(4))
            unparsed = rng.random() < 0.08 * (1 - skill)
            verdict = Verdict(
                right=not unparsed and predicted == question.answer_index,
                read=None if unparsed else predicted,
                status="none" if unparsed else "exact",
                reason="no option" if unparsed else "",
            )
            strict = verdict if rng.random() < 0.9 else Verdict(False, None, "none", "no option")
            rows.append(
                AnswerRow(
                    question=question,
                    control=control,
                    heard=question.id,
                    text="um" if unparsed else f"<answer>{question.choices[predicted]}</answer>",
                    verdicts={"robust": verdict, "exact": strict},
                    truncated=unparsed,
                    contribution=questions.contributions[question.id].label,
                )
            )
    return Evaluation(tuple(rows), seed=0)


def made_up_labels(questions: Dataset, rng: np.random.Generator) -> VoteLabels:
    """Three voters that read the text well and otherwise guess."""
    truth = np.array([question.text_answerable for question in questions])
    right = rng.random((3, len(questions))) < np.where(truth, 0.88, 0.25)
    answers = {name: [("a dog",)] * len(questions) for name in ("voter_a", "voter_b", "voter_c")}
    by_order = right[:, :, np.newaxis].astype(float)
    return VoteLabels(
        tuple(questions), answers, by_order, dict.fromkeys(answers, 0.0), 2, label_settings(Path())
    )


def made_up_group(question: Question, skill: float, rng: np.random.Generator, group_size=8) -> ScoredGroup:
    """A group of short answers; the first one to q0 has markup that a page must not obey."""
    texts = []
    for _ in range(group_size):
        named = question.answer if rng.random() < skill else question.choices[rng.integers(4)]
        texts.append(f"<answer>{named}</answer>" if rng.random() < 0.9 else named)
    if question.id == "q0":
        texts[0] = HOSTILE
    prompt = Prompt(question, np.arange(3), np.arange(3), (HeardClip(question.id),), Absent.MADE_UP)
    completions = tuple(
        Completion.single_turn(
            np.arange(6), np.full(6, -0.3, np.float32), text, (text, *[""] * 5), "stop", weights_version=1
        )
        for text in texts
    )
    correct = np.array([float(f">{question.answer}<" in text) for text in texts])
    form = np.array([float(text.startswith("<answer>")) for text in texts])
    rewards = {"answer_correctness": correct, "format": form}
    return ScoredGroup(Group(prompt, completions), rewards, 2 * correct + 0.5 * form)


def made_up_clip(question: Question, rng: np.random.Generator, seconds: float = 1.5) -> Clip:
    """Three decaying tones, so that there is something to hear."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    tone = sum(
        np.sin(2 * np.pi * rng.uniform(200, 1200) * time)
        * np.exp(-6 * np.abs(time - start))
        * (time >= start)
        for start in (0.1, 0.6, 1.1)
    )
    return Clip((0.3 * tone).astype(np.float32), digest=f"{question.id:0>32}")


def made_up_run(
    path: Path,
    *,
    sft_steps: int = 40,
    rl_steps: int = 100,
    questions: tuple[int, int, int] = (600, 400, 120),
    finished: bool = True,
) -> Path:
    """A run folder at `path`: labels, base, SFT, GRPO and, if `finished`, the evaluation after it all.

    `questions` are those of train, test and new speakers.
    """
    rng = np.random.default_rng(0)
    train, test, speakers = (made_up_questions(count, rng) for count in questions)
    moved = (replace(q, groups={**q.groups, "source": "new speakers"}) for q in speakers)
    speakers = replace(speakers, questions=tuple(moved))
    sets = {"test": test, "new_speakers": speakers}
    with RunFolder.create(path, RECIPE) as folder:
        labels = summarise(made_up_labels(train, rng))
        folder.write_json("labels.json", {"train": labels.to_dict()})
        base = {name: made_up_evaluation(questions, 0.2, rng) for name, questions in sets.items()}
        _write_evaluations(folder, "base", base)
        for step in range(1, sft_steps + 1):
            folder.log_metrics("sft", step, _sft_metrics(step / sft_steps, rng))
        for step in range(1, rl_steps + 1):
            folder.log_metrics("rl", step, _rl_metrics(step / rl_steps, rng))
            if step % 10 == 0:
                folder.log_metrics("rl", step, _held_out_metrics(step / rl_steps, rng))
        groups = [made_up_group(question, 0.8, rng) for question in train[:10]]
        folder.write_rollouts("rl", rl_steps, map(LearnedGroup, groups))
        folder.write_samples("rl", rl_steps, train, lambda question: made_up_clip(question, rng), 10)
        if finished:
            final = {name: made_up_evaluation(questions, 0.85, rng) for name, questions in sets.items()}
            _write_evaluations(folder, "final", final)
            folder.write_json(
                "summary.json",
                build_summary(
                    evaluations={
                        when: {name: evaluation.to_dict() for name, evaluation in of_sets.items()}
                        for when, of_sets in (("base", base), ("final", final))
                    },
                    labels=labels.to_dict(),
                    seconds={"label": 14.2, "base": 6.1, "sft": 31.0, "rl": 71.4, "final": 6.0},
                    peak_memory_gb=1.83,
                    rollouts=12_800,
                    optimizer_tokens=141_233,
                ),
            )
    return path


def _write_evaluations(folder: RunFolder, when: str, evaluations: dict[str, Evaluation]) -> None:
    for name, evaluation in evaluations.items():
        rows = [row.to_dict() for row in evaluation.rows]
        write_rows(folder.path / "evaluation" / when / f"{name}.jsonl", rows)
    tables = {name: evaluation.to_dict() for name, evaluation in evaluations.items()}
    folder.write_json(f"evaluation/{when}.json", tables)


def _sft_metrics(progress: float, rng: np.random.Generator) -> dict[str, float]:
    loss = 2.2 * np.exp(-4 * progress) + 0.25 + 0.05 * rng.normal()
    return {
        "loss/total": loss,
        "loss/entropy": 0.8 * loss,
        "optimizer/lr": 1e-4 * (1 + np.cos(np.pi * progress)) / 2,
        "optimizer/grad_norm": 3 * loss + 0.3 * abs(rng.normal()),
        "optimizer/tokens": 200.0,
        "time/update": 0.8,
    }


def _held_out_metrics(progress: float, rng: np.random.Generator) -> dict[str, float]:
    strong, weak, silence = 0.4 + 0.45 * progress, 0.55 + 0.35 * progress, 0.25 + 0.03 * rng.normal()
    return {
        "eval/strong_audio": strong,
        "eval/weak_audio": weak,
        "eval/all_audio": (strong + weak) / 2,
        "eval/strong_silence": silence,
        "eval/unparsed": 0.01,
        "eval/all_audio_exact": 0.9 * (strong + weak) / 2,
    }


def _rl_metrics(progress: float, rng: np.random.Generator) -> dict[str, float]:
    skill = 0.3 + 0.6 * (1 - np.exp(-3 * progress)) + 0.03 * rng.normal()
    form = min(1.0, 0.8 + 0.4 * progress)
    return {
        "reward/total": 2 * skill + 0.5 * form,
        "reward/answer_correctness": skill,
        "reward/format": form,
        "reward/failures": 0.0,
        "group/no_spread": np.clip(0.2 + 0.5 * progress + 0.05 * rng.normal(), 0, 1),
        "group/spread": 0.8 - 0.4 * progress,
        "rollout/length": 7 + 0.3 * rng.normal(),
        "rollout/stop_rate": 1.0,
        "rollout/tokens": 900.0,
        "rollout/completions": 128.0,
        "rollout/mismatch_mean": 2e-7 + 1e-7 * rng.random(),
        "rollout/mismatch_max": 2e-6 + 1e-6 * rng.random(),
        "loss/total": 0.01 * rng.normal(),
        "loss/kl": 0.4 * progress + 0.02 * rng.random(),
        "loss/entropy": 1.1 - 0.8 * progress + 0.03 * rng.normal(),
        "loss/clip_fraction": 0.0,
        "optimizer/lr": 5e-5 * (1 + np.cos(np.pi * progress)) / 2,
        "optimizer/grad_norm": 1.2 + 0.5 * abs(rng.normal()),
        "optimizer/tokens": 900.0,
        "time/rollout": 0.4,
        "time/update": 0.3,
    }
