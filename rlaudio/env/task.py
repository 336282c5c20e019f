"""What the environments ask, and what an answer gets: the questions and rewards of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:  # a task imports what computes when it is opened
    from rlaudio.config.recipe import Recipe
    from rlaudio.models.family import PromptFamily
    from rlaudio.scoring import RewardSum
    from rlaudio.types import Completion, Dataset, Group, Question, ScoredGroup, Scorer

TRAIN = "train"  # the split that is no held-out set
Observation = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked, and what an answer gets: the recipe's questions, rewards and scorer."""

    questions: Dataset
    rewards: RewardSum
    scorer: Scorer
    family: PromptFamily | None  # None: a model behind an endpoint, whose tokens are not known
    max_seconds: float
    too_long: Literal["truncate", "refuse"]

    def observe(self, question: Question) -> Observation:
        """What is asked: its text, its options and the clips as the model hears them."""
        from rlaudio.audio.reading import open_clip

        read = partial(open_clip, max_seconds=self.max_seconds, too_long=self.too_long)
        clips = tuple(read(clip, origin=f"question {question.id}").samples for clip in question.clips)
        return {"question": question.question, "options": question.choices, "clips": clips}

    def describe(self, question: Question) -> dict[str, Any]:
        """What `reset` says beside the observation; `prompt` is the user's turn as the trainer words it."""
        from rlaudio.prompts.wording import render_user_text

        stated = self.questions.contributions.get(question.id)
        mask = np.zeros(self.most_options, dtype=np.int8)
        mask[: len(question.choices)] = 1
        return {
            "question_id": question.id,
            "prompt": render_user_text(question),
            "contribution": stated.label if stated else "",
            "action_mask": mask,  # [options]
        }

    @cached_property
    def most_options(self) -> int:
        """Options of the question that has most."""
        return max((len(question.choices) for question in self.questions), default=0)

    def completion(self, question: Question, action: Any) -> Completion:
        """An action as a completion, in the tokens of the recipe's model; without one, a token a word.

        An option that the question does not have is an empty answer.
        """
        from rlaudio.answers import answer_block
        from rlaudio.scoring import made_up_group
        from rlaudio.types import Completion

        if isinstance(action, Completion):
            return action
        text = action
        if not isinstance(action, str):
            option = int(action)
            text = answer_block(question.choices[option]) if 0 <= option < len(question.choices) else ""
        if self.family is None:
            return made_up_group(question, [text]).completions[0]
        ids = self.family.encode_completion(text)
        logprobs = np.zeros(len(ids), dtype=np.float32)
        return Completion.single_turn(ids, logprobs, text, self.family.token_texts(ids), "stop", 0)

    def draw(self, rng: np.random.Generator, options: dict[str, Any]) -> Question:
        """A question: the one that the options of `reset` name, else a random one. Raises ValueError."""
        if unknown := options.keys() - {"question"}:
            raise ValueError(f"reset has no option {', '.join(sorted(unknown))}; expected question, an id")
        if "question" not in options:
            return self.questions[int(rng.integers(len(self.questions)))]
        for question in self.questions:
            if question.id == options["question"]:
                return question
        raise ValueError(f"no question has the id {options['question']!r}; expected one of the split's")

    def group(self, question: Question, actions: Sequence[Any]) -> Group:
        """A group of what was answered to one question."""
        from rlaudio.scoring import made_up_group
        from rlaudio.types import Group

        completions = tuple(self.completion(question, action) for action in actions)
        return Group(made_up_group(question, []).prompt, completions)

    def result(self, scored: ScoredGroup, sample: int) -> dict[str, Any]:
        """What `step` says of an answer beside its reward."""
        question, text = scored.group.prompt.question, scored.group.completions[sample].text
        verdict = self.scorer(question, text)
        return {
            "question_id": question.id,
            "answer": question.answer,
            "right": verdict.right,
            "status": verdict.status,
            "rewards": {name: float(values[sample]) for name, values in scored.rewards.items()},
        }


def open_task(recipe: str | Path | Recipe, overrides: Sequence[str] = (), split: str = TRAIN) -> Task:
    """The task of a recipe: its questions to train on, or those of the held-out set named `split`.

    Raises ValueError for data or a recipe that cannot be used, and a split that the recipe does not have.
    """
    from rlaudio.config.recipe import load_recipe
    from rlaudio.utils.library_output import quiet_transformers

    quiet_transformers()
    from rlaudio.builder.answering import model_that_answers, within_time
    from rlaudio.builder.audited_data import load_data
    from rlaudio.builder.rl_settings import reward_sum
    from rlaudio.rollout.endpoint_worker import EndpointModel

    if isinstance(recipe, str | Path):
        recipe = load_recipe(recipe, overrides)
    elif overrides:
        raise ValueError("overrides go with the name or path of a recipe; found a recipe that is loaded")
    if split not in (TRAIN, *recipe.data.evaluate):
        names = ", ".join((TRAIN, *recipe.data.evaluate))
        raise ValueError(f"split is {split!r}; expected one of {names}, the sets of {recipe.name}")
    if recipe.pretrain is not None:
        raise ValueError(
            f"{recipe.name} builds its base in a run, and without it there are no tokens to count; run it, "
            "and name the recipe.yaml of the run with -o pretrain=null -o model.path=RUN/models/base"
        )
    data = load_data(recipe)
    family = model_that_answers(recipe, recipe.model.options["path"])
    return Task(
        questions=data.train if split == TRAIN else data.held_out[split],
        rewards=reward_sum(recipe, recipe.reward_failures),
        scorer=next(iter(within_time(recipe, {"": recipe.scorer}).values())),
        family=None if isinstance(family, EndpointModel) else family,
        max_seconds=recipe.audio.max_seconds,
        too_long=recipe.audio.too_long,
    )
