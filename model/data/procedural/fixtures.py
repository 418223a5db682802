"""Fixed lamps of their own making: caged pendants, stone and box lanterns, street lights; metres.

Y is up; hanging lamps reach down from a ceiling plate, wall lamps stand out to +z.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np

from model.data.procedural.assembly import Assembly, clipped_rectangle, turn
from model.data.procedural.draws import chance, pick

Fixture = Callable[[np.random.Generator, Assembly], None]


def _cage(kind: str, radius: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The edges of a cube, an octahedron or an icosahedron about the origin."""
    golden = 0.5 * (1.0 + math.sqrt(5.0))
    signs = (-1.0, 1.0)
    if kind == "cube":
        points = [np.array(corner) for corner in itertools.product(signs, repeat=3)]
    elif kind == "octahedron":
        points = [side * axis for axis in np.eye(3) for side in signs]
    else:
        points = [np.roll([0.0, a, b * golden], shift) for a in signs for b in signs
                  for shift in range(3)]  # fmt: skip
    points = [radius * point / np.linalg.norm(point) for point in points]
    pairs = list(itertools.combinations(points, 2))
    nearest = min(float(np.linalg.norm(a - b)) for a, b in pairs)
    return [(a, b) for a, b in pairs if np.linalg.norm(a - b) < 1.01 * nearest]


def caged_pendant(rng: np.random.Generator, assembly: Assembly) -> None:
    """One to three wire cages, or glass cubes, around bulbs that hang from a plate or a bar."""
    count = pick(rng, (1, 1, 2, 3))
    radius, drop = rng.uniform(0.16, 0.26), rng.uniform(0.25, 0.7)
    bar, plate = rng.uniform(0.016, 0.024), rng.uniform(0.035, 0.05)
    kind = pick(rng, ("cube", "octahedron", "icosahedron", "glass"))
    tilt = turn("z", rng.uniform(0.0, 60.0)) @ turn("x", rng.uniform(0.0, 60.0))
    pitch = rng.uniform(2.2, 2.8) * radius
    if count == 1:
        assembly.disc((0, 0, 0), rng.uniform(0.07, 0.14), plate)
    else:
        assembly.box(((count - 0.4) * pitch, plate, 0.12), (0, 0, 0), rounding=0.01)
    for index in range(count):
        center = np.array([(index - 0.5 * (count - 1)) * pitch, -drop - radius, 0.0])
        if kind == "glass":
            assembly.box((1.4 * radius, 1.4 * radius, 1.4 * radius), center)
            for low in (-0.7, 0.7):
                size = (1.55 * radius, 0.16 * radius, 1.55 * radius)
                assembly.box(size, center + np.array([0.0, low * radius, 0.0]))
        else:
            for start, end in _cage(kind, radius):
                assembly.capsule(tilt @ start + center, tilt @ end + center, bar)
            assembly.sphere(center, 0.28 * radius)
            reach = tilt @ _cage(kind, radius)[0][0]
            assembly.capsule(center, center + reach, bar)
        assembly.rod(center, (center[0], 0, 0), bar)


def stone_lantern(rng: np.random.Generator, assembly: Assembly) -> None:
    """A garden lantern: a pillar, a fire box on posts, a broad roof and a knob."""
    height, wide = rng.uniform(0.3, 0.8), rng.uniform(0.09, 0.16)
    round_, top = chance(rng, 0.5), rng.uniform(1.3, 1.7) * wide
    if round_:
        assembly.rod((0, 0, 0), (0, 0.12 * height, 0), 1.5 * wide, 1.2 * wide)
        assembly.rod((0, 0, 0), (0, height, 0), wide, 0.85 * wide)
        assembly.disc((0, height, 0), top, 0.07, rounding=0.02)
    else:
        narrow = rng.uniform(0.6, 1.0)
        assembly.beam((0, 0, 0), (0, height, 0), 2.4 * wide, 2.0 * wide,
                      end_width=2.4 * narrow * wide)  # fmt: skip
        assembly.box((2.0 * top, 0.06, 2.0 * top), (0, height, 0))
    box = rng.uniform(0.14, 0.22)
    for x, z in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        place = 0.55 * wide
        assembly.box((0.05, box + 0.05, 0.05), (x * place, height + 0.5 * box, z * place))
    if chance(rng, 0.5):
        assembly.box((0.8 * wide, box + 0.03, 0.8 * wide), (0, height + 0.5 * box, 0))
    y, rise, eaves = height + box, rng.uniform(0.08, 0.16), rng.uniform(1.5, 2.2) * wide
    if round_ or chance(rng, 0.3):
        assembly.rod((0, y, 0), (0, y + rise, 0), eaves, 0.3 * eaves)
    else:
        for angle in (0.0, 90.0):
            roof = Assembly()
            roof.beam((0, 0, 0), (0, rise, 0), 2.0 * eaves, 0.9 * eaves, end_width=0.9 * eaves)
            assembly.add(roof.posed(turn("y", angle), (0, y, 0)))
        assembly.box((2.0 * eaves, 0.05, 2.0 * eaves), (0, y, 0))
    assembly.sphere((0, y + rise + 0.02, 0), 0.4 * wide)


def box_lantern(rng: np.random.Generator, assembly: Assembly) -> None:
    """A square lantern, open between broad posts or closed by panels, with a stepped lid."""
    height, half = rng.uniform(0.22, 0.36), rng.uniform(0.1, 0.15)
    post = rng.uniform(0.024, 0.045)
    for y, grow in ((0.5 * post, 1.1), (height, 1.1), (height + 0.9 * post, 0.7)):
        size = 2.0 * half * grow
        assembly.box((size, 1.2 * post, size), (0, y, 0))
    for x, z in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        inset = half - 0.5 * post
        assembly.box((post, height, post), (x * inset, 0.5 * height, z * inset))
    if chance(rng, 0.5):
        inner = 2.0 * half - 1.2 * post
        assembly.box((inner, height, inner), (0, 0.5 * height, 0))
    else:
        tall = rng.uniform(0.35, 0.75) * height
        assembly.rod((0, 0, 0), (0, tall, 0), rng.uniform(0.3, 0.5) * half)
    top = height + 1.2 * post
    loop = [(-0.25 * half, top, 0), (-0.25 * half, top + 0.4 * half, 0),
            (0.25 * half, top + 0.4 * half, 0), (0.25 * half, top, 0)]  # fmt: skip
    assembly.tube(loop, 0.016)


def bracket_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A post with one or two brackets that hold hanging box lanterns."""
    height, post = rng.uniform(1.2, 2.4), rng.uniform(0.03, 0.06)
    base = rng.uniform(2.0, 3.2) * post
    assembly.beam((0, 0, 0), (0, 0.12 * height, 0), 2.0 * base, 2.0 * base, end_width=3.0 * post)
    assembly.beam((0, 0, 0), (0, height, 0), 2.0 * post, 2.0 * post)
    reach, size = rng.uniform(0.2, 0.36), rng.uniform(0.14, 0.22)
    parts = Assembly()
    top = height - 0.1
    for side in (-1.0, 1.0) if chance(rng, 0.4) else (1.0,):
        x = side * (reach + 0.4 * size)
        parts.beam((0, top, 0), (x, top, 0), 1.4 * post, 1.4 * post)
        parts.beam((0, top - 0.25, 0), (0.7 * x, top, 0), 1.1 * post, 1.1 * post)
        parts.rod((x, top - 0.12, 0), (x, top, 0), 0.6 * post)
        parts.box((size, 1.3 * size, size), (x, top - 0.1 - 0.65 * size, 0))
        for y in (top - 0.1, top - 0.1 - 1.3 * size):
            parts.box((1.25 * size, 0.2 * size, 1.25 * size), (x, y, 0))
    assembly.add(parts.posed(turn("y", pick(rng, (0.0, 90.0, 180.0)))))


def street_light(rng: np.random.Generator, assembly: Assembly) -> None:
    """A tall slim mast with one or two flat heads on straight or bent arms."""
    height, mast = rng.uniform(3.0, 4.4), rng.uniform(0.05, 0.08)
    foot = rng.uniform(0.2, 0.9)
    assembly.rod((0, 0, 0), (0, foot, 0), 1.7 * mast)
    assembly.rod((0, 0, 0), (0, height, 0), 1.2 * mast, 0.9 * mast)
    reach, rise = rng.uniform(0.4, 1.3), rng.uniform(-0.05, 0.35)
    parts = Assembly()
    for side in (-1.0, 1.0) if chance(rng, 0.4) else (1.0,):
        bend = (0.25 * side * reach, height + 0.7 * rise, 0)
        tip = (side * reach, height + rise, 0)
        parts.tube([(0, height - 0.02, 0), bend, tip], 0.75 * mast)
        end = (side * (reach + rng.uniform(0.3, 0.6)), height + rise + 0.05 * rise, 0)
        parts.beam(tip, end, 0.1, rng.uniform(0.16, 0.26), rounding=0.02)
    assembly.add(parts.posed(turn("y", pick(rng, (0.0, 90.0, 180.0, 270.0)))))


def flush_light(rng: np.random.Generator, assembly: Assembly) -> None:
    """Close under the ceiling: a thin panel, an eight-sided plate, or a drum in a strapped ring."""
    kind = pick(rng, ("panel", "facets", "straps", "dish"))
    radius, tall = rng.uniform(0.22, 0.34), rng.uniform(0.05, 0.14)
    if kind == "panel":
        long = rng.uniform(1.0, 2.6) * radius
        assembly.box((2.0 * long, 0.06, radius), (0, 0, 0))
        for z in np.linspace(-0.3, 0.3, 3).tolist():
            assembly.rod(
                (-0.96 * long, -0.025, z * radius), (0.96 * long, -0.025, z * radius), 0.025
            )
    elif kind == "facets":
        for share, low in ((1.0, 0.0), (rng.uniform(0.6, 0.85), -0.7 * tall)):
            reach = share * radius
            outline = clipped_rectangle(reach, reach, 0.59 * reach)
            assembly.prism(outline, tall, center=(0, low, 0), plane="xz")
    elif kind == "dish":
        edge = rng.uniform(0.2, 0.6) * tall
        profile = [(0.0, -tall), (0.5, -0.85 * tall), (1.0, 0.0), (1.0, edge), (0.0, edge)]
        assembly.lathe([(r * radius, y) for r, y in profile])
    else:
        assembly.disc((0, 0, 0), radius, 0.05)
        assembly.rod((0, -2.0 * tall, 0), (0, 0, 0), 0.7 * radius, 0.85 * radius)
        assembly.ring((0, -1.4 * tall, 0), 0.93 * radius, 0.025)
        for angle in np.arange(4) * 0.5 * math.pi + 0.25 * math.pi:
            x, z = 0.93 * radius * math.cos(angle), 0.93 * radius * math.sin(angle)
            assembly.capsule((x, -1.5 * tall, z), (x, 0, z), 0.025)
            assembly.capsule((x, -1.4 * tall, z), (0.6 * x, -1.4 * tall, 0.6 * z), 0.02)


def bulkhead_light(rng: np.random.Generator, assembly: Assembly) -> None:
    """A round or oblong wall light behind a cage of bars."""
    radius, deep = rng.uniform(0.12, 0.2), rng.uniform(0.06, 0.13)
    if chance(rng, 0.6):
        assembly.disc((0, 0, 0), radius, 0.05, axis=(0, 0, 1))
        assembly.rod((0, 0, 0), (0, 0, deep), 0.85 * radius, 0.6 * radius, rounding=0.3 * deep)
        assembly.ring((0, 0, 0.03), radius, 0.02, axis=(0, 0, 1))
        assembly.ring((0, 0, deep), 0.45 * radius, 0.015, axis=(0, 0, 1))
        bend = 0.75 * radius
    else:
        assembly.box((1.5 * radius, 2.4 * radius, 0.05), (0, 0, 0), rounding=0.02)
        assembly.box((1.1 * radius, 1.9 * radius, 2.0 * deep), (0, 0, 0), rounding=0.04)
        bend = 0.6 * radius
    first = pick(rng, (0.0, 0.25 * math.pi))
    for angle in (0.0, 0.5 * math.pi):
        x, y = math.cos(angle + first), math.sin(angle + first)
        for side in (-1.0, 1.0):
            knee = (side * x * bend, side * y * bend, deep + 0.005)
            rim = (side * x * radius * 0.95, side * y * radius * 0.95, 0.0)
            assembly.tube([(0, 0, deep + 0.005), knee, rim], 0.015)


def torch_light(rng: np.random.Generator, assembly: Assembly) -> None:
    """A wall torch: a plate, a bracket and a cone that ends in a point, with a flame or bowl."""
    size = rng.uniform(0.06, 0.1)
    tall, out = rng.uniform(3.0, 6.0) * size, rng.uniform(1.2, 2.0) * size
    assembly.disc((0, 0, 0), rng.uniform(0.8, 1.2) * size, 0.03, axis=(0, 0, 1))
    assembly.capsule((0, 0, 0), (0, 0, out), 0.25 * size)
    assembly.rod((0, -tall, out), (0, 0.6 * size, out), 0.3 * size, rng.uniform(0.65, 0.9) * size)
    for level in (0.5, -0.4):
        assembly.disc((0, level * size, out), 0.9 * size, 0.4 * size, rounding=0.15 * size)
    if chance(rng, 0.6):
        flame = [(0, 0), (0.4, 0.4), (0.45, 0.8), (0.2, 1.6), (0, 2.0)]
        assembly.lathe([(r * size, 0.5 * size + y * size) for r, y in flame], base=(0, 0, out))
    else:
        assembly.sphere((0, 1.1 * size, out), 0.8 * size)


def candle_hoop(rng: np.random.Generator, assembly: Assembly) -> None:
    """A broad hoop with candles, hung high on slanted rods."""
    radius, drop, bar = rng.uniform(0.28, 0.45), rng.uniform(0.3, 0.75), rng.uniform(0.016, 0.022)
    band = rng.uniform(0.025, 0.045)
    assembly.ring((0, 0, 0), radius, band)
    count, rods = int(rng.integers(5, 10)), int(rng.integers(3, 5))
    tall = rng.uniform(0.06, 0.14)
    for index in range(count):
        angle = 2.0 * math.pi * index / count
        x, z = radius * math.cos(angle), radius * math.sin(angle)
        assembly.rod((x, 0, z), (x, tall, z), 0.03)
    for index in range(rods):
        angle = 2.0 * math.pi * (index + 0.5) / rods
        place = (radius * math.cos(angle), 0.0, radius * math.sin(angle))
        assembly.capsule(place, (0, drop, 0), 0.8 * bar)
    assembly.rod((0, drop - 0.03, 0), (0, drop + 0.12, 0), 2.2 * bar)


FIXTURES: tuple[tuple[Fixture, ...], tuple[float, ...]] = (
    (caged_pendant, stone_lantern, box_lantern, bracket_lamp, street_light, flush_light,
     bulkhead_light, torch_light, candle_hoop),
    (1.5, 1.0, 1.0, 1.0, 1.5, 1.5, 0.6, 0.5, 0.7),
)  # fmt: skip
"""Builders and how often each is drawn."""
