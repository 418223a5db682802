"""`torch.compile` for training, module by module."""

from __future__ import annotations

import torch
from torch import nn

_VARIANTS = 64  # of one function: torch counts all modules as one, and gives up beyond 8


def compile_modules(model: nn.Module) -> None:
    """Have torch compile `model` when it is first run: whole if it can be called, else its parts.

    An autoencoder is not one call: between its blocks, which are compiled, points are sampled by
    a loop that would be unrolled, and batches are drawn by a generator that cannot be traced.
    Modules are compiled in place, so that parameters keep their names and copies are not compiled.
    """
    torch._dynamo.config.recompile_limit = _VARIANTS  # noqa: SLF001 - documented under this name
    _compile(model)


def _compile(module: nn.Module) -> None:
    if type(module).__module__.startswith("torch.nn") and not any(module.children()):
        return  # one kernel already
    if type(module).forward is nn.Module.forward or isinstance(module, nn.ModuleList):
        for child in module.children():
            _compile(child)
    else:
        module.compile()
