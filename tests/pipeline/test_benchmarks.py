"""Published formats end to end: audit, dedupe, label, train weak to strong, evaluate, score predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.worlds.synthetic import synthetic
from tests.data.trees import write_lines, write_list, write_parquet

KEYS = {"mmau": "json", "mmar": "jsonl", "mmsu": "jsonl", "mmau_pro": "jsonl", "dcase2026": "csv"}


def rlaudio(*arguments: object, status: int = 0) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.output
    return done.output


def put(question, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(question.clips[0], path)
    return path.name


@pytest.fixture
def trees(tmp_path) -> dict[str, Path]:
    """The sets by name, each in its published layout; one clip of MMAR is in AudioMCQ too."""
    made = list(synthetic(split="test", count=28, folder=tmp_path / "world"))
    train, held_out = made[:16], [made[16 + 2 * n : 18 + 2 * n] for n in range(5)]
    held_out[1] = [held_out[1][0], train[0]]
    folders = {name: tmp_path / name for name in ("audiomcq", *KEYS)}
    write_lines(
        folders["audiomcq"] / "datasets" / "part.jsonl",
        *(
            {"id": q.id, "question": q.question, "choices": q.choices, "answer": q.answer}
            | {"audio_path": put(q, folders["audiomcq"] / f"{q.id}.wav"), "question_type": "sound"}
            for q in train
        ),
    )
    rows = dict(zip(KEYS, held_out, strict=True))
    for q in rows["mmau"]:
        put(q, folders["mmau"] / "test-mini-audios" / f"{q.id}.wav")
    write_list(
        folders["mmau"] / "mmau-test-mini.json",
        *(
            {"id": q.id, "question": q.question, "choices": q.choices, "answer": q.answer}
            | {"audio_id": f"./test-mini-audios/{q.id}.wav", "task": "sound", "difficulty": "easy"}
            for q in rows["mmau"]
        ),
    )
    write_lines(
        folders["mmar"] / "MMAR-meta.jsonl",
        *(
            {"id": f"r{q.id}", "question": q.question, "choices": q.choices, "answer": q.answer}
            | {"audio_path": put(q, folders["mmar"] / f"{q.id}.wav"), "modality": "sound"}
            for q in rows["mmar"]
        ),
    )
    write_parquet(
        folders["mmsu"] / "data" / "train.parquet",
        *(
            {"id": q.id, "question": q.question, "answer_gt": q.answer, "category": "Perception"}
            | {f"choice_{letter}": option for letter, option in zip("abcd", q.choices, strict=True)}
            | {"audio": {"bytes": q.clips[0].read_bytes(), "path": "a.wav"}}
            for q in rows["mmsu"]
        ),
    )
    write_parquet(
        folders["mmau_pro"] / "test.parquet",
        *(
            {"id": q.id, "question": q.question, "choices": list(q.choices), "answer": q.answer}
            | {"audio_path": [put(q, folders["mmau_pro"] / f"{q.id}.wav")], "category": "sound"}
            for q in rows["mmau_pro"]
        ),
    )
    write_lines(
        folders["dcase2026"] / "dev.jsonl",
        *(
            {"id": q.id, "question_text": q.question, "multi_choice": q.choices, "answer": q.answer}
            | {"audio_path": put(q, folders["dcase2026"] / f"{q.id}.wav")}
            for q in rows["dcase2026"]
        ),
    )
    return folders


@pytest.mark.slow
def test_published_formats_go_from_audit_to_scores(trees, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    named = {name: f"{name}={folder}" for name, folder in trees.items()}
    for data in named.values():
        rlaudio("data", "audit", data)

    benchmarks = [named[name] for name in KEYS]
    assert "mmar" in rlaudio("data", "dedupe", named["audiomcq"], *benchmarks, status=1)
    clean = tmp_path / "clean"
    rlaudio("data", "dedupe", named["audiomcq"], *benchmarks, "--out", clean)
    [questions] = clean.glob("*.clean.jsonl")
    recipe = tmp_path / "recipe.yaml"
    sets = ", ".join(f"{name}: {{path: {trees[name]}}}" for name in KEYS)
    recipe.write_text(
        f"""
model: {{use: qwen2_5_omni, path: tiny/base, device: cpu}}
data:
  train: {{use: jsonl, path: {questions}, outside_root: true}}
  evaluate: {{{sets}}}
contribution: {{voters: [tiny/voter_a, tiny/voter_b], threshold: 1}}
curriculum: {{use: weak_to_strong, sft_steps: 1, rl_steps: 1}}
sampling: {{questions: 2, group_size: 2, max_new_tokens: 12}}
sft: {{questions: 2}}
evaluation: {{controls: [audio], between_stages: []}}
rewards: {{answer_correctness: {{weight: 1.0}}}}
""",
        encoding="utf-8",
    )
    rlaudio("run", recipe, "--out", tmp_path / "run")
    final = json.loads((tmp_path / "run" / "evaluation" / "final.json").read_text(encoding="utf-8"))
    assert list(final) == list(KEYS)
    assert [final[name]["provenance"]["benchmark"].split()[0] for name in KEYS] == list(KEYS)

    out = tmp_path / "evaluated"
    table = rlaudio("evaluate", tmp_path / "run" / "final", *flags(benchmarks), "--out", out)
    assert "Left out by mmau_pro: 6 of 6 answers, 6 of them since: needs NV-Embed-v2" in table
    for name, suffix in KEYS.items():
        assert (tmp_path / "run" / "evaluation" / "final" / "predictions" / f"{name}.{suffix}").is_file()
        predictions = out / "evaluation" / "predictions" / f"{name}.{suffix}"
        scored = rlaudio("score", predictions, "--benchmark", named[name], "--against", out, "--out", clean)
        assert f"{name}  audio          2" in scored
        strict = json.loads((clean / "evaluation.json").read_text(encoding="utf-8"))[name]
        told = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))[name]
        assert accuracy(strict) == accuracy(told)


def flags(benchmarks: list[str]) -> list[str]:
    return [word for benchmark in benchmarks for word in ("--benchmark", benchmark)]


def accuracy(evaluation: dict) -> float:
    return evaluation["tables"]["all"]["all"]["scores"]["audio"]["accuracy"]
