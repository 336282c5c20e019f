"""Run folders of arms without runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rlaudio.runs.files import append_row, write_json, write_rows, write_text

NO_SCORES = {"questions": 8, "chance": 0.25, "scores": {}, "gains": {}, "other_scores": {}}
TABLES = {
    "scorer": "robust",
    "baselines": {"chance": 0.25, "always_first": 0.25, "longest_option": 0.25, "gold_positions": [8]},
    "predicted_positions": {},
    "tables": {"all": {"all": NO_SCORES}},
}


def made_up_arm(
    folder: Path,
    right: np.ndarray,
    *,
    steps=4,
    completions=10.0,
    tokens=100.0,
    controls=("audio", "silence"),
    choices=("a", "b", "c", "d"),
    base=None,
    metrics=None,
    final=TABLES,
) -> None:
    """Run folders seed-0, ... without runs: answers [S, Q] with audio (none right in silence), RL steps."""
    for seed, answers in enumerate(right):
        run = folder / f"seed-{seed}"
        rows = [
            {
                "id": f"q{number}",
                "control": control,
                "right": bool(is_right) and control == "audio",
                "contribution": "strong" if number % 2 else "weak",
                "choices": list(choices),
                "text_answerable": None,
                "groups": {},
            }
            for control in controls
            for number, is_right in enumerate(answers)
        ]
        write_text(run / "recipe.yaml", "name: made_up\n")
        write_rows(run / "evaluation" / "final" / "test.jsonl", rows)
        write_json(run / "evaluation" / "final.json", {"test": final})
        append_row(run / "metrics.jsonl", {"stage": "sft", "step": 1, "optimizer/tokens": 50.0})
        for step in range(1, (steps if isinstance(steps, int) else steps[seed]) + 1):
            row = {"rollout/completions": completions, "optimizer/tokens": tokens, "rollout/length": 7.0}
            row["reward/answer_correctness"] = 0.1 * step + 0.2 * seed
            append_row(run / "metrics.jsonl", {"stage": "rl", "step": step, **row, **(metrics or {})})
        if base is not None:
            write_json(run / "evaluation" / "base.json", {"test": base})
        costs = {"peak_memory_gb": 1.0, "rollouts": 40, "optimizer_tokens": 450}
        write_json(run / "summary.json", {"seconds": {"train": 4.0, "label": 1.0}, **costs})


RIGHT, HALF = [1] * 8, [1, 0] * 4


def arm_of(results, name):
    return next(arm for arm in results.arms if arm.name == name)


def without(held_out, arm):
    """The held-out set as if this arm had not been there."""
    accuracy = {name: groups for name, groups in held_out.accuracy.items() if name != arm}
    return replace(held_out, accuracy=accuracy)
