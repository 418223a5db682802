"""Grid fields by tables against the modules in double precision, and against the folded field."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from model import gridfield, gridfield_kernel
from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig
from model.field import OccupancyField
from model.geometry.sampling import to_point_cloud
from model.grid import evaluate_grid, track_surface
from model.gridfield import GridField
from model.nn.embeddings import FREQUENCIES, axis_frequencies
from model.pipeline import ShapePipeline

LOWER, SPACING, SAMPLES = -1.05, 2.1 / 37, 38

Features = tuple[Tensor, ...]


def random_model(*tokens: int) -> tuple[AutoEncoder, Features]:
    """A model whose every parameter, norms included, is far from its initial value; a shape."""
    torch.manual_seed(len(tokens))
    levels = tuple(LevelConfig(count, 4, 1) for count in tokens)
    model = AutoEncoder(AutoEncoderConfig(64, levels, head_channels=16, input_points=256))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
        return model, model.decode_features(model.encode(torch.rand(1, 256, 3) - 0.5))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def field() -> OccupancyField:
    model, features = random_model(5, 33, 150)
    with torch.no_grad():
        return model.fold(features)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gridfield, "has_numba", lambda: False)


@pytest.fixture
def look_again() -> Iterator[None]:
    """Forget whether numba is there, before and after."""
    gridfield.has_numba.cache_clear()
    yield
    gridfield.has_numba.cache_clear()


def some_samples(count: int = 700, samples: int = SAMPLES) -> Tensor:
    return torch.randint(samples, (count, 3), generator=torch.Generator().manual_seed(0))


def grid_field(field: OccupancyField, samples: int = SAMPLES, threads: int = 1) -> GridField:
    return GridField(field, LOWER, SPACING, samples, threads)


def double_precision(model: AutoEncoder, features: Features, points: Tensor) -> Tensor:
    """Eq. 9 module by module in float64 throughout, Fourier features too."""
    with torch.no_grad():
        model = copy.deepcopy(model).double()
        phases = points.unsqueeze(-1) * axis_frequencies()[0, :FREQUENCIES].double()
        phases = phases.flatten(-2)
        fourier = torch.cat([phases.sin(), phases.cos(), points], dim=-1)
        embedded = model.point_embedding.projection(fourier.unsqueeze(0))
        attended = [
            attention(embedded, context.double())
            for attention, context in zip(model.query_attentions, features, strict=True)
        ]
        logits: Tensor = model.to_logit(torch.cat(attended, dim=-1))
        return logits.flatten()


def greatest_error(logits: Tensor, reference: Tensor) -> float:
    """In standard deviations of the logits."""
    return float((logits - reference).abs().max() / reference.std())


@pytest.mark.parametrize("tokens", [(16,), (5, 33), (2, 70, 150)])
def test_logits_are_those_of_the_modules_in_double_precision(tokens: tuple[int, ...]) -> None:
    model, features = random_model(*tokens)
    with torch.no_grad():
        logits = grid_field(model.fold(features))(some_samples())
    points = LOWER + SPACING * some_samples().double()
    assert greatest_error(logits, double_precision(model, features, points)) <= 1e-5


def test_logits_of_the_starter_are_those_of_its_modules_in_double_precision() -> None:
    pipeline = ShapePipeline.load(device="cpu")
    cloud = to_point_cloud(trimesh.creation.torus(0.7, 0.2)).points[None]
    with torch.no_grad():
        features = pipeline.autoencoder.decode_features(pipeline.encode(cloud))
        field = pipeline.autoencoder.fold(features)
    spacing, indices = 2.1 / 250, some_samples(500, samples=251)
    logits = GridField(field, LOWER, spacing, 251)(indices)
    points = LOWER + spacing * indices.double()
    reference = double_precision(pipeline.autoencoder, features, points)
    assert greatest_error(logits, reference) <= 1e-5


def test_tables_are_used_where_they_can_be(field: OccupancyField) -> None:
    assert grid_field(field)._tables is not None


def test_what_is_prepared_serves_every_grid(field: OccupancyField) -> None:
    gridfield.prepare()
    grid_field(field, threads=2)(some_samples())
    assert len(gridfield_kernel.evaluate.signatures) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_a_samples_bits_depend_on_no_other_sample(field: OccupancyField, threads: int) -> None:
    indices = some_samples(2500)
    together = grid_field(field, threads=threads)(indices)
    order = torch.randperm(len(indices))
    assert torch.equal(grid_field(field, threads=threads)(indices[order]), together[order])
    alone = grid_field(field)
    assert torch.equal(torch.cat([alone(indices[i : i + 1]) for i in range(300)]), together[:300])


def test_neighbours_along_each_axis_have_the_bits_they_have_alone(field: OccupancyField) -> None:
    at = grid_field(field)
    for axis in range(3):
        line = torch.full((SAMPLES, 3), 11)
        line[:, axis] = torch.arange(SAMPLES)
        assert torch.equal(at(line), torch.cat([at(line[i : i + 1]) for i in range(SAMPLES)]))


@pytest.mark.parametrize("samples", [39, 64, 101])
def test_a_samples_bits_do_not_depend_on_the_size_of_the_grid(
    field: OccupancyField, samples: int
) -> None:
    assert torch.equal(
        grid_field(field, samples)(some_samples()), grid_field(field)(some_samples())
    )


def test_a_grid_of_one_sample(field: OccupancyField) -> None:
    corner = torch.zeros(1, 3, dtype=torch.int64)
    assert torch.equal(grid_field(field, samples=1)(corner), grid_field(field)(corner))


def test_no_samples_have_no_logits(field: OccupancyField) -> None:
    assert grid_field(field)(torch.zeros(0, 3, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("bad", [-1, SAMPLES])
def test_samples_outside_the_grid_are_refused(field: OccupancyField, bad: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 37"):
        grid_field(field)(torch.tensor([[0, 0, 0], [0, bad, 0]]))


def test_a_batch_of_shapes_is_refused() -> None:
    model = AutoEncoder(AutoEncoderConfig(64, (LevelConfig(4, 4, 1),)))
    with pytest.raises(ValueError, match="one shape"):
        grid_field(model.decode(model.encode(torch.rand(2, 8, 3))))


def test_weights_relative_to_the_greatest_give_the_same_bits(field: OccupancyField) -> None:
    at = grid_field(field)
    bounded = at(some_samples())
    assert at._tables is not None
    at._tables = at._tables._replace(reach=at._tables.reach + gridfield_kernel.SAFE)
    assert torch.equal(at(some_samples()), bounded)


def test_scores_far_outside_the_range_of_exponentials(field: OccupancyField) -> None:
    sharp = replace(field, keys=tuple(1000 * keys for keys in field.keys))
    at, points = grid_field(sharp), LOWER + SPACING * some_samples().double()
    assert at._tables is not None
    assert at._tables.most_score > 10_000
    logits, reference = at(some_samples()), sharp(points.float().unsqueeze(0))[0]
    close = (logits - reference).abs() <= 1e-2 * reference.std()  # scores have errors of 1e-3
    assert close.float().mean() > 0.9
    assert logits.isfinite().all()


@pytest.mark.parametrize("factor", [1e9, float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_left_to_the_field(
    field: OccupancyField, factor: float
) -> None:
    broken = replace(field, keys=tuple(factor * keys for keys in field.keys))
    points = (some_samples() * SPACING + LOWER).unsqueeze(0)
    torch.testing.assert_close(
        grid_field(broken)(some_samples()), broken(points)[0], equal_nan=True, rtol=0, atol=0
    )


@pytest.mark.usefixtures("without_numba")
def test_without_numba_the_field_is_asked(field: OccupancyField) -> None:
    at, points = grid_field(field), (some_samples() * SPACING + LOWER).unsqueeze(0)
    assert at._tables is None
    assert torch.equal(at(some_samples()), field(points)[0])


def test_with_and_without_numba_logits_agree(
    field: OccupancyField, request: pytest.FixtureRequest
) -> None:
    by_tables = grid_field(field)(some_samples())
    request.getfixturevalue("without_numba")
    assert greatest_error(by_tables, grid_field(field)(some_samples())) <= 5e-5


@pytest.mark.usefixtures("look_again")
def test_numba_can_be_absent(field: OccupancyField, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert grid_field(field)._tables is None


@pytest.mark.usefixtures("look_again")
def test_numba_that_does_not_compile_is_not_used(
    field: OccupancyField, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert grid_field(field)._tables is None


def test_a_place_that_cannot_be_written_costs_the_cache_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def njit(**options: bool) -> Callable[[Any], Any]:
        def compiled(function: Any) -> Any:
            if options.get("cache"):
                raise RuntimeError("cannot cache function: no locator available")
            return numba.njit(**options)(function)

        return compiled

    monkeypatch.setattr(gridfield_kernel, "njit", njit)
    product = gridfield_kernel._compiled(gridfield_kernel.product.py_func)
    left, right = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(product(left, right), left @ right)


def test_exponentials_are_within_two_units_in_ten_million() -> None:
    @numba.njit
    def exponentials(scores, tops):  # type: ignore[no-untyped-def]
        one, other = np.empty_like(scores), np.empty_like(scores)
        for i in range(len(scores)):
            one[i] = gridfield_kernel.exp2(scores[i])
            other[i] = gridfield_kernel.exp2_below(scores[i], tops[i])
        return one, other

    scores = np.random.default_rng(0).uniform(-125, 125, 400_000).astype(np.float32)
    scores[:251] = np.arange(-125, 126)
    tops = np.ceil(scores).astype(np.int32) + np.arange(len(scores), dtype=np.int32) % 90
    one, other = exponentials(scores, tops)
    exact = np.exp2(scores.astype(np.float64))
    assert np.abs(one / exact - 1).max() <= 2e-7
    np.testing.assert_array_equal(one[:251], exact[:251])
    np.testing.assert_array_equal(other.astype(np.float64) * np.exp2(tops), one)


@pytest.mark.parametrize("resolution", [37, 48])
def test_a_tracked_grid_has_the_bits_of_the_dense_one_wherever_it_asked(
    field: OccupancyField, resolution: int
) -> None:
    even = replace(field, bias=field.bias - grid_field(field)(some_samples()).median())
    dense = evaluate_grid(even, resolution, lambda _: None)
    blocks = track_surface(even, resolution, lambda _: None).blocks
    indices = blocks.indices(blocks.keys, blocks.known)
    indices = indices[((indices >= 0) & (indices <= resolution)).all(axis=1)]
    assert len(indices) > 1000
    logits, _ = blocks.read(indices)
    np.testing.assert_array_equal(logits, dense.values[tuple(indices.T)])
