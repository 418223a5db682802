"""One rigidly posed solid: an extruded or revolved polygon, rounded outward."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

MAX_VERTICES = 8
"""Most vertices of one polygon; longer outlines are written as several solids."""

Polygon = tuple[tuple[float, float], ...]
"""Vertices (x, y), counter-clockwise, each once."""


@dataclass(frozen=True, slots=True)
class Solid:
    """A 2D polygon made solid in its local frame, then grown by `rounding` and posed.

    An *extrusion* is {(x, y, z): (x, y) in polygon, |z| <= half_height}; a *revolution* is the
    polygon of the half plane x >= 0 turned about the local y axis (`half_height` is then 0).
    Polygons may degenerate to a point (sphere, ring) or a segment (capsule, open shade).

    Attributes:
        polygon: 1 to 8 vertices of a simple polygon, counter-clockwise.
        half_height: half the extrusion's length before rounding.
        rounding: radius of the ball that the body is grown by.
        revolved: whether the polygon is turned about y instead of extruded along z.
        rotation: local to world, a proper rotation.
        center: the local origin in the world.

    Raises:
        ValueError: if the solid has no volume or a negative measure.
    """

    polygon: Polygon
    half_height: float
    rounding: float
    revolved: bool
    rotation: Float64[np.ndarray, "3 3"]
    center: Float64[np.ndarray, "3"]

    def __post_init__(self) -> None:
        if self.rounding < 0.0 or self.half_height < 0.0:
            raise ValueError(
                f"negative measure: rounding {self.rounding}, half height {self.half_height}"
            )
        flat = signed_area(self.polygon) == 0.0 or (not self.revolved and self.half_height == 0.0)
        if flat and self.rounding == 0.0:
            raise ValueError("solid without volume: give every side a positive length")

    @property
    def is_rectangle(self) -> bool:
        """Whether the polygon is a rectangle about the local origin, or a revolution's half of one.

        Then it is {|x| <= max x, |y| <= max y}; segments on the turning axis and the origin count.
        """
        half_x, half_y = (max(vertex[axis] for vertex in self.polygon) for axis in (0, 1))
        low_x = 0.0 if self.revolved else -half_x
        corners = {(x, y) for x in (low_x, half_x) for y in (-half_y, half_y)}
        return set(self.polygon) == corners

    def posed(
        self, rotation: Float64[np.ndarray, "3 3"], offset: Float64[np.ndarray, "3"]
    ) -> "Solid":
        """The solid turned about the world's origin, then moved."""
        center = rotation @ self.center + offset
        return replace(self, rotation=rotation @ self.rotation, center=center)

    def mirrored_x(self) -> "Solid":
        """The mirror image in the plane x = 0.

        Both kinds of solid are symmetric in local z, so flipping z turns the reflection into a
        proper rotation.
        """
        mirror, flip = np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, 1.0, -1.0])
        return replace(self, rotation=mirror @ self.rotation @ flip, center=mirror @ self.center)

    def edges(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """Start and end of each edge that bounds the solid.

        A revolved polygon's edges on the axis lie inside the solid: they collapse to their start.
        """
        hollow = self.revolved and abs(signed_area(self.polygon)) > 0.0
        ends = (*self.polygon[1:], self.polygon[0])
        return [
            (start, start if hollow and start[0] == end[0] == 0.0 else end)
            for start, end in zip(self.polygon, ends, strict=True)
        ]

    def arcs(self) -> list[tuple[float, float]]:
        """Each vertex's fan of outward normals: first angle and turn, in radians.

        The turn is the exterior angle, 0 at a reflex vertex (its offset edges meet without an arc).
        """
        if len(self.polygon) == 1:
            return [(0.0, 2.0 * math.pi)]
        ends = (*self.polygon[1:], self.polygon[0])
        headings = [
            math.atan2(end[1] - start[1], end[0] - start[0])
            for start, end in zip(self.polygon, ends, strict=True)
        ]
        arcs = []
        for before, after in zip((headings[-1], *headings[:-1]), headings, strict=True):
            turn = (after - before + math.pi) % (2.0 * math.pi) - math.pi
            turn = math.pi if turn < 1e-9 - math.pi else max(turn, 0.0)
            arcs.append((before - 0.5 * math.pi, turn))
        return arcs


def signed_area(polygon: Sequence[tuple[float, float]]) -> float:
    """Area of a simple polygon, positive where its vertices run counter-clockwise."""
    ends = (*polygon[1:], polygon[0])
    return 0.5 * sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, ends, strict=True))


def as_polygon(vertices: Sequence[Sequence[float | int]], *, revolved: bool) -> Polygon:
    """Check a vertex list, drop repeated neighbours and order it counter-clockwise.

    Raises:
        ValueError: for 0 or more than 8 vertices, or a revolved polygon that crosses its axis.
    """
    points = [(float(vertex[0]), float(vertex[1])) for vertex in vertices]
    polygon = tuple(
        point
        for index, point in enumerate(points)
        if len(points) == 1 or point != points[index - 1]
    )
    if not 1 <= len(polygon) <= MAX_VERTICES:
        raise ValueError(
            f"polygon needs 1 to {MAX_VERTICES} vertices, got {len(polygon)}; "
            "write a longer outline as several solids"
        )
    if revolved and min(x for x, _ in polygon) < 0.0:
        raise ValueError("profile crosses its axis: every radius must be >= 0")
    return polygon if signed_area(polygon) >= 0.0 else polygon[::-1]
