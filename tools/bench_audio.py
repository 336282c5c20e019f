"""How long the steps of a run wait for their audio: 30 s in mp3, decoded, resampled, made into features."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from bench_rows import Figure
from bench_thinker import GROUP, LR, MIDDLE, SECONDS, noise, write_thinker

from rlaudio.runs.run import open_run

QUESTIONS, STEPS, RATE_HZ = 8, 6, 44_100
RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data: {{train: {{use: jsonl, path: {data}}}}}
contribution: {{voters: []}}
curriculum: {{use: rl_only, rl_steps: {steps}}}
algorithm: {{use: grpo, kl: 0.0}}
rewards: {{spread: {{use: {reward}}}}}
sampling: {{questions: {questions}, group_size: {group}, temperature: 1.0, max_new_tokens: 24}}
optimizer: {{lr: {lr}}}
"""

REWARD = """
def spread(question, completion) -> float:
    return float(len(completion.text) % 5)
"""


def measure_audio(work: Path) -> Iterator[Figure]:
    """Share of a step's time in which it waits for prompts; the first step of a run waits for all of them."""
    write_thinker(work / "model", MIDDLE)
    rows = []
    for number in range(QUESTIONS * STEPS):
        upsampled = np.repeat(noise(SECONDS, number), 3)[: int(SECONDS * RATE_HZ)]
        soundfile.write(work / f"{number}.mp3", upsampled, RATE_HZ, format="MP3")
        question = {"question": "What is heard?", "choices": ["a", "b"], "answer": "a"}
        rows.append({"id": str(number), "clips": [f"{number}.mp3"], **question})
    data = work / "questions.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reward, recipe = work / "spread.py", work / "recipe.yaml"
    reward.write_text(REWARD, encoding="utf-8")
    places = {"model": work / "model", "data": data, "reward": reward}
    text = RECIPE.format(**places, steps=STEPS, questions=QUESTIONS, group=GROUP, lr=f"{LR:.7f}")
    recipe.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "rlaudio", "run", str(recipe), "--out", str(work / "run")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    times = [
        {name: value for name, value in row.items() if name.startswith("time/")}
        for row in open_run(work / "run").timings
        if "time/data_wait" in row
    ]
    waits = [step["time/data_wait"] for step in times]
    whole = [sum(step.values()) for step in times]
    yield Figure(
        f"audio: first step, {QUESTIONS} clips of {SECONDS:g} s in mp3, waits for them", waits[0], "s"
    )
    yield Figure("audio: a later step", sum(whole[1:]) / (STEPS - 1), "s")
    share = sum(waits[1:]) / sum(whole[1:])
    yield Figure("audio: share of later steps that waits for audio", share, "fraction", "<= 0.02")
