"""Folding chairs, deck chairs and relaxing chairs, as builders of whole chairs; units are metres.

Y is up, a chair faces +z, the floor is y = 0. A bent sheet or frame is a row of beams.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.draws import chance, pick

Side = tuple[float, float]
"""A point (z, y) of a side view."""


def _sheet(assembly: Assembly, path: Sequence[Side], width: float, thickness: float) -> None:
    """A bent board or cloth along a side view's polyline; its joints are round."""
    for (z, y), (end_z, end_y) in pairwise(path):
        assembly.beam((0, y, z), (0, end_y, end_z), width, thickness)
    for z, y in path[1:-1]:
        assembly.rod((-0.5 * width, y, z), (0.5 * width, y, z), 0.5 * thickness)


def _between(start: Side, end: Side, share: float) -> Side:
    """The point at a share of the way."""
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def folding_chair(rng: np.random.Generator, assembly: Assembly) -> None:
    """Two crossed frames of bars or tubes; the longer one carries the back. Some are folded."""
    half, seat = rng.uniform(0.18, 0.25), rng.uniform(0.4, 0.46)
    bar, folded = rng.uniform(0.022, 0.034), chance(rng, 0.12)
    spread = 0.03 if folded else rng.uniform(0.16, 0.24)
    tall, lean = rng.uniform(0.76, 0.92), spread * rng.uniform(0.8, 1.2)
    foot, top = (spread, 0.5 * bar), (-lean, tall)
    hip, rear = (-0.9 * spread, seat), (-spread - 0.05, 0.5 * bar)
    knee = (0.8 * spread, seat) if not folded else (spread + 0.02, seat + 0.26)
    tubes = chance(rng, 0.55)
    inner = half - 1.2 * bar
    bars = [(half, foot, top), (inner, rear, knee)]
    for x, (z, y), (end_z, end_y) in [(sign * x, a, b) for x, a, b in bars for sign in (-1, 1)]:
        if tubes:
            assembly.capsule((x, y, z), (x, end_y, end_z), 0.55 * bar)
        else:
            assembly.beam((x, y, z), (x, end_y, end_z), bar, 1.3 * bar)
    for x, (z, y) in ((half, foot), (inner, rear), (half, _between(foot, top, 0.12))):
        assembly.capsule((-x, y, z), (x, y, z), 0.5 * bar)
    if folded:
        size = (2.0 * half, 0.36, 1.6 * bar)
        assembly.box(size, (0, seat + 0.05, 0.7 * spread), rounding=0.4 * bar)
    else:
        _folding_seat(rng, assembly, (half + 0.5 * bar, hip, knee), bar, tubes)
    _folding_back(rng, assembly, (half, _between(foot, top, 0.62), top), bar, tubes)


def _folding_seat(
    rng: np.random.Generator,
    assembly: Assembly,
    place: tuple[float, Side, Side],
    bar: float,
    tubes: bool,
) -> None:
    """A plate or slats between the hip and the knee, on two side bars."""
    half, hip, knee = place
    for x in (-half + bar, half - bar):
        assembly.beam((x, hip[1], hip[0] - bar), (x, knee[1], knee[0] + 0.05), bar, bar)
    middle, long = 0.5 * (hip[0] + knee[0]) + 0.02, knee[0] - hip[0] + 0.1
    if tubes or chance(rng, 0.3):
        size = (2.0 * half, 1.3 * bar, long)
        assembly.box(size, (0, hip[1] + 0.4 * bar, middle), rounding=0.4 * bar)
        return
    count = int(rng.integers(4, 7))
    slat = 0.72 * long / count
    for shift in np.linspace(-0.5, 0.5, count) * (long - slat):
        assembly.box((2.0 * half, bar, slat), (0, hip[1] + 0.4 * bar, middle + float(shift)))


def _folding_back(
    rng: np.random.Generator,
    assembly: Assembly,
    place: tuple[float, Side, Side],
    bar: float,
    tubes: bool,
) -> None:
    """A hoop's top with a plate, slats, or one broad board between the long frame's ends."""
    half, low, top = place
    if tubes and chance(rng, 0.7):
        rise = 0.6 * half
        arc = [(half * math.cos(a), top[1] + rise * math.sin(a), top[0])
               for a in np.linspace(0.0, math.pi, 6)]  # fmt: skip
        assembly.tube(arc, 0.55 * bar)
    else:
        assembly.capsule((-half, top[1], top[0]), (half, top[1], top[0]), 0.5 * bar)
    kind = pick(rng, ("plate", "slats", "board"))
    if kind == "plate":
        z, y = _between(low, top, 0.35)
        assembly.beam((0, y, z), (0, top[1] - bar, top[0]), 2.0 * half, 0.8 * bar)
    elif kind == "board":
        z, y = _between(low, top, 0.75)
        assembly.box((2.0 * half, 0.12, 0.9 * bar), (0, y, z), rounding=0.3 * bar)
    else:
        for share in np.linspace(0.25, 0.95, int(rng.integers(3, 7))).tolist():
            z, y = _between(low, top, share)
            assembly.box((2.0 * half, 0.03, 0.8 * bar), (0, y, z))


def deck_chair(rng: np.random.Generator, assembly: Assembly) -> None:
    """A cloth that hangs from the top of a leaning frame to its foot, held by a crossing one."""
    half, bar = rng.uniform(0.24, 0.32), rng.uniform(0.026, 0.04)
    foot, top = (0.45, 0.5 * bar), (-rng.uniform(0.4, 0.55), rng.uniform(0.8, 0.98))
    toe, front = (-rng.uniform(0.35, 0.5), 0.5 * bar), (0.42, rng.uniform(0.28, 0.4))
    for x, start, end in ((half, foot, top), (half - 1.2 * bar, toe, front)):
        for side in (-x, x):
            assembly.beam((side, start[1], start[0]), (side, end[1], end[0]), bar, 1.3 * bar)
        for z, y in (start, end):
            assembly.rod((-x, y, z), (x, y, z), 0.5 * bar)
    sag = rng.uniform(0.15, 0.22)
    middle = (0.02, sag + 0.02)
    path = [top, _between(top, middle, 0.6), middle, (0.22, sag + 0.03), front]
    _sheet(assembly, path, 2.0 * half - 3.0 * bar, 0.022)
    if chance(rng, 0.3):
        y = _between(foot, top, 0.55)[1]
        z = _between(foot, top, 0.55)[0]
        for side in (-half, half):
            assembly.beam((side, y, z - 0.05), (side, y + 0.02, 0.3), 1.6 * bar, 0.8 * bar)
            assembly.beam((side, front[1] - 0.1, 0.28), (side, y + 0.02, 0.28), bar, bar)


def relaxing_chair(rng: np.random.Generator, assembly: Assembly) -> None:
    """One bent sheet from the head over the seat, often down to the calves, on legs or a base."""
    width, thick = rng.uniform(0.46, 0.64), rng.uniform(0.05, 0.12)
    seat, back = rng.uniform(0.32, 0.42), rng.uniform(0.4, 0.62)
    slope = math.radians(rng.uniform(12.0, 40.0))
    hip, knee = (-0.22, seat), (0.24, seat + rng.uniform(0.0, 0.08))
    head = (hip[0] - back * math.sin(slope), seat + back * math.cos(slope))
    path = [head, hip, knee]
    if chance(rng, 0.6):
        fall = rng.uniform(0.1, 0.3)
        path.append((knee[0] + rng.uniform(0.12, 0.35), knee[1] - fall))
    _sheet(assembly, path, width, thick)
    base = pick(rng, ("legs", "swivel", "sled"))
    x = 0.5 * width - 0.04
    if base == "swivel":
        assembly.rod((0, 0.03, 0), (0, seat, 0), 0.035)
        assembly.disc((0, 0.02, 0), rng.uniform(0.24, 0.3), 0.04)
    elif base == "legs":
        bar, splay = rng.uniform(0.035, 0.055), rng.uniform(0.0, 0.1)
        for side in (-x, x):
            assembly.beam((side, seat, -0.2), (side, 0, -0.24 - splay), bar, bar)
            assembly.beam((side, knee[1], 0.2), (side, 0, 0.22 + 0.5 * splay), bar, bar)
    else:
        for side in (-x, x):
            assembly.tube([(side, seat, -0.2), (side, 0.02, -0.3), (side, 0.02, 0.3),
                           (side, seat, 0.2)], 0.02)  # fmt: skip
    if chance(rng, 0.5):
        rest, bar = seat + rng.uniform(0.16, 0.24), 0.03
        z = hip[0] - (rest - seat) * math.tan(slope)
        for side in (-x - 0.03, x + 0.03):
            assembly.tube([(side, rest, z), (side, rest, 0.12), (side, seat, 0.18)], bar)


_Chair = Callable[[np.random.Generator, Assembly], None]

FOLDING_CHAIRS: tuple[tuple[_Chair, ...], tuple[float, ...]] = (
    (folding_chair, deck_chair, relaxing_chair),
    (2.5, 0.9, 1.0),
)
"""Builders and how often each is drawn."""
