"""What shines on a lamp: shades about a pole, lantern heads, a chandelier's lights."""

import numpy as np

from model.data.procedural.assembly import Assembly, Vector
from model.data.procedural.draws import chance, pick

_SHADES = (
    ("drum", "cone", "flare", "ball", "bell", "solid", "square", "pagoda"),
    (2.0, 3.0, 0.7, 1.2, 1.0, 1.0, 1.0, 0.7),
)


def shade(
    rng: np.random.Generator,
    assembly: Assembly,
    base: Vector,
    height: float,
    radius: float,
    pole: float,
) -> None:
    """A shade about a vertical axis whose lower rim is at `base`, held by bars or a lid inside.

    `pole` is the radius of the lamp's pole: the shade's wall is about as thick.
    """
    x, y, z = (float(value) for value in base)
    top = (x, y + height, z)
    wall = max(rng.uniform(0.07, 0.11) * max(radius, 0.6 * height), 1.8 * pole)
    kind = pick(rng, *_SHADES)
    narrow = {"drum": 1.0, "cone": rng.uniform(0.4, 0.75), "flare": rng.uniform(1.2, 1.5)}
    if kind in narrow:
        upper = narrow[kind] * radius
        assembly.shade(base, top, radius, upper, wall)
        level = y + rng.uniform(0.3, 0.9) * height
        span = radius + (upper - radius) * (level - y) / height
        if chance(rng, 0.4):
            assembly.disc((x, level, z), span, wall)
        else:
            assembly.rod((x - span, level, z), (x + span, level, z), 0.5 * wall)
            assembly.rod((x, level, z - span), (x, level, z + span), 0.5 * wall)
        assembly.rod(base, (x, level, z), wall)
    elif kind == "ball":
        assembly.sphere((x, y + 0.5 * height, z), 0.5 * (0.5 * height + radius))
    elif kind == "bell":
        middle = (x, y + 0.45 * height, z)
        assembly.shade(base, middle, radius, 0.8 * radius, wall)
        assembly.shade(middle, top, 0.8 * radius, 0.25 * radius, wall)
        assembly.rod(base, top, 0.3 * radius)
    elif kind == "solid":
        rounding = 0.2 * min(radius, height)
        assembly.rod(base, top, radius, rng.uniform(0.5, 1.0) * radius, rounding=rounding)
    elif kind == "square":
        upper = rng.uniform(0.55, 1.0) * radius
        assembly.beam(base, top, 1.8 * radius, 1.6 * radius, end_width=1.8 * upper)
    else:
        assembly.rod(base, (x, y + 0.55 * height, z), radius, 0.5 * radius)
        assembly.rod((x, y + 0.5 * height, z), top, 0.65 * radius, 0.15 * radius)


def lantern_head(rng: np.random.Generator, assembly: Assembly, base: Vector, size: float) -> None:
    """A lamp head that stands on `base`: a globe, a tapered lantern with a roof, or a box."""
    x, y, z = (float(value) for value in base)
    kind = pick(rng, ("globe", "tapered", "box", "acorn"))
    if kind == "globe":
        assembly.sphere((x, y + size, z), size)
        assembly.disc((x, y + 0.05 * size, z), 0.55 * size, 0.35 * size)
        assembly.disc((x, y + 2.0 * size, z), 0.35 * size, 0.3 * size)
    elif kind == "tapered":
        assembly.rod((x, y, z), (x, y + 1.5 * size, z), 0.5 * size, 0.85 * size)
        assembly.rod((x, y + 1.45 * size, z), (x, y + 2.0 * size, z), 1.1 * size, 0.25 * size)
        assembly.sphere((x, y + 2.1 * size, z), 0.22 * size)
    elif kind == "box":
        assembly.box((1.1 * size, 1.5 * size, 1.1 * size), (x, y + 0.75 * size, z))
        roof = (x, y + 1.6 * size, z)
        assembly.box((1.5 * size, 0.3 * size, 1.5 * size), roof)
        assembly.rod(roof, (x, y + 2.1 * size, z), 0.5 * size, 0.2 * size)
    else:
        profile = [(0, 0), (0.45, 0), (0.85, 0.6), (0.9, 1.1), (0.6, 1.6), (0.2, 1.9), (0, 2.1)]
        assembly.lathe([(r * size, h * size) for r, h in profile], base=base)


def candle(assembly: Assembly, light: str, base: tuple[float, float, float], size: float) -> None:
    """One light of a chandelier, standing on its arm's end."""
    x, y, z = base
    if light == "candle":
        assembly.disc((x, y, z), size, 0.03)
        assembly.rod((x, y, z), (x, y + 2.2 * size, z), 0.45 * size)
    elif light == "globe":
        assembly.sphere((x, y + 0.6 * size, z), 1.1 * size)
    elif light == "cup":
        assembly.rod((x, y - 0.2 * size, z), (x, y + 1.6 * size, z), 0.5 * size, 1.2 * size)
    else:
        assembly.rod((x, y, z), (x, y + size, z), 0.4 * size)
        assembly.rod((x, y + 0.8 * size, z), (x, y + 2.4 * size, z), 1.3 * size, 0.7 * size)
