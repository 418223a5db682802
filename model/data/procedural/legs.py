"""Legs and the rails between them, shared by tables, chairs and sofas."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.draws import chance, pick

Point = tuple[float, float, float]

LegStyle = Callable[[Assembly, Point, Point, float], None]
"""Adds one leg from its top to its foot, about as thick as the last argument."""


def square_leg(assembly: Assembly, top: Point, foot: Point, thickness: float) -> None:
    """A bar of square section."""
    assembly.beam(top, foot, thickness, thickness)


def tapered_leg(assembly: Assembly, top: Point, foot: Point, thickness: float) -> None:
    """A bar that narrows sideways towards its foot."""
    assembly.beam(top, foot, 1.25 * thickness, thickness, end_width=0.7 * thickness)


def round_leg(assembly: Assembly, top: Point, foot: Point, thickness: float) -> None:
    """A cylinder."""
    assembly.rod(top, foot, 0.5 * thickness)


def conical_leg(assembly: Assembly, top: Point, foot: Point, thickness: float) -> None:
    """A cylinder that narrows towards its foot."""
    assembly.rod(top, foot, 0.62 * thickness, 0.36 * thickness)


def turned_leg(assembly: Assembly, top: Point, foot: Point, thickness: float) -> None:
    """A lathe-turned leg: a block, a slim waist, a belly and a ball foot."""
    first, last = np.asarray(top), np.asarray(foot)
    length = float(np.linalg.norm(first - last))
    slim, wide = 0.36 * thickness, 0.6 * thickness
    profile = [(0, 0), (slim, 0), (slim, 0.15), (wide, 0.45), (slim, 0.72), (slim, 0.8), (0, 0.8)]
    outline = [(radius, share * length) for radius, share in profile]
    assembly.lathe(outline, base=foot, axis=first - last)
    assembly.beam(first, first + (last - first) * 0.25, 1.1 * thickness, 1.1 * thickness)
    for share in (0.08, 0.7):
        assembly.sphere(last + (first - last) * share, 0.55 * thickness)


def curved_leg(assembly: Assembly, top: Point, foot: Point, thickness: float) -> None:
    """A cabriole: out at the knee, in at the ankle, out again at the foot."""
    first, last = np.asarray(top), np.asarray(foot)
    first = first - np.array([0.0, 0.3 * thickness, 0.0])
    out = np.array([first[0], 0.0, first[2]])
    out *= thickness / max(float(np.linalg.norm(out)), 1e-6)
    knee = first + (last - first) * 0.25 + 0.8 * out
    ankle = first + (last - first) * 0.8 - 0.1 * out
    toe = last + np.array([0.0, 0.4 * thickness, 0.0]) + 0.4 * out
    assembly.tube([first, knee, ankle, toe], 0.45 * thickness)


LEG_STYLES: tuple[LegStyle, ...] = (
    square_leg,
    tapered_leg,
    round_leg,
    conical_leg,
    turned_leg,
    curved_leg,
)


def corner_legs(
    assembly: Assembly,
    style: LegStyle,
    half_extents: tuple[float, float],
    top: float,
    thickness: float,
    splay: tuple[float, float],
) -> list[Point]:
    """Four legs from height `top` to the floor at (+-x, +-z); returns their feet.

    Feet stand `splay` (x, z) outside their tops. The order is front right, front left, back left,
    back right (front is +z, right is +x).
    """
    feet = []
    for side, front in ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)):
        x, z = side * half_extents[0], front * half_extents[1]
        foot = (x + side * splay[0], 0.0, z + front * splay[1])
        style(assembly, (x, top, z), foot, thickness)
        feet.append(foot)
    return feet


def ringed_legs(
    rng: np.random.Generator,
    assembly: Assembly,
    top: float,
    spread: tuple[float, float],
    radius: float,
) -> None:
    """Three or four round legs in a circle, `spread` (top, floor) from the axis, held by a ring."""
    count, level = int(rng.integers(3, 5)), rng.uniform(0.25, 0.5)
    narrow, wide = spread
    for angle in 2.0 * np.pi * (np.arange(count) / count + 0.125):
        ray = np.array([math.cos(angle), 0.0, math.sin(angle)])
        assembly.rod(narrow * ray + (0.0, top, 0.0), wide * ray, radius)
    ring = wide + (narrow - wide) * level
    assembly.ring((0, level * top, 0), ring, 0.9 * radius)


def stretchers(
    rng: np.random.Generator,
    assembly: Assembly,
    half_extents: tuple[float, float],
    top: float,
    splay: tuple[float, float],
    thickness: float,
) -> None:
    """Rails between four corner legs: around, as an H, as an X, or on two sides."""
    level = rng.uniform(0.18, 0.45)
    share = 1.0 - level
    x, z = half_extents[0] + share * splay[0], half_extents[1] + share * splay[1]
    y = level * top
    bars = {
        "around": [(x, z, -x, z), (-x, z, -x, -z), (-x, -z, x, -z), (x, -z, x, z)],
        "h": [(x, -z, x, z), (-x, -z, -x, z), (-x, 0.0, x, 0.0)],
        "x": [(x, -z, -x, z), (x, z, -x, -z)],
        "sides": [(x, -z, x, z), (-x, -z, -x, z)],
    }
    chosen = bars[pick(rng, ("around", "h", "x", "sides"))]
    rails(assembly, [((a, y, b), (c, y, d)) for a, b, c, d in chosen], thickness, chance(rng, 0.4))


def rails(
    assembly: Assembly, bars: Sequence[tuple[Point, Point]], thickness: float, round_: bool
) -> None:
    """Straight bars, round or square."""
    for start, end in bars:
        if round_:
            assembly.rod(start, end, 0.5 * thickness)
        else:
            assembly.beam(start, end, thickness, thickness)
