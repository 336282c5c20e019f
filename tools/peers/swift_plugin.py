"""Plug-in of ms-swift: the benchmark's reward, and the times of its steps."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from step_times import letter_share, watch
from swift.rewards import ORM, orms
from swift.rlhf_trainers import GRPOTrainer


class LetterShare(ORM):
    """The share of letters from a to m."""

    def __call__(self, completions, **_):
        """One reward for each completion."""
        return [letter_share(text) for text in completions]


orms["letter_share"] = LetterShare
watch(GRPOTrainer, os.environ["STEP_TIMES"])
