"""The parts that long guns share: receivers, stocks, grips, magazines, handguards, sights.

A gun is about 2 units long; Y is up, the bore runs along z at y = 0 and the muzzle points to +Z.
"""

from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.draws import chance, pick


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of one gun meet.

    Attributes:
        butt: z of the stock's end.
        rear: z of the receiver's back.
        front: z of the receiver's face, where the handguard begins.
        guard: z of the handguard's end.
        muzzle: z of the barrel's end.
        top: height of the receiver's upper side over the bore.
        bottom: height of its lower side, below 0.
        width: across the receiver.
        bore: radius of the barrel.
    """

    butt: float
    rear: float
    front: float
    guard: float
    muzzle: float
    top: float
    bottom: float
    width: float
    bore: float


def draw_layout(
    rng: np.random.Generator, stock: float, receiver: float, guard: float, barrel: float
) -> Layout:
    """Stations from the lengths of the four sections, each varied by up to a seventh."""
    lengths = np.array([stock, receiver, guard, barrel]) * rng.uniform(0.86, 1.14, 4)
    stations = np.concatenate([[0.0], np.cumsum(lengths)]) - 0.5 * lengths.sum()
    butt, rear, front, end, muzzle = stations.tolist()
    return Layout(
        butt=butt,
        rear=rear,
        front=front,
        guard=end,
        muzzle=muzzle,
        top=rng.uniform(0.05, 0.09),
        bottom=-rng.uniform(0.06, 0.1),
        width=rng.uniform(0.09, 0.13),
        bore=rng.uniform(0.022, 0.034),
    )


def receiver(rng: np.random.Generator, gun: Layout) -> Assembly:
    """The housing of the action: bevelled at its ends, boxy or with a rounded back."""
    receiver = Assembly()
    edge = pick(rng, (0.005, 0.02, 0.035))
    top, bottom = gun.top - edge, gun.bottom + edge
    slant, step = rng.uniform(0.0, 0.08), rng.uniform(0.0, 0.4) * (top - bottom)
    outline = [
        (gun.rear, bottom + step), (gun.rear + 0.15, bottom), (gun.front, bottom),
        (gun.front + 0.01, top - 0.02), (gun.front - slant, top), (gun.rear + slant, top),
        (gun.rear, top - 0.3 * (top - bottom)),
    ]  # fmt: skip
    receiver.prism(outline, gun.width, plane="zy", rounding=edge)
    return receiver


def stock(rng: np.random.Generator, gun: Layout, kind: str) -> Assembly:
    """A shoulder stock: "fixed", "frame", "sliding", "thumbhole", "wooden" or "pistol"."""
    if kind == "wooden":
        return wooden_stock(rng, gun)
    stock = Assembly()
    high, low = gun.top - 0.02, gun.bottom - rng.uniform(0.08, 0.16)
    joint = gun.rear + 0.04
    if kind == "fixed":
        shape = [(joint, high), (gun.butt, high - rng.uniform(0.0, 0.03)), (gun.butt, low),
                 (gun.butt + rng.uniform(0.05, 0.2), low), (joint, gun.bottom + 0.04)]  # fmt: skip
        stock.prism(shape, 0.7 * gun.width, plane="zy", rounding=0.015)
    elif kind == "frame":
        tube = rng.uniform(0.022, 0.03)
        ends = [[0.0, high - 0.03, joint], [0.0, high - 0.03, gun.butt],
                [0.0, low, gun.butt - 0.02], [0.0, gun.bottom + 0.03, joint]]  # fmt: skip
        stock.tube(ends if chance(rng, 0.6) else ends[:3], tube)
    elif kind == "sliding":
        stock.rod([0.0, 0.01, joint], [0.0, 0.01, gun.butt], 0.035)
        shape = [(gun.butt + 0.3, 0.05), (gun.butt, 0.05), (gun.butt - 0.02, low),
                 (gun.butt + 0.06, low), (gun.butt + 0.22, -0.04)]  # fmt: skip
        stock.prism(shape, 0.07, plane="zy", rounding=0.015)
    elif kind == "thumbhole":
        stock.beam([0.0, high - 0.04, joint], [0.0, high - 0.04, gun.butt], 0.8 * gun.width, 0.09,
                   rounding=0.02)  # fmt: skip
        foot = [0.0, low, gun.butt + 0.12]
        stock.beam([0.0, gun.bottom - 0.08, joint], foot, 0.07, 0.07, rounding=0.015)
        stock.box([0.8 * gun.width, high - low + 0.03, 0.14],
                  [0.0, 0.5 * (high + low), gun.butt + 0.07], rounding=0.02)  # fmt: skip
    else:
        end = [0.0, low - 0.12, gun.butt + 0.05]
        stock.beam([0.0, -0.02, joint], end, 0.8 * gun.width, 0.13, rounding=0.04)
    return stock


def wooden_stock(rng: np.random.Generator, gun: Layout) -> Assembly:
    """A classic stock: a slim wrist behind the receiver that drops and swells to the butt."""
    stock = Assembly()
    drop = rng.uniform(0.04, 0.12)
    wrist = gun.rear - rng.uniform(0.06, 0.14)
    wide = rng.uniform(0.15, 0.21)
    comb = wrist - 0.12
    shape = [
        (gun.rear + 0.04, gun.top - 0.04), (wrist, -0.01), (comb, 0.035 - 0.3 * drop),
        (gun.butt, -drop + 0.03), (gun.butt + 0.01, -drop - wide),
        (comb + 0.05, gun.bottom - 0.06 - 0.3 * drop), (wrist, gun.bottom - 0.02),
        (gun.rear + 0.04, gun.bottom + 0.01),
    ]  # fmt: skip
    stock.prism(shape, gun.width * rng.uniform(0.75, 0.95), plane="zy", rounding=0.02)
    return stock


def grip(rng: np.random.Generator, gun: Layout, z: float) -> Assembly:
    """A pistol grip with a trigger guard before it."""
    grip = Assembly()
    length, lean = rng.uniform(0.2, 0.28), rng.uniform(0.03, 0.13)
    top, end = gun.bottom + 0.04, gun.bottom - length
    grip.beam([0.0, top, z], [0.0, end, z - lean], 0.7 * gun.width, rng.uniform(0.09, 0.12),
              rounding=0.02)  # fmt: skip
    grip.add(trigger_guard(gun, z + 0.06))
    return grip


def trigger_guard(gun: Layout, z: float, *, lever: bool = False) -> Assembly:
    """A loop below the receiver from `z` forwards; a lever's loop reaches farther back."""
    guard = Assembly()
    low = gun.bottom - 0.1
    loop = [[0.0, gun.bottom + 0.02, z + 0.17], [0.0, low, z + 0.14], [0.0, low, z - 0.02]]
    if lever:
        loop += [[0.0, low - 0.03, z - 0.2], [0.0, low + 0.05, z - 0.2]]
    loop.append([0.0, gun.bottom, z - 0.04])
    guard.tube(loop, 0.018)
    return guard


def box_magazine(
    gun: Layout, z: float, length: float, depth: float, *, tilt: float = 0.0
) -> Assembly:
    """A straight magazine under the receiver; a positive `tilt` moves its foot forwards."""
    magazine = Assembly()
    reach = length * np.tan(np.radians(tilt))
    start, end = [0.0, gun.bottom + 0.05, z], [0.0, gun.bottom - length, z + reach]
    magazine.beam(start, end, 0.65 * gun.width, depth, rounding=0.01)
    return magazine


def magazine(rng: np.random.Generator, gun: Layout, kind: str) -> Assembly:
    """A "straight", "curved" or "drum" magazine before the trigger guard."""
    z = gun.front - rng.uniform(0.1, 0.2)
    length, depth = rng.uniform(0.24, 0.4), rng.uniform(0.12, 0.17)
    if kind == "straight":
        return box_magazine(gun, z, length, depth, tilt=rng.uniform(-2.0, 12.0))
    if kind == "drum":
        return drum(rng, gun, z)
    magazine = Assembly()
    point, angle = np.array([0.0, gun.bottom + 0.05, z]), rng.uniform(0.0, 8.0)
    bend = rng.uniform(8.0, 18.0)
    for _ in range(3):
        heading = np.radians(angle)
        step = np.array([0.0, -np.cos(heading), np.sin(heading)]) * (length + 0.05) / 3.0
        magazine.beam(point - 0.15 * step, point + step, 0.65 * gun.width, depth, rounding=0.01)
        point, angle = point + step, angle + bend
    return magazine


def drum(rng: np.random.Generator, gun: Layout, z: float) -> Assembly:
    """A round magazine across the gun or along it, on a short feed."""
    drum = Assembly()
    radius = rng.uniform(0.12, 0.17)
    y = gun.bottom - 0.75 * radius
    along = chance(rng, 0.7)
    axis, thickness = ((0.0, 0.0, 1.0), 0.14) if along else ((1.0, 0.0, 0.0), 0.15)
    drum.disc([0.0, y, z], radius, thickness, axis=axis, rounding=0.02)
    drum.box([0.6 * gun.width, 0.16, 0.12], [0.0, gun.bottom, z])
    return drum


def handguard(rng: np.random.Generator, gun: Layout) -> Assembly:
    """The hand's place before the receiver: a tube, a box, a wedge, or rails on a box."""
    guard = Assembly()
    start, end = gun.front - 0.03, gun.guard
    half = 0.45 * gun.width
    kind = pick(rng, ("tube", "box", "wedge", "rails"))
    if kind == "tube":
        guard.rod([0.0, 0.0, start], [0.0, 0.0, end], 1.25 * half, 1.1 * half, rounding=0.01)
    elif kind == "wedge":
        shape = [(start, gun.top - 0.02), (start, gun.bottom + 0.01), (end, -0.04), (end, 0.05)]
        guard.prism(shape, 2.0 * half, plane="zy", rounding=0.015)
    else:
        low = -rng.uniform(0.06, 0.09)
        guard.prism([(start, 0.05), (start, low), (end, low + 0.01), (end, 0.05)], 2.0 * half,
                    plane="zy", rounding=0.01)  # fmt: skip
        if kind == "rails":
            middle, length = 0.5 * (start + end), end - start
            guard.box([0.05, 0.05, 0.92 * length], [0.0, 0.065, middle])
            guard.box([2.0 * half + 0.06, 0.05, 0.92 * length], [0.0, 0.0, middle])
    return guard


def barrel(rng: np.random.Generator, gun: Layout) -> Assembly:
    """The barrel before the handguard, with or without a brake, a suppressor or a front sight."""
    barrel = Assembly()
    barrel.rod([0.0, 0.0, gun.front], [0.0, 0.0, gun.muzzle], gun.bore)
    kind = pick(rng, ("plain", "sight", "brake", "suppressor", "cone"), [2.0, 3.0, 3.0, 1.5, 1.0])
    end = gun.muzzle
    if kind == "sight":
        z = end - rng.uniform(0.06, 0.15)
        barrel.prism([(z - 0.04, 0.0), (z + 0.04, 0.0), (z + 0.01, 0.13), (z - 0.02, 0.13)], 0.035,
                     plane="zy", rounding=0.005)  # fmt: skip
    elif kind == "brake":
        barrel.rod([0.0, 0.0, end - 0.05], [0.0, 0.0, end + 0.07], 1.5 * gun.bore, rounding=0.008)
    elif kind == "suppressor":
        length = rng.uniform(0.2, 0.35)
        barrel.rod([0.0, 0.0, end - 0.05], [0.0, 0.0, end + length], 0.055, rounding=0.01)
    elif kind == "cone":
        barrel.rod([0.0, 0.0, end - 0.02], [0.0, 0.0, end + 0.1], gun.bore, 1.9 * gun.bore)
    return barrel


def sight(rng: np.random.Generator, gun: Layout) -> Assembly:
    """On the receiver: a scope, a red dot, a carrying handle, iron sights or a bare rail."""
    kind = pick(rng, ("scope", "dot", "handle", "irons", "rail"))
    if kind == "scope":
        return scope(rng, gun, gun.top)
    sight = Assembly()
    middle = 0.5 * (gun.rear + gun.front)
    if kind == "dot":
        sight.box([0.08, 0.12, 0.14], [0.0, gun.top + 0.05, middle + 0.05], rounding=0.025)
    elif kind == "handle":
        high, half = gun.top + rng.uniform(0.09, 0.13), rng.uniform(0.12, 0.2)
        sight.tube([[0.0, gun.top - 0.01, middle - half - 0.04], [0.0, high, middle - half],
                    [0.0, high, middle + half], [0.0, gun.top - 0.01, middle + half + 0.05]],
                   0.024)  # fmt: skip
    elif kind == "irons":
        sight.box([0.05, 0.09, 0.06], [0.0, gun.top + 0.03, gun.rear + 0.08])
        sight.box([0.04, 0.16, 0.05], [0.0, 0.05, gun.guard - 0.06])
    else:
        sight.box([0.06, 0.05, gun.front - gun.rear - 0.1], [0.0, gun.top + 0.01, middle])
    return sight


def scope(rng: np.random.Generator, gun: Layout, top: float) -> Assembly:
    """A telescope over the receiver, on one or two mounts at height `top`."""
    scope = Assembly()
    y, middle = top + rng.uniform(0.075, 0.1), 0.5 * (gun.rear + gun.front) + 0.02
    half, thin = rng.uniform(0.18, 0.3), rng.uniform(0.028, 0.034)
    wide = thin * rng.uniform(1.4, 1.9)
    scope.rod([0.0, y, middle - half], [0.0, y, middle + half], thin)
    scope.rod([0.0, y, middle + 0.45 * half], [0.0, y, middle + half], thin, wide)
    scope.rod([0.0, y, middle - half], [0.0, y, middle - 0.6 * half], 0.85 * wide, thin)
    if chance(rng, 0.5):
        scope.rod([0.0, y, middle], [0.0, y + 0.07, middle], 0.028)
    for z in (middle - 0.3 * half, middle + 0.3 * half):
        scope.box([0.05, y - top + 0.06, 0.06], [0.0, 0.5 * (y + top) - 0.03, z])
    return scope


def bipod(rng: np.random.Generator, gun: Layout) -> Assembly:
    """Two legs under the handguard's end, spread or folded back along the barrel."""
    bipod = Assembly()
    z, spread = gun.guard - 0.05, rng.uniform(0.12, 0.2)
    drop = rng.uniform(0.26, 0.36)
    foot = z + rng.uniform(-0.1, 0.12)
    for side in (-1.0, 1.0):
        bipod.capsule([0.0, -0.03, z], [side * spread, -drop, foot], 0.02)
        bipod.sphere([side * spread, -drop, foot], 0.028)
    return bipod


def under_barrel(rng: np.random.Generator, gun: Layout) -> Assembly:
    """A foregrip or a launcher tube below the handguard."""
    part = Assembly()
    z = 0.5 * (gun.front + gun.guard) + 0.02
    if chance(rng, 0.5):
        part.capsule([0.0, -0.05, z], [0.0, -rng.uniform(0.22, 0.3), z - 0.03], 0.038)
    else:
        part.rod([0.0, -0.11, gun.front], [0.0, -0.11, gun.guard + 0.08], 0.05, rounding=0.01)
        part.box([0.05, 0.1, 0.2], [0.0, -0.06, z])
    return part


def bayonet(gun: Layout) -> Assembly:
    bayonet = Assembly()
    y, z = -gun.bore - 0.015, gun.muzzle
    bayonet.prism(
        [(z - 0.12, -0.03), (z + 0.15, -0.025), (z + 0.26, 0.015), (z - 0.12, 0.03)], 0.036,
        center=[0.0, y, 0.0], plane="zy", rounding=0.005,
    )  # fmt: skip
    return bayonet
