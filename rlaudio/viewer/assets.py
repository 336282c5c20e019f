"""The scripts and styles that a page carries, and the policy that lets these run and no other."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

_VENDORED = Path(__file__).parent / "vendored"
_SCRIPTS = Path(__file__).parent / "scripts"
_LIBRARIES = ("uplot.js", "wavesurfer.js", "wavesurfer-regions.js", "minisearch.js")
_PARTS = ("elements", "state", "player", "detail", "listing", "viewer", "curves", "start")  # of our script


@dataclass(frozen=True)
class Assets:
    """What goes into the head and to the end of a page."""

    policy: str  # Content-Security-Policy
    styles: Markup
    scripts: Markup


@cache
def assets() -> Assets:
    """The libraries and our own scripts, each text once."""
    texts = [*(_library(name) for name in _LIBRARIES), _our_script()]
    hashes = " ".join(f"'sha256-{_digest(text)}'" for text in texts)
    return Assets(
        policy=(
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; media-src blob: data:; "
            "img-src blob: data:; base-uri 'none'; form-action 'none'"
        ),
        styles=Markup((_VENDORED / "uplot.css").read_text(encoding="utf-8")),
        scripts=Markup("\n").join(Markup("<script>{}</script>").format(Markup(text)) for text in texts),
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _library(name: str) -> str:
    """A vendored script behind its license, which asks to be kept with it."""
    licensed = (_VENDORED / f"{name.partition('.')[0].partition('-')[0]}.LICENSE").read_text(encoding="utf-8")
    text = (_VENDORED / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")]
    return _safe(f"/*! {name}, version {_version(name)}\n{licensed}*/\n" + "\n".join(lines), name)


def _our_script() -> str:
    parts = [(_SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in _PARTS]
    return _safe('(() => {\n"use strict";\n' + "\n".join(parts) + "})();", "our scripts")


def _safe(text: str, name: str) -> str:
    """The text, if it cannot end the element that it stands in."""
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError(f"{name}: holds </script or <!--, which would end its element; write it in parts")
    return text


def _version(name: str) -> str:
    packages: Sequence[dict[str, Any]] = json.loads((_VENDORED / "PINNED.json").read_text(encoding="utf-8"))
    return next(p["version"] for p in packages if any(file["to"] == name for file in p["files"]))
