"""Right with the audio and not in silence: 1 if right, times the share of answers in silence that are wrong.

    right * (1 - right answers in silence / answers in silence)

The policy answers every question `contribution.silent_samples` times in silence, at the weights that sampled.
Not from a paper. The factor is one number for a group, and algorithms that divide by its deviation or mean
(`grpo`, `dapo`, `maxrl`) cancel it, but for a question that silence answers every time, which then teaches
nothing. `{use: grpo, scale: none}`, `rloo` and a second reward beside this one keep it.
"""

from rlaudio.types import Group, Scorer


def counterfactual(group: Group, silent: Group, *, scorer: Scorer) -> list[float]:
    """right * (1 - right answers in silence / answers in silence) of each completion, [G]. Ours."""
    question = group.prompt.question
    in_silence = [scorer(question, completion.text).right for completion in silent.completions]
    wrong = 1.0 - sum(in_silence) / len(in_silence)
    return [wrong * scorer(question, completion.text).right for completion in group.completions]
