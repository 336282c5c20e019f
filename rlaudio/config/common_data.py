"""Options that a recipe gives all of its data sets at once, under `data.common`."""

from __future__ import annotations

from typing import Any

from rlaudio.config.layers import PLUGIN_MAPS, lay_over
from rlaudio.config.shipped import available
from rlaudio.utils.messages import dotted, shown
from rlaudio.utils.yaml_layers import Keys, Layer


def with_common_data(layer: Layer) -> Layer:
    """The layer with `data.common` laid under every set; a set with another `use` inherits nothing.

    Raises ValueError where no set inherits it, or not one of its options.
    """
    data = layer.values.get("data")
    if not isinstance(data, dict) or "common" not in data:
        return layer
    common, where = data["common"] or {}, layer.origin(("data", "common")).where
    if not isinstance(common, dict):
        raise ValueError(f"{where}: data.common: expected options of data sets; found {shown(common)}")
    above = Layer({**layer.values, "data": {k: v for k, v in data.items() if k != "common"}}, layer.origins)
    evaluate = data.get("evaluate")
    held_out = evaluate if isinstance(evaluate, dict) else {}
    places: dict[Keys, Any] = {("data", name): data[name] for name in ("train", "pretrain") if name in data}
    places |= {("data", "evaluate", str(name)): spec for name, spec in held_out.items()}
    takes = {
        keys: spec for keys, spec in places.items() if isinstance(spec, dict) and _takes(keys, spec, common)
    }
    if common and not takes:
        use = f"use: {common['use']}" if "use" in common else "options"
        raise ValueError(
            f"{where}: data.common ({use}) would be dropped: every set names another plug-in with use; "
            "delete it, or leave 'use' out of the sets that it is meant for"
        )
    for name in common if takes else ():
        if name != "use" and all(_overrides(spec, common, name) for spec in takes.values()):
            sets = ", ".join(f"{dotted(keys)} ({layer.origin((*keys, name)).where})" for keys in takes)
            raise ValueError(
                f"{layer.origin(('data', 'common', name)).where}: data.common.{name} would reach no set: "
                f"each has its own {name}, {sets}; change it there, or delete it in one of both places"
            )
    for keys, spec in takes.items():
        below = layer.at("data", "common").with_value("use", spec.get("use"))
        merged = lay_over(below.below(*keys), above)
        above = Layer(merged.values, {**merged.origins, **above.origins})
    return above


def _takes(keys: Keys, spec: dict[str, Any], common: dict[str, Any]) -> bool:
    """Whether a data set inherits the common options: it names their plug-in, or they or it name none.

    A held-out set that is called like a plug-in, such as `mmau`, names it.
    """
    is_plugin = keys[:-1] in PLUGIN_MAPS and keys[-1] in available("data")
    use = spec.get("use", keys[-1] if is_plugin else None)
    return "use" not in common or use in (None, common["use"])


def _overrides(spec: dict[str, Any], common: dict[str, Any], name: str) -> bool:
    """Whether nothing of a common option is left in a set; two maps merge."""
    return name in spec and not (isinstance(spec[name], dict) and isinstance(common[name], dict))
