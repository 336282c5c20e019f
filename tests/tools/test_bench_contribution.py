"""What the bench of labels computes beside the library: F1 under a threshold fitted on other questions."""

import numpy as np
import pytest

from tests.tool_scripts import load_tool

BENCH = load_tool("bench_contribution")


def test_scores_that_part_the_questions_have_an_f1_of_one():
    truth = np.array([True, True, False, False] * 3)
    assert BENCH._fitted(np.where(truth, 0.9, 0.1), truth) == 1.0


def test_each_half_is_judged_by_the_threshold_of_the_other():
    # questions 0, 2 are one half, 1, 3 the other; the best threshold of each is above all scores of the other
    scores, truth = np.array([0.1, 0.8, 0.2, 0.9]), np.array([False, False, True, True])
    assert BENCH._fitted(scores, truth) == pytest.approx((0.0 + 2 / 3) / 2)
