"""Wheels that rlaudio needs beside torch and transformers, for a machine without a network."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

MOST_MIB = 40
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{glibc}_x86_64" for glibc in (28, 27, 17, 12)))
# torch and transformers, what they need themselves, and scipy, nearly as large as all that may be carried.
THERE = (
    *("torch", "transformers", "numpy", "scipy", "huggingface-hub", "tokenizers", "safetensors", "regex"),
    *("pyyaml", "tqdm", "packaging", "jinja2", "filelock", "fsspec", "typing-extensions", "setuptools"),
)
ROOT = Path(__file__).parents[2]


def download(folder: Path, python: str, platforms: Sequence[str], there: Iterable[str]) -> list[Path]:
    """Download the wheels into `folder`, which must be new or empty; the newest version of each that fits.

    Raises ValueError where pip cannot, and if there are more than MOST_MIB of them.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; expected a new folder, so that no wheel is there twice")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    have = {canonicalize_name(name) for name in (*THERE, *there)}
    wheels: list[Path] = []
    new = missing(project["dependencies"], have, python)
    while new:
        have |= new.keys()
        _fetch(folder, new.values(), python, platforms or PLATFORMS)
        fetched = [w for w in sorted(folder.glob("*.whl")) if parse_wheel_filename(w.name)[0] in new]
        wheels += fetched
        new = missing([text for wheel in fetched for text in requirements_of(wheel)], have, python)
    check_size({wheel.name: wheel.stat().st_size for wheel in wheels})
    return wheels


def missing(requirements: Iterable[str], have: Collection[str], python: str) -> dict[str, str]:
    """Those requirements that nobody has, by name; of two on one package the first."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    found: dict[str, str] = {}
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        if name not in have and (not requirement.marker or requirement.marker.evaluate(environment)):
            found.setdefault(name, f"{requirement.name}{requirement.specifier}")
    return found


def requirements_of(wheel: Path) -> Iterator[str]:
    """What a wheel's metadata says that it needs."""
    with ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        yield from HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])


def check_size(sizes: dict[str, int]) -> None:
    """Raise ValueError with the list where wheels of these bytes are too large to be carried together."""
    total = sum(sizes.values()) / 2**20
    if total > MOST_MIB:
        by_size = sorted(sizes.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in by_size)
        raise ValueError(
            f"the wheels have {total:.1f} MiB; expected at most {MOST_MIB}; name what the machine has with "
            f"--there: {listed}"
        )


def _fetch(folder: Path, requirements: Iterable[str], python: str, platforms: Iterable[str]) -> None:
    target = ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp"]
    target += [f"--platform={tag}" for tag in platforms]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, *target, f"--dest={folder}", *requirements], capture_output=True, text=True
    )
    if done.returncode:
        last = " ".join(done.stderr.strip().splitlines()[-2:])
        raise ValueError(f"pip could not download wheels for Python {python}: {last}")
