"""The environments: one question an episode, alone or many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlaudio.audio.reading import SAMPLE_RATE_HZ
from rlaudio.env.answer_spaces import Answer, AnyText, Waveform
from rlaudio.env.task import TRAIN, Observation, Task, open_task

if TYPE_CHECKING:
    from rlaudio.config.recipe import Recipe
    from rlaudio.types import Question

Actions = Literal["text", "option"]
TEXT: Actions = "text"


class AudioQuestion(gymnasium.Env[Observation, Any]):
    """One question an episode; the reward of its single step is the recipe's weighted sum for the answer.

    An observation holds `question`, `options` (a tuple of texts) and `clips` (a tuple of arrays, each
    [samples] float32 at 16 kHz). An action is a text, such as a model writes it, or a `Completion`, whose
    tokens count where a reward counts tokens; a text is encoded anew. With `actions="option"` it is the
    position of an option, which is answered in the form that the SFT stage teaches. Questions are drawn at
    random; `reset(options={"question": ID})` asks a certain one.

    Raises what `open_task` raises; `step` raises RewardError where a reward gives no value.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012  as Gymnasium declares it

    def __init__(
        self,
        recipe: str | Path | Recipe,
        overrides: Sequence[str] = (),
        *,
        split: str = TRAIN,
        actions: Actions = TEXT,
        render_mode: str | None = None,
    ) -> None:
        self.task = open_task(recipe, overrides, split)
        self.render_mode = render_mode
        self.observation_space = _observation_space(self.task)
        self.action_space = _action_space(self.task, actions)
        self._asked: Question | None = None
        self._observed: Observation = {}
        self._shown = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask a question. Raises ValueError for an id that no question has."""
        super().reset(seed=seed)
        self._asked = self.task.draw(self.np_random, options or {})
        self._observed = self.task.observe(self._asked)
        described = self.task.describe(self._asked)
        self._shown = described["prompt"]
        return _copied(self._observed), described

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Score the answer, which ends the episode. Raises ResetNeeded where nothing is asked."""
        question = self._asked
        if question is None:
            raise gymnasium.error.ResetNeeded("every question is answered once; call reset() for the next")
        (scored,) = self.task.rewards.score([self.task.group(question, [action])])
        self._asked = None
        reward, result = float(scored.total[0]), self.task.result(scored, 0)
        text = scored.group.completions[0].text
        self._shown += f"\n{text}\nreward {reward:g}, {'right' if result['right'] else 'wrong'}"
        return _copied(self._observed), reward, True, False, result

    def render(self) -> str | None:
        """The question, and once it is there the answer with its reward, as text."""
        return self._shown if self.render_mode == "ansi" else None


class AudioQuestions(VectorEnv[Observation, Any, np.ndarray]):
    """`num_envs` questions a step, scored in one call; the next ones are asked in the same step.

    Environments i*group_size to (i+1)*group_size - 1 get the same question, and rewards of a group see their
    answers together. An observation holds for each key a tuple with the entry of every environment. A reward
    is NaN where the recipe's `reward_failures` lets a sample drop.

    Raises what `open_task` raises; ValueError where `group_size` does not divide `num_envs`.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  as Gymnasium declares it

    def __init__(
        self,
        recipe: str | Path | Recipe,
        overrides: Sequence[str] = (),
        *,
        num_envs: int = 1,
        group_size: int = 1,
        split: str = TRAIN,
        actions: Actions = TEXT,
    ) -> None:
        if num_envs < 1 or group_size < 1 or num_envs % group_size:
            raise ValueError(f"num_envs is {num_envs}; expected a multiple of group_size, {group_size}")
        self.num_envs, self.group_size = num_envs, group_size
        self.task = open_task(recipe, overrides, split)
        self.single_observation_space = _observation_space(self.task)
        self.single_action_space = _action_space(self.task, actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._asked: list[Question] = []  # one a group
        self._observed: list[Observation] = []  # of each

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask a question a group; `options={"questions": [ID, ...]}` names them."""
        super().reset(seed=seed)
        if unknown := (options or {}).keys() - {"questions"}:
            raise ValueError(
                f"reset has no option {', '.join(sorted(unknown))}; expected questions, a list of ids"
            )
        named = (options or {}).get("questions")
        groups = self.num_envs // self.group_size
        if named is not None and len(named) != groups:
            raise ValueError(f"{len(named)} questions are named; expected {groups}, one a group")
        chosen = [{"question": id} for id in named] if named else [{}] * groups
        return self._ask([self.task.draw(self.np_random, options) for options in chosen])

    def step(self, actions: Any) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Score an answer of every environment; infos hold `final_obs` and `final_info` of what was asked."""
        if not self._asked:
            raise gymnasium.error.ResetNeeded("nothing is asked yet; call reset() first")
        if len(actions) != self.num_envs:
            raise ValueError(
                f"{len(actions)} actions for {self.num_envs} environments; expected one for each"
            )
        groups = []
        for number, question in enumerate(self._asked):
            of_group = actions[number * self.group_size : (number + 1) * self.group_size]
            groups.append(self.task.group(question, of_group))
        scored = self.task.rewards.score(groups)
        final_observation = self._batched()
        observation, infos = self._ask([self.task.draw(self.np_random, {}) for _ in scored])
        results = [self.task.result(group, sample) for group in scored for sample in range(self.group_size)]
        for number, result in enumerate(results):
            infos = self._add_info(infos, {"final_info": result}, number)
        infos["final_obs"] = final_observation
        infos["_final_obs"] = np.ones(self.num_envs, dtype=bool)
        ended = np.ones(self.num_envs, dtype=bool)
        return observation, np.concatenate([s.total for s in scored]), ended, np.zeros_like(ended), infos

    def _ask(self, questions: list[Question]) -> tuple[Observation, dict[str, Any]]:
        self._asked = questions
        self._observed = [self.task.observe(question) for question in questions]
        infos: dict[str, Any] = {}
        for number in range(self.num_envs):
            infos = self._add_info(infos, self.task.describe(questions[number // self.group_size]), number)
        return self._batched(), infos

    def _batched(self) -> Observation:
        """For each key a tuple with the entry of every environment."""
        every = [_copied(observation) for observation in self._observed for _ in range(self.group_size)]
        return {key: tuple(observation[key] for observation in every) for key in every[0]}


def _copied(observation: Observation) -> Observation:
    """The observation with clips that the caller may write into."""
    return {**observation, "clips": tuple(clip.copy() for clip in observation["clips"])}


def _observation_space(task: Task) -> spaces.Dict:
    most = round(task.max_seconds * SAMPLE_RATE_HZ)
    return spaces.Dict(
        {
            "question": AnyText(),
            "options": spaces.Sequence(AnyText()),
            "clips": spaces.Sequence(Waveform(most)),
        }
    )


def _action_space(task: Task, actions: Actions) -> spaces.Space[Any]:
    """Raises ValueError for another kind of action, and for options of questions that have none."""
    if actions == TEXT:
        return Answer()
    if actions != "option":
        raise ValueError(f'actions is {actions!r}; expected "text" or "option"')
    if not task.most_options:
        raise ValueError('actions is "option", and no question has options; expected "text"')
    return spaces.Discrete(task.most_options)
