"""Stools of their own making: bentwood, plank-legged, bent tube and shell bar stools; metres.

Y is up, the floor is y = 0.
"""

import math
from collections.abc import Callable

import numpy as np

from model.data.procedural.assembly import Assembly, clipped_rectangle
from model.data.procedural.draws import chance, pick
from model.data.procedural.legs import ringed_legs


def _height(rng: np.random.Generator) -> float:
    """Low, or at a bar's height."""
    return pick(rng, (rng.uniform(0.42, 0.55), rng.uniform(0.62, 0.82)))


def bentwood_stool(rng: np.random.Generator, assembly: Assembly) -> None:
    """A round or eight-sided seat on slim legs that curve outward, tied by one or two rings."""
    height, radius, bar = _height(rng), rng.uniform(0.15, 0.23), rng.uniform(0.012, 0.02)
    thick = rng.uniform(0.03, 0.07)
    if chance(rng, 0.4):
        outline = clipped_rectangle(radius, radius, 0.59 * radius)
        assembly.prism(outline, thick, center=(0, height - 0.5 * thick, 0), plane="xz")
    else:
        assembly.disc((0, height - 0.5 * thick, 0), radius, thick, rounding=0.4 * thick)
    count, wide = int(rng.integers(3, 5)), radius * rng.uniform(0.9, 1.2)
    for index in range(count):
        angle = 2.0 * math.pi * (index + 0.5) / count
        x, z = math.cos(angle), math.sin(angle)
        near, top = 0.82 * radius, height - 0.5 * thick
        path = [(near * x, top, near * z), (near * x, 0.3 * height, near * z),
                (wide * x, bar, wide * z)]  # fmt: skip
        assembly.tube(path, bar)
    for level in pick(rng, ((0.82,), (0.45,), (0.35, 0.85))):
        assembly.ring((0, level * height, 0), 0.82 * radius, 0.85 * bar)


def ringed_stool(rng: np.random.Generator, assembly: Assembly) -> None:
    """A disc on three or four straight round legs that are held by a ring."""
    height, radius, bar = _height(rng), rng.uniform(0.15, 0.22), rng.uniform(0.014, 0.026)
    thick = rng.uniform(0.03, 0.08)
    assembly.disc((0, height - 0.5 * thick, 0), radius, thick, rounding=0.4 * thick)
    spread = rng.uniform(0.5, 0.75) * radius, rng.uniform(0.95, 1.25) * radius
    ringed_legs(rng, assembly, height - 0.5 * thick, spread, bar)


def plank_stool(rng: np.random.Generator, assembly: Assembly) -> None:
    """A square, oblong or round board on four stout slanted legs with low rails."""
    height, width = _height(rng), rng.uniform(0.28, 0.42)
    depth = width * pick(rng, (1.0, rng.uniform(0.6, 0.9)))
    thick, member = rng.uniform(0.035, 0.11), rng.uniform(0.035, 0.075)
    y, under = height - 0.5 * thick, height - 0.5 * thick
    if chance(rng, 0.35):
        assembly.disc((0, y, 0), 0.5 * max(width, depth), thick, rounding=0.15 * thick)
    else:
        assembly.box((width, thick, depth), (0, y, 0), rounding=0.1 * thick)
    inset = 0.5 * member + 0.16 * min(width, depth)
    x, z, splay = 0.5 * width - inset, 0.5 * depth - inset, rng.uniform(0.0, 0.07)
    for side in (-1.0, 1.0):
        for end in (-1.0, 1.0):
            foot = (side * (x + splay), 0.0, end * (z + splay))
            assembly.beam((side * x, under, end * z), foot, member, member)
    level, rail = rng.uniform(0.2, 0.45), 0.75 * member
    across, along = x + splay * (1.0 - level), z + splay * (1.0 - level)
    raised = pick(rng, (0.0, 0.14))
    for sign in (-1.0, 1.0):
        low, high = level * height, (level + raised) * height
        assembly.beam((-across, low, sign * along), (across, low, sign * along), rail, rail)
        grip = sign * (x + splay * (1.0 - level - raised))
        assembly.beam((grip, high, -along), (grip, high, along), rail, rail)
    if chance(rng, 0.4):
        drop = rng.uniform(0.04, 0.09)
        size = (2.0 * x + 0.8 * member, drop + thick, 2.0 * z + 0.8 * member)
        assembly.box(size, (0, height - 0.6 * thick - 0.5 * drop, 0))


def tube_stool(rng: np.random.Generator, assembly: Assembly) -> None:
    """A thin board over two bent tubes, tied by rungs."""
    height, half, bar = _height(rng), rng.uniform(0.15, 0.2), rng.uniform(0.012, 0.02)
    splay, deep = rng.uniform(0.0, 0.06), rng.uniform(0.13, 0.18)
    for side in (-half, half):
        foot = side + math.copysign(splay, side)
        low, top, end = height - 0.05, height - 0.01, deep + splay
        path = [(foot, bar, end), (side, low, deep), (side, top, 0.8 * deep),
                (side, top, -0.8 * deep), (side, low, -deep), (foot, bar, -end)]  # fmt: skip
        assembly.tube(path, bar)
    assembly.box((2.0 * half + 0.03, 0.03, 2.0 * deep), (0, height, 0), rounding=0.008)
    level = rng.uniform(0.2, 0.4)
    x, z = half + splay * (1.0 - level), deep + splay * (1.0 - level)
    for sign in (-1.0, 1.0):
        y = level * height
        assembly.capsule((-x, y, sign * z), (x, y, sign * z), bar)
        assembly.capsule((sign * x, y, -z), (sign * x, y, z), bar)


def shell_stool(rng: np.random.Generator, assembly: Assembly) -> None:
    """A bowl-shaped seat, or one with a low rounded back, on a trumpet foot with a foot ring."""
    height, radius = rng.uniform(0.58, 0.78), rng.uniform(0.17, 0.23)
    deep = rng.uniform(0.08, 0.14)
    bowl = [(0.0, -deep), (0.5, -0.8 * deep), (0.85, -0.4 * deep), (1.0, 0.0), (0.88, 0.01),
            (0.6, -0.3 * deep), (0.0, -0.5 * deep)]  # fmt: skip
    profile = [(r * radius, height + y) for r, y in bowl]
    assembly.lathe(profile, rounding=0.012)
    if chance(rng, 0.6):
        rise = rng.uniform(0.08, 0.2)
        for angle in np.radians(np.linspace(-60.0, 60.0, 9)).tolist():
            x, z = 0.95 * radius * math.sin(angle), -0.95 * radius * math.cos(angle)
            tall = rise * math.cos(0.8 * angle)
            assembly.capsule((x, height - 0.02, z), (1.1 * x, height + tall, 1.15 * z),
                             0.2 * radius)  # fmt: skip
    pole, foot = rng.uniform(0.025, 0.035), rng.uniform(0.16, 0.21)
    assembly.rod((0, 0.01, 0), (0, height - 0.6 * deep, 0), pole)
    assembly.rod((0, 0, 0), (0, rng.uniform(0.04, 0.1), 0), foot, 1.2 * pole)
    assembly.rod((0, height - 0.3, 0), (0, height - 0.6 * deep, 0), pole, 1.8 * pole)
    if chance(rng, 0.7):
        y, ring = rng.uniform(0.2, 0.3), rng.uniform(0.09, 0.13)
        assembly.ring((0, y, 0), ring, 0.013)
        assembly.capsule((0, y, -ring), (0, y, ring), 0.013)


_Stool = Callable[[np.random.Generator, Assembly], None]

STOOLS: tuple[tuple[_Stool, ...], tuple[float, ...]] = (
    (bentwood_stool, ringed_stool, plank_stool, tube_stool, shell_stool),
    (1.0, 0.7, 1.5, 0.7, 0.8),
)
"""Builders and how often each is drawn."""
