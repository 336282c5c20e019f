"""Seconds of every training step of a peer, and of sampling in it. Imported where the peer is installed.

Made for trainers of transformers that sample in `_prepare_inputs`, which `training_step` calls.
"""

import json
import time
from pathlib import Path


def watch(trainer_class, file):
    """Have a trainer class write what its steps took to `file`, a line each.

    `step` and `sampling` are seconds, `length` the mean of its completions in tokens. A step lasts from its
    beginning to that of the next, so it holds the optimizer and all that is between.
    """
    training_step, prepare_inputs = trainer_class.training_step, trainer_class._prepare_inputs
    seen = {"began": None, "sampling": 0.0, "length": 0.0}

    def timed_step(self, *arguments, **options):
        now = time.perf_counter()
        if seen["began"] is not None:
            of_step = {"step": now - seen["began"], "sampling": seen["sampling"], "length": seen["length"]}
            with Path(file).open("a", encoding="utf-8") as out:
                out.write(json.dumps(of_step) + "\n")
        seen["began"], seen["sampling"] = now, 0.0
        return training_step(self, *arguments, **options)

    def timed_inputs(self, *arguments, **options):
        began = time.perf_counter()
        prepared = prepare_inputs(self, *arguments, **options)
        seen["sampling"] += time.perf_counter() - began
        seen["length"] = self._metrics["train"]["completions/mean_length"][-1]
        return prepared

    trainer_class.training_step, trainer_class._prepare_inputs = timed_step, timed_inputs


def letter_share(text):
    """Share of a completion's characters that are letters from a to m: a reward that always has spread."""
    return sum(c in "abcdefghijklm" for c in text) / max(len(text), 1)
