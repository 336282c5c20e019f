"""Rewards that were written for other trainers: which function of a file it is, and what its options are.

Their source text is read as that of plug-ins; `rlaudio.scoring.conventions` calls them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from rlaudio.config.annotations import read_aliases, read_annotation
from rlaudio.config.signatures import FunctionNode, Option, Signature, parse_source, text_of
from rlaudio.utils.messages import shown

RewardStyle = Literal["trl", "trl_chat", "verl"]  # completions as texts, as lists of messages; one at a time
KEYS = ("style", "function")  # of a reward in a recipe, which say how it is called and where it stands

_TRL = ("prompts", "completions", "completion_ids")
_VERL = ("data_source", "solution_str", "ground_truth", "extra_info")
_GIVEN: Mapping[str, tuple[str, ...]] = {"trl": _TRL, "trl_chat": _TRL, "verl": _VERL}
_KNOWN_BY = {style: given[1] for style, given in _GIVEN.items()}  # what such a function cannot do without
_USUAL = "compute_score"  # verl's own name for it


def pop_style(use: str, options: dict[str, Any]) -> dict[str, str]:
    """`style` and `function`, as far as they are given, taken out of what a recipe says of a reward.

    Raises ValueError for a style that there is none of, or a function that is named without a style.
    """
    style, function = (options.pop(key, None) for key in KEYS)
    if style is not None and style not in get_args(RewardStyle):
        raise ValueError(
            f"reward {use}: style {shown(style)}; expected one of {', '.join(get_args(RewardStyle))}, or no "
            "style for a reward that takes a question and a completion, or a group"
        )
    if function is not None and (style is None or not isinstance(function, str)):
        raise ValueError(
            f"reward {use}: function {shown(function)}; expected the name of a function in the file, with "
            "style: trl, trl_chat or verl"
        )
    return {key: value for key, value in zip(KEYS, (style, function), strict=True) if value is not None}


def read_reward(path: Path, style: str, function: str | None) -> Signature:
    """The signature of the reward in a file that was written for another trainer.

    Without a name it is the function named like the file, verl's `compute_score`, or the only public one
    that takes completions. Raises ValueError where there is none, or no telling which.
    """
    module = parse_source(path)
    functions = {node.name: node for node in module.body if isinstance(node, FunctionNode)}
    suited = [name for name, node in functions.items() if _KNOWN_BY[style] in _parameters(node)]
    public = [name for name in suited if not name.startswith("_")]
    usual = [name for name in (path.stem, _USUAL) if name in suited]
    chosen = [function] if function else usual[:1] or public
    if len(chosen) != 1 or chosen[0] not in suited:
        raise ValueError(
            f"{path}: style {style} and "
            + (f"function {function}; " if function else "")
            + f"functions that take {_KNOWN_BY[style]!r}: {', '.join(public) or 'none'}; expected one; "
            + ("name it: function: NAME" if public else "use another style or another file")
        )
    node = functions[chosen[0]]
    summary = ast.get_docstring(node) or ast.get_docstring(module) or ""
    given = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))
    return Signature(node.name, summary.partition("\n")[0], given, tuple(_options(module, node, style)))


def _parameters(node: FunctionNode) -> list[str]:
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _options(module: ast.Module, node: FunctionNode, style: str) -> list[Option]:
    """Parameters with a default that the trainer does not fill in."""
    aliases = read_aliases(module.body)
    by_place = [*node.args.posonlyargs, *node.args.args]
    with_default = by_place[len(by_place) - len(node.args.defaults) :]
    pairs = [*zip(with_default, node.args.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d]
    return [
        Option(
            argument.arg,
            text_of(argument.annotation),
            ast.unparse(default),
            read_annotation(argument.annotation, aliases),
        )
        for argument, default in pairs
        if argument.arg not in _GIVEN[style]
    ]
