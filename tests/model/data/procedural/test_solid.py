"""One solid: its polygon's order, its edges and arcs, mirroring."""

import math

import numpy as np
import pytest

from model.data.procedural.solid import Solid, as_polygon, signed_area

SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def solid(polygon: tuple[tuple[float, float], ...], *, revolved: bool) -> Solid:
    return Solid(polygon, 0.0 if revolved else 0.5, 0.1, revolved, np.eye(3), np.zeros(3))


def test_area_is_signed() -> None:
    assert signed_area(SQUARE) == 4.0
    assert signed_area(SQUARE[::-1]) == -4.0


def test_polygons_are_made_counter_clockwise() -> None:
    assert signed_area(as_polygon(SQUARE[::-1], revolved=False)) > 0.0


def test_repeated_neighbours_are_dropped() -> None:
    flat = [(0.0, -0.0), (1.0, -0.0), (1.0, 0.0), (0.0, 0.0)]
    assert len(as_polygon(flat, revolved=True)) == 2


@pytest.mark.parametrize("count", [0, 9])
def test_vertex_count_is_limited(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 8 vertices"):
        as_polygon([(0.1 * index, 0.0) for index in range(count)], revolved=False)


def test_a_profile_may_not_cross_its_axis() -> None:
    with pytest.raises(ValueError, match="crosses its axis"):
        as_polygon(SQUARE, revolved=True)


def test_exterior_angles_of_a_convex_polygon_are_one_turn() -> None:
    assert sum(turn for _, turn in solid(SQUARE, revolved=False).arcs()) == pytest.approx(math.tau)


def test_reflex_vertices_have_no_arc() -> None:
    corner = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 1.0), (1.0, 2.0), (0.0, 2.0))
    turns = [turn for _, turn in solid(corner, revolved=False).arcs()]
    assert turns == pytest.approx([math.pi / 2] * 3 + [0.0] + [math.pi / 2] * 2)


def test_points_and_segments_have_full_and_half_turns() -> None:
    assert solid(((0.5, 0.0),), revolved=True).arcs() == [(0.0, math.tau)]
    turns = [turn for _, turn in solid(((0.5, 0.0), (0.5, 1.0)), revolved=True).arcs()]
    assert turns == pytest.approx([math.pi, math.pi])


def test_edges_on_the_axis_bound_nothing() -> None:
    cylinder = solid(((0.0, -1.0), (1.0, -1.0), (1.0, 1.0), (0.0, 1.0)), revolved=True)
    assert cylinder.edges()[3] == ((0.0, 1.0), (0.0, 1.0))
    capsule = solid(((0.0, -1.0), (0.0, 1.0)), revolved=True)
    assert capsule.edges()[0] == ((0.0, -1.0), (0.0, 1.0))


@pytest.mark.parametrize(
    ("polygon", "revolved", "expected"),
    [
        (SQUARE, False, True),
        (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), False, False),
        (((0.0, -1.0), (2.0, -1.0), (2.0, 1.0), (0.0, 1.0)), True, True),
        (((0.5, -1.0), (2.0, -1.0), (2.0, 1.0), (0.5, 1.0)), True, False),
        (((0.0, -1.0), (0.0, 1.0)), True, True),
        (((0.0, 0.0),), True, True),
        (((0.5, 0.0),), True, False),
    ],
)
def test_rectangles_about_the_origin_are_known(
    polygon: tuple[tuple[float, float], ...], revolved: bool, expected: bool
) -> None:
    assert solid(polygon, revolved=revolved).is_rectangle is expected


def test_mirroring_twice_is_nothing_and_stays_a_rotation() -> None:
    axis = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    part = Solid(SQUARE, 0.5, 0.0, False, axis, np.array([1.0, 2.0, 3.0]))
    image = part.mirrored_x()
    assert np.linalg.det(image.rotation) == pytest.approx(1.0)
    assert image.center.tolist() == [-1.0, 2.0, 3.0]
    np.testing.assert_allclose(image.mirrored_x().rotation, part.rotation)


def test_a_solid_without_volume_is_an_error() -> None:
    with pytest.raises(ValueError, match="without volume"):
        Solid(SQUARE, 0.0, 0.0, False, np.eye(3), np.zeros(3))
    with pytest.raises(ValueError, match="without volume"):
        Solid(((0.0, 0.0), (0.0, 1.0)), 0.0, 0.0, True, np.eye(3), np.zeros(3))


def test_negative_measures_are_errors() -> None:
    with pytest.raises(ValueError, match=r"negative measure: rounding -0\.1"):
        Solid(SQUARE, 0.5, -0.1, False, np.eye(3), np.zeros(3))
