"""From a question to the prompt that both engines consume: its words, and which audio is heard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol, get_args

from rlaudio.audio.controls import CHANGES, silence
from rlaudio.audio.length_policy import MAX_SECONDS, SILENCE_SECONDS, TOO_LONG, TooLong
from rlaudio.audio.reading import open_clip
from rlaudio.prompts.wording import SYSTEM, render_user_text
from rlaudio.types import Clip, Control, Prompt, Question

logger = logging.getLogger(__name__)


class PromptMaker(Protocol):
    """The part of a model family that makes prompts; `models.family.ModelFamily` is the whole."""

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """Token ids with expanded audio placeholders, and the features of the clips.

        Called by several threads: prompts are made while the model computes.
        """


class PromptBuilder:
    """Makes prompts for one model family; remembers which clips the length policy cut."""

    def __init__(
        self,
        family: PromptMaker,
        *,
        system: str = SYSTEM,
        max_seconds: float = MAX_SECONDS,
        too_long: TooLong = TOO_LONG,
    ) -> None:
        self.family = family
        self.system = system
        self.max_seconds = max_seconds
        self.too_long = too_long
        self._truncated: set[str] = set()
        self._odd: set[tuple[str, str]] = set()

    def prompt(
        self,
        question: Question,
        control: Control = "audio",
        *,
        partner: Question | None = None,
        silence_seconds: float | None = None,
    ) -> Prompt:
        """The prompt of `question` with its own clip, or with what the control puts in its place.

        Mismatched clips are those of `partner`. Silence is as long as the question's own clip unless
        `silence_seconds` is given, in which case the clip is not even opened. Raises what `read_clip` raises,
        with the question's id.
        """
        user_text = render_user_text(question)
        clips = self.heard(question, control, partner=partner, silence_seconds=silence_seconds)
        return self.family.encode_prompt(question, self.system, user_text, clips)

    def silent(self, prompt: Prompt) -> Prompt:
        """The same question about silence as long as the clip that its prompt holds."""
        lengths = [clip.seconds for clip in prompt.clips if clip.seconds is not None]
        if len(lengths) < len(prompt.clips):
            return self.prompt(prompt.question, "silence")
        user_text = render_user_text(prompt.question)
        clips = [silence(seconds) for seconds in lengths]
        return self.family.encode_prompt(prompt.question, self.system, user_text, clips)

    def heard(
        self,
        question: Question,
        control: Control,
        *,
        partner: Question | None = None,
        silence_seconds: float | None = None,
    ) -> list[Clip]:
        """The clips that `prompt` puts into the prompt. Raises as it does."""
        match control:
            case "audio":
                return self._read(question)
            case "silence":
                if silence_seconds is None:
                    return [silence(clip.seconds) for clip in self._read(question)]
                return [silence(silence_seconds) for _ in question.clips]
            case "silence_30s":
                return [silence(SILENCE_SECONDS) for _ in question.clips]
            case "no_audio":
                return []
            case "mismatch" | "mismatch_same_type" | "mismatch_other_type":
                if partner is None:
                    raise ValueError(
                        f"question {question.id}: mismatched audio needs the partner whose clip is heard; "
                        "rlaudio.audio.controls.mismatch draws one for every question"
                    )
                return self._read(partner)
        if control not in CHANGES:
            raise ValueError(f"control is {control!r}; expected one of {', '.join(get_args(Control))}")
        return [CHANGES[control](clip) for clip in self._read(question)]

    def _read(self, question: Question) -> list[Clip]:
        origin = f"question {question.id}"
        clips = [
            open_clip(clip, max_seconds=self.max_seconds, too_long=self.too_long, origin=origin)
            for clip in question.clips
        ]
        for clip, name in zip(clips, question.clip_names, strict=True):
            if clip.truncated and name not in self._truncated:
                self._truncated.add(name)
                logger.info("%s: %s cut to %g s", origin, name, self.max_seconds)
            for note in clip.notes:
                if (name, note) not in self._odd:
                    self._odd.add((name, note))
                    logger.warning("%s: %s: %s", origin, name, note)
        return clips
