"""Lamps: floor, table, desk and street lamps, lanterns, pendants, chandeliers, ceiling and wall."""

import math
from collections.abc import Callable

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.draws import chance, pick
from model.data.procedural.fixtures import FIXTURES
from model.data.procedural.shades import candle, lantern_head, shade
from model.data.procedural.solids import Solids


def build(rng: np.random.Generator) -> Solids:
    """One lamp; hanging lamps reach down from their ceiling plate, wall lamps stand out to +z."""
    assembly = Assembly()
    pick(rng, *(FIXTURES if chance(rng, 0.35) else _KINDS))(rng, assembly)
    return assembly.build()


def _foot(rng: np.random.Generator, assembly: Assembly, radius: float, pole: float) -> None:
    """What stands on the floor: plate, square, dome, bell or three spread feet."""
    thick = rng.uniform(0.12, 0.22) * radius
    kind = pick(rng, ("plate", "square", "dome", "bell", "steps", "feet"))
    if kind == "plate":
        assembly.disc((0, 0.5 * thick, 0), radius, thick, rounding=0.3 * thick)
    elif kind == "square":
        assembly.box((1.7 * radius, thick, 1.7 * radius), (0, 0.5 * thick, 0), rounding=0.2 * thick)
    elif kind == "dome":
        dome = [(0, 0), (1, 0), (0.93, 0.2), (0.7, 0.38), (0.35, 0.48), (0, 0.5)]
        assembly.lathe([(x * radius, y * radius) for x, y in dome])
    elif kind == "bell":
        assembly.rod((0, 0, 0), (0, rng.uniform(0.4, 0.9) * radius, 0), radius, 1.2 * pole)
    elif kind == "steps":
        for share, level in ((1.0, 0.0), (0.7, 0.8), (0.45, 1.6)):
            assembly.disc((0, (level + 0.5) * thick, 0), share * radius, thick)
    else:
        for index in range(3):
            angle = 2.0 * math.pi * (index / 3.0 + 0.25)
            toe = (radius * math.cos(angle), 1.1 * pole, radius * math.sin(angle))
            knee = (0.6 * toe[0], 0.35 * radius, 0.6 * toe[2])
            assembly.tube([(0, 0.6 * radius, 0), knee, toe], 1.1 * pole)


def _floor_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A shade on a tall pole."""
    height, pole = rng.uniform(1.3, 1.7), rng.uniform(0.016, 0.032)
    radius, tall = rng.uniform(0.16, 0.30), rng.uniform(0.2, 0.42)
    _foot(rng, assembly, rng.uniform(0.13, 0.22), pole)
    _knobbed_pole(rng, assembly, height - 0.5 * tall, pole)
    shade(rng, assembly, (0, height - tall, 0), tall, radius, pole)


def _knobbed_pole(
    rng: np.random.Generator, assembly: Assembly, height: float, radius: float
) -> None:
    """A pole from the floor, plain, tapered or with knobs, sometimes with a small tray."""
    kind = pick(rng, ("plain", "tapered", "knobs"))
    if kind == "tapered":
        assembly.rod((0, 0, 0), (0, height, 0), 1.7 * radius, radius)
    else:
        assembly.rod((0, 0, 0), (0, height, 0), radius)
    if kind == "knobs":
        for share in np.linspace(0.15, 0.85, int(rng.integers(2, 5))).tolist():
            assembly.sphere((0, share * height, 0), rng.uniform(1.6, 2.4) * radius)
    if chance(rng, 0.12):
        level = rng.uniform(0.3, 0.5) * height
        assembly.disc((0, level, 0), 0.16 * height, 0.03 * height)


def _tripod_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A shade on three or four spread legs."""
    count, height = int(rng.integers(3, 5)), rng.uniform(0.8, 1.3)
    spread, bar = rng.uniform(0.22, 0.4) * height, rng.uniform(0.016, 0.03)
    for index in range(count):
        angle = 2.0 * math.pi * (index / count + 0.25)
        toe = (spread * math.cos(angle), bar, spread * math.sin(angle))
        assembly.capsule(toe, (0.08 * toe[0], height, 0.08 * toe[2]), bar)
    assembly.sphere((0, height, 0), 2.4 * bar)
    if chance(rng, 0.4):
        level = rng.uniform(0.2, 0.5)
        assembly.ring((0, level * height, 0), spread * (1.0 - 0.92 * level), bar)
    radius, tall = rng.uniform(0.16, 0.3), rng.uniform(0.2, 0.38)
    shade(rng, assembly, (0, height, 0), tall, radius, bar)


def _table_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A shade on a turned, stacked, blocky or slim body."""
    body, wide = rng.uniform(0.22, 0.42), rng.uniform(0.07, 0.14)
    pole = rng.uniform(0.012, 0.02)
    kind = pick(rng, ("vase", "balls", "block", "bottle", "slim", "cone"))
    if kind == "vase":
        shares = [(0.55, 0.0), (0.7, 0.1), (1.0, 0.4), (0.9, 0.65), (0.35, 0.88), (0.3, 1.0)]
        swell = rng.uniform(-0.15, 0.15)
        profile = [(r * wide, min(max(y + swell * y * (1 - y) * 2, 0.0), 1.0) * body)
                   for r, y in shares]  # fmt: skip
        assembly.lathe([(0, 0), *profile, (0, body)])
    elif kind == "balls":
        count = int(rng.integers(2, 5))
        ball = 0.5 * body / count * 1.08
        for index in range(count):
            assembly.sphere((0, (index + 0.5) * body / count, 0), min(ball, 1.4 * wide))
        assembly.rod((0, 0, 0), (0, body, 0), 1.5 * pole)
        assembly.disc((0, 0.012, 0), wide, 0.03)
    elif kind == "block":
        top = rng.uniform(0.5, 1.0)
        assembly.beam((0, 0, 0), (0, body, 0), 1.8 * wide, 1.4 * wide, end_width=1.8 * top * wide)
    elif kind == "bottle":
        assembly.rod((0, 0, 0), (0, 0.6 * body, 0), wide, rounding=0.25 * wide)
        assembly.rod((0, 0.55 * body, 0), (0, 0.8 * body, 0), 0.8 * wide, 0.3 * wide)
        assembly.rod((0, 0.7 * body, 0), (0, body, 0), 0.3 * wide)
    elif kind == "slim":
        _foot(rng, assembly, 1.2 * wide, pole)
        _knobbed_pole(rng, assembly, body, 1.2 * pole)
    else:
        assembly.rod((0, 0, 0), (0, body, 0), 1.1 * wide, 0.25 * wide)
    radius, tall = rng.uniform(0.13, 0.24), rng.uniform(0.16, 0.3)
    gap = rng.uniform(0.01, 0.08)
    assembly.rod((0, 0.9 * body, 0), (0, body + gap + 0.5 * tall, 0), pole)
    shade(rng, assembly, (0, body + gap, 0), tall, radius, pole)


def _desk_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A jointed or bent arm that holds a spot over the desk, towards +z or +x."""
    parts = Assembly()
    bar = rng.uniform(0.010, 0.016)
    _foot(rng, parts, rng.uniform(0.08, 0.12), bar)
    elbow_y, elbow = rng.uniform(0.22, 0.34), -rng.uniform(0.0, 0.16)
    head = np.array([0.0, elbow_y + rng.uniform(0.0, 0.2), elbow + rng.uniform(0.2, 0.34)])
    if chance(rng, 0.5):
        parts.tube([(0, 0.01, 0), (0, elbow_y, elbow), head], bar)
        parts.sphere((0, elbow_y, elbow), 1.9 * bar)
    else:
        rise, reach = 0.5 * (elbow_y + float(head[1])), float(head[2]) * 0.5
        arc = [(0.0, rise + 0.8 * reach * math.sin(a), reach - reach * math.cos(a))
               for a in np.linspace(0.0, 0.8 * math.pi, 6)]  # fmt: skip
        parts.tube([(0, 0.01, 0), *arc], bar)
        head = np.array(arc[-1])
    tilt = math.radians(rng.uniform(0.0, 50.0))
    along = np.array([0.0, -math.cos(tilt), math.sin(tilt)])
    length, radius = rng.uniform(0.09, 0.16), rng.uniform(0.06, 0.1)
    kind = pick(rng, ("cone", "cylinder", "open", "bar"))
    if kind == "cone":
        parts.rod(head - 0.02 * along, head + length * along, 0.35 * radius, radius)
    elif kind == "cylinder":
        parts.rod(head - 0.02 * along, head + length * along, 0.7 * radius, rounding=0.2 * radius)
    elif kind == "open":
        parts.shade(head, head + length * along, 0.3 * radius, radius, 0.025)
        parts.sphere(head, 0.4 * radius)
    else:
        parts.box((0.26, 0.03, 0.06), head, rounding=0.01)
    parts.sphere(head, 1.9 * bar)
    assembly.add(parts.posed(turn("y", pick(rng, (0.0, 0.0, 90.0)))))


def _arc_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A floor lamp whose pole bends far over and lets the shade hang."""
    parts = Assembly()
    height, reach, bar = rng.uniform(1.1, 1.4), rng.uniform(0.4, 0.7), rng.uniform(0.017, 0.028)
    _foot(rng, parts, rng.uniform(0.17, 0.24), bar)
    arc = [(reach - reach * math.cos(a), height + 0.6 * reach * math.sin(a), 0.0)
           for a in np.linspace(0.0, rng.uniform(0.6, 0.95) * math.pi, 7)]  # fmt: skip
    parts.tube([(0, 0.02, 0), *arc], bar)
    tip = arc[-1]
    tall, radius = rng.uniform(0.16, 0.28), rng.uniform(0.13, 0.24)
    drop = rng.uniform(0.02, 0.15)
    parts.rod((tip[0], tip[1] - drop - tall, 0), tip, bar)
    shade(rng, parts, (tip[0], tip[1] - drop - tall, 0), tall, radius, bar)
    assembly.add(parts.posed(turn("y", pick(rng, (0.0, 180.0, -90.0)))))


def _street_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A stepped pole with one to four lanterns, on top or on arms."""
    height, pole = rng.uniform(2.6, 3.6), rng.uniform(0.045, 0.07)
    base = rng.uniform(0.13, 0.22)
    foot = rng.uniform(0.25, 0.6)
    square = chance(rng, 0.3)
    if square:
        assembly.beam((0, 0, 0), (0, foot, 0), 2.0 * base, 1.7 * base, end_width=1.4 * base)
    else:
        assembly.rod((0, 0, 0), (0, 0.3 * foot, 0), base)
        assembly.rod((0, 0.2 * foot, 0), (0, foot, 0), 0.8 * base, 1.4 * pole)
    assembly.rod((0, 0.5 * foot, 0), (0, height, 0), 1.25 * pole, pole)
    if chance(rng, 0.5):
        assembly.ring((0, rng.uniform(0.3, 0.7) * height, 0), pole, 0.6 * pole)
    arms = int(pick(rng, (0, 1, 2, 3, 4), (2.0, 1.5, 1.5, 0.7, 0.5)))
    size = rng.uniform(0.16, 0.26)
    if arms == 0 or chance(rng, 0.3):
        lantern_head(rng, assembly, (0, height - 0.05, 0), size)
    first = pick(rng, (0.0, 0.5 * math.pi))
    reach, state = rng.uniform(0.35, 0.6), rng.bit_generator.state
    hanging = chance(rng, 0.4)
    for index in range(arms):
        rng.bit_generator.state = state
        angle = first + 2.0 * math.pi * index / arms
        x, z = reach * math.cos(angle), reach * math.sin(angle)
        level = 0.88 * height
        assembly.tube([(0, level, 0), (0.6 * x, level + 0.12, 0.6 * z), (x, level + 0.1, z)],
                      0.7 * pole)  # fmt: skip
        lower = level + 0.1 - 2.1 * size if hanging else level + 0.06
        lantern_head(rng, assembly, (x, lower, z), size)


def _lantern(rng: np.random.Generator, assembly: Assembly) -> None:
    """A standing lantern: corner posts or a round cage around a candle, with roof and handle."""
    height, half = rng.uniform(0.22, 0.4), rng.uniform(0.08, 0.13)
    bar = rng.uniform(0.012, 0.02)
    round_ = chance(rng, 0.4)
    for level in (bar, height):
        if round_:
            assembly.disc((0, level, 0), half + bar, 2.0 * bar)
        else:
            assembly.box((2 * half + 2 * bar, 2 * bar, 2 * half + 2 * bar), (0, level, 0))
    count = 4 if not round_ else int(rng.integers(3, 7))
    for index in range(count):
        angle = 2.0 * math.pi * (index + 0.5) / count
        reach = half if round_ else half * math.sqrt(2.0)
        x, z = reach * math.cos(angle), reach * math.sin(angle)
        if round_:
            assembly.rod((x, bar, z), (x, height, z), 0.8 * bar)
        else:
            assembly.box((1.8 * bar, height, 1.8 * bar), (x, 0.5 * height, z))
    if chance(rng, 0.2):
        assembly.rod((0, bar, 0), (0, height, 0), 0.8 * half)
    else:
        candle = rng.uniform(0.3, 0.7) * height
        assembly.rod((0, bar, 0), (0, candle, 0), rng.uniform(0.3, 0.5) * half)
    roof = rng.uniform(0.3, 0.7) * half
    assembly.rod((0, height, 0), (0, height + roof, 0), 1.05 * half, 0.3 * half)
    ring = rng.uniform(0.35, 0.7) * half
    assembly.ring((0, height + roof + ring, 0), ring, 0.9 * bar, axis=(0, 0, 1))


def _pendant(rng: np.random.Generator, assembly: Assembly) -> None:
    """One to four shades that hang from a ceiling plate or bar."""
    count = int(pick(rng, (1, 2, 3, 4), (5.0, 0.7, 1.2, 0.8)))
    cord, drop = rng.uniform(0.014, 0.022), rng.uniform(0.3, 0.8)
    radius, tall = rng.uniform(0.14, 0.3), rng.uniform(0.14, 0.32)
    plate = rng.uniform(0.035, 0.05)
    pitch = 2.3 * radius
    in_row = count < 4 and chance(rng, 0.6)
    if count == 1:
        places = [(0.0, 0.0)]
        assembly.disc((0, 0, 0), rng.uniform(0.07, 0.14), plate)
    elif in_row:
        places = [((index - 0.5 * (count - 1)) * pitch, 0.0) for index in range(count)]
        assembly.box(((count - 0.5) * pitch, plate, 0.11), (0, 0, 0))
    else:
        ring = 0.75 * pitch
        angles = [2.0 * math.pi * index / count for index in range(count)]
        places = [(ring * math.cos(a), ring * math.sin(a)) for a in angles]
        assembly.disc((0, 0, 0), 1.2 * ring, plate)
    state = rng.bit_generator.state
    stagger = pick(rng, (0.0, 0.0, 0.2)) if count > 1 else 0.0
    for index, (x, z) in enumerate(places):
        rng.bit_generator.state = state
        low = -drop - stagger * index - tall
        assembly.rod((x, low, z), (x, 0, z), cord)
        shade(rng, assembly, (x, low, z), tall, radius, cord)


def _chandelier(rng: np.random.Generator, assembly: Assembly) -> None:
    """Arms or a hoop around a hanging stem, with cups, candles or globes."""
    count, radius = int(rng.integers(4, 9)), rng.uniform(0.28, 0.42)
    bar, stem = rng.uniform(0.013, 0.02), rng.uniform(0.25, 0.5)
    hoop = chance(rng, 0.35)
    light = pick(rng, ("candle", "globe", "cup", "shade"))
    assembly.rod((0, 0, 0), (0, stem, 0), 1.2 * bar)
    assembly.disc((0, stem, 0), rng.uniform(0.06, 0.1), 0.04)
    if hoop:
        assembly.ring((0, 0, 0), radius, 1.3 * bar)
    else:
        assembly.sphere((0, 0, 0), rng.uniform(2.5, 4.5) * bar)
    dip = rng.uniform(0.0, 0.14)
    for index in range(count):
        angle = 2.0 * math.pi * index / count
        x, z = radius * math.cos(angle), radius * math.sin(angle)
        if hoop and index % 2 == 0:
            assembly.capsule((0, 0.9 * stem, 0), (x, 0, z), bar)
        elif not hoop:
            assembly.tube([(0, 0, 0), (0.55 * x, -dip, 0.55 * z), (x, 0, z)], bar)
        candle(assembly, light, (x, 0.0, z), rng.uniform(0.05, 0.06))


def _ceiling_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A flat drum, bowl, box or row of spots close under the ceiling."""
    radius, tall = rng.uniform(0.2, 0.3), rng.uniform(0.06, 0.2)
    kind = pick(rng, ("drum", "bowl", "box", "spots"))
    if kind == "drum":
        assembly.rod((0, 0, 0), (0, tall, 0), radius, rounding=0.25 * tall)
        assembly.disc((0, tall, 0), rng.uniform(0.7, 1.15) * radius, 0.05)
    elif kind == "bowl":
        profile = [(0, 0), (0.5, 0.08), (0.8, 0.35), (1.0, 0.8), (1.0, 1.0), (0, 1.0)]
        assembly.lathe([(r * radius, h * tall) for r, h in profile])
        assembly.disc((0, tall, 0), rng.uniform(0.5, 1.15) * radius, 0.05)
        assembly.sphere((0, 0, 0), 0.1 * radius)
    elif kind == "box":
        assembly.box((2 * radius, tall, radius * rng.uniform(0.4, 2.0)), (0, 0.5 * tall, 0))
        assembly.box((1.3 * radius, 0.06, 0.5 * radius), (0, tall, 0))
    else:
        assembly.box((3 * radius, 0.05, 0.12), (0, tall, 0), rounding=0.01)
        tilt = rng.uniform(-0.1, 0.12)
        for x in np.linspace(-1.2, 1.2, int(rng.integers(2, 5))).tolist():
            head = (x * radius, 0.02, tilt)
            assembly.rod((x * radius, tall, 0), head, 0.025)
            assembly.rod(head, (x * radius, -0.12, 2.2 * tilt), 0.05, 0.07)


def _wall_lamp(rng: np.random.Generator, assembly: Assembly) -> None:
    """A back plate on the wall (at -z) with an arm and a shade."""
    reach, bar = rng.uniform(0.12, 0.22), rng.uniform(0.011, 0.018)
    if chance(rng, 0.5):
        assembly.disc((0, 0, 0), rng.uniform(0.06, 0.1), 0.03, axis=(0, 0, 1))
    else:
        assembly.box((0.12, rng.uniform(0.14, 0.3), 0.03), (0, 0, 0), rounding=0.005)
    radius, tall = rng.uniform(0.07, 0.12), rng.uniform(0.1, 0.2)
    dip = rng.uniform(-0.06, 0.06)
    for x in pick(rng, ((0.0,), (0.0,), (-0.13, 0.13))):
        state = rng.bit_generator.state
        assembly.tube([(0, 0, 0), (0.6 * x, dip, 0.6 * reach), (x, 0, reach)], bar)
        assembly.rod((x, 0, reach), (x, 0.04 + 0.5 * tall, reach), bar)
        shade(rng, assembly, (x, 0.02, reach), tall, radius, bar)
        rng.bit_generator.state = state


_Kind = Callable[[np.random.Generator, Assembly], None]

_KINDS: tuple[tuple[_Kind, ...], tuple[float, ...]] = (
    (_floor_lamp, _tripod_lamp, _table_lamp, _desk_lamp, _arc_lamp, _street_lamp, _lantern,
     _pendant, _chandelier, _ceiling_lamp, _wall_lamp),
    (3.0, 1.5, 3.5, 1.8, 1.0, 1.8, 1.2, 2.5, 1.2, 0.8, 0.8),
)  # fmt: skip
