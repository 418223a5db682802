"""The builder that category files speak: parts in world coordinates, Y up, any unit of length."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from model.data.procedural.solid import Solid, as_polygon
from model.data.procedural.solids import Solids

Vector = Sequence[float | int] | np.ndarray
"""Three numbers x, y, z."""

Outline = Sequence[Sequence[float | int]]
"""Vertices of a simple polygon, in either order: (x, y) pairs, or (radius, height) if turned."""

Rotation = Float64[np.ndarray, "3 3"]

_PLANES = {
    "xy": np.eye(3),
    "zy": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "xz": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
}
"""Local to world for an outline whose two coordinates run along the named world axes."""


class Assembly:
    """A growing list of solids; `build` makes them one normalised shape."""

    def __init__(self, parts: Sequence[Solid] = ()) -> None:
        self._parts = list(parts)

    @property
    def parts(self) -> tuple[Solid, ...]:
        """The solids so far, in the order they were added."""
        return tuple(self._parts)

    def add(self, other: "Assembly") -> None:
        """Append the parts of a sub-assembly."""
        self._parts.extend(other.parts)

    def box(
        self,
        size: Vector,
        center: Vector,
        *,
        rounding: float = 0.0,
        rotation: Rotation | None = None,
    ) -> None:
        """A box of outer `size` (x, y, z), turned about its `center`; `rounding` stays inside."""
        half = 0.5 * np.asarray(size, dtype=np.float64)
        rounding = min(rounding, float(half.min()))
        x, y, z = (half - rounding).tolist()
        corners = _corners(x, y)
        turned = np.eye(3) if rotation is None else rotation
        self._extrude(corners, z, rounding, turned, center)

    def beam(
        self,
        start: Vector,
        end: Vector,
        width: float,
        depth: float,
        *,
        end_width: float | None = None,
        rounding: float = 0.0,
    ) -> None:
        """A straight bar of rectangular section between two points.

        `depth` is measured as near as possible along z (along y for a bar that runs in z), `width`
        across it; the width may taper to `end_width`. `rounding` stays inside the section.
        """
        rotation, length, middle = _frame(start, end)
        end_width = width if end_width is None else end_width
        rounding = min(rounding, 0.5 * width, 0.5 * end_width, 0.5 * depth, 0.5 * length)
        low, high, y = 0.5 * width - rounding, 0.5 * end_width - rounding, 0.5 * length - rounding
        outline = [(-low, -y), (low, -y), (high, y), (-high, y)]
        self._extrude(outline, 0.5 * depth - rounding, rounding, rotation, middle)

    def prism(
        self,
        outline: Outline,
        thickness: float,
        *,
        center: Vector = (0.0, 0.0, 0.0),
        plane: str = "xy",
        rounding: float = 0.0,
        rotation: Rotation | None = None,
    ) -> None:
        """An extruded polygon of at most 8 vertices, in one of the planes "xy", "zy", "xz".

        Outline coordinates run along the plane's two named world axes, from `center`; the body
        reaches `thickness / 2` to both sides of the plane, rounding included, while the outline
        is offset outward by `rounding`. `rotation` turns the result about `center`.

        Raises:
            ValueError: for another plane.
        """
        if plane not in _PLANES:
            raise ValueError(f"unknown plane {plane!r}: choose one of {', '.join(_PLANES)}")
        rounding = min(rounding, 0.5 * thickness)
        turned = _PLANES[plane] if rotation is None else rotation @ _PLANES[plane]
        self._extrude(outline, 0.5 * thickness - rounding, rounding, turned, center)

    def rod(
        self,
        start: Vector,
        end: Vector,
        radius: float,
        end_radius: float | None = None,
        *,
        rounding: float = 0.0,
    ) -> None:
        """A cylinder or cone frustum between two points; `rounding` stays inside it."""
        rotation, length, middle = _frame(start, end)
        end_radius = radius if end_radius is None else end_radius
        rounding = min(rounding, radius, end_radius, 0.5 * length)
        y = 0.5 * length - rounding
        profile = [(0.0, -y), (radius - rounding, -y), (end_radius - rounding, y), (0.0, y)]
        self._revolve(profile, rounding, rotation, middle)

    def capsule(self, start: Vector, end: Vector, radius: float) -> None:
        """A cylinder between two points with a half sphere beyond each."""
        rotation, length, middle = _frame(start, end)
        self._revolve([(0.0, -0.5 * length), (0.0, 0.5 * length)], radius, rotation, middle)

    def tube(self, points: Sequence[Vector], radius: float) -> None:
        """Capsules along a polyline."""
        for start, end in pairwise(points):
            self.capsule(start, end, radius)

    def sphere(self, center: Vector, radius: float) -> None:
        """A ball."""
        self._revolve([(0.0, 0.0)], radius, np.eye(3), center)

    def ring(
        self, center: Vector, radius: float, tube: float, *, axis: Vector = (0.0, 1.0, 0.0)
    ) -> None:
        """A torus: a tube of radius `tube` around a circle of `radius` about `axis`."""
        self._revolve([(radius, 0.0)], tube, _aligned(axis), center)

    def disc(
        self,
        center: Vector,
        radius: float,
        thickness: float,
        *,
        axis: Vector = (0.0, 1.0, 0.0),
        rounding: float = 0.0,
    ) -> None:
        """A flat cylinder about its `center`; `rounding` stays inside it."""
        reach = _aligned(axis)[:, 1] * (0.5 * thickness)
        middle = np.asarray(center, dtype=np.float64)
        self.rod(middle - reach, middle + reach, radius, rounding=rounding)

    def shade(
        self,
        start: Vector,
        end: Vector,
        radius: float,
        end_radius: float,
        thickness: float,
    ) -> None:
        """An open lamp shade: the side of a cone frustum, `thickness` thick with round rims."""
        rotation, length, middle = _frame(start, end)
        profile = [(radius, -0.5 * length), (end_radius, 0.5 * length)]
        self._revolve(profile, 0.5 * thickness, rotation, middle)

    def lathe(
        self,
        profile: Outline,
        *,
        base: Vector = (0.0, 0.0, 0.0),
        axis: Vector = (0.0, 1.0, 0.0),
        rounding: float = 0.0,
    ) -> None:
        """A closed profile of (radius, height) vertices, at most 8, turned about `axis`.

        Heights run from `base` along `axis`; the profile is offset outward by `rounding`.
        """
        self._revolve(profile, rounding, _aligned(axis), base)

    def mirrored_x(self) -> "Assembly":
        """The mirror image in the plane x = 0, as a new assembly."""
        return Assembly([part.mirrored_x() for part in self._parts])

    def posed(
        self, rotation: Rotation | None = None, offset: Vector = (0.0, 0.0, 0.0)
    ) -> "Assembly":
        """A copy turned about the origin and then moved by `offset`."""
        turned = np.eye(3) if rotation is None else rotation
        moved = np.asarray(offset, dtype=np.float64)
        return Assembly([part.posed(turned, moved) for part in self._parts])

    def build(self) -> Solids:
        """The union of all parts, a batch of one, normalised to the unit sphere."""
        return Solids.union(self._parts).normalized()

    def _extrude(
        self,
        outline: Outline,
        half_height: float,
        rounding: float,
        rotation: Rotation,
        center: Vector,
    ) -> None:
        polygon = as_polygon(outline, revolved=False)
        position = np.asarray(center, dtype=np.float64)
        self._parts.append(
            Solid(polygon, float(half_height), float(rounding), False, rotation, position)
        )

    def _revolve(
        self,
        profile: Outline,
        rounding: float,
        rotation: Rotation,
        center: Vector,
    ) -> None:
        polygon = as_polygon(profile, revolved=True)
        position = np.asarray(center, dtype=np.float64)
        self._parts.append(Solid(polygon, 0.0, float(rounding), True, rotation, position))


def turn(axis: str, degrees: float) -> Rotation:
    """The right-handed rotation by an angle about a world axis.

    Raises:
        ValueError: for an axis other than "x", "y", "z".
    """
    if axis not in ("x", "y", "z"):
        raise ValueError(f"unknown axis {axis!r}: choose one of x, y, z")
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    first = ("x", "y", "z").index(axis)
    second, third = (first + 1) % 3, (first + 2) % 3
    rotation = np.eye(3)
    rotation[second, second] = rotation[third, third] = cos
    rotation[second, third], rotation[third, second] = -sin, sin
    return rotation


def clipped_rectangle(half_x: float, half_y: float, cut: float) -> list[tuple[float, float]]:
    """The octagon that is left of a rectangle about the origin when its corners are cut off."""
    x, y = half_x - cut, half_y - cut
    return [
        (x, -half_y), (half_x, -y), (half_x, y), (x, half_y),
        (-x, half_y), (-half_x, y), (-half_x, -y), (-x, -half_y),
    ]  # fmt: skip


def _corners(x: float, y: float) -> list[tuple[float, float]]:
    return [(-x, -y), (x, -y), (x, y), (-x, y)]


def _aligned(axis: Vector) -> Rotation:
    """A rotation that takes local y to `axis` and keeps local z near world z (or y)."""
    along = np.asarray(axis, dtype=np.float64)
    along = along / np.linalg.norm(along)
    near = np.array([0.0, 0.0, 1.0]) if abs(along[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    depth = near - along * (along @ near)
    depth /= np.linalg.norm(depth)
    return np.stack([np.cross(along, depth), along, depth], axis=1)


def _frame(start: Vector, end: Vector) -> tuple[Rotation, float, Float64[np.ndarray, "3"]]:
    """Local to world for a bar along local y, its length and its middle.

    Raises:
        ValueError: if the two points coincide.
    """
    first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(last - first))
    if length == 0.0:
        raise ValueError(f"a bar needs two different points, got {first.tolist()} twice")
    return _aligned(last - first), length, 0.5 * (first + last)
