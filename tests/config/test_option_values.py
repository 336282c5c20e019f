"""Values of a recipe as the types of options."""

from pathlib import Path
from typing import Any, Literal

import pytest

from rlaudio.config.option_values import OptionError, coerce, coerce_late
from rlaudio.config.signatures import Option


@pytest.mark.parametrize(
    ("to", "given", "value"),
    [
        (float, "1e-6", 1e-6),  # YAML reads it as text
        (int, 3.0, 3),
        (Path, "a/b", Path("a/b")),
        (tuple[float, ...], [1, 2], (1.0, 2.0)),
        (int | None, None, None),
        (bool, True, True),
        (bool | float, True, True),
        (Any, [1], [1]),
    ],
)
def test_a_value_becomes_the_options_type(to, given, value):
    coerced = coerce("reward mine", Option("low", "", None), given, to)
    assert (coerced, type(coerced)) == (value, type(value))


@pytest.mark.parametrize(
    ("to", "given", "said"),
    [
        (int, "many", "valid integer"),
        (int, True, "expected a number; found True"),
        (float | None, False, "expected a number; found False"),
        (float, float("inf"), "expected a finite number; found inf"),
        (Literal["a", "b"], "c", "'a' or 'b'; found 'c'"),
        (type(pytest), "x", "cannot be given in a recipe"),
    ],
)
def test_another_value_is_told_with_plug_in_option_and_what_was_found(to, given, said):
    with pytest.raises(OptionError, match=f"^reward mine: option low:? .*{said}") as error:
        coerce("reward mine", Option("low", "", None), given, to)
    assert error.value.keys == ("low",)


def test_an_annotation_that_only_the_file_knows_is_read_with_its_names():
    option = Option("low", "Bound", None)
    assert coerce_late("reward mine", option, "3", {"Bound": int}) == 3
    with pytest.raises(ValueError, match="reward mine: option low: name 'Bound' is not defined; import"):
        coerce_late("reward mine", option, "3", {})
