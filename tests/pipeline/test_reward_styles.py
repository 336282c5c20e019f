"""Rewards written for TRL and verl in a whole run, from a recipe to stored values."""

import pytest

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from rlaudio.runs.run import open_run
from tests.conftest import TINY

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 8, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 2, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 2}}
algorithm: {{use: grpo, kl: 0.0}}
evaluation: {{controls: [audio]}}
rewards:
  texts: {{use: ./texts.py, style: trl, weight: 2.0}}
  messages: {{use: ./messages.py, style: trl_chat}}
  one: {{use: ./one.py, style: verl, weight: 0.5}}
sampling: {{questions: 2, group_size: 4, temperature: 1.2, top_k: 8, max_new_tokens: 6}}
"""
REWARDS = {
    "texts": "def texts(completions, answer, **columns):\n"
    "    return [len(text) + 100.0 * len(right) for text, right in zip(completions, answer, strict=True)]\n",
    "messages": "def messages(prompts, completions, completion_ids, **columns):\n"
    "    assert all(prompt[-1]['role'] == 'user' for prompt in prompts)\n"
    "    texts = [completion[0]['content'] for completion in completions]\n"
    "    return [len(t) / (1 + len(ids)) for t, ids in zip(texts, completion_ids, strict=True)]\n",
    "one": "def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n"
    "    return {'score': len(solution_str) - len(extra_info['choices']) - len(ground_truth)}\n",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two steps by a reward in each style."""
    folder = tmp_path_factory.mktemp("styles")
    for name, source in REWARDS.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    (folder / "r.yaml").write_text(RECIPE.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    pipeline.run(load_recipe(folder / "r.yaml"), folder / "run")
    return open_run(folder / "run")


def test_rewards_in_the_styles_of_trl_and_verl_train(trained):
    assert trained.steps("rl") == [1, 2]
    learned = [group for step in (1, 2) for group in trained.rollouts("rl", step)]
    assert len(learned) == 4
    for group in learned:
        scored, question = group.scored, group.scored.group.prompt.question
        assert scored.weights == {"texts": 2.0, "messages": 1.0, "one": 0.5}
        for place, completion in enumerate(scored.group.completions):
            length, ids = len(completion.text), len(completion.token_ids)
            expected = {
                "texts": length + 100.0 * len(question.answer),
                "messages": length / (1 + ids),
                "one": length - len(question.choices) - len(question.answer),
            }
            assert {name: values[place] for name, values in scored.rewards.items()} == pytest.approx(expected)
            total = 2.0 * expected["texts"] + expected["messages"] + 0.5 * expected["one"]
            assert scored.total[place] == pytest.approx(total)


def test_a_step_learns_from_groups_that_such_rewards_tell_apart(trained):
    spreads = [group.scored.total.std() for group in trained.rollouts("rl", 1)]
    assert max(spreads) > 0
    assert max(value for _, value in trained.series("rl", "optimizer/grad_norm")) > 0
