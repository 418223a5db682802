"""Measurements of the model: `python -m benchmarks --help`."""

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported: `benchmarks.peak`
