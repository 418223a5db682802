"""The kernel of a GPU for the folded field: run on one, or without it by Triton's interpreter."""

from __future__ import annotations

import pytest
import torch

from model.field import OccupancyField
from model.pipeline import ShapePipeline
from tests.model.test_field import random_autoencoder

pytest.importorskip("triton", reason="Triton is for Linux")

from model import fieldkernel

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def _exact(field: OccupancyField, queries: torch.Tensor) -> torch.Tensor:
    """The field's logits in float64, from its query vectors on."""
    u = field._query_vectors(queries).double()
    total = field.bias.double().unsqueeze(-1)
    for key, value in zip(field.keys, field.values, strict=True):
        scores = torch.einsum("bqe,bhme->bqhm", u, key.double())
        total = total + torch.einsum("bqhm,bhm->bq", scores.softmax(-1), value.double())
    return total


def _by_kernel(field: OccupancyField, queries: torch.Tensor) -> torch.Tensor:
    u = field._query_vectors(queries).to(DEVICE)
    sets = ([part.to(DEVICE) for part in parts] for parts in (field.keys, field.values))
    return field.bias.unsqueeze(-1) + fieldkernel.attended(u, *sets).cpu()


@torch.inference_mode()
def test_it_is_the_field_on_random_weights() -> None:
    field = random_autoencoder(3).decode(random_autoencoder(3).encode(torch.rand(2, 64, 3) - 0.5))
    queries = torch.rand(2, 131, 3) * 2 - 1  # no multiple of a program's rows
    exact = _exact(field, queries)
    assert (_by_kernel(field, queries) - exact).abs().max() <= 1e-5 * exact.std()


@torch.inference_mode()
def test_it_is_the_field_on_the_bundled_weights() -> None:
    pipeline = ShapePipeline.load(device="cpu")
    sphere = torch.nn.functional.normalize(torch.randn(1, 8192, 3), dim=-1)
    field = pipeline.autoencoder.decode(pipeline.autoencoder.encode(sphere))
    queries = torch.rand(1, 200, 3) * 2 - 1
    exact = _exact(field, queries)
    assert (_by_kernel(field, queries) - exact).abs().max() <= 1e-5 * exact.std()


@torch.inference_mode()
def test_large_scores_do_not_overflow() -> None:
    vectors = torch.full((1, 3, 53), 30.0, device=DEVICE)
    keys = torch.zeros(1, 1, 70, 53, device=DEVICE)
    keys[0, 0, 69] = 1.0  # a score of 1590 in the last, half empty block of tokens
    values = torch.arange(70.0, device=DEVICE).view(1, 1, 70)
    logits = fieldkernel.attended(vectors, [keys], [values])
    torch.testing.assert_close(logits.cpu(), torch.full((1, 3), 69.0))


@torch.inference_mode()
def test_a_vector_gives_the_same_bits_whatever_is_asked_with_it() -> None:
    vectors = torch.randn(2, 150, 53, device=DEVICE)
    keys, values = torch.randn(2, 3, 70, 53, device=DEVICE), torch.randn(2, 3, 70, device=DEVICE)
    together = fieldkernel.attended(vectors, [keys], [values])
    some = fieldkernel.attended(vectors[1:, 20:33], [keys[1:]], [values[1:]])
    assert torch.equal(some, together[1:, 20:33])
