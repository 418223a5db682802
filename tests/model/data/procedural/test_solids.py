"""Unions of solids: distances, bounds and uniform samples against closed forms."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.data.procedural import solids as solids_module
from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.solids import Solids


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def union(*parts: Assembly) -> Solids:
    return Solids.union([part for assembly in parts for part in assembly.parts])


def random_queries(count: int = 4000) -> Tensor:
    return 3.0 * torch.rand((1, count, 3), generator=generator()) - 1.5


def sphere() -> Assembly:
    assembly = Assembly()
    assembly.sphere((0.1, 0.0, 0.0), 0.7)
    return assembly


def box(rounding: float = 0.0) -> Assembly:
    assembly = Assembly()
    assembly.box((1.0, 0.6, 0.4), (0, 0, 0), rounding=rounding)
    return assembly


def cylinder() -> Assembly:
    assembly = Assembly()
    assembly.rod((0, -0.5, 0), (0, 0.5, 0), 0.4, rounding=0.1)
    return assembly


def torus() -> Assembly:
    assembly = Assembly()
    assembly.ring((0, 0, 0), 0.6, 0.2)
    return assembly


def lshape() -> Assembly:
    assembly = Assembly()
    assembly.prism([(0, 0), (1, 0), (1, 0.4), (0.4, 0.4), (0.4, 1), (0, 1)], 0.3)
    return assembly


def mixture() -> Assembly:
    assembly = torus()
    assembly.add(box(0.05).posed(turn("x", 30.0), (0.2, 0.1, 0.0)))
    assembly.add(lshape())
    assembly.shade((0, -0.5, 0), (0, 0.1, 0), 0.5, 0.3, 0.1)
    assembly.capsule((-0.5, 0, 0), (0.5, 0.4, 0.2), 0.08)
    return assembly


def to_box(points: Tensor, half: list[float], rounding: float) -> Tensor:
    beyond = points.abs() - torch.tensor(half) + rounding
    return beyond.clamp(min=0).norm(dim=-1) + beyond.amax(-1).clamp(max=0) - rounding


def to_cylinder(points: Tensor) -> Tensor:
    radius = points[..., [0, 2]].norm(dim=-1)
    profile = torch.stack([radius, points[..., 1], torch.zeros_like(radius)], dim=-1)
    return to_box(profile, [0.4, 0.5, 1.0], 0.1)


def to_torus(points: Tensor) -> Tensor:
    return torch.hypot(points[..., [0, 2]].norm(dim=-1) - 0.6, points[..., 1]) - 0.2


@pytest.mark.parametrize(
    ("shape", "distance"),
    [
        (sphere(), lambda points: (points - torch.tensor([0.1, 0, 0])).norm(dim=-1) - 0.7),
        (box(), lambda points: to_box(points, [0.5, 0.3, 0.2], 0.0)),
        (box(0.1), lambda points: to_box(points, [0.5, 0.3, 0.2], 0.1)),
        (cylinder(), to_cylinder),
        (torus(), to_torus),
    ],
    ids=["sphere", "box", "rounded box", "rounded cylinder", "torus"],
)
def test_distances_are_exact(shape: Assembly, distance: Callable[[Tensor], Tensor]) -> None:
    queries = random_queries()
    torch.testing.assert_close(
        union(shape).signed_distance(queries), distance(queries), atol=1e-6, rtol=0.0
    )


def test_general_polygons_and_rectangles_agree() -> None:
    """The same box, once as a rectangle about its middle, once as a prism off its middle."""
    prism = Assembly()
    prism.prism([(0, 0), (1.0, 0), (1.0, 0.6), (0, 0.6)], 0.4, center=(-0.5, -0.3, 0))
    general, rectangle = union(prism), union(box())
    assert (general.general, rectangle.general) == (1, 0)
    queries = random_queries()
    torch.testing.assert_close(
        general.signed_distance(queries), rectangle.signed_distance(queries), atol=1e-6, rtol=0.0
    )


def test_gradients_have_norm_one_outside() -> None:
    shape, step = union(mixture()), 1e-3
    queries = random_queries()
    queries = queries[:, shape.signed_distance(queries)[0] > 0.05]
    ahead, behind = (
        torch.stack([shape.signed_distance(queries + sign * step * axis) for axis in torch.eye(3)])
        for sign in (1.0, -1.0)
    )
    norm = ((ahead - behind) / (2.0 * step)).norm(dim=0)
    assert ((norm - 1.0).abs() < 5e-3).float().mean() > 0.98  # all but the medial axis


def test_distances_are_lipschitz() -> None:
    shape, queries = union(mixture()), random_queries()
    distance = shape.signed_distance(queries)
    moved = (queries[:, 1:] - queries[:, :-1]).norm(dim=-1)
    assert ((distance[:, 1:] - distance[:, :-1]).abs() <= moved + 1e-5).all()


def test_padding_changes_nothing() -> None:
    shapes = [union(mixture()), union(sphere()), union(lshape())]
    queries = random_queries(500)
    batch = Solids.stack(shapes)
    assert len(batch) == 3
    together = batch.signed_distance(queries.expand(3, -1, -1))
    alone = torch.cat([shape.signed_distance(queries) for shape in shapes])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(
        torch.stack(batch.normalized().bounds()),
        torch.cat([torch.stack(shape.normalized().bounds()) for shape in shapes], dim=1),
    )


def test_occupancy_is_the_sign() -> None:
    shape = union(box())
    queries = torch.tensor([[[0.0, 0.0, 0.0], [0.49, 0.29, 0.19], [0.51, 0.0, 0.0]]])
    assert shape.occupied(queries).tolist() == [[True, True, False]]


def test_bounds_hold_the_surface_tightly() -> None:
    shape = union(mixture())
    low, high = shape.bounds()
    points = shape.sample_surface(50_000, generator())[0]
    torch.testing.assert_close(points.amin(0), low[0], atol=5e-3, rtol=0.0)
    torch.testing.assert_close(points.amax(0), high[0], atol=5e-3, rtol=0.0)
    assert (points >= low - 1e-5).all()
    assert (points <= high + 1e-5).all()


def test_normalized_shapes_fill_the_unit_sphere() -> None:
    shape = union(mixture()).normalized()
    low, high = shape.bounds()
    torch.testing.assert_close(low + high, torch.zeros(1, 3), atol=1e-6, rtol=0.0)
    assert shape.farthest(torch.zeros(1, 3)).item() == pytest.approx(1.0, abs=1e-6)
    reach = shape.sample_surface(50_000, generator()).norm(dim=-1).max()
    assert 0.99 < reach <= 1.0 + 1e-5


def test_farthest_point_of_a_box_is_a_corner() -> None:
    assert union(box()).farthest(torch.tensor([[0.5, 0.3, 0.2]])).item() == pytest.approx(
        math.hypot(1.0, 0.6, 0.4)
    )


def test_surface_samples_lie_on_the_union() -> None:
    batch = Solids.stack([union(mixture()), union(box()), union(torus())])
    points = batch.sample_surface(3000, generator())
    assert points.shape == (3, 3000, 3)
    assert batch.signed_distance(points).abs().max() < 1e-5


def test_inside_samples_lie_inside() -> None:
    batch = Solids.stack([union(mixture()), union(box()), union(torus())])
    points = batch.sample_inside(3000, generator())
    assert points.shape == (3, 3000, 3)
    assert (batch.signed_distance(points) < 0.0).all()


def test_samples_are_the_same_for_the_same_generator() -> None:
    shape = union(mixture())
    for sample in (shape.sample_surface, shape.sample_inside):
        assert torch.equal(sample(100, generator()), sample(100, generator()))


def test_faces_edges_and_corners_of_a_rounded_box_get_their_share() -> None:
    x, y, z, r = 0.4, 0.2, 0.1, 0.1
    area = 8 * (x * y + y * z + x * z) + 4 * math.pi * r * (x + y + z) + 4 * math.pi * r * r
    points = union(box(0.1)).sample_surface(100_000, generator())[0].abs()
    beyond = points > torch.tensor([x, y, z])
    share = [((beyond.sum(1) == count).float().mean().item()) for count in (1, 2, 3)]
    faces, edges = 8 * (x * y + y * z + x * z), 4 * math.pi * r * (x + y + z)
    expected = [faces / area, edges / area, 4 * math.pi * r * r / area]
    assert share == pytest.approx(expected, abs=6e-3)


def test_caps_rims_and_side_of_a_rounded_cylinder_get_their_share() -> None:
    core, r = 0.3, 0.1
    caps, side = 2 * math.pi * core**2, 2 * math.pi * 0.4 * 0.8
    rims = 2 * 2 * math.pi * r * (core * math.pi / 2 + r)
    height = union(cylinder()).sample_surface(100_000, generator())[0, :, 1].abs()
    share = [(height > 0.5 - 1e-5).float().mean().item(), (height < 0.4).float().mean().item()]
    total = caps + side + rims
    assert share == pytest.approx([caps / total, side / total], abs=6e-3)


def test_the_outer_half_of_a_torus_gets_its_share() -> None:
    points = union(torus()).sample_surface(100_000, generator())[0]
    outer = (points[:, [0, 2]].norm(dim=1) > 0.6).float().mean().item()
    assert outer == pytest.approx(0.5 + 0.2 / (math.pi * 0.6), abs=6e-3)


def test_concave_outlines_are_sampled_evenly() -> None:
    shape = union(lshape())
    caps = (shape.sample_surface(100_000, generator())[0, :, 2].abs() > 0.15 - 1e-6).float().mean()
    assert caps.item() == pytest.approx(2 * 0.64 / (2 * 0.64 + 4 * 0.3), abs=6e-3)
    arm = (shape.sample_inside(100_000, generator())[0, :, 0] > 0.4).float().mean()
    assert arm.item() == pytest.approx(0.24 / 0.64, abs=6e-3)


def test_overlaps_and_shared_faces_count_once() -> None:
    """Two unit cubes that overlap by half: together 1.5 long, four faces flush."""
    pair = Assembly()
    pair.box((1, 1, 1), (0, 0, 0))
    pair.box((1, 1, 1), (0.5, 0, 0))
    surface = union(pair).sample_surface(100_000, generator())[0, :, 0]
    middle = ((surface > 0.0) & (surface < 0.5)).float().mean().item()
    assert middle == pytest.approx(2.0 / 8.0, abs=6e-3)
    inside = union(pair).sample_inside(100_000, generator())[0, :, 0]
    assert ((inside > 0.0) & (inside < 0.5)).float().mean().item() == pytest.approx(1 / 3, abs=6e-3)


def test_an_empty_union_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one solid"):
        Solids.union([])


def test_drawing_without_end_is_an_error() -> None:
    def refuse(size: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(1, size, 3), torch.zeros(1, size, dtype=torch.bool)

    with pytest.raises(RuntimeError, match="degenerate shape"):
        solids_module._accepted(refuse, 2)
