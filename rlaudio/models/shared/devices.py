"""The device that a recipe names."""

from __future__ import annotations

import torch


def pick_device(name: str) -> torch.device:
    """The device of this name, of which `auto` is the GPU where there is one and else the CPU.

    Raises ValueError for a device that this machine does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"model.device is {name!r}; expected auto, cpu, cuda or cuda:NUMBER") from error
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise ValueError(
            f"model.device is {name!r}, and of GPUs this process sees {gpus}; expected "
            f"{f'cuda:0 to cuda:{gpus - 1}' if gpus else 'cpu'}, or auto"
        )
    return device
