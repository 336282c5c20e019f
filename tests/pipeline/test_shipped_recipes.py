"""Every recipe of a published model runs to its end: a small model in the hub's cache, data as published.

A recipe keeps its values, but for the number of steps and questions, and samples with the model itself.
"""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.config.shipped import shipped_recipes
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.planning.check import check
from tests.data.trees import write_audio, write_lines, write_list, write_parquet
from tests.hub_cache import cached_model
from tests.models.small_models import MODELS, write_model

pytestmark = pytest.mark.slow

OTHERS = {  # of models that ship or are built; run by the tests named here
    "tiny_weak_to_strong": "tests/planning/test_job_script.py",
    "tiny_weak_to_strong_vllm": "tests/planning/test_job_script.py",  # the same, sampled by vLLM
    "spoken_digits_weak_to_strong": "tests/test_tutorials.py",
}
NAMES = [name for name in shipped_recipes() if not name.startswith("base/") and name not in OTHERS]
CHOICES = ["a dog", "a cat", "a cow", "a bird"]
BENCHMARKS = {  # of the paper that a recipe follows
    "r1_aqa_qwen2_audio": ["mmau"],
    "nemo_rl_audiomcq_qwen2_5_omni_7b": ["mmau"],
    "gemini_cot_gdpo_qwen2_5_omni_7b": ["dcase2026"],
}
SMALL = (
    "model.device=cpu",
    "threads=1",
    "rollout={use: transformers}",
    "sampling.questions=2",
    "sampling.max_new_tokens=6",
    "sft.questions=4",
)


def audiomcq_row(folder: Path, number: int) -> dict:
    clip = write_audio(folder / "audio" / f"clip{number}.wav", pitch_hz=200 + 40 * number)
    return {
        "id": f"a{number}",
        "question": f"What is heard at {number}?",
        "choices": CHOICES,
        "answer": CHOICES[number % 4],
        "audio_path": clip.name,
        "question_type": "sound",
        "source_dataset": "AudioCaps",
        "audio-contribution": "weak" if number % 2 else "strong",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The working folder: AudioMCQ, its strong part with thoughts, AVQA and benchmarks, as published."""
    folder = tmp_path_factory.mktemp("data")
    everything, strong, avqa = (folder / n for n in ("AudioMCQ", "AudioMCQ-StrongAC-GeminiCoT", "AVQA"))
    write_lines(everything / "datasets" / "a.jsonl", *(audiomcq_row(everything, n) for n in range(16)))
    with_cot = [
        audiomcq_row(strong, n) | {"audio_path": f"audio/clip{n}.wav", "gemini_cot": "It barks."}
        for n in range(8)
    ]
    write_lines(strong / "data.jsonl", *(row | {"audio-contribution": "strong"} for row in with_cot))
    write_lines(
        avqa / "train_r1aqa_line.json",
        *(
            {
                "id": n,
                "dataset_name": "AVQA",
                "question_text": "What is the sound in the video?",
                "multi_choice": CHOICES,
                "answer": n % 4,
                "question_relation": "Sound",
                "question_type": "Which",
                "audio_path": write_audio(avqa / "audio" / f"v{n}.wav", pitch_hz=300 + 40 * n).name,
            }
            for n in range(8)
        ),
    )
    write_benchmarks(folder)
    return folder


def write_benchmarks(folder: Path) -> None:
    """Two questions about two clips in the layout of each."""
    mmau, mmar, mmsu, dcase = (folder / name for name in ("MMAU", "MMAR", "MMSU", "DCASE2026"))
    names = {f"audio/{pitch_hz}.wav": pitch_hz for pitch_hz in (2000, 2100)}
    clips = {name: write_audio(mmau / name, pitch_hz=pitch_hz) for name, pitch_hz in names.items()}
    for root in (mmar, dcase):
        shutil.copytree(mmau / "audio", root / "audio")
    asked = {"question": "What is heard?", "choices": CHOICES, "answer": CHOICES[0]}
    write_list(
        mmau / "mmau-test-mini.json", *(asked | {"id": n, "audio_id": n, "task": "sound"} for n in names)
    )
    write_lines(
        mmar / "MMAR-meta.jsonl", *(asked | {"id": n, "audio_path": n, "modality": "sound"} for n in names)
    )
    write_parquet(
        mmsu / "data" / "train.parquet",
        *(
            {"id": n, "question": "What is heard?", "answer_gt": CHOICES[0], "category": "Perception"}
            | {f"choice_{letter}": option for letter, option in zip("abcd", CHOICES, strict=True)}
            | {"audio": {"bytes": clip.read_bytes(), "path": clip.name}}
            for n, clip in clips.items()
        ),
    )
    write_lines(
        dcase / "dev.jsonl",
        *(
            {
                "id": n,
                "audio_path": n,
                "question_text": "What?",
                "multi_choice": CHOICES,
                "answer": CHOICES[0],
            }
            for n in names
        ),
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """The small model of every family that a recipe names."""
    out = tmp_path_factory.mktemp("models")
    made = {name: write_model(name, out / name) for name in MODELS if name in ("qwen2_audio", "qwen3_omni")}
    return {"qwen2_5_omni": Path(resolve_model_path("tiny/base")), **made}


@pytest.fixture
def offline(folder, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def small(name: str):
    steps = load_recipe(name).curriculum.options.keys() & {"sft_steps", "rl_steps"}
    return load_recipe(name, [*SMALL, *(f"curriculum.{key}=1" for key in sorted(steps))])


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_checked_without_weights_and_runs_to_its_end(name, offline, models, tmp_path):
    recipe = small(name)
    hub_id = recipe.model.options["path"]
    described = cached_model(offline, hub_id, models[recipe.model.use], weights=False)
    assert check(recipe, tmp_path / "run").problems == []
    shutil.rmtree(described)
    cached_model(offline, hub_id, models[recipe.model.use])
    pipeline.run(recipe, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    kinds = {"sft_only": ["sft"], "rl_only": ["rl"]}.get(recipe.curriculum.use, ["sft", "rl"])
    assert [row["stage"] for row in rows] == kinds
    assert all(row["optimizer/tokens"] > 0 for row in rows if row["stage"] == "sft")
    final = json.loads((tmp_path / "run" / "evaluation" / "final.json").read_text())
    assert list(final) == BENCHMARKS.get(name, ["mmau", "mmar", "mmsu"])
    assert [final[name]["provenance"]["benchmark"].split()[0] for name in final] == list(final)
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "final" / "config.json").is_file()
