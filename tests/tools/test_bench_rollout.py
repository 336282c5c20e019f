"""tools/bench_rollout without vLLM on the shipped tiny model; its figures are measured by hand."""

from tests.tool_scripts import load_tool


def test_the_transformers_worker_samples_and_is_timed(tmp_path, monkeypatch):
    tool = load_tool("bench_rollout")
    monkeypatch.setattr(tool, "QUESTIONS", 1)
    monkeypatch.setattr(tool, "NEW_TOKENS", 2)
    figures = {figure.name: figure.value for figure in tool.measure_sampling("tiny", tmp_path, 1, False)}
    assert figures["tiny: tokens a second, transformers"] > 0
