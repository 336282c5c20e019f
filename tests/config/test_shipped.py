"""What ships is found by name, and nothing of it is imported."""

import pytest

from rlaudio.config.shipped import KINDS, available


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_ships_something(kind):
    assert available(kind)


def test_protocols_and_helpers_beside_plugins_are_not_listed():
    assert "algorithm" not in available("algorithm")
    assert "audit" not in available("data")
    assert "worker" not in available("rollout")


def test_every_model_family_that_is_listed_opens_a_folder():
    listed = available("model")
    assert "qwen2_5_omni" in listed
    assert [
        name for name, signature in listed.items() if "path" not in {o.name for o in signature.options}
    ] == []
