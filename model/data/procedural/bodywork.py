"""The parts that cars share: wheels, bodies with open wheel arches, cabins, trim, roof loads.

Units are metres; Y is up, the car drives towards +Z, the ground is y = 0.
"""

from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.draws import chance, pick

Range = tuple[float, float]
"""Lowest and highest value of a uniform draw."""


@dataclass(frozen=True, slots=True)
class Silhouette:
    """The ranges that make a passenger car's side view, in metres.

    `hood`, `windshield`, `rear_window` and `deck` are lengths along the car, `belt` and `roof`
    heights above the ground, `clearance` that of the sill.
    """

    length: Range
    width: Range
    belt: Range
    roof: Range
    hood: Range
    windshield: Range
    rear_window: Range
    deck: Range
    wheel: Range
    clearance: Range


@dataclass(frozen=True, slots=True)
class Frame:
    """What all parts of one car agree on, in metres; `edge` is the rounding of its body."""

    length: float
    width: float
    floor: float
    belt: float
    roof: float
    wheel_radius: float
    wheel_width: float
    front_axle: float
    rear_axle: float
    edge: float

    @property
    def front(self) -> float:
        """The z of the front end."""
        return 0.5 * self.length

    @property
    def rear(self) -> float:
        """The z of the rear end."""
        return -0.5 * self.length

    @property
    def arch(self) -> float:
        """Height of the wheel arches' top."""
        return 2.0 * self.wheel_radius + 0.04


def draw_frame(rng: np.random.Generator, shape: Silhouette) -> Frame:
    """Draw the sizes of a car; every fourth one is as stubby and big-wheeled as a toy."""
    toy = chance(rng, 0.25)
    length = rng.uniform(*shape.length) * (0.85 if toy else 1.0)
    wheel_radius = rng.uniform(*shape.wheel) * (1.18 if toy else 1.0)
    belt = max(rng.uniform(*shape.belt), 2.0 * wheel_radius + 0.26)
    return Frame(
        length=length,
        width=rng.uniform(*shape.width),
        floor=rng.uniform(*shape.clearance),
        belt=belt,
        roof=max(rng.uniform(*shape.roof), belt + 0.32),
        wheel_radius=wheel_radius,
        wheel_width=rng.uniform(0.18, 0.28) * (1.2 if toy else 1.0),
        front_axle=0.5 * length - wheel_radius - rng.uniform(0.3, 0.55) * length / 4.5,
        rear_axle=-0.5 * length + wheel_radius + rng.uniform(0.3, 0.6) * length / 4.5,
        edge=pick(rng, (0.02, 0.05, 0.09)),
    )


def running_gear(rng: np.random.Generator, frame: Frame) -> Assembly:
    """Four wheels on two axles, and the narrow core of the body between them."""
    gear = Assembly()
    outset = 0.5 * (frame.width - frame.wheel_width) + rng.uniform(-0.01, 0.06)
    profile = wheel_profile(rng, frame.wheel_radius, frame.wheel_width)
    for z in (frame.front_axle, frame.rear_axle):
        hub = [outset, frame.wheel_radius, z]
        gear.lathe(profile, base=hub, axis=(1.0, 0.0, 0.0), rounding=0.02)
        gear.lathe(profile, base=[-outset, *hub[1:]], axis=(-1.0, 0.0, 0.0), rounding=0.02)
        gear.rod([-outset, *hub[1:]], hub, 0.09)
    core = frame.width - 2.0 * frame.wheel_width - 0.1
    gear.box(
        [core, frame.arch - frame.floor + 0.02, frame.length - 0.2],
        [0.0, 0.5 * (frame.arch + frame.floor) + 0.01, 0.0],
    )
    return gear


def wheel_profile(
    rng: np.random.Generator, radius: float, width: float
) -> list[tuple[float, float]]:
    """A wheel with a dished, flat or domed hub; its outside looks along +axis."""
    radius, half = radius - 0.02, 0.5 * width - 0.02
    rim = radius * rng.uniform(0.5, 0.7)
    hub = half * pick(rng, (0.5, 1.0, 1.35))
    return [
        (0.0, -half), (radius, -half), (radius, half), (rim, half), (0.85 * rim, hub), (0.0, hub),
    ]  # fmt: skip


def body(rng: np.random.Generator, frame: Frame, cowl: float, tail: float) -> Assembly:
    """The body below the windows: a deck over the wheels, and skirts that leave the arches open."""
    body = Assembly()
    depth = frame.belt - frame.arch
    nose = frame.arch + rng.uniform(0.35, 0.95) * depth
    trunk = frame.belt - rng.uniform(0.0, 0.1)
    lean, edge = rng.uniform(0.0, 0.2), min(frame.edge, 0.25 * depth)
    hood = frame.front - cowl
    reach = min(rng.uniform(0.12, 0.28), 0.4 * hood) if chance(rng, 0.55) else 0.0
    if reach > 0.0:
        body.add(_fascia(rng, frame, nose, reach))
    front, rear = frame.front - reach - edge, frame.rear + edge
    low = frame.arch + edge
    shoulder = max(nose - edge, low + 0.04)
    outline = [
        (rear + 0.03, low),
        (front - 0.03, low),
        (front, 0.5 * (low + shoulder)),
        (max(front - lean, cowl + 0.05), shoulder),
        (cowl, max(frame.belt - edge, shoulder)),
        (tail, max(trunk - edge, low + 0.05)),
        (rear + 0.3 * lean, max(trunk - 0.05 - edge, low + 0.03)),
    ]
    body.prism(outline, frame.width, plane="zy", rounding=edge)
    for skirt in skirts(frame, nose=reach):
        body.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    if chance(rng, 0.25):
        body.add(flares(frame))
    return body


def _fascia(rng: np.random.Generator, frame: Frame, top: float, reach: float) -> Assembly:
    """A front end that narrows towards the bumper, `reach` long, up to height `top`."""
    fascia = Assembly()
    edge = min(frame.edge, 0.04)
    half, narrow = 0.5 * frame.width - edge, frame.width * rng.uniform(0.26, 0.4)
    start, end = frame.front - reach, frame.front - edge
    outline = [
        (-half, start - 0.2), (half, start - 0.2), (half, start), (narrow, end), (-narrow, end),
        (-half, start),
    ]  # fmt: skip
    low = frame.floor + rng.uniform(0.05, 0.2)
    fascia.prism(
        outline, top - low, center=[0.0, 0.5 * (top + low), 0.0], plane="xz", rounding=edge
    )
    return fascia


def skirts(frame: Frame, *, nose: float = 0.0) -> list[list[tuple[float, float]]]:
    """Outlines of the sill between the wheels and of the body's two ends below the deck.

    The front one ends `nose` behind the front.
    """
    low, high, middle = frame.floor + 0.02, frame.arch + 0.05, frame.wheel_radius
    reach, slope = 1.14 * frame.wheel_radius + 0.02, 0.6 * frame.wheel_radius
    rear, front = frame.rear_axle + reach, frame.front_axle - reach
    sill = [
        (rear, low), (front, low), (front, middle), (front + reach - slope, high),
        (rear - reach + slope, high), (rear, middle),
    ]  # fmt: skip
    skirts = [sill] if front - rear > 0.1 else []
    for axle, end in ((frame.front_axle, frame.front - nose), (frame.rear_axle, frame.rear)):
        side = float(np.sign(end))
        start, stop = axle + side * reach, end - side * 0.05
        lip = start + 0.6 * (stop - start)
        if side * (stop - start) < 0.05:
            continue  # too short an overhang to show
        skirts.append([
            (start, low + 0.06), (lip, low + 0.06), (stop, low + 0.16), (stop, high),
            (axle + side * slope, high), (start, middle),
        ])  # fmt: skip
    return skirts


def flares(frame: Frame) -> Assembly:
    """Fenders that stand proud of the body over each wheel."""
    flares = Assembly()
    inner, outer = 1.05 * frame.wheel_radius, 1.05 * frame.wheel_radius + 0.11
    for z in (frame.front_axle, frame.rear_axle):
        arc = [(z + r * c, frame.wheel_radius + r * s) for r, c, s in (
            (outer, 1.0, 0.0), (outer, 0.7, 0.7), (outer, -0.7, 0.7), (outer, -1.0, 0.0),
            (inner, -1.0, 0.0), (inner, -0.7, 0.7), (inner, 0.7, 0.7), (inner, 1.0, 0.0),
        )]  # fmt: skip
        flares.prism(arc, frame.width + 0.12, plane="zy")
    return flares


def cabin(
    rng: np.random.Generator, frame: Frame, stations: tuple[float, float, float, float]
) -> Assembly:
    """The glasshouse over (rear base, rear roof, front roof, front base), all z.

    Its sides lean inwards: two halves turned towards each other, under a flat middle.
    """
    cabin = Assembly()
    edge = frame.edge
    rear, roof_rear, roof_front, front = stations
    base, top = -0.12, frame.roof - frame.belt - edge
    outline = [
        (rear + edge, base), (front - edge, base), (front - edge, 0.0), (roof_front, top),
        (roof_rear, top), (rear + edge, 0.0),
    ]  # fmt: skip
    width = frame.width - rng.uniform(0.06, 0.2)
    lean = rng.uniform(4.0, 12.0)
    half = Assembly()
    half.prism(
        outline, 0.5 * width, center=[0.25 * width, frame.belt, 0.0], plane="zy",
        rounding=edge, rotation=turn("z", lean),
    )  # fmt: skip
    cabin.add(half)
    cabin.add(half.mirrored_x())
    middle = width - 2.0 * (top + edge) * np.tan(np.radians(lean)) - 0.1
    cabin.prism(outline, middle, center=[0.0, frame.belt + 0.02, 0.0], plane="zy", rounding=edge)
    return cabin


def trim(rng: np.random.Generator, frame: Frame, cowl: float) -> Assembly:
    """Bumpers, lamps, mirrors and exhausts."""
    trim = Assembly()
    height = frame.floor + rng.uniform(0.18, 0.28)
    if chance(rng, 0.7):
        for z in (frame.front - 0.03, frame.rear + 0.03):
            size = [frame.width * rng.uniform(0.85, 1.02), rng.uniform(0.12, 0.2), 0.24]
            trim.box(size, [0.0, height, z], rounding=0.04)
    pair = Assembly()
    lamp = frame.arch + 0.3 * (frame.belt - frame.arch)
    if chance(rng, 0.5):
        across = frame.width * rng.uniform(0.3, 0.38)
        if chance(rng, 0.5):
            pair.rod([across, lamp, frame.front - 0.5], [across, lamp, frame.front + 0.05], 0.11)
        else:
            pair.box([0.3, 0.13, 0.4], [across, lamp, frame.front - 0.14], rounding=0.03)
    if chance(rng, 0.6):
        place = [0.5 * frame.width + 0.03, frame.belt + 0.02, cowl - rng.uniform(0.2, 0.35)]
        pair.box([0.36, 0.16, 0.13], place, rounding=0.04)
    if chance(rng, 0.25):
        y = frame.floor + 0.06
        pair.rod([0.45, y, frame.rear + 0.4], [0.45, y, frame.rear - 0.1], 0.06)
    trim.add(pair)
    trim.add(pair.mirrored_x())
    return trim


def roof_load(rng: np.random.Generator, frame: Frame, rear: float, front: float) -> Assembly:
    """A taxi sign, a light bar, roof rails, a rack with a box, or nothing."""
    load = Assembly()
    middle, length = 0.5 * (rear + front), front - rear
    kind = pick(rng, ("none", "sign", "lights", "rails", "box"), [0.66, 0.1, 0.1, 0.08, 0.06])
    if kind == "sign":
        load.box([0.5, 0.24, 0.2], [0.0, frame.roof + 0.06, middle], rounding=0.03)
    elif kind == "lights":
        load.box([0.6 * frame.width, 0.22, 0.22], [0.0, frame.roof + 0.06, middle], rounding=0.05)
    elif kind == "rails":
        for x in (-0.28 * frame.width, 0.28 * frame.width):
            y = frame.roof + 0.03
            load.beam([x, y, rear], [x, y, front], 0.1, 0.14, rounding=0.03)
    elif kind == "box":
        size = [0.4 * frame.width, 0.3, max(0.9 * length, 0.8)]
        load.box(size, [0.0, frame.roof + 0.12, middle], rounding=0.09)
    return load


def spoiler(rng: np.random.Generator, frame: Frame) -> Assembly:
    spoiler = Assembly()
    lift = rng.uniform(0.12, 0.3)
    z = frame.rear + 0.22
    spoiler.box(
        [0.92 * frame.width, 0.09, 0.28], [0.0, frame.belt + lift, z],
        rounding=0.03, rotation=turn("x", 6.0),
    )  # fmt: skip
    for x in (-0.33 * frame.width, 0.33 * frame.width):
        spoiler.beam([x, frame.belt - 0.2, z + 0.05], [x, frame.belt + lift, z], 0.09, 0.14)
    return spoiler


def spare_wheel(frame: Frame) -> Assembly:
    spare = Assembly()
    y = max(frame.belt - 0.05, frame.wheel_radius + frame.floor)
    spare.rod(
        [0.0, y, frame.rear + 0.15], [0.0, y, frame.rear - 0.22], frame.wheel_radius, rounding=0.05
    )
    return spare
