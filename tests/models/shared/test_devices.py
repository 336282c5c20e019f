"""The device that a recipe names."""

import pytest
import torch

from rlaudio.models.shared.devices import pick_device


@pytest.fixture
def gpus(monkeypatch):
    def there_are(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return there_are


@pytest.mark.parametrize(
    ("count", "name", "device"),
    [(0, "auto", "cpu"), (2, "auto", "cuda"), (2, "cuda:1", "cuda:1"), (2, "cpu", "cpu")],
)
def test_auto_is_the_gpu_where_there_is_one(gpus, count, name, device):
    gpus(count)
    assert pick_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("count", "name", "said"),
    [
        (2, "cuda:2", r"of GPUs this process sees 2; expected cuda:0 to cuda:1, or auto"),
        (0, "cuda", r"of GPUs this process sees 0; expected cpu, or auto"),
        (1, "gpu", r"'gpu'; expected auto, cpu, cuda or cuda:NUMBER"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(gpus, count, name, said):
    gpus(count)
    with pytest.raises(ValueError, match=said):
        pick_device(name)
