"""Distributions of values as rewards give them: missing, equal, noisy, huge."""

import numpy as np
import pytest

from rlaudio.lab.distribution import distribution


def test_a_distribution_leaves_out_what_has_no_value():
    result = distribution(np.array([0.0, 1.0, 1.0, np.nan]))
    assert (result["count"], result["missing"], result["distinct"]) == (3, 1, 2)
    assert result["mean"] == pytest.approx(2 / 3) and result["median"] == 1.0
    assert distribution(np.array([np.nan])) == {"count": 0, "missing": 1}


@pytest.mark.parametrize("value", [0.1, 1e17, 1e150, -3.0, 5e-324])
def test_values_that_differ_by_rounding_alone_have_a_histogram(value):
    values = np.array([value, np.nextafter(value, np.inf), value])
    assert max(distribution(values)["histogram"]["counts"]) >= 2


def test_a_range_without_end_has_no_histogram():
    with np.errstate(over="ignore", invalid="ignore"):
        assert "histogram" not in distribution(np.array([-1.7e308, 1.7e308]))
