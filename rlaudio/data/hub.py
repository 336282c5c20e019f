"""Data sets of the Hugging Face hub by their names, such as `gamma-lab-umd/MMAU-test-mini`.

A data set is fetched once, at one revision, through the library `datasets`, and kept as Parquet files in
rlaudio's cache, from which every format reads it like any folder. Its audio is not decoded.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from rlaudio.utils.cache_root import cache_root
from rlaudio.utils.messages import printable

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE = re.compile(r"\.(jsonl?|parquet|csv|txt|gz|zip|tar)$")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_hub_name(text: str) -> bool:
    """Whether a text may name a data set of the hub: `owner/name`, and no file of questions."""
    return bool(_NAME.fullmatch(text)) and not _FILE.search(text)


def fetched(name: str, revision: str | None = None) -> Path:
    """The folder of a data set at a revision: a commit, a tag or a branch; by default the newest.

    The commit is the folder's name, and so stands in the place of every question. Raises FileNotFoundError
    that says what to do where the library `datasets` or the network is missing.
    """
    kept = cache_root() / "hub" / name
    if revision and _COMMIT.fullmatch(revision) and (kept / revision).is_dir():
        return kept / revision
    try:
        import datasets
        from huggingface_hub.errors import HTTPError  # a package that datasets needs
    except ImportError as error:
        raise FileNotFoundError(_advice(name, "the library datasets is not installed")) from error
    try:
        commit = _commit(name, revision)
        if not (kept / commit).is_dir():
            store(datasets.load_dataset(name, revision=commit), kept / commit)
    except (OSError, ValueError, HTTPError) as error:
        raise FileNotFoundError(
            _advice(name, str(error).partition("\n")[0] or type(error).__name__)
        ) from error
    if revision != commit:
        logger.warning("%s: read at revision %s; set revision to it, so that it stays this one", name, commit)
    return kept / commit


def store(splits: Any, folder: Path) -> None:
    """Write each split of a `datasets.DatasetDict` as a Parquet file, audio as the bytes that it holds."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        rows.to_parquet(unfinished / f"{split}.parquet")
    unfinished.replace(folder)


def _commit(name: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(name, revision=revision).sha)


def _advice(name: str, why: str) -> str:
    return (
        f"{name}: no such file or folder, and it cannot be fetched from the Hugging Face hub "
        f"({printable(why)}); 'pip install datasets' where there is a network, or fetch it elsewhere, as by "
        f"'hf download {name} --repo-type dataset --local-dir FOLDER', and give that folder as path"
    )
