"""One evaluation of a denoiser on a GPU, recorded as a graph of launches and repeated.

An evaluation is hundreds of small kernels, which Python takes longer to launch than a GPU to run
(benchmarks/RESULTS.md). All evaluations of a sample are the same kernels on other numbers, so they
are launched one by one for the first noise level, and as one graph for all others.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from model.diffusion.sampler import Denoise


class Recorded:
    """A denoiser of one batch on a CUDA device, quicker to launch and the same bit for bit.

    What the denoiser closes over must stay as it is, and so must the size of the batch.
    """

    def __init__(self, denoise: Denoise) -> None:
        self._denoise = denoise
        self._graph: torch.cuda.CUDAGraph | None = None
        self._x, self._sigma, self._D = (
            torch.empty(0) for _ in range(3)
        )  # what the graph works on

    def __call__(
        self, x: Float[Tensor, "b m d"], sigma: Float[Tensor, "b"]
    ) -> Float[Tensor, "b m d"]:
        """D(x; sigma)."""
        if self._graph is None:
            D = self._denoise(x, sigma)  # libraries choose kernels, autocast casts the weights
            self._record(x, sigma)
            return D
        self._x.copy_(x)
        self._sigma.copy_(sigma)
        self._graph.replay()
        return self._D.clone()

    def _record(self, x: Tensor, sigma: Tensor) -> None:
        self._x, self._sigma = x.clone(), sigma.clone()
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(x.device)
        # Other threads may use the GPU meanwhile, say to ask how much of it is free.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self._D = self._denoise(self._x, self._sigma)
        self._graph = graph
