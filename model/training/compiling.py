"""`torch.compile` for training, module by module."""

from __future__ import annotations

from torch import nn


def compile_modules(model: nn.Module) -> None:
    """Have torch compile `model` when it is first run: whole if it can be called, else its parts.

    An autoencoder is not one call: between its blocks, which are compiled, points are sampled by
    a loop that would be unrolled, and batches are drawn by a generator that cannot be traced.
    Modules are compiled in place, so that parameters keep their names and copies are not compiled.
    """
    if type(model).__module__.startswith("torch.nn") and not any(model.children()):
        return  # one kernel already
    if type(model).forward is nn.Module.forward:
        for child in model.children():
            compile_modules(child)
    else:
        model.compile()
