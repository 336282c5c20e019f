"""Types are read from the text of annotations; nothing of it is evaluated."""

import ast
import typing
from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from rlaudio.config.annotations import read_aliases, read_annotation


def read(text: str, file: str = "") -> Any:
    return read_annotation(ast.parse(text, mode="eval").body, read_aliases(ast.parse(file).body))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("int", int),
        ("int | None", int | None),
        ("Optional[float]", float | None),
        ("Union[int, str, None]", int | str | None),
        ("Path | None", Path | None),
        ("pathlib.Path", Path),
        ("typing.Literal['a', -1, True, None]", Literal["a", -1, True, None]),
        ("list[str]", list[str]),
        ("collections.abc.Sequence[float]", Sequence[float]),
        ("Mapping[str, list[int]]", Mapping[str, list[int]]),
        ("tuple[int, ...]", tuple[int, ...]),
        ("Literal[-True]", Literal[-1]),
        ("Annotated[int, 'tokens']", int),
        ("Callable[[int], str]", Callable),
        ("'list[int]'", list[int]),
        ("object", object),
    ],
)
def test_a_type_of_known_names_is_that_type(text, meant):
    assert read(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "np.ndarray",
        "Unheard | None",
        "list[Unheard]",
        "Annotated[int, Field(ge=1)]",
        "Literal[mode]",
        "Literal",
        "...",
        "list[...]",
        "dict[str, ...]",
        "int | ...",
        "Union[int, ...]",
        "Literal[...]",
        "Annotated[..., 'unit']",
        "tuple[list[...], int]",
        "tuple[int, '...']",
        "dict[int]",
        "9**9**9",
        "[c for c in ().__class__.__base__.__subclasses__()]",
        "(lambda: print('run'))()",
        "int if print('run') else str",
        "'print(\"run\")'",
        "'not python'",
        "os.system('true')",
        "int.__class__",
    ],
)
def test_what_the_table_does_not_know_is_any_and_does_not_run(text, capsys):
    assert read(text) is Any
    assert capsys.readouterr().out == ""


def test_an_alias_of_the_file_is_its_type_also_within_another():
    file = 'Mode = Literal["exact", "robust"]\nModes = list[Mode]\nOther = print(1)\n'
    assert read("Modes | None", file) == typing.Optional[list[Literal["exact", "robust"]]]  # noqa: UP045
    assert read("Other", file) is Any


class _LookedUp(UserDict[str, Any]):
    def __iter__(self) -> typing.Never:
        raise AssertionError("an annotation takes time by the number of aliases")


def test_aliases_are_looked_up_by_name_and_never_gone_through():
    annotation = ast.parse("list[Mode] | dict[str, Mode]", mode="eval").body
    assert read_annotation(annotation, _LookedUp(Mode=int)) == list[int] | dict[str, int]
