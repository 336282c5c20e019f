"""Rank correlation, against numbers worked out by hand."""

import numpy as np
import pytest

from rlaudio.lab.correlation import pearson, spearman


def test_correlations_are_those_of_the_textbook():
    first, second = np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 4.0, 3.0, 9.0])
    assert pearson(first, second) == pytest.approx(0.5)
    assert spearman(np.array([1.0, 2.0, 100.0]), np.array([1.0, 5.0, 6.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.8660254)
    assert np.isnan(pearson(np.ones(5), np.arange(5.0)))
