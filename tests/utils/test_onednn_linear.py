"""Linear layers by oneDNN: torch's values, gradients, names and FLOPs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.activations import GELUActivation

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.utils import onednn_linear
from rlaudio.utils.onednn_linear import (
    Gelu,
    OneDnnLinear,
    linear,
    missing_rows,
    onednn_is_faster,
    use_onednn,
)
from tests.conftest import TINY

pytestmark = pytest.mark.skipif(
    onednn_linear._product() is None, reason="torch has no oneDNN here: it is not for x86"
)


def _layers(bias: bool, width: int = 40) -> tuple[torch.nn.Linear, OneDnnLinear]:
    torch.manual_seed(0)
    reference = torch.nn.Linear(24, width, bias=bias)
    layer = OneDnnLinear(24, width, bias=bias)
    layer.load_state_dict(reference.state_dict())
    return reference, layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 24), (64, 24), (2, 45, 24), (1, 1, 24), (2, 1, 33, 24)])
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("width", [8, 40])
def test_values_and_gradients_are_those_of_torch(bias, shape, strided, width):
    reference, layer = _layers(bias, width)
    inputs = torch.randn(*shape)
    if strided:
        inputs = torch.randn(*shape[:-1], 48)[..., ::2]
    weight_of_output = torch.randn(*shape[:-1], width)
    results = []
    for module in (reference, layer):
        given = inputs.detach().requires_grad_()
        output = module(given)
        (output * weight_of_output).sum().backward()
        results.append([output, given.grad, *(p.grad for p in module.parameters())])
    for expected, measured in zip(*results, strict=True):
        torch.testing.assert_close(measured, expected, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(layer(inputs), results[0][0], rtol=1e-5, atol=1e-5)


def test_oneDNN_computes_it():
    _, layer = _layers(bias=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        layer(torch.randn(40, 24)).sum().backward()
    names = {event.key for event in profile.key_averages()}
    assert "mkldnn::_linear_pointwise" in names
    assert not names & {"aten::mm", "aten::addmm"}


@pytest.mark.parametrize("shape", [(40, 24), (64, 24), (2, 45, 24)])
def test_an_output_may_be_changed_in_place(shape):
    reference, layer = _layers(bias=True)
    inputs = torch.randn(*shape)
    changed = [module(inputs).mul_(2.0) for module in (reference, layer)]
    for output in changed:
        output.sum().backward()
    torch.testing.assert_close(changed[1], changed[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.weight.grad, reference.weight.grad, rtol=1e-5, atol=1e-5)


def test_frozen_weights_get_no_gradient():
    _, layer = _layers(bias=True)
    layer.requires_grad_(False)
    inputs = torch.randn(40, 24, requires_grad=True)
    layer(inputs).sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is None
    torch.testing.assert_close(inputs.grad, layer.weight.sum(0).expand(40, -1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_torch(dtype):
    reference, layer = (module.to(dtype) for module in _layers(bias=True))
    inputs = torch.randn(40, 24, dtype=dtype)
    assert torch.equal(layer(inputs), reference(inputs))


def test_inputs_of_few_rows_and_single_vectors_are_left_to_torch():
    reference, layer = _layers(bias=True)
    for inputs in (torch.randn(0, 24), torch.randn(24), torch.randn(31, 24)):
        assert torch.equal(layer(inputs), reference(inputs))


def test_autocast_still_casts():
    _, layer = _layers(bias=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(40, 24)).dtype == torch.bfloat16


def test_a_model_keeps_its_names_and_other_layers(monkeypatch):
    class Own(torch.nn.Linear):
        """A layer that somebody else derived."""

    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: True)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), Own(4, 4), torch.nn.ReLU())
    names = list(model.state_dict())
    use_onednn(model)
    assert [type(layer) for layer in model] == [OneDnnLinear, Own, torch.nn.ReLU]
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_model_that_is_opened_computes_by_it(lora_rank, monkeypatch):
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: True)
    model = Qwen2_5Omni(path=str(TINY), device="cpu", lora_rank=lora_rank).model
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert len(layers) > 40 and {type(layer) for layer in layers} == {OneDnnLinear}
    assert {type(m) for m in model.modules() if isinstance(m, GELUActivation)} == {Gelu}


@pytest.mark.parametrize("shape", [(7, 24), (2, 45, 24), (0, 24), (24,)])
def test_gelu_is_the_same_without_code_for_each_shape(shape):
    inputs = torch.randn(*shape, requires_grad=True)
    gelu = GELUActivation()
    expected = gelu(inputs)
    gelu.__class__ = Gelu
    output = gelu(inputs)
    weights = torch.randn(*shape)
    gradients = [torch.autograd.grad(out, inputs, weights)[0] for out in (expected, output)]
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(*gradients)


def test_a_layer_pads_nothing_that_a_model_has_padded(monkeypatch):
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: True)
    _, layer = _layers(bias=True)
    for rows in (31, 40, 64, 1030, 1152):
        inputs = torch.randn(1, rows, 24)
        missing = missing_rows(inputs)
        assert missing == (len(onednn_linear._rounded_up(inputs[0])) - rows if rows >= 32 else 0)
        padded = torch.nn.functional.pad(inputs, (0, 0, 0, missing))
        assert torch.equal(layer(padded)[:, :rows], layer(inputs))
    assert missing_rows(inputs.double()) == 0
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: False)
    assert missing_rows(torch.randn(1, 40, 24)) == 0


def test_a_torch_whose_operator_takes_other_arguments_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(onednn_linear, "_product", lambda: lambda input, weight: input)
    monkeypatch.setattr(onednn_linear, "_is_of_amd", lambda cpus: True)
    assert onednn_is_faster.__wrapped__() is False


def test_a_model_stays_as_it_is_where_oneDNN_is_no_faster(monkeypatch):
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: False)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    use_onednn(model)
    assert type(model[0]) is torch.nn.Linear


@pytest.mark.parametrize(
    ("vendor", "capability", "faster"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("AuthenticAMD", "AVX2", False),
        ("GenuineIntel", "AVX512", False),
    ],
)
def test_it_is_used_on_amd_with_avx512_alone(tmp_path: Path, monkeypatch, vendor, capability, faster):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    cpus = tmp_path / "cpuinfo"
    cpus.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n", encoding="utf-8")
    assert onednn_is_faster.__wrapped__(cpus) is faster
    assert onednn_is_faster.__wrapped__(tmp_path / "missing") is False


@pytest.mark.parametrize("given", [None, "32"])
def test_it_keeps_few_products_unless_the_environment_says_otherwise(tmp_path, monkeypatch, given):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    cpus = tmp_path / "cpuinfo"
    cpus.write_text("vendor_id\t: AuthenticAMD\n", encoding="utf-8")
    for variable in onednn_linear._KEPT:
        monkeypatch.setenv(variable, given or "")
        if given is None:
            monkeypatch.delenv(variable)
    onednn_is_faster.__wrapped__(cpus)
    assert {os.environ[variable] for variable in onednn_linear._KEPT} == {given or "512"}


def test_products_by_either_library_agree(monkeypatch):
    inputs, weight = torch.randn(50, 24), torch.randn(40, 24)
    results = []
    for faster in (True, False):
        monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda faster=faster: faster)
        results.append(linear(inputs, weight))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_flops_are_counted_as_torch_counts_its_own():
    reference, layer = _layers(bias=False)
    counts = []
    for module in (reference, layer):
        with FlopCounterMode(display=False) as counter:
            module(torch.randn(2, 32, 24, requires_grad=True)).sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_products_have_few_numbers_of_rows_and_little_padding():
    rows = range(1, 8193)
    padded = [len(onednn_linear._rounded_up(torch.empty(count, 1))) for count in rows]
    assert all(has >= count for count, has in zip(rows, padded, strict=True))
    assert all(has - count < max(64, count / 8) for count, has in zip(rows, padded, strict=True))
    assert len(set(padded)) <= 40
