"""A recipe's questions and rewards as a Gymnasium environment of one step: a question is heard and answered.

    env = gymnasium.make("rlaudio.env:rlaudio/AudioQuestion-v0", recipe="tiny_weak_to_strong")
    observation, info = env.reset(seed=0)
    _, reward, _, _, info = env.step("<answer>dog</answer>")

Questions, scorer and rewards are those that a run of the recipe has. `gymnasium.make_vec` gives many
environments whose answers are scored together, so that rewards of a group and async ones work as in a run.
"""

from __future__ import annotations

import gymnasium

from rlaudio.env.audio_question import AudioQuestion, AudioQuestions

__all__ = ["ID", "AudioQuestion", "AudioQuestions"]

ID = "rlaudio/AudioQuestion-v0"

gymnasium.register(ID, "rlaudio.env:AudioQuestion", vector_entry_point="rlaudio.env:AudioQuestions")
