"""Where a model's path leads: a checkpoint that ships, a folder, or a name of the hub. No torch here."""

from __future__ import annotations

from pathlib import Path

TINY_FOLDER = Path(__file__).parents[1] / "tiny"


def resolve_model_path(path: str | Path) -> str:
    """The folder of a checkpoint that ships for `tiny/NAME`; any other path is returned unchanged.

    Raises FileNotFoundError for a tiny checkpoint that does not exist.
    """
    text = str(path)
    if not text.startswith("tiny/"):
        return text
    folder = TINY_FOLDER / text.removeprefix("tiny/")
    if not folder.is_dir():
        shipped = sorted(f"tiny/{p.name}" for p in TINY_FOLDER.iterdir() if (p / "config.json").is_file())
        raise FileNotFoundError(f"no shipped model {text!r}; there are: {', '.join(shipped) or 'none'}")
    return str(folder)


def refuse_absent(path: str | Path) -> None:
    """Raise FileNotFoundError where no model can be: no folder, and no name that the hub could have."""
    folder = Path(resolve_model_path(path))
    name = Path(str(path).partition("@")[0])  # a revision may have slashes
    if not folder.exists() and (len(name.parts) > 2 or str(path).startswith((".", "~"))):
        raise FileNotFoundError(
            f"model {path}: no such folder; expected a Hugging Face model folder, tiny/NAME or a name on the "
            "hub (OWNER/NAME, OWNER/NAME@REVISION)"
        )
