"""Jet fighters, a kind of airplane.

Y is up and the nose points to +Z; the fuselage is about 2 units long.
"""

import numpy as np

from model.data.procedural.airframe import Wing, both, half_wing, nacelle, store
from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.draws import chance, pick


def fighter(rng: np.random.Generator) -> Assembly:
    """A jet with delta, swept or trapezoid wings, intakes, a canopy and one or two fins."""
    radius = rng.uniform(0.09, 0.125)
    plane = _body(rng, radius)
    wing = _wing(rng, radius)
    plane.add(both(half_wing(wing)))
    if chance(rng, 0.7):
        plane.add(both(_intake(rng, radius)))
    if chance(rng, 0.35):
        lerx = [(0.0, wing.root[2] + 0.3), (0.3, wing.root[2] - 0.2), (0.0, wing.root[2] - 0.25)]
        side = Assembly()
        side.prism(lerx, 0.045, center=[0.0, wing.root[1], 0.0], plane="xz", rounding=0.02)
        plane.add(both(side))
    tailless = wing.root_chord > 0.85
    if (tailless and chance(rng, 0.5)) or chance(rng, 0.12):
        canard = Wing((0.0, 0.03, 0.5), rng.uniform(0.28, 0.38), 0.26, 0.1, 0.17)
        plane.add(both(half_wing(canard)))
    plane.add(_tail(rng, radius, tailless))
    for share in (0.5, 0.75, 1.0):
        if chance(rng, 0.3):
            plane.add(both(store(wing, share, rng.uniform(0.026, 0.036), rng.uniform(0.3, 0.5))))
    return plane


def _wing(rng: np.random.Generator, radius: float) -> Wing:
    kind = pick(rng, ("delta", "swept", "trapezoid"))
    half_span = rng.uniform(0.55, 0.8)
    root_chord = {"delta": rng.uniform(0.86, 1.1), "swept": rng.uniform(0.45, 0.6),
                  "trapezoid": rng.uniform(0.55, 0.75)}[kind]  # fmt: skip
    tip_chord = {"delta": rng.uniform(0.06, 0.2), "swept": rng.uniform(0.18, 0.28),
                 "trapezoid": rng.uniform(0.16, 0.26)}[kind]  # fmt: skip
    sweep = {"delta": root_chord - tip_chord - rng.uniform(-0.08, 0.12),
             "swept": half_span * rng.uniform(0.55, 0.95),
             "trapezoid": rng.uniform(0.28, 0.45)}[kind]  # fmt: skip
    return Wing(
        root=(0.0, radius * rng.uniform(-0.4, 0.6), -0.82 + root_chord + rng.uniform(-0.02, 0.12)),
        half_span=half_span, root_chord=root_chord, tip_chord=tip_chord, sweep=sweep,
        dihedral=rng.uniform(-5.0, 3.0), thickness=rng.uniform(0.035, 0.05),
    )  # fmt: skip


def _tail(rng: np.random.Generator, radius: float, tailless: bool) -> Assembly:
    group = Assembly()
    height, chord = rng.uniform(0.26, 0.4), rng.uniform(0.3, 0.42)
    fin = Wing((0.0, 0.0, -0.5), height + radius, chord, rng.uniform(0.1, 0.2),
                rng.uniform(0.2, 0.36), 90.0, 0.045)  # fmt: skip
    if chance(rng, 0.5):
        group.add(half_wing(fin))
    else:
        twin = half_wing(fin).posed(turn("z", rng.uniform(-30.0, 0.0)))
        group.add(both(twin.posed(offset=[0.8 * radius, 0.0, 0.0])))
    if not tailless:
        plane = Wing((0.0, rng.uniform(-0.3, 0.3) * radius, -0.62), rng.uniform(0.34, 0.46), 0.3,
                      rng.uniform(0.1, 0.16), rng.uniform(0.15, 0.28), 0.0, 0.042)  # fmt: skip
        group.add(both(half_wing(plane)))
    if chance(rng, 0.45):
        group.add(both(nacelle((0.75 * radius, 0.0, -0.72), 0.75 * radius, 0.7)))
    return group


def _intake(rng: np.random.Generator, radius: float) -> Assembly:
    """A box along the right side of a fighter's body with a slanted mouth."""
    intake = Assembly()
    front, slant = rng.uniform(0.1, 0.32), rng.uniform(0.02, 0.12)
    high, low = 0.55 * radius, -0.75 * radius
    outline = [(-0.75, low), (front - slant, low), (front, high), (-0.6, high)]
    intake.prism(outline, radius, center=[0.95 * radius, 0.0, 0.0], plane="zy", rounding=0.02)
    return intake


def _body(rng: np.random.Generator, radius: float) -> Assembly:
    """A fuselage with a needle nose or an open intake in it, and the canopy."""
    body = Assembly()
    nose, exhaust = rng.uniform(0.4, 0.65), radius * rng.uniform(0.55, 0.85)
    profile = [(0.0, -0.95), (exhaust, -0.95), (radius, -0.6), (radius, 1.0 - nose)]
    if chance(rng, 0.18):
        mouth = 0.7 * radius
        profile += [(mouth, 0.88), (0.75 * mouth, 0.88), (0.7 * mouth, 0.7), (0.0, 0.82)]
    else:
        profile += [(0.62 * radius, 1.0 - 0.4 * nose), (0.0, 1.0)]
    body.lathe(profile, axis=(0.0, 0.0, 1.0), rounding=0.015)
    canopy = [(0.0, -0.3), (0.55 * radius, -0.08), (0.6 * radius, 0.06), (0.0, 0.26)]
    place = [0.0, 0.8 * radius, 1.0 - nose - rng.uniform(0.0, 0.1)]
    body.lathe(canopy, base=place, axis=(0.0, -0.04, 1.0), rounding=0.02)
    return body


def stealth_fighter(rng: np.random.Generator) -> Assembly:
    """A faceted jet: flat stacked plates, diamond wings and canted fins or a V-tail."""
    plane = Assembly()
    half, shoulder = rng.uniform(0.17, 0.24), rng.uniform(0.25, 0.45)
    for width, reach, height, thickness in (
        (1.0, 0.92, 0.0, 0.07), (0.68, 0.75, 0.05, 0.1), (0.68, 0.7, -0.04, 0.1),
    ):  # fmt: skip
        x, nose = width * half, reach * rng.uniform(0.94, 1.0)
        plate = [
            (-x, shoulder - 0.25), (-x, -0.7), (-0.5 * x, -0.82), (0.5 * x, -0.82), (x, -0.7),
            (x, shoulder - 0.25), (0.05, nose), (-0.05, nose),
        ]  # fmt: skip
        plane.prism(plate, thickness, center=[0.0, height, 0.0], plane="xz", rounding=0.015)
    radome = [(0.0, 0.2), (0.09, 0.2), (0.06, 0.75), (0.0, 1.0)]
    plane.lathe(radome, axis=(0.0, 0.0, 1.0), rounding=0.015)
    canopy = [(0.0, -0.3), (0.07, -0.05), (0.07, 0.08), (0.0, 0.28)]
    plane.lathe(canopy, base=[0.0, 0.08, shoulder], axis=(0.0, -0.1, 1.0), rounding=0.02)
    half_span, root = rng.uniform(0.58, 0.75), rng.uniform(0.65, 0.85)
    wing = Wing((0.0, 0.0, 0.16), half_span, root, rng.uniform(0.12, 0.2),
                half_span * rng.uniform(0.7, 0.95), rng.uniform(-2.0, 2.0), 0.042)  # fmt: skip
    plane.add(both(half_wing(wing)))
    height, chord = rng.uniform(0.3, 0.42), rng.uniform(0.28, 0.36)
    fin = Wing((0.7 * half, 0.0, -0.4), height, chord, 0.16, 0.2, rng.uniform(40.0, 72.0))
    plane.add(both(half_wing(fin)))
    if chance(rng, 0.7):
        stabilizer = Wing((0.0, 0.0, -0.55), rng.uniform(0.4, 0.5), 0.36, 0.14, 0.25)
        plane.add(both(half_wing(stabilizer)))
    return plane
