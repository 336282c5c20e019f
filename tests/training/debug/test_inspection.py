"""What is not finite in a step is named by its place in the completion as it was sampled."""

from dataclasses import replace

import numpy as np

from rlaudio.algorithms.grpo import GRPO
from rlaudio.training.debug.inspection import find_nonfinite
from rlaudio.training.debug.step_dump import StepDump
from rlaudio.training.learner import Learner
from rlaudio.training.packing import PackedRow, branch_of
from tests.conftest import make_prompt
from tests.training.test_learner import SETTINGS
from tests.training.test_packing import several_turns


def test_a_token_is_named_by_its_sample_and_its_place_behind_what_was_inserted(family):
    branch = branch_of(several_turns(family, inserted=3), np.ones(9, dtype=np.float32), 0.1, sample=2)
    logprobs = branch.logprobs.copy()
    logprobs[5] = np.nan  # of the second sampled token behind 4 sampled and 3 inserted ones
    branch = replace(branch, logprobs=logprobs)
    row = PackedRow(make_prompt(family, 0), (branch,))
    dump = StepDump("rl", "", 0, (row,), {})
    (place,) = find_nonfinite(dump, Learner(family, GRPO(kl=0.0), SETTINGS))["recorded log-probs"]
    assert place.startswith(f"question {row.prompt.question.id}, completion 2, token 8 ")
