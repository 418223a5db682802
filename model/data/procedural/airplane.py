"""Airplanes: airliners, business jets, transports, light planes, gliders, biplanes, fighters.

The fuselage is about 2 units long before normalisation; Y is up, the nose points to +Z.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from model.data.procedural.airframe import (
    Wing,
    both,
    cabin,
    floats,
    fuselage,
    gear,
    half_wing,
    nacelle,
    podded_engine,
    propeller,
    store,
    tail,
    tapered_body,
    winglet,
)
from model.data.procedural.assembly import Assembly
from model.data.procedural.draws import chance, pick
from model.data.procedural.fighter import fighter, stealth_fighter
from model.data.procedural.solids import Solids


def build(rng: np.random.Generator) -> Solids:
    """One random airplane, normalised to the unit sphere."""
    styles: list[tuple[float, Callable[[np.random.Generator], Assembly]]] = [
        (5.0, _airliner),
        (2.0, _business_jet),
        (2.0, _transport),
        (2.5, _light_plane),
        (1.0, _glider),
        (1.2, _biplane),
        (4.0, fighter),
        (0.8, stealth_fighter),
        (2.0, _warbird),
        (0.7, _flying_wing),
        (0.6, _twin_boom),
    ]
    style = pick(rng, [style for _, style in styles], [weight for weight, _ in styles])
    return style(rng).build()


def _airliner(rng: np.random.Generator) -> Assembly:
    """A jet with swept low wings and its engines under them."""
    radius = rng.uniform(0.085, 0.13)
    plane = fuselage(rng, radius, nose=rng.uniform(0.16, 0.28), tail=rng.uniform(0.5, 0.7))
    half_span = rng.uniform(0.75, 1.05)
    wing = Wing(
        root=(0.0, -0.55 * radius, rng.uniform(0.22, 0.4)),
        half_span=half_span,
        root_chord=rng.uniform(0.34, 0.46),
        tip_chord=rng.uniform(0.08, 0.15),
        sweep=half_span * rng.uniform(0.4, 0.72),
        dihedral=rng.uniform(2.0, 8.0),
        thickness=rng.uniform(0.036, 0.05),
        kink=pick(rng, (0.0, rng.uniform(0.3, 0.42))),
    )
    plane.add(both(half_wing(wing)))
    size = radius * rng.uniform(0.45, 0.68)
    shares = [rng.uniform(0.28, 0.38)] if chance(rng, 0.68) else [0.3, rng.uniform(0.52, 0.62)]
    for share in shares:
        plane.add(both(podded_engine(wing, share, size, rng.uniform(2.4, 4.0))))
    if chance(rng, 0.4):
        plane.add(both(winglet(rng, wing)))
    plane.add(tail(rng, 0.4 * radius, pick(rng, ("low", "low", "low", "t")), swept=True))
    if chance(rng, 0.25):
        plane.add(gear(rng, radius, wheel=0.045))
    if chance(rng, 0.1):
        plane.capsule([0.0, 0.75 * radius, 0.3], [0.0, 0.75 * radius, 0.72], 0.7 * radius)
    return plane


def _business_jet(rng: np.random.Generator) -> Assembly:
    """A jet with engines at the tail and usually a T-tail."""
    radius = rng.uniform(0.08, 0.12)
    plane = fuselage(rng, radius, nose=rng.uniform(0.3, 0.5), tail=rng.uniform(0.45, 0.6))
    half_span = rng.uniform(0.7, 1.0)
    wing = Wing(
        root=(0.0, -0.7 * radius, rng.uniform(0.1, 0.25)),
        half_span=half_span,
        root_chord=rng.uniform(0.28, 0.42),
        tip_chord=rng.uniform(0.09, 0.15),
        sweep=half_span * rng.uniform(0.1, 0.6),
        dihedral=rng.uniform(1.0, 6.0),
        thickness=rng.uniform(0.036, 0.048),
    )
    plane.add(both(half_wing(wing)))
    size = radius * rng.uniform(0.45, 0.62)
    z = rng.uniform(-0.62, -0.45)
    engine = Assembly()
    x = 0.85 * radius + 1.25 * size
    engine.add(nacelle((x, 0.45 * radius, z), size, 5.0 * size))
    engine.box([x, 0.04, 0.2], [0.5 * x, 0.4 * radius, z])
    plane.add(both(engine))
    if chance(rng, 0.2):
        plane.add(nacelle((0.0, radius + 0.8 * size, z - 0.05), size, 5.0 * size))
        plane.box([0.05, 2.0 * size, 0.2], [0.0, radius - 0.2 * size, z - 0.05])
    if chance(rng, 0.5):
        plane.add(both(winglet(rng, wing)))
    elif chance(rng, 0.3):
        plane.add(both(store(wing, 1.0, 0.04, rng.uniform(0.25, 0.4))))
    plane.add(tail(rng, 0.4 * radius, pick(rng, ("t", "t", "cross")), swept=True))
    return plane


def _transport(rng: np.random.Generator) -> Assembly:
    """A high-winged freighter or commuter with two or four propellers or jets."""
    radius = rng.uniform(0.1, 0.15)
    plane = fuselage(rng, radius, nose=rng.uniform(0.2, 0.35), tail=rng.uniform(0.6, 0.8))
    half_span = rng.uniform(0.8, 1.1)
    wing = Wing(
        root=(0.0, 0.85 * radius, rng.uniform(0.15, 0.32)),
        half_span=half_span,
        root_chord=rng.uniform(0.26, 0.36),
        tip_chord=rng.uniform(0.12, 0.2),
        sweep=half_span * rng.uniform(0.03, 0.4),
        dihedral=rng.uniform(-4.0, 2.0),
        thickness=rng.uniform(0.04, 0.055),
    )
    plane.add(both(half_wing(wing)))
    jets = chance(rng, 0.35)
    size, blades = rng.uniform(0.045, 0.065), int(rng.integers(3, 5))
    for share in [rng.uniform(0.28, 0.36)] if chance(rng, 0.5) else [0.27, 0.54]:
        if jets:
            plane.add(both(podded_engine(wing, share, size, 3.5)))
        else:
            x, y, z = wing.at(share)
            engine = Assembly()
            engine.capsule([x, y - 0.02, z - 0.2], [x, y - 0.02, z + 0.06], size)
            engine.add(propeller(rng, (x, y - 0.02, z + 0.08 + size), 0.19, blades))
            plane.add(both(engine))
    if chance(rng, 0.6):
        pod = Assembly()
        x = radius * 0.95
        pod.capsule([x, -0.7 * radius, -0.18], [x, -0.7 * radius, 0.18], 0.35 * radius)
        plane.add(both(pod))
    plane.add(tail(rng, 0.4 * radius, pick(rng, ("t", "low", "twin")), swept=jets))
    return plane


def _light_plane(rng: np.random.Generator) -> Assembly:
    """A single propeller, straight wings high or low, fixed gear or floats."""
    radius = rng.uniform(0.12, 0.165)
    front = rng.uniform(0.6, 0.75)
    plane = tapered_body(rng, radius, front)
    high = chance(rng, 0.55)
    body, top = cabin(rng, radius, high=high)
    plane.add(body)
    wing = Wing(
        root=(0.0, top - 0.01 if high else -0.6 * radius, rng.uniform(0.36, 0.46)),
        half_span=rng.uniform(0.95, 1.35),
        root_chord=rng.uniform(0.28, 0.38),
        tip_chord=rng.uniform(0.2, 0.28),
        sweep=rng.uniform(0.0, 0.08),
        dihedral=rng.uniform(0.0, 3.0) if high else rng.uniform(3.0, 7.0),
        thickness=rng.uniform(0.045, 0.06),
    )
    plane.add(both(half_wing(wing)))
    if high and chance(rng, 0.75):
        brace = Assembly()
        foot = [0.7 * radius, -0.6 * radius, wing.at(0.0, 0.4)[2]]
        brace.capsule(foot, wing.at(rng.uniform(0.45, 0.6), 0.4), 0.02)
        plane.add(both(brace))
    blades = int(rng.integers(2, 4))
    plane.add(propeller(rng, (0.0, 0.0, front + 0.11), rng.uniform(0.28, 0.36), blades))
    plane.add(tail(rng, 0.0, pick(rng, ("low", "low", "t", "v")), swept=False))
    if chance(rng, 0.22):
        plane.add(floats(rng, radius))
    elif chance(rng, 0.9):
        plane.add(gear(rng, radius, wheel=rng.uniform(0.06, 0.085)))
    return plane


def _glider(rng: np.random.Generator) -> Assembly:
    """Long slender wings on a teardrop with a thin boom."""
    plane = Assembly()
    radius, boom = rng.uniform(0.085, 0.11), rng.uniform(0.03, 0.042)
    plane.lathe(
        [(0.0, -0.35), (boom, -0.32), (radius, 0.25), (0.85 * radius, 0.5), (0.0, 0.75)],
        axis=(0.0, 0.0, 1.0), rounding=0.02,
    )  # fmt: skip
    plane.rod([0.0, 0.01, -0.95], [0.0, 0.0, 0.0], boom, 1.3 * boom, rounding=0.02)
    plane.capsule([0.0, 0.6 * radius, 0.25], [0.0, 0.5 * radius, 0.45], 0.65 * radius)
    wing = Wing(
        root=(0.0, rng.uniform(0.2, 0.8) * radius, rng.uniform(0.16, 0.24)),
        half_span=rng.uniform(1.25, 1.75),
        root_chord=rng.uniform(0.18, 0.24),
        tip_chord=rng.uniform(0.1, 0.15),
        sweep=rng.uniform(0.0, 0.1),
        dihedral=rng.uniform(1.0, 6.0),
        thickness=rng.uniform(0.055, 0.07),
    )
    plane.add(both(half_wing(wing)))
    if chance(rng, 0.5):
        plane.add(both(winglet(rng, wing)))
    plane.add(tail(rng, 0.0, pick(rng, ("t", "t", "v", "low")), swept=False))
    return plane


def _biplane(rng: np.random.Generator) -> Assembly:
    """Two or three stacked wings with struts, a radial engine, an open cockpit and fixed gear."""
    radius = rng.uniform(0.12, 0.16)
    plane = tapered_body(rng, radius, 0.68)
    levels = 3 if chance(rng, 0.2) else 2
    gap = rng.uniform(0.3, 0.42)
    low = -0.7 * radius
    stagger = rng.uniform(-0.02, 0.12)
    chord = rng.uniform(0.24, 0.32)
    span = rng.uniform(0.85, 1.1)
    wings = [
        Wing((0.0, low + level * gap, 0.38 + level * stagger), span * (1.0 - 0.06 * (1 - level)),
              chord, chord * rng.uniform(0.8, 1.0), 0.03, rng.uniform(0.0, 2.5), 0.05)
        for level in range(levels)
    ]  # fmt: skip
    struts = Assembly()
    for lower, upper in pairwise(wings):
        for back in (0.15, 0.8):
            for share in (0.1, 0.72):
                struts.capsule(lower.at(share, back), upper.at(share, back), 0.02)
    for wing in wings:
        struts.add(half_wing(wing))
    plane.add(both(struts))
    plane.disc([0.0, 0.0, 0.7], 1.08 * radius, 0.16, axis=(0.0, 0.0, 1.0), rounding=0.04)
    plane.add(propeller(rng, (0.0, 0.0, 0.82), rng.uniform(0.28, 0.34), int(rng.integers(2, 5))))
    plane.sphere([0.0, 1.05 * radius, -0.02], 0.06)
    plane.add(tail(rng, 0.0, "low", swept=False))
    plane.add(gear(rng, radius, wheel=rng.uniform(0.075, 0.1), tail_dragger=True))
    return plane


def _warbird(rng: np.random.Generator) -> Assembly:
    """A propeller fighter with low tapered or rounded wings, or a twin of that kind."""
    radius = rng.uniform(0.1, 0.13)
    plane = tapered_body(rng, radius, 0.72)
    wing = Wing(
        root=(0.0, -0.55 * radius, rng.uniform(0.3, 0.42)),
        half_span=rng.uniform(0.8, 1.0),
        root_chord=rng.uniform(0.38, 0.48),
        tip_chord=rng.uniform(0.14, 0.26),
        sweep=rng.uniform(0.05, 0.18),
        dihedral=rng.uniform(3.0, 8.0),
        thickness=rng.uniform(0.045, 0.055),
    )
    plane.add(both(half_wing(wing)))
    blades = int(rng.integers(3, 5))
    if chance(rng, 0.35):
        engine = Assembly()
        x, y, z = wing.at(0.34)
        engine.capsule([x, y, z - 0.3], [x, y, z + 0.14], rng.uniform(0.07, 0.085))
        engine.add(propeller(rng, (x, y, z + 0.24), 0.24, blades))
        plane.add(both(engine))
    else:
        plane.add(propeller(rng, (0.0, 0.0, 0.8), rng.uniform(0.27, 0.34), blades))
    long = rng.uniform(0.08, 0.2)
    plane.capsule([0.0, 0.85 * radius, 0.02], [0.0, 0.85 * radius, 0.02 + long], 0.6 * radius)
    plane.add(tail(rng, 0.0, pick(rng, ("low", "low", "twin")), swept=False))
    if chance(rng, 0.35):
        plane.add(gear(rng, radius, wheel=0.07, tail_dragger=True))
    return plane


def _flying_wing(rng: np.random.Generator) -> Assembly:
    """No tail: a thick swept wing around a blended middle."""
    plane = Assembly()
    half_span = rng.uniform(0.95, 1.2)
    wing = Wing((0.0, 0.0, 0.42), half_span, rng.uniform(0.6, 0.8), rng.uniform(0.14, 0.24),
                 half_span * rng.uniform(0.45, 0.7), rng.uniform(0.0, 3.0),
                 rng.uniform(0.055, 0.075), kink=pick(rng, (0.0, 0.4)))  # fmt: skip
    plane.add(both(half_wing(wing)))
    half = rng.uniform(0.09, 0.14)
    plane.lathe(
        [(0.0, -0.75), (half, -0.2), (half, 0.2), (0.0, 0.52)],
        base=[0.0, 0.02, 0.0], axis=(0.0, 0.0, 1.0), rounding=0.02,
    )  # fmt: skip
    side = Assembly()
    side.capsule([0.2, 0.05, -0.28], [0.2, 0.05, 0.05], rng.uniform(0.05, 0.075))
    if chance(rng, 0.5):
        side.add(winglet(rng, wing))
    plane.add(both(side))
    return plane


def _twin_boom(rng: np.random.Generator) -> Assembly:
    """A short gondola between two booms that carry the tail."""
    plane = Assembly()
    radius, across = rng.uniform(0.1, 0.13), rng.uniform(0.28, 0.38)
    plane.lathe(
        [(0.0, -0.4), (0.8 * radius, -0.3), (radius, 0.15), (0.7 * radius, 0.5), (0.0, 0.7)],
        axis=(0.0, 0.0, 1.0), rounding=0.02,
    )  # fmt: skip
    plane.capsule([0.0, 0.7 * radius, 0.1], [0.0, 0.7 * radius, 0.25], 0.65 * radius)
    wing = Wing((0.0, 0.0, 0.32), rng.uniform(0.9, 1.15), rng.uniform(0.3, 0.4),
                 rng.uniform(0.14, 0.22), rng.uniform(0.04, 0.15), rng.uniform(1.0, 5.0),
                 0.05)  # fmt: skip
    side = half_wing(wing)
    front = rng.uniform(0.35, 0.5)
    side.rod([across, 0.02, -0.95], [across, 0.02, front], 0.04, 0.075, rounding=0.03)
    side.add(propeller(rng, (across, 0.02, front + 0.06), 0.24, 3))
    fin = Wing((across, 0.0, -0.7), rng.uniform(0.2, 0.3), 0.24, 0.16, 0.08, 90.0)
    side.add(half_wing(fin))
    plane.add(both(side))
    plane.box([2.0 * across, 0.045, 0.2], [0.0, 0.03, -0.85], rounding=0.02)
    return plane
