"""Models in a local cache of the hub, as huggingface_hub lays it out."""

import shutil
from pathlib import Path


def cached_model(
    cache: Path, name: str, model: Path, *, commit: str = "0" * 40, weights: bool = True
) -> Path:
    """Copy a model's folder into the cache as that commit, now the latest; returns the folder there."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    without = shutil.ignore_patterns(*([] if weights else ["*.safetensors", "*.bin"]))
    shutil.copytree(model, snapshot, ignore=without)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    return snapshot
