"""A wheel built from this tree works in a fresh environment, from any folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # SHA-256 of its text


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_recipes_rewards_and_every_data_file(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"rlaudio/_shipped/{path.relative_to(ROOT).as_posix()}"
        for folder, suffix in (("recipes", "yaml"), ("rewards", "py"))
        for path in (ROOT / folder).rglob(f"*.{suffix}")
    }
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "rlaudio").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped | package <= inside


def test_the_wheel_holds_nothing_else(wheel):
    top = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert len(top) == 2  # rlaudio and its dist-info


def test_the_wheel_holds_the_license_and_names_it(wheel):
    inside = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in inside.namelist() if name.endswith(".dist-info/METADATA")]
    stated = inside.read(metadata).decode().splitlines()
    assert "License-Expression: Apache-2.0" in stated and "License-File: LICENSE" in stated
    licensed = inside.read(metadata.replace("METADATA", "licenses/LICENSE"))
    assert hashlib.sha256(licensed).hexdigest() == APACHE_2_0


def test_the_small_checkpoints_are_at_most_16_mb():
    files = [path for path in (ROOT / "rlaudio/models/tiny").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16 * 2**20


def test_the_wheel_works_from_another_folder(wheel, tmp_path):
    python, elsewhere = make_environment(tmp_path / "environment", wheel), tmp_path / "elsewhere"
    elsewhere.mkdir()
    listed = run(python.parent / "rlaudio", "list", cwd=elsewhere)
    checkpoints = {path.parent.name for path in (ROOT / "rlaudio/models/tiny").glob("*/config.json")}
    for name in ("tiny_weak_to_strong", "answer_correctness", "grpo", *(f"tiny/{c}" for c in checkpoints)):
        assert name in listed
    run(python.parent / "rlaudio", "show", "tiny_weak_to_strong", cwd=elsewhere)
    load = "from rlaudio.config.plugins import load; load('reward', 'format'); load('algorithm', 'grpo')"
    run(python, "-c", load, cwd=elsewhere)


def make_environment(folder: Path, wheel: Path) -> Path:
    """The Python of a new environment with the wheel and all its dependencies installed."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    links = [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    run(*install, "--quiet", *links, wheel, cwd=folder.parent)
    return python
