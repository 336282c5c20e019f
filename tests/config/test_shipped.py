"""What ships is found by name, and nothing of it is imported."""

import pytest

from rlaudio.config.shipped import KINDS, PACKAGE, available


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


def test_no_two_files_of_neighbouring_folders_have_one_name():
    files = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.startswith("__"))
    folders_of = {}
    for file in files:
        folders_of.setdefault(file.name, []).append(file.parent)
    neighbours = [
        f"{first / name} {second / name}"
        for name, folders in folders_of.items()
        for number, second in enumerate(folders)
        for first in folders[:number]
        if {first, first.parent} & {second, second.parent}
    ]
    assert neighbours == []
