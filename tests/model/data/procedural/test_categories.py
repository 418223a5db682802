"""All categories: one piece, in the unit sphere, thick enough, different by seed, fast."""

import time

import numpy as np
import pytest
import torch

from model.data.procedural import CATEGORIES, build
from model.data.procedural.solids import Solids
from tests.model.data.procedural.pieces import pieces_and_depths

SEEDS = range(5)
THINNEST = 0.019


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module", params=list(CATEGORIES))
def shapes(request: pytest.FixtureRequest) -> list[Solids]:
    return [build(request.param, seed) for seed in SEEDS]


def test_the_papers_order() -> None:
    assert list(CATEGORIES) == ["table", "car", "chair", "airplane", "sofa", "rifle", "lamp"]


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown category 'boat': choose one of table, car"):
        build("boat", 0)


def test_solids_share_volume_into_one_piece_and_none_is_thin(shapes: list[Solids]) -> None:
    """Each solid's inside samples say whom it overlaps, and its deepest how thick it is."""
    for seed, shape in enumerate(shapes):
        pieces, depths = pieces_and_depths(shape, 800)
        assert pieces == 1, f"seed {seed}"
        assert 2.0 * min(depths) > THINNEST, f"seed {seed}"


def cross(origin: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    one, two = first - origin, second - origin
    return float(one[0] * two[1] - one[1] * two[0])


def crossing_edges(polygon: np.ndarray) -> int:
    """Pairs of a polygon's edges that cross each other."""
    edges = list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))
    return sum(
        cross(a, b, c) * cross(a, b, d) < 0.0 and cross(c, d, a) * cross(c, d, b) < 0.0
        for index, (a, b) in enumerate(edges)
        for c, d in edges[:index]
    )


def test_polygons_do_not_cross_themselves(shapes: list[Solids]) -> None:
    """The sign of the distance is that of a simple polygon."""
    for seed, shape in enumerate(shapes):
        for index, polygon in enumerate(shape.starts[0].double().numpy()):
            assert crossing_edges(polygon) == 0, f"seed {seed}, solid {index}"


def test_shapes_are_normalised(shapes: list[Solids]) -> None:
    batch = Solids.stack(shapes)
    low, high = batch.bounds()
    torch.testing.assert_close(low + high, torch.zeros_like(low), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(
        batch.farthest(torch.zeros(len(batch), 3)), torch.ones(len(batch)), atol=1e-5, rtol=0.0
    )


def test_seeds_are_promises(shapes: list[Solids]) -> None:
    queries = 2.0 * torch.rand((1, 2000, 3), generator=generator()) - 1.0
    fields_ = torch.cat([shape.signed_distance(queries) for shape in shapes])
    differences = (fields_[:, None] - fields_).abs().mean(-1) + torch.eye(len(shapes))
    assert differences.min() > 1e-3


@pytest.mark.parametrize("category", list(CATEGORIES))
def test_the_same_seed_is_the_same_shape(category: str) -> None:
    first, second = build(category, 5), build(category, 5)
    assert torch.equal(first.center, second.center)
    assert torch.equal(first.starts, second.starts)


def test_a_training_item_takes_milliseconds() -> None:
    """Surface points, inside points and labelled queries of one shape; a loose bound."""
    shape = build("chair", 0)
    queries = torch.rand((1, 8192, 3), generator=generator())
    begin = time.process_time()
    shape.sample_surface(4096, generator())
    shape.sample_inside(3072, generator())
    shape.signed_distance(queries)
    assert time.process_time() - begin < 2.0
