"""Muon, all matrices of one shape at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_RMS_OF_ADAMW = 0.2  # root mean square of an AdamW update in units of its learning rate


class BatchedMuon(torch.optim.Muon):
    """`torch.optim.Muon` in far fewer kernels: the same update up to bfloat16's rounding.

    The library's takes about 25 small kernels for each matrix, and a transformer has dozens of
    matrices in a handful of shapes (docs/decisions/0012-launches.md). Its states are the library's.
    Updates are scaled to the size of AdamW's, so that both can share a learning rate (the library's
    `match_rms_adamw`).
    """

    def __init__(self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all matrices that have a gradient.

        Raises:
            ValueError: a closure is given; the loss is not evaluated here.
        """
        if closure is not None:
            raise ValueError("BatchedMuon takes no closure: evaluate the loss before the step")
        for group in self.param_groups:
            for matrices in _by_shape(group["params"]):
                self._update(matrices, group)

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """One step of matrices of one shape: Nesterov momentum, orthogonalised."""
        rate, momentum = group["lr"], group["momentum"]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        buffers = [self._buffer(matrix) for matrix in matrices]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        ahead = torch.stack(gradients).lerp(torch.stack(buffers), momentum)
        coefficients, steps = group["ns_coefficients"], group["ns_steps"]
        update = orthogonalized(ahead, steps, coefficients).to(ahead.dtype)
        scale = rate * _RMS_OF_ADAMW * math.sqrt(max(ahead.shape[1:]))
        torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
        torch._foreach_add_(matrices, list(update.unbind()), alpha=-scale)

    def _buffer(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def orthogonalized(
    matrices: Float[Tensor, "n r c"],
    steps: int,
    coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),  # the library's
) -> Float[Tensor, "n r c"]:
    """Each matrix with its singular values brought near 1, in bfloat16 (Jordan et al., 2024).

    A quintic Newton-Schulz iteration; its coefficients rise steeply at zero and leave the values
    between about 0.7 and 1.2, which serves an optimiser as well as 1.
    """
    a, b, c = coefficients
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _by_shape(matrices: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Those with a gradient, in groups of one shape."""

    def shape(matrix: Tensor) -> tuple[int, ...]:
        return tuple(matrix.shape)

    trained = [matrix for matrix in matrices if matrix.grad is not None]
    for _, group in itertools.groupby(sorted(trained, key=shape), key=shape):
        yield list(group)
