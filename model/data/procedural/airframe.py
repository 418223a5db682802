"""The parts that airplanes share: fuselages, wings, tails, engines, propellers, landing gear.

Y is up and the nose points to +Z; a fuselage reaches from z = -1 to z = 1.
"""

import math
from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.draws import chance

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Wing:
    """One half of a wing, tailplane or fin.

    Attributes:
        root: leading edge at the plane of symmetry.
        half_span: length of the half along its own plane.
        root_chord: chord at the root.
        tip_chord: chord at the tip.
        sweep: how far the tip's leading edge lies behind the root's.
        dihedral: upward angle in degrees; 90 makes a fin.
        thickness: from lower to upper side, constant.
        kink: share of the half span at which the trailing edge turns back; 0 for a straight one.
    """

    root: Point
    half_span: float
    root_chord: float
    tip_chord: float
    sweep: float
    dihedral: float = 0.0
    thickness: float = 0.045
    kink: float = 0.0

    def at(self, share: float, back: float = 0.0) -> Point:
        """A point of the right half at a share of its span, `back` of its chord from the front."""
        reach, angle = share * self.half_span, math.radians(self.dihedral)
        chord = self.root_chord + share * (self.tip_chord - self.root_chord)
        x, y, z = self.root
        return (
            x + reach * math.cos(angle),
            y + reach * math.sin(angle),
            z - share * self.sweep - back * chord,
        )


def both(right: Assembly) -> Assembly:
    """A right-hand part and its mirror image."""
    pair = Assembly()
    pair.add(right)
    pair.add(right.mirrored_x())
    return pair


def half_wing(wing: Wing) -> Assembly:
    """The right half of a wing, with round edges."""
    half = Assembly()
    edge = 0.5 * wing.thickness
    tip = wing.half_span - edge
    outline = [
        (0.0, -edge),
        (tip, -wing.sweep - edge),
        (tip, -wing.sweep - max(wing.tip_chord - edge, 1.2 * edge)),
        (0.0, -wing.root_chord + edge),
    ]
    if wing.kink > 0.0:
        taper = wing.sweep + wing.tip_chord - wing.root_chord
        trailing = -wing.root_chord - 0.35 * wing.kink * taper
        outline.insert(3, (wing.kink * tip, trailing + edge))
    half.prism(
        outline, wing.thickness, center=wing.root, plane="xz", rounding=edge,
        rotation=turn("z", wing.dihedral),
    )  # fmt: skip
    return half


def fuselage(rng: np.random.Generator, radius: float, *, nose: float, tail: float) -> Assembly:
    """A round tube with a pointed or blunt nose and a tail cone that sweeps upwards.

    `nose` and `tail` are the lengths of its two ends, out of 2.
    """
    body = Assembly()
    blunt = rng.uniform(0.3, 0.62)
    body.lathe(
        [
            (0.0, tail - 1.25), (0.75 * radius, tail - 1.15), (radius, tail - 1.0),
            (radius, 1.0 - nose), (0.86 * radius, 1.0 - 0.55 * nose),
            (blunt * radius, 1.0 - 0.12 * nose), (0.0, 1.0),
        ],
        axis=(0.0, 0.0, 1.0),
    )  # fmt: skip
    end = rng.uniform(0.15, 0.3) * radius + 0.01
    body.rod(
        [0.0, 0.0, tail - 0.99], [0.0, radius - end - 0.02, -1.0], 0.99 * radius, end,
        rounding=0.01,
    )  # fmt: skip
    return body


def tapered_body(rng: np.random.Generator, radius: float, front: float) -> Assembly:
    """The fuselage of a small propeller plane: an engine cowling and a body that thins to the tail.

    `front` is the z of the cowling's front face.
    """
    body = Assembly()
    cowling = radius * rng.uniform(0.72, 0.95)
    if chance(rng, 0.5):
        profile = [(0.0, 0.0), (radius, 0.0), (radius, 0.3), (cowling, front), (0.0, front + 0.06)]
        body.lathe(profile, axis=(0.0, 0.0, 1.0), rounding=0.01)
        body.rod([0.0, 0.03, -1.0], [0.0, 0.0, 0.02], 0.045, radius, rounding=0.01)
    else:
        body.beam(
            [0.0, 0.0, 0.0], [0.0, 0.0, front + 0.04], 1.9 * radius, 1.9 * radius,
            end_width=1.7 * cowling, rounding=0.05,
        )  # fmt: skip
        side = [(0.05, -0.95 * radius), (0.05, 0.95 * radius), (-1.0, 0.05), (-1.0, -0.03)]
        body.prism(side, 1.1 * radius, plane="zy", rounding=0.02)
        above = [(0.95 * radius, 0.05), (0.04, -1.0), (-0.04, -1.0), (-0.95 * radius, 0.05)]
        body.prism(above, 1.2 * radius, plane="xz", rounding=0.02, rotation=turn("x", 1.5))
    return body


def cabin(rng: np.random.Generator, radius: float, *, high: bool) -> tuple[Assembly, float]:
    """The cabin or canopy of a light plane, and the height of its roof."""
    body = Assembly()
    top = radius * (rng.uniform(1.6, 1.9) if high else rng.uniform(1.35, 1.7)) - 0.03
    windshield = rng.uniform(0.38, 0.5)
    rear = rng.uniform(-0.3, 0.0)
    outline = [
        (rear - rng.uniform(0.05, 0.35), 0.3 * radius), (windshield, 0.3 * radius),
        (windshield, 0.7 * radius), (windshield - rng.uniform(0.1, 0.22), top), (rear, top),
    ]  # fmt: skip
    body.prism(outline, radius * rng.uniform(1.2, 1.7), plane="zy", rounding=0.03)
    return body, top + 0.03


def nacelle(center: Point, radius: float, length: float) -> Assembly:
    """A jet engine's pod along z, with an open intake in front and a cone at the back."""
    pod = Assembly()
    profile = [
        (0.0, -0.62), (0.3, -0.5), (0.7, -0.42), (1.0, 0.0), (0.95, 0.5), (0.68, 0.5),
        (0.62, 0.28), (0.0, 0.36),
    ]  # fmt: skip
    pod.lathe([(radius * r, length * z) for r, z in profile], base=center, axis=(0.0, 0.0, 1.0))
    return pod


def podded_engine(wing: Wing, share: float, radius: float, slenderness: float) -> Assembly:
    """A jet engine on a pylon below and before the right wing."""
    engine = Assembly()
    x, y, z = wing.at(share)
    length = radius * slenderness
    drop = radius + 0.5 * wing.thickness + 0.01
    ahead = z + 0.32 * length
    engine.add(nacelle((x, y - drop, ahead - 0.05), radius, length))
    back = ahead - 0.45 * length
    pylon = [(z - 0.2, 0.0), (back, -drop), (back + 0.6 * length, -drop), (z - 0.04, 0.015)]
    engine.prism(pylon, 0.04, center=[x, y, 0.0], plane="zy", rounding=0.01)
    return engine


def propeller(
    rng: np.random.Generator, center: Point, radius: float, blades: int, *, hub: float = 0.045
) -> Assembly:
    """A spinner and its blades in the plane z = const, at a random angle."""
    screw = Assembly()
    profile = [(0.0, -3.0 * hub), (hub, -3.0 * hub), (hub, -0.3 * hub), (0.0, 1.6 * hub)]
    screw.lathe(profile, base=center, axis=(0.0, 0.0, 1.0), rounding=0.008)
    first = rng.uniform(0.0, math.pi)
    width = rng.uniform(0.05, 0.07)
    for blade in range(blades):
        angle = first + 2.0 * math.pi * blade / blades
        right, up = radius * math.cos(angle), radius * math.sin(angle)
        tip = (center[0] + right, center[1] + up, center[2])
        screw.beam(center, tip, width, 0.036, end_width=0.75 * width, rounding=0.015)
    return screw


def winglet(rng: np.random.Generator, wing: Wing) -> Assembly:
    """A small fin that continues the right wing's tip upwards."""
    fin = Wing(
        root=wing.at(0.96, 0.12),
        half_span=rng.uniform(0.1, 0.16),
        root_chord=max(0.85 * wing.tip_chord, 0.07),
        tip_chord=max(0.55 * wing.tip_chord, 0.05),
        sweep=rng.uniform(0.03, 0.09),
        dihedral=rng.uniform(55.0, 88.0),
        thickness=0.04,
    )
    return half_wing(fin)


def store(wing: Wing, share: float, radius: float, length: float) -> Assembly:
    """A missile or tank: on a pylon below the right wing, or at its tip (`share` 1)."""
    load = Assembly()
    x, y, z = wing.at(share, 0.5)
    if share < 1.0:
        y -= radius + 0.06
        load.box([0.036, 0.12, 0.16], [x, y + 0.06, z])
    end = 0.5 * length
    profile = [(0.0, -end), (radius, -end), (radius, 0.6 * end), (0.0, end)]
    load.lathe(profile, base=[x, y, z + 0.04], axis=(0.0, 0.0, 1.0), rounding=0.005)
    return load


def tail(rng: np.random.Generator, lift: float, kind: str, *, swept: bool) -> Assembly:
    """Fin and tailplane at z = -1, from height `lift`, which lies inside the body there.

    `kind` is "low" (tailplane on the body), "cross" (half way up the fin), "t" (on top of it),
    "twin" (a fin at each end of the tailplane) or "v" (two slanted surfaces).
    """
    group = Assembly()
    height = rng.uniform(0.28, 0.4)
    chord, tip = rng.uniform(0.24, 0.34), rng.uniform(0.13, 0.2)
    sweep = rng.uniform(0.16, 0.3) if swept else rng.uniform(0.03, 0.14)
    fin = Wing((0.0, lift, tip + sweep - 1.05), height, chord, tip, sweep, 90.0)
    if kind == "v":
        root, slant = (0.0, lift, chord - 1.02), rng.uniform(30.0, 48.0)
        return both(half_wing(Wing(root, height, chord, tip, chord - tip, slant)))
    half_span = rng.uniform(0.3, 0.42)
    level = {"low": 0.0, "twin": 0.0, "cross": 0.5, "t": 0.95}[kind]
    x, y, z = fin.at(level)
    plane = Wing((x, y, z - 0.01), half_span, max(0.8 * chord, tip), rng.uniform(0.09, 0.15),
                 0.75 * sweep + 0.02, rng.uniform(0.0, 6.0) * (kind == "low"))  # fmt: skip
    group.add(both(half_wing(plane)))
    if kind == "twin":
        x, y, z = plane.at(0.93)
        low = Wing((x, y - 0.08, z + 0.03), 0.7 * height, 0.75 * chord, tip, 0.4 * sweep, 90.0)
        group.add(both(half_wing(low)))
    else:
        group.add(half_wing(fin))
    if swept or chance(rng, 0.6) or kind == "twin":
        return group
    dorsal = [(-0.45, lift), (-0.72, lift + 0.16), (-0.9, lift)]
    group.prism(dorsal, 0.04, plane="zy", rounding=0.015)
    return group


def gear(
    rng: np.random.Generator, radius: float, wheel: float, *, tail_dragger: bool = False
) -> Assembly:
    """Landing gear: two main wheels on struts, and one wheel under the nose or the tail."""
    group = Assembly()
    drop = -radius - wheel - rng.uniform(0.03, 0.09)
    main = 0.32 if tail_dragger else rng.uniform(0.02, 0.12)
    side, x = Assembly(), radius * rng.uniform(1.2, 1.9)
    side.capsule([0.5 * radius, -0.6 * radius, main], [x, drop, main], 0.02)
    side.disc([x, drop, main], wheel, 0.055, axis=(1.0, 0.0, 0.0), rounding=0.015)
    if chance(rng, 0.3):
        side.capsule([x, drop + 0.02, main - 1.4 * wheel], [x, drop + 0.02, main + wheel], 0.04)
    group.add(both(side))
    if tail_dragger:
        group.capsule([0.0, 0.0, -0.9], [0.0, -0.09, -0.95], 0.02)
        group.disc([0.0, -0.1, -0.95], 0.04, 0.045, axis=(1.0, 0.0, 0.0), rounding=0.015)
        return group
    z = rng.uniform(0.55, 0.68)
    group.capsule([0.0, -0.3 * radius, z], [0.0, drop, z], 0.02)
    group.disc([0.0, drop, z], 0.9 * wheel, 0.055, axis=(1.0, 0.0, 0.0), rounding=0.015)
    return group


def floats(rng: np.random.Generator, radius: float) -> Assembly:
    """Two floats on struts."""
    side = Assembly()
    x, y = radius * rng.uniform(1.4, 1.9), -radius - rng.uniform(0.14, 0.22)
    outline = [(-0.45, 0.03), (0.1, -0.05), (0.6, -0.04), (0.8, 0.05), (-0.4, 0.06)]
    side.prism(outline, 0.14, center=[x, y, 0.0], plane="zy", rounding=0.02)
    for z in (0.05, 0.45):
        side.capsule([0.5 * radius, -0.5 * radius, z], [x, y + 0.03, z], 0.022)
    return both(side)
