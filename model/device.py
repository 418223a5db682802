"""Devices by name."""

from __future__ import annotations

import torch


def resolve_device(name: str) -> torch.device:
    """The device that a name stands for: auto, cpu, cuda or cuda:<index>.

    Raises:
        ValueError: there is no such device on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"no device {name!r}: choose auto, cpu, cuda or cuda:<index>") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"the device {name!r} is not on this machine, which has {torch.cuda.device_count()} "
            "CUDA devices: give --device cpu"
        )
    return device
