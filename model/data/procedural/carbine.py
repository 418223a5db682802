"""Carbines and hand cannons: guns of thick closed bodies, kinds of rifle.

Y is up and the muzzle points to +Z; a gun is 0.9 to 1.7 units long and centred near the origin.
"""

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.draws import chance, pick


def carbine(rng: np.random.Generator) -> Assembly:
    """A smooth polymer gun: the stock, body and shroud run into each other."""
    gun = Assembly()
    long, tall = rng.uniform(0.45, 0.75), rng.uniform(0.12, 0.2)
    width, edge = rng.uniform(0.12, 0.26), pick(rng, (0.01, 0.03, 0.05))
    nose, step = long * rng.uniform(0.5, 0.9), rng.uniform(0.0, 0.06)
    shell = [
        (-0.3 * long, -tall), (0.3 * long, -tall), (nose, -rng.uniform(0.2, 0.9) * tall),
        (nose, 0.5 * tall), (nose - rng.uniform(0.02, 0.2), 0.9 * tall),
        (-0.4 * long, tall + step), (-0.6 * long, 0.5 * tall), (-0.6 * long, -0.2 * tall),
    ]  # fmt: skip
    gun.prism(shell, width, plane="zy", rounding=edge)
    gun.add(_butt(rng, -0.55 * long, tall, width))
    gun.add(_muzzle(rng, nose, 0.45 * min(width, tall)))
    z = rng.uniform(-0.35, -0.1) * long
    foot = [0.0, -tall - rng.uniform(0.2, 0.32), z - rng.uniform(0.02, 0.1)]
    gun.beam([0.0, 0.0, z], foot, 0.6 * width, rng.uniform(0.1, 0.16), rounding=0.03)
    guard = [[0.0, -0.8 * tall, z + 0.22], [0.0, -tall - 0.1, z + 0.18], [0.0, -tall - 0.1, z]]
    if chance(rng, 0.6):
        gun.tube(guard, 0.024)
    clip = rng.uniform(0.2, 0.5)
    place = pick(rng, (z - 0.02, rng.uniform(0.1, 0.3) * long))
    lean = rng.uniform(-0.06, 0.1)
    gun.beam([0.0, -0.6 * tall, place], [0.0, -tall - clip, place + lean], 0.5 * width, 0.11,
             rounding=0.01)  # fmt: skip
    gun.add(_ridge(rng, tall, nose))
    return gun


def _butt(rng: np.random.Generator, joint: float, tall: float, width: float) -> Assembly:
    """A closed stock, one with a thumb hole, a strut with a plate, or a short rounded end."""
    butt = Assembly()
    end = joint - rng.uniform(0.25, 0.5)
    low = -tall * rng.uniform(1.0, 1.8)
    kind = pick(rng, ("closed", "hole", "strut", "short"))
    if kind == "closed":
        outline = [(joint + 0.1, 0.7 * tall), (end, 0.75 * tall), (end, low),
                   (end + 0.1, low), (joint + 0.1, -0.3 * tall)]  # fmt: skip
        butt.prism(outline, 0.8 * width, plane="zy", rounding=0.02)
    elif kind == "hole":
        butt.beam([0.0, 0.4 * tall, joint + 0.1], [0.0, 0.4 * tall, end], 0.7 * width, 0.6 * tall,
                  rounding=0.02)  # fmt: skip
        butt.beam([0.0, -0.3 * tall, joint + 0.1], [0.0, low + 0.06, end], 0.5 * width, 0.07)
        size = [0.8 * width, 0.7 * tall - low, 0.1]
        butt.box(size, [0.0, 0.5 * (0.7 * tall + low), end], rounding=0.02)
    elif kind == "strut":
        butt.rod([0.0, 0.3 * tall, joint + 0.1], [0.0, 0.3 * tall, end], 0.25 * tall)
        size = [0.7 * width, 2.2 * tall, 0.09]
        butt.box(size, [0.0, -0.4 * tall, end], rounding=0.02)
    else:
        butt.sphere([0.0, 0.15 * tall, joint + 0.02], 0.45 * min(1.6 * tall, 2.0 * width))
    return butt


def _muzzle(rng: np.random.Generator, nose: float, radius: float) -> Assembly:
    """A short barrel, a thin long one with a brake, two stacked ones, or a lower shroud too."""
    muzzle = Assembly()
    reach = nose + rng.uniform(0.08, 0.45)
    kind = pick(rng, ("short", "brake", "stacked", "shroud"))
    if kind == "stacked":
        for y in (-0.8 * radius, 0.8 * radius):
            muzzle.rod([0.0, y, nose - 0.1], [0.0, y, nose + 0.1], 0.6 * radius)
        return muzzle
    thin = rng.uniform(0.3, 0.6) * radius + 0.015
    muzzle.rod([0.0, 0.0, nose - 0.1], [0.0, 0.0, reach], thin)
    if kind == "brake":
        muzzle.rod([0.0, 0.0, reach - 0.1], [0.0, 0.0, reach + 0.05], 1.5 * thin)
    elif kind == "shroud":
        size = [1.5 * radius, 1.6 * radius, reach - nose + 0.06]
        muzzle.box(size, [0.0, -0.7 * radius, 0.5 * (nose + reach) - 0.06], rounding=0.01)
    return muzzle


def _ridge(rng: np.random.Generator, tall: float, nose: float) -> Assembly:
    """A sight block, a rail, a long raised spine, or a scope over the body."""
    ridge = Assembly()
    kind = pick(rng, ("block", "rail", "spine", "scope", "none"))
    if kind == "block":
        ridge.box([0.07, 0.2, 0.12], [0.0, tall, -0.1], rounding=0.01)
        ridge.box([0.06, 0.5 * tall + 0.1, 0.05], [0.0, 0.8 * tall, nose - 0.12])
    elif kind == "rail":
        ridge.box([0.06, 0.1, 0.6 * nose], [0.0, tall - 0.01, 0.0])
    elif kind == "spine":
        spine = [(-0.3, 0.6 * tall), (nose - 0.1, 0.6 * tall), (nose - 0.15, 1.2 * tall),
                 (-0.2, 1.4 * tall)]  # fmt: skip
        ridge.prism(spine, 0.1, plane="zy", rounding=0.015)
    elif kind == "scope":
        y = tall + 0.09
        ridge.rod([0.0, y, -0.2], [0.0, y, 0.16], 0.045, 0.06)
        ridge.box([0.06, 0.2, 0.12], [0.0, tall, -0.04])
    return ridge


def hand_cannon(rng: np.random.Generator) -> Assembly:
    """A sawn-off gun: one to three fat barrels, a short body and a bent pistol stock."""
    gun = Assembly()
    bore, reach = rng.uniform(0.07, 0.13), rng.uniform(0.4, 0.85)
    kind = pick(rng, ("single", "pair", "pair", "stacked", "pump"))
    places = {
        "single": [(0.0, 0.0)],
        "pair": [(-0.9 * bore, 0.0), (0.9 * bore, 0.0)],
        "stacked": [(0.0, -0.9 * bore), (0.0, 0.9 * bore)],
        "pump": [(0.0, 0.5 * bore), (0.0, -1.1 * bore)],
    }[kind]
    for index, (x, y) in enumerate(places):
        end = reach * (0.8 if kind == "pump" and index else 1.0)
        gun.rod([x, y, -0.15], [x, y, end], bore)
        if chance(rng, 0.3):
            gun.disc([x, y, end], 1.15 * bore, 0.06, axis=(0.0, 0.0, 1.0))
    if kind == "pump":
        size = [2.6 * bore, 2.4 * bore, 0.4 * reach]
        gun.box(size, [0.0, -1.1 * bore, 0.4 * reach], rounding=0.4 * bore)
    wide = 2.0 * (max(x for x, _ in places) + 0.75 * bore)
    body = [(0.1, -1.4 * bore), (0.1, 1.1 * bore), (-0.2, 1.1 * bore), (-0.3, 0.5 * bore),
            (-0.3, -1.2 * bore)]  # fmt: skip
    gun.prism(body, wide, plane="zy", rounding=0.02)
    drop = rng.uniform(0.15, 0.4)
    bend = [0.0, -0.9 * bore, -0.35]
    thick = rng.uniform(1.6, 2.4) * bore
    gun.beam([0.0, -0.2 * bore, -0.2], bend, 0.9 * thick, thick, rounding=0.3 * thick)
    heel = [0.0, bend[1] - drop, bend[2] - rng.uniform(0.12, 0.4)]
    gun.beam([0.0, -0.6 * bore, -0.28], heel, 0.8 * thick, thick, rounding=0.3 * thick)
    low = -1.3 * bore
    gun.tube([[0.0, low, 0.02], [0.0, low - 0.1, 0.0], [0.0, low - 0.1, -0.16],
              [0.0, low + 0.02, -0.24]], 0.022)  # fmt: skip
    if chance(rng, 0.4):
        gun.sphere([0.0, 1.2 * bore, -0.2], 0.05)
    return gun
