"""A warning where answers cannot be read: then their scores say little about the model."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

ANOTHER = "try the other prompt.style or another model (the tiny ones know only the embedded world)"
IN_A_RUN = "SFT and a reward for the layout teach the form; the page has the share of every set"
MANY_UNPARSED = 0.1  # from this share on a page tells it at its top: an accuracy says little about the audio
MOST = 0.5  # a model that can answer names an option more often than not, even if it guesses


def warn_if_unparsed(model: str, share: float, meaning: str, advice: str = ANOTHER) -> None:
    """Warn where more than half of a model's answers name no option; `meaning` is the consequence."""
    if share > MOST:
        logger.warning(
            "%s: %s of the answers name no option and count as wrong, so %s; %s",
            model,
            f"{share:.0%}",
            meaning,
            advice,
        )
