"""Weights do not begin where the file puts them."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.alignment import BYTES, aligned


def test_weights_at_odd_places_are_copied_to_even_ones_with_their_values():
    memory = torch.randn(1024)
    layer = torch.nn.Linear(8, 8)
    with torch.no_grad():
        layer.weight.set_(memory[2:66].view(8, 8))  # 8 bytes behind where torch allocates
    expected = layer.weight.clone()
    assert layer.weight.data_ptr() % BYTES
    aligned(layer)
    assert layer.weight.data_ptr() % BYTES == 0 and layer.weight.requires_grad
    torch.testing.assert_close(layer.weight, expected, rtol=0, atol=0)


@pytest.mark.parametrize("padding", [0, 8, 16, 40])
def test_a_model_is_the_same_to_the_last_bit_wherever_a_file_puts_weights(shared_family, tmp_path, padding):
    folder = tmp_path / "model"
    shared_family.save(folder)
    put_weights_behind(folder / "model.safetensors", padding)
    family = Qwen2_5Omni(path=str(folder), device="cpu")
    assert {weight.data_ptr() % BYTES for weight in family.model.parameters()} == {0}
    hidden = torch.randn(1, shared_family.head.in_features, generator=torch.Generator().manual_seed(0))
    assert torch.equal(family.head(hidden), shared_family.head(hidden))


def put_weights_behind(file, padding):
    """Write the file anew, its weights so many bytes behind a multiple of 64."""
    save_file(load_file(file), file, metadata={"format": "pt"})
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + length].rstrip(), content[8 + length :]
    json.loads(header)
    header += b" " * ((padding - 8 - len(header)) % BYTES)
    file.write_bytes(struct.pack("<Q", len(header)) + header + data)
