"""The builder: each part where and as large as its arguments say."""

import math

import numpy as np
import pytest
import torch

from model.data.procedural.assembly import Assembly, clipped_rectangle, turn
from model.data.procedural.solids import Solids


def bounds(assembly: Assembly) -> list[float]:
    """Low x, y, z, then high x, y, z."""
    low, high = Solids.union(assembly.parts).bounds()
    return torch.cat([low[0], high[0]]).tolist()


def distance(assembly: Assembly, *point: float) -> float:
    return Solids.union(assembly.parts).signed_distance(torch.tensor([[point]])).item()


def test_box_has_its_outer_size_with_rounding_inside() -> None:
    assembly = Assembly()
    assembly.box((1.0, 2.0, 3.0), (1.0, 0.0, 0.0), rounding=0.2)
    assert bounds(assembly) == pytest.approx([0.5, -1.0, -1.5, 1.5, 1.0, 1.5])


def test_a_rotated_box_turns_about_its_centre() -> None:
    assembly = Assembly()
    assembly.box((2.0, 1.0, 1.0), (5.0, 0.0, 0.0), rotation=turn("z", 90.0))
    assert bounds(assembly) == pytest.approx([4.5, -1.0, -0.5, 5.5, 1.0, 0.5])


@pytest.mark.parametrize(
    ("end", "size"),
    [((0, 2, 0), (0.1, 2.0, 0.3)), ((2, 0, 0), (2.0, 0.1, 0.3)), ((0, 0, 2), (0.1, 0.3, 2.0))],
)
def test_beam_depth_runs_along_z_or_else_y(
    end: tuple[float, float, float], size: tuple[float, float, float]
) -> None:
    assembly = Assembly()
    assembly.beam((0, 0, 0), end, width=0.1, depth=0.3)
    box = np.array(bounds(assembly))
    assert (box[3:] - box[:3]).tolist() == pytest.approx(list(size))


def test_beams_taper_towards_their_end() -> None:
    assembly = Assembly()
    assembly.beam((0, 0, 0), (0, 1, 0), 0.4, 0.2, end_width=0.1)
    assert distance(assembly, 0.19, 0.01, 0.0) < 0.0 < distance(assembly, 0.19, 0.99, 0.0)


@pytest.mark.parametrize(
    ("plane", "inside"),
    [("xy", (0.9, 0.1, 0.0)), ("zy", (0.0, 0.1, 0.9)), ("xz", (0.9, 0.0, 0.1))],
)
def test_prism_outlines_run_along_the_named_axes(
    plane: str, inside: tuple[float, float, float]
) -> None:
    assembly = Assembly()
    assembly.prism([(0, 0), (1, 0), (1, 0.2)], 0.1, plane=plane)
    assert distance(assembly, *inside) < 0.0
    assert distance(assembly, *(-value for value in inside)) > 0.0


def test_an_unknown_plane_is_an_error() -> None:
    with pytest.raises(ValueError, match="choose one of xy, zy, xz"):
        Assembly().prism([(0, 0), (1, 0), (1, 1)], 0.1, plane="yz")


def test_rod_runs_between_its_points_from_radius_to_radius() -> None:
    assembly = Assembly()
    assembly.rod((0, 0, 0), (0, 1, 0), 0.3, 0.1)
    assert bounds(assembly) == pytest.approx([-0.3, 0.0, -0.3, 0.3, 1.0, 0.3])
    assert distance(assembly, 0.0, 0.5, 0.0) < 0.0
    assert distance(assembly, 0.25, 0.9, 0.0) > 0.0


def test_capsules_reach_beyond_their_points() -> None:
    assembly = Assembly()
    assembly.tube([(0, 0, 0), (1, 0, 0), (1, 1, 0)], 0.1)
    assert len(assembly.parts) == 2
    assert bounds(assembly) == pytest.approx([-0.1, -0.1, -0.1, 1.1, 1.1, 0.1])


def test_disc_ring_and_sphere_are_centred() -> None:
    for part, reach in (
        ("disc", (0.5, 0.5, 0.1)),
        ("ring", (0.5, 0.5, 0.1)),
        ("sphere", (0.5,) * 3),
    ):
        assembly = Assembly()
        if part == "disc":
            assembly.disc((0, 0, 0), 0.5, 0.2, axis=(0, 0, 1))
        elif part == "ring":
            assembly.ring((0, 0, 0), 0.4, 0.1, axis=(0, 0, 1))
        else:
            assembly.sphere((0, 0, 0), 0.5)
        assert bounds(assembly) == pytest.approx([*(-value for value in reach), *reach], abs=1e-6)


def test_shade_is_open_and_as_thick_as_said() -> None:
    assembly = Assembly()
    assembly.shade((0, 0, 0), (0, 1, 0), 0.5, 0.5, 0.1)
    assert distance(assembly, 0.5, 0.5, 0.0) == pytest.approx(-0.05)
    assert distance(assembly, 0.0, 0.5, 0.0) == pytest.approx(0.45)


def test_lathe_turns_its_profile_from_the_base_along_the_axis() -> None:
    assembly = Assembly()
    assembly.lathe([(0, 0), (0.5, 0), (0, 1)], base=(1, 0, 0), axis=(1, 0, 0))
    assert bounds(assembly) == pytest.approx([1.0, -0.5, -0.5, 2.0, 0.5, 0.5])


def test_mirrored_and_posed_copies_leave_the_original() -> None:
    assembly = Assembly()
    assembly.prism([(1, 0), (2, 0), (2, 1)], 0.2)
    assert bounds(assembly.mirrored_x()) == pytest.approx([-2.0, 0.0, -0.1, -1.0, 1.0, 0.1])
    assert distance(assembly.mirrored_x(), -1.9, 0.1, 0.0) < 0.0
    turned = assembly.posed(turn("y", 90.0), (0.0, 5.0, 0.0))
    assert bounds(turned) == pytest.approx([-0.1, 5.0, -2.0, 0.1, 6.0, -1.0])
    assert bounds(assembly) == pytest.approx([1.0, 0.0, -0.1, 2.0, 1.0, 0.1])


def test_build_normalises() -> None:
    assembly = Assembly()
    assembly.box((2.0, 4.0, 6.0), (7.0, 0.0, 0.0))
    solids = assembly.build()
    half = np.array([1.0, 2.0, 3.0]) / math.sqrt(14.0)
    np.testing.assert_allclose(solids.bounds()[1][0].numpy(), half, rtol=1e-6)


def test_turns_are_right_handed() -> None:
    np.testing.assert_allclose(turn("x", 90.0) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(turn("y", 90.0) @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(turn("z", 90.0) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    with pytest.raises(ValueError, match="choose one of x, y, z"):
        turn("w", 1.0)


def test_a_bar_needs_two_points() -> None:
    with pytest.raises(ValueError, match="two different points"):
        Assembly().rod((1, 2, 3), (1, 2, 3), 0.1)


def test_clipped_rectangles_lose_four_triangles() -> None:
    outline = np.array(clipped_rectangle(2.0, 1.0, 0.5))
    ahead = np.roll(outline, -1, axis=0)
    area = 0.5 * float((outline[:, 0] * ahead[:, 1] - ahead[:, 0] * outline[:, 1]).sum())
    assert area == pytest.approx(8.0 - 4 * 0.125)
