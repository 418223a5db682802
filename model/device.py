"""Devices by name, and products on a GPU that are the same in any batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

# Flash attention splits its keys among programs where a batch does not fill the GPU.
_STEADY_ATTENTION = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


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


@contextlib.contextmanager
def steady_products() -> Iterator[None]:
    """Products in bfloat16 on a GPU that add up in the same order whatever the size of a batch.

    Sums that are split among programs are split by how full the GPU is, so that a row would be
    rounded otherwise alone than in company; and in bfloat16 that soon is another shape.
    """
    products = torch.backends.cuda.matmul
    library = torch.backends.cuda.preferred_blas_library()
    reduced = products.allow_bf16_reduced_precision_reduction
    split = products.allow_bf16_reduced_precision_reduction_split_k
    torch.backends.cuda.preferred_blas_library("cublaslt")  # the one that can be told
    products.allow_bf16_reduced_precision_reduction = (False, False)
    try:
        with sdpa_kernel(_STEADY_ATTENTION):
            yield
    finally:
        products.allow_bf16_reduced_precision_reduction = (reduced, split)
        torch.backends.cuda.preferred_blas_library(library)
