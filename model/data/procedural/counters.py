"""Tables that are furniture of another kind: counters, corner desks, benches, game tables; metres.

Y is up, width along x, front towards +z, the floor is y = 0.
"""

from collections.abc import Callable

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.draws import chance, pick
from model.data.procedural.legs import LEG_STYLES, corner_legs

Piece = Callable[[np.random.Generator, Assembly], None]


def corner_desk(rng: np.random.Generator, assembly: Assembly) -> None:
    """An L-shaped desk on panels, open or closed in front."""
    width, depth, height = rng.uniform(1.3, 1.9), rng.uniform(0.5, 0.7), rng.uniform(0.7, 0.8)
    wing, board = rng.uniform(0.9, 1.5), rng.uniform(0.05, 0.1)
    side = pick(rng, (-1.0, 1.0))
    x = side * 0.5 * (width - depth)
    y, under = height - 0.5 * board, height - 0.5 * board
    assembly.box((width, board, depth), (0, y, 0))
    reach = depth + wing
    assembly.box((depth, board, reach), (x, y, 0.5 * (reach - depth)))
    front, end = -0.5 * depth + 0.08, reach - 0.5 * depth - 0.08
    thick = rng.uniform(0.05, 0.08)
    assembly.box((thick, under, 0.92 * depth), (-side * (0.5 * width - 0.06), 0.5 * under, 0))
    assembly.box((0.92 * depth, under, thick), (x, 0.5 * under, end))
    drop = rng.uniform(0.4, 1.0) * under
    low = under - 0.5 * drop
    assembly.box((width - 0.1, drop, thick), (0, low, front))
    outer = side * (0.5 * width - 0.08)
    assembly.box((thick, drop, reach - 0.12), (outer, low, 0.5 * (reach - depth)))
    assembly.box((0.08, under, 0.08), (outer, 0.5 * under, front))


def counter(rng: np.random.Generator, assembly: Assembly) -> None:
    """A closed body under an overhanging top: a bar or shop counter, some with shelves behind."""
    width, depth, height = rng.uniform(1.2, 2.4), rng.uniform(0.45, 0.7), rng.uniform(0.6, 1.1)
    board, wall = rng.uniform(0.04, 0.1), rng.uniform(0.05, 0.08)
    assembly.box((width, board, depth), (0, height - 0.5 * board, 0), rounding=0.1 * board)
    inner, under = width * rng.uniform(0.88, 0.99), height - 0.5 * board
    if chance(rng, 0.35):
        assembly.box((inner, under, 0.9 * depth), (0, 0.5 * under, 0))
        for x in (np.arange(3) - 1.0) * inner / 3.0:
            size = (0.27 * inner, 0.7 * under, 0.06)
            assembly.box(size, (float(x), 0.48 * under, 0.45 * depth))
        return
    assembly.box((inner, under, wall), (0, 0.5 * under, -0.4 * depth))
    for x in (-0.5, 0.5) if chance(rng, 0.5) else (-0.5, 0.0, 0.5):
        assembly.box((wall, under, 0.9 * depth), (x * (inner - wall), 0.5 * under, 0))
    for level in pick(rng, ((0.1,), (0.08, 0.5), (0.35, 0.7))):
        assembly.box((inner, wall, 0.85 * depth), (0, level * under + 0.5 * wall, 0))


def bench_table(rng: np.random.Generator, assembly: Assembly) -> None:
    """A very long, or very low, board on short legs, panels or trestles."""
    long = chance(rng, 0.6)
    width = rng.uniform(2.0, 3.6) if long else rng.uniform(1.1, 1.6)
    height = rng.uniform(0.45, 0.8) if long else rng.uniform(0.2, 0.32)
    depth = rng.uniform(0.35, 0.7) if long else rng.uniform(0.6, 0.9)
    board, member = rng.uniform(0.06, 0.1), rng.uniform(0.07, 0.12)
    assembly.box((width, board, depth), (0, height - 0.5 * board, 0), rounding=0.1 * board)
    under = height - 0.5 * board
    reach = 0.5 * width - member, 0.5 * depth - 0.6 * member
    if chance(rng, 0.5):
        for x in (-reach[0], 0.0, reach[0]) if long else (-reach[0], reach[0]):
            assembly.box((member, under, 2.0 * reach[1] + member), (x, 0.5 * under, 0))
    else:
        corner_legs(assembly, pick(rng, LEG_STYLES[:4]), reach, under, member, (0.0, 0.0))
        if long:
            for z in (-reach[1], reach[1]):
                assembly.box((member, under, member), (0, 0.5 * under, z))


def game_table(rng: np.random.Generator, assembly: Assembly) -> None:
    """A sunken bed within a broad rim, on stout legs or two feet."""
    width, depth, height = rng.uniform(1.5, 2.2), rng.uniform(0.8, 1.2), rng.uniform(0.45, 0.8)
    rim, deep = rng.uniform(0.08, 0.14), rng.uniform(0.14, 0.26)
    rise = rng.uniform(0.05, 0.12)
    assembly.box((width, deep, depth), (0, height - 0.5 * deep, 0))
    top = height + 0.5 * rise - 0.02
    for sign in (-0.5, 0.5):
        assembly.box((width, rise + 0.04, rim), (0, top, sign * (depth - rim)))
        assembly.box((rim, rise + 0.04, depth), (sign * (width - rim), top, 0))
    under = height - 0.5 * deep
    if chance(rng, 0.6):
        member = rng.uniform(0.1, 0.18)
        reach = 0.5 * (width - member) - 0.05, 0.5 * (depth - member) - 0.05
        corner_legs(assembly, pick(rng, LEG_STYLES[:4]), reach, under, member, (0.0, 0.0))
    else:
        for x in (-0.32 * width, 0.32 * width):
            assembly.box((0.16, under, 0.7 * depth), (x, 0.5 * under, 0))


def laden_table(rng: np.random.Generator, assembly: Assembly) -> None:
    """A workbench: stout legs, a low shelf or rails, and crates on its top."""
    width, depth, height = rng.uniform(0.8, 1.5), rng.uniform(0.6, 0.8), rng.uniform(0.75, 0.95)
    board, member = rng.uniform(0.04, 0.1), rng.uniform(0.05, 0.1)
    assembly.box((width, board, depth), (0, height - 0.5 * board, 0))
    reach = 0.5 * (width - member), 0.5 * (depth - member)
    corner_legs(assembly, LEG_STYLES[0], reach, height - 0.5 * board, member, (0.0, 0.0))
    level = rng.uniform(0.12, 0.35) * height
    if chance(rng, 0.5):
        assembly.box((2.0 * reach[0], 0.06, 2.0 * reach[1]), (0, level, 0))
    else:
        for z in (-reach[1], reach[1]):
            assembly.box((2.0 * reach[0], member, 0.7 * member), (0, level, z))
        for x in (-reach[0], reach[0]):
            assembly.box((0.7 * member, member, 2.0 * reach[1]), (x, level, 0))
    if chance(rng, 0.4):
        size = (width, 0.16 + board, 0.06)
        assembly.box(size, (0, height + 0.08 - 0.5 * board, 0.03 - 0.5 * depth))
    for x in pick(rng, ((), (-0.25,), (-0.28, 0.05), (-0.3, 0.0, 0.3))):
        crate = rng.uniform([0.14, 0.1, 0.14], [0.25, 0.34, 0.4]) * (width, 1.0, depth)
        place = (x * width, height + 0.5 * crate[1] - 0.02, rng.uniform(-0.2, 0.2) * depth)
        assembly.box(crate, place)


COUNTERS: tuple[tuple[Piece, ...], tuple[float, ...]] = (
    (corner_desk, counter, bench_table, game_table, laden_table),
    (0.8, 1.2, 1.2, 0.6, 1.2),
)
"""Builders and how often each is drawn."""
