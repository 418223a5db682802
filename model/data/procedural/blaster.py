"""Blasters: chunky science-fiction guns, a kind of rifle.

Y is up and the muzzle points to +Z; the body is 0.9 to 1.4 units long and centred at the origin.
"""

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.draws import chance, pick


def blaster(rng: np.random.Generator) -> Assembly:
    """A chunky science-fiction gun: a wide bevelled body with a big emitter."""
    gun = Assembly()
    stubby = chance(rng, 0.3)
    length = rng.uniform(0.55, 0.9) if stubby else rng.uniform(0.9, 1.5)
    height, width = rng.uniform(0.28, 0.58), rng.uniform(0.2, 0.46)
    front, rear, top, low = 0.5 * length, -0.5 * length, 0.5 * height, -0.5 * height
    gun.add(_shell(rng, length, height, width))
    if chance(rng, 0.5):
        size = [width + rng.uniform(0.06, 0.12), 0.5 * height, rng.uniform(0.3, 0.6) * length]
        gun.box(size, [0.0, rng.uniform(-0.05, 0.06), rng.uniform(-0.1, 0.1)], rounding=0.02)
    gun.add(_side_plates(rng, width, height, length))
    gun.add(_emitter(rng, front, 0.45 * min(height, width)))
    z = rear + rng.uniform(0.12, 0.35)
    lean = rng.uniform(0.04, 0.16)
    foot = [0.0, low - rng.uniform(0.28, 0.4), z - lean]
    gun.beam([0.0, -0.04, z + 0.03], foot, 0.6 * width, 0.2, rounding=0.03)
    if chance(rng, 0.35):  # a wider end
        gun.box([0.75 * width, 0.09, 0.26], foot, rounding=0.02, rotation=turn("x", 12.0))
    if chance(rng, 0.6):
        guard = [[0.0, -0.04, z + 0.3], [0.0, low - 0.15, z + 0.28], [0.0, low - 0.16, z]]
        gun.tube(guard, 0.024)
    if chance(rng, 0.7):
        size = [
            rng.uniform(0.5, 1.1) * width,
            rng.uniform(0.1, 0.45) - low,
            rng.uniform(0.16, 0.32),
        ]
        z = front - rng.uniform(0.18, 0.35)
        gun.box(size, [0.0, -0.5 * size[1] + 0.03, z], rounding=pick(rng, (0.0, 0.03)))
    gun.add(_top_piece(rng, top, length))
    if chance(rng, 0.55):
        gun.add(_shoulder_stock(rng, rear, width))
    return gun


def _shell(rng: np.random.Generator, length: float, height: float, width: float) -> Assembly:
    """The body: a bevelled block, a step, a wedge, a drum along the bore, or two slabs."""
    shell = Assembly()
    front, rear, top, low = 0.5 * length, -0.5 * length, 0.5 * height, -0.5 * height
    edge = pick(rng, (0.0, 0.03))
    kind = pick(rng, ("bevelled", "step", "wedge", "drum", "slabs"))
    a, b, c, d = rng.uniform(0.05, 0.16, 4).tolist()
    if kind == "step":
        outline = [
            (rear, low + b), (rear + b, low), (0.12 * length, low), (0.2 * length, -d),
            (front, -d), (front, top - c), (front - c, top), (rear, top),
        ]  # fmt: skip
    elif kind == "wedge":
        outline = [
            (rear, -a), (rear + 0.4, low), (front, low + b), (front, top - 0.5 * c),
            (rear + 0.5 * length, top), (rear, 0.04),
        ]  # fmt: skip
    else:
        outline = [
            (rear + a, top), (rear, top - a), (rear, low + b), (rear + b, low),
            (front - c, low), (front, low + c), (front, top - d), (front - d, top),
        ]  # fmt: skip
    if kind == "drum":
        shell.rod([0.0, 0.0, rear], [0.0, 0.0, front], 0.5 * height, rounding=0.05)
        shell.box([0.6 * width, height, 0.6 * length], [0.0, 0.0, 0.0])
    elif kind == "slabs":
        shell.prism(outline, 0.6 * width, plane="zy")
        shell.box([width, 0.45 * height, 0.9 * length], [0.0, 0.28 * height, 0.0], rounding=edge)
    else:
        shell.prism(outline, width, plane="zy", rounding=edge)
    return shell


def _emitter(rng: np.random.Generator, front: float, radius: float) -> Assembly:
    """What a blaster fires from: a tube, a flared cone, two tubes or a square shroud."""
    emitter = Assembly()
    reach = rng.uniform(0.15, 0.5)
    end, thin = front + reach, radius * rng.uniform(0.5, 0.8)
    kind = pick(rng, ("tube", "cone", "pair", "shroud", "rings"))
    if kind == "pair":
        for x in (-0.55 * radius, 0.55 * radius):
            emitter.rod([x, 0.0, front - 0.1], [x, 0.0, end], 0.4 * radius, rounding=0.01)
    elif kind == "shroud":
        size = [1.8 * radius, 1.8 * radius, reach + 0.1]
        emitter.box(size, [0.0, 0.0, front + 0.5 * reach - 0.05], rounding=0.02)
        emitter.rod([0.0, 0.0, front], [0.0, 0.0, end + 0.08], thin)
    else:
        wide = 1.2 * radius if kind == "cone" else thin
        emitter.rod([0.0, 0.0, front - 0.1], [0.0, 0.0, end], thin, wide, rounding=0.01)
        for z in np.linspace(front + 0.06, end - 0.04, 3).tolist() if kind == "rings" else [end]:
            emitter.disc([0.0, 0.0, z], radius, 0.06, axis=(0.0, 0.0, 1.0), rounding=0.01)
    return emitter


def _top_piece(rng: np.random.Generator, top: float, length: float) -> Assembly:
    """A carrying handle, a scope, a rail or fins on a blaster's back."""
    part = Assembly()
    kind = pick(rng, ("handle", "scope", "rail", "fins", "none"), (3.0, 1.0, 1.0, 1.0, 1.0))
    if chance(rng, 0.4):  # a front sight
        wedge = [(0.0, -0.12), (0.14, -0.02), (0.14, 0.04), (0.0, 0.08)]
        center = [0.0, top - 0.04, 0.5 * length - 0.2]
        part.prism([(along, up) for up, along in wedge], 0.07, center=center, plane="zy")
    z = rng.uniform(-0.15, 0.1)
    if kind == "handle":
        high, half = top + rng.uniform(0.08, 0.2), min(rng.uniform(0.13, 0.3), 0.3 * length)
        part.tube([[0.0, 0.0, z - half - 0.06], [0.0, high, z - half],
                   [0.0, high, z + half], [0.0, 0.0, z + half + 0.06]], 0.035)  # fmt: skip
    elif kind == "scope":
        y = top + rng.uniform(0.08, 0.12)
        part.rod([0.0, y, z - 0.22], [0.0, y, z + 0.22], 0.06, 0.075, rounding=0.01)
        part.box([0.06, 0.24, 0.14], [0.0, top - 0.02, z])
    elif kind == "rail":
        part.box([0.1, 0.1, 0.7 * length], [0.0, top + 0.02, 0.0], rounding=0.01)
    elif kind == "fins":
        for step in range(3):
            fin = [(0.0, -0.14), (0.12, -0.14), (0.06, 0.12), (0.0, 0.12)]
            part.prism(fin, 0.07, center=[0.0, top, z - 0.2 + 0.18 * step], plane="zy")
    return part


def _side_plates(rng: np.random.Generator, width: float, height: float, length: float) -> Assembly:
    """Raised plates, round caps or bars on both flanks, or none."""
    flank = Assembly()
    x, z = 0.5 * width, rng.uniform(-0.2, 0.1) * length
    kind = pick(rng, ("plate", "caps", "bar", "none"), (1.5, 1.0, 1.0, 1.5))
    if kind == "plate":
        flank.box([0.1, 0.35 * height, 0.3 * length], [x, 0.05 * height, z])
        flank.box([0.15, 0.15 * height, 0.1 * length], [x, 0.05 * height, z + 0.02])
    elif kind == "caps":
        for shift in (-0.14, 0.14):
            center = [x, 0.1 * height, z + shift * length]
            flank.disc(center, 0.13 * height, 0.1, axis=(1.0, 0.0, 0.0))
    elif kind == "bar":
        flank.beam([x, -0.1 * height, z - 0.25 * length], [x, -0.1 * height, z + 0.25 * length],
                   0.09, 0.18 * height, rounding=0.01)  # fmt: skip
    flank.add(flank.mirrored_x())
    return flank


def _shoulder_stock(rng: np.random.Generator, rear: float, width: float) -> Assembly:
    """A strut or two side rods to a butt plate, narrow or as broad as the body."""
    stock = Assembly()
    butt = rear - rng.uniform(0.15, 0.45)
    high = rng.uniform(0.0, 0.08)
    if chance(rng, 0.4):
        for x in (-0.28 * width, 0.28 * width):
            stock.rod([x, high, rear + 0.08], [x, high, butt], 0.04)
        tall = rng.uniform(0.25, 0.45)
        outline = [(0.0, -0.6 * tall), (0.0, 0.4 * tall), (-0.1, 0.55 * tall), (-0.1, -0.75 * tall)]
        stock.prism(outline, rng.uniform(0.8, 1.15) * width, center=[0.0, high, butt + 0.03],
                    plane="zy", rounding=0.01)  # fmt: skip
        return stock
    stock.beam([0.0, high, rear + 0.05], [0.0, high, butt], 0.4 * width, 0.1, rounding=0.02)
    if chance(rng, 0.5):
        stock.beam([0.0, -0.12, rear + 0.05], [0.0, high - 0.1, butt], 0.3 * width, 0.07)
    stock.box([0.6 * width, rng.uniform(0.3, 0.4), 0.08], [0.0, high - 0.08, butt], rounding=0.02)
    return stock
