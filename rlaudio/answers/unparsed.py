"""A warning where most answers cannot be read: then their scores say little about the model."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

MOST = 0.5  # a model that can answer names an option more often than not, even if it guesses


def warn_if_unparsed(model: str, share: float, meaning: str) -> None:
    """Warn where more than half of a model's answers name no option; `meaning` is the consequence."""
    if share > MOST:
        logger.warning(
            "%s: %s of the answers name no option and count as wrong, so %s; try the other prompt.style or "
            "another model (the tiny ones know only the embedded world)",
            model,
            f"{share:.0%}",
            meaning,
        )
