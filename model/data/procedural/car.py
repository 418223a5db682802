"""Cars: sedans, hatchbacks, estates, coupes, roadsters, pickups, vans, trucks, buses, racers.

Units are metres before normalisation; Y is up, the car drives towards +Z, the ground is y = 0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.solids import Solids

Range = tuple[float, float]
"""Lowest and highest value of a uniform draw."""


@dataclass(frozen=True, slots=True)
class _Silhouette:
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


_SEDAN = _Silhouette(
    (4.2, 5.0), (1.7, 1.95), (0.86, 1.0), (1.36, 1.52), (0.95, 1.35), (0.45, 0.8), (0.4, 0.75),
    (0.45, 0.9), (0.30, 0.37), (0.17, 0.26),
)  # fmt: skip
_HATCHBACK = _Silhouette(
    (3.4, 4.2), (1.6, 1.85), (0.88, 1.02), (1.4, 1.62), (0.7, 1.05), (0.4, 0.75), (0.15, 0.55),
    (0.0, 0.15), (0.29, 0.36), (0.17, 0.26),
)  # fmt: skip
_ESTATE = _Silhouette(
    (4.3, 4.9), (1.7, 1.9), (0.88, 1.0), (1.4, 1.55), (0.95, 1.3), (0.5, 0.8), (0.15, 0.5),
    (0.0, 0.1), (0.31, 0.37), (0.17, 0.26),
)  # fmt: skip
_OFFROADER = _Silhouette(
    (3.9, 4.9), (1.75, 2.0), (1.05, 1.2), (1.65, 1.95), (0.85, 1.25), (0.2, 0.6), (0.03, 0.3),
    (0.0, 0.08), (0.36, 0.46), (0.28, 0.42),
)  # fmt: skip
_COUPE = _Silhouette(
    (4.0, 4.7), (1.8, 2.02), (0.76, 0.88), (1.12, 1.3), (1.05, 1.6), (0.65, 1.0), (0.7, 1.25),
    (0.15, 0.5), (0.32, 0.39), (0.13, 0.19),
)  # fmt: skip
_CITY_CAR = _Silhouette(
    (2.7, 3.3), (1.5, 1.75), (0.85, 0.98), (1.42, 1.62), (0.4, 0.7), (0.35, 0.6), (0.1, 0.35),
    (0.0, 0.1), (0.28, 0.34), (0.17, 0.25),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Frame:
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


def build(rng: np.random.Generator) -> Solids:
    """One random road vehicle, normalised to the unit sphere."""
    styles: list[tuple[float, Callable[[np.random.Generator], Assembly]]] = [
        (4.0, lambda draw: _passenger_car(draw, _SEDAN)),
        (3.0, lambda draw: _passenger_car(draw, _HATCHBACK)),
        (2.0, lambda draw: _passenger_car(draw, _ESTATE)),
        (3.0, lambda draw: _passenger_car(draw, _OFFROADER)),
        (3.0, lambda draw: _passenger_car(draw, _COUPE)),
        (1.0, lambda draw: _passenger_car(draw, _CITY_CAR)),
        (1.5, _roadster),
        (2.5, _pickup),
        (2.0, _van),
        (3.0, _truck),
        (1.5, _racer),
    ]
    weights = np.array([weight for weight, _ in styles])
    style = styles[int(rng.choice(len(styles), p=weights / weights.sum()))][1]
    return style(rng).build()


def _frame(rng: np.random.Generator, shape: _Silhouette) -> _Frame:
    """Draw the sizes of a car; every fourth one is as stubby and big-wheeled as a toy."""
    toy = rng.random() < 0.25
    length = rng.uniform(*shape.length) * (0.85 if toy else 1.0)
    wheel_radius = rng.uniform(*shape.wheel) * (1.18 if toy else 1.0)
    belt = max(rng.uniform(*shape.belt), 2.0 * wheel_radius + 0.15)
    return _Frame(
        length=length,
        width=rng.uniform(*shape.width),
        floor=rng.uniform(*shape.clearance),
        belt=belt,
        roof=max(rng.uniform(*shape.roof), belt + 0.32),
        wheel_radius=wheel_radius,
        wheel_width=rng.uniform(0.18, 0.28) * (1.2 if toy else 1.0),
        front_axle=0.5 * length - wheel_radius - rng.uniform(0.3, 0.55) * length / 4.5,
        rear_axle=-0.5 * length + wheel_radius + rng.uniform(0.3, 0.6) * length / 4.5,
        edge=float(rng.choice([0.02, 0.05, 0.09])),
    )


def _passenger_car(rng: np.random.Generator, shape: _Silhouette) -> Assembly:
    frame = _frame(rng, shape)
    squeeze = frame.length / np.mean(shape.length)
    cowl = frame.front - rng.uniform(*shape.hood) * squeeze
    tail = frame.rear + rng.uniform(*shape.deck) * squeeze
    car = _running_gear(rng, frame)
    car.add(_body(rng, frame, cowl, tail))
    roof_front = cowl - rng.uniform(*shape.windshield) * squeeze
    roof_rear = min(tail + rng.uniform(*shape.rear_window) * squeeze, roof_front - 0.4)
    car.add(_cabin(rng, frame, (tail + 0.02, roof_rear, roof_front, cowl)))
    car.add(_trim(rng, frame))
    car.add(_roof_load(rng, frame, roof_rear, roof_front))
    if shape in (_COUPE, _SEDAN) and rng.random() < 0.35:
        car.add(_spoiler(rng, frame))
    if shape is _OFFROADER and rng.random() < 0.5:
        car.add(_spare_wheel(frame))
    return car


def _running_gear(rng: np.random.Generator, frame: _Frame) -> Assembly:
    """Four wheels on two axles, and the narrow core of the body between them."""
    gear = Assembly()
    outset = 0.5 * (frame.width - frame.wheel_width) + rng.uniform(-0.01, 0.06)
    profile = _wheel_profile(rng, frame.wheel_radius, frame.wheel_width)
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


def _wheel_profile(
    rng: np.random.Generator, radius: float, width: float
) -> list[tuple[float, float]]:
    """A wheel with a dished, flat or domed hub; its outside looks along +axis."""
    radius, half = radius - 0.02, 0.5 * width - 0.02
    rim = radius * rng.uniform(0.5, 0.7)
    hub = half * float(rng.choice([0.5, 1.0, 1.35]))
    return [
        (0.0, -half), (radius, -half), (radius, half), (rim, half), (0.85 * rim, hub), (0.0, hub),
    ]  # fmt: skip


def _body(rng: np.random.Generator, frame: _Frame, cowl: float, tail: float) -> Assembly:
    """The body below the windows: a deck over the wheels, and skirts that leave the arches open."""
    body = Assembly()
    nose = frame.arch + rng.uniform(0.25, 0.95) * (frame.belt - frame.arch)
    trunk = frame.belt - rng.uniform(0.0, 0.1)
    lean, edge = rng.uniform(0.0, 0.2), frame.edge
    front, rear = frame.front - edge, frame.rear + edge
    bottom = frame.arch + edge
    outline = [
        (rear + 0.03, bottom),
        (front - 0.03, bottom),
        (front, max(0.5 * (bottom + nose) - edge, bottom + 0.01)),
        (front - lean, max(nose - edge, bottom + 0.02)),
        (cowl, frame.belt - edge),
        (tail, trunk - edge),
        (rear + 0.3 * lean, max(trunk - 0.05 - edge, bottom + 0.02)),
    ]
    body.prism(outline, frame.width, plane="zy", rounding=edge)
    for skirt in _skirts(frame):
        body.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    if rng.random() < 0.25:
        body.add(_flares(frame))
    return body


def _skirts(frame: _Frame) -> list[list[tuple[float, float]]]:
    """Outlines of the sill between the wheels and of the body's two ends below the deck."""
    low, high, middle = frame.floor + 0.02, frame.arch + 0.05, frame.wheel_radius
    reach, slope = 1.14 * frame.wheel_radius + 0.02, 0.6 * frame.wheel_radius
    rear, front = frame.rear_axle + reach, frame.front_axle - reach
    sill = [
        (rear, low), (front, low), (front, middle), (front + reach - slope, high),
        (rear - reach + slope, high), (rear, middle),
    ]  # fmt: skip
    skirts = [sill]
    for axle, end in ((frame.front_axle, frame.front), (frame.rear_axle, frame.rear)):
        side = float(np.sign(end))
        start, stop = axle + side * reach, end - side * 0.05
        lip = start + 0.6 * (stop - start)
        if side * (stop - start) < 0.05:
            continue
        skirts.append([
            (start, low + 0.06), (lip, low + 0.06), (stop, low + 0.16), (stop, high),
            (axle + side * slope, high), (start, middle),
        ])  # fmt: skip
    return skirts


def _flares(frame: _Frame) -> Assembly:
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


def _cabin(
    rng: np.random.Generator, frame: _Frame, stations: tuple[float, float, float, float]
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


def _trim(rng: np.random.Generator, frame: _Frame) -> Assembly:
    """Bumpers, lamps, mirrors and exhausts."""
    trim = Assembly()
    height = frame.floor + rng.uniform(0.18, 0.28)
    if rng.random() < 0.7:
        for z in (frame.front - 0.03, frame.rear + 0.03):
            size = [frame.width * rng.uniform(0.85, 1.02), rng.uniform(0.12, 0.2), 0.24]
            trim.box(size, [0.0, height, z], rounding=0.04)
    pair = Assembly()
    lamp = frame.arch + 0.3 * (frame.belt - frame.arch)
    if rng.random() < 0.5:
        across = frame.width * rng.uniform(0.3, 0.38)
        if rng.random() < 0.5:
            pair.rod([across, lamp, frame.front - 0.5], [across, lamp, frame.front + 0.05], 0.11)
        else:
            pair.box([0.3, 0.13, 0.4], [across, lamp, frame.front - 0.14], rounding=0.03)
    if rng.random() < 0.6:
        z = frame.front_axle - rng.uniform(0.45, 0.7)
        pair.box([0.3, 0.13, 0.12], [0.5 * frame.width + 0.06, frame.belt + 0.05, z], rounding=0.04)
    if rng.random() < 0.25:
        y = frame.floor + 0.06
        pair.rod([0.45, y, frame.rear + 0.4], [0.45, y, frame.rear - 0.1], 0.06)
    trim.add(pair)
    trim.add(pair.mirrored_x())
    return trim


def _roof_load(rng: np.random.Generator, frame: _Frame, rear: float, front: float) -> Assembly:
    """A taxi sign, a light bar, roof rails, a rack with a box, or nothing."""
    load = Assembly()
    middle, length = 0.5 * (rear + front), front - rear
    kind = str(rng.choice(["none", "sign", "lights", "rails", "box"], p=[0.66, 0.1, 0.1, 0.08, 0.06]))
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


def _spoiler(rng: np.random.Generator, frame: _Frame) -> Assembly:
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


def _spare_wheel(frame: _Frame) -> Assembly:
    spare = Assembly()
    y = max(frame.belt - 0.05, frame.wheel_radius + frame.floor)
    spare.rod(
        [0.0, y, frame.rear + 0.15], [0.0, y, frame.rear - 0.22], frame.wheel_radius, rounding=0.05
    )
    return spare


def _roadster(rng: np.random.Generator) -> Assembly:
    """An open two-seater or a four-seat convertible."""
    frame = _frame(rng, _COUPE if rng.random() < 0.6 else _SEDAN)
    cowl = frame.front - rng.uniform(0.3, 0.4) * frame.length
    tail = frame.rear + rng.uniform(0.12, 0.22) * frame.length
    car = _running_gear(rng, frame)
    car.add(_body(rng, replace(frame, belt=frame.belt - 0.12), cowl, tail))
    for x in (-0.5 * frame.width + 0.1, 0.5 * frame.width - 0.1):
        car.beam([x, frame.belt - 0.1, tail], [x, frame.belt - 0.1, cowl], 0.2, 0.22, rounding=0.05)
    car.box([frame.width, 0.22, 0.5], [0.0, frame.belt - 0.1, tail - 0.2], rounding=0.08)
    height = rng.uniform(0.3, 0.42)
    car.beam(
        [0.0, frame.belt - 0.15, cowl], [0.0, frame.belt + height, cowl - 0.9 * height],
        0.94 * frame.width, 0.09, end_width=0.76 * frame.width, rounding=0.03,
    )  # fmt: skip
    rows = [tail + 0.35] if rng.random() < 0.6 else [tail + 0.25, tail + 1.0]
    for z in rows:
        for x in (-0.22 * frame.width, 0.22 * frame.width):
            top = [x, frame.belt + rng.uniform(0.1, 0.25), z - 0.12]
            car.beam([x, frame.belt - 0.25, z], top, 0.46, 0.16, rounding=0.06)
    car.add(_trim(rng, frame))
    return car


def _pickup(rng: np.random.Generator) -> Assembly:
    """A cabin before an open bed, with one or two rows of seats."""
    frame = replace(_frame(rng, _OFFROADER), edge=0.03)
    cowl = frame.front - rng.uniform(0.22, 0.28) * frame.length
    bed = frame.rear + rng.uniform(0.28, 0.42) * frame.length
    floor = frame.arch + 0.1
    car = _running_gear(rng, frame)
    nose = frame.belt - rng.uniform(0.03, 0.2)
    outline = [
        (frame.rear, frame.arch), (frame.front, frame.arch), (frame.front, nose - 0.12),
        (frame.front - 0.1, nose), (cowl, frame.belt - 0.03), (bed, frame.belt - 0.03),
        (bed, floor), (frame.rear, floor),
    ]  # fmt: skip
    car.prism(outline, frame.width, plane="zy", rounding=0.02)
    for skirt in _skirts(frame):
        car.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    wall, height = 0.12, frame.belt - frame.arch - rng.uniform(0.0, 0.05)
    y, z = frame.arch + 0.5 * height, 0.5 * (frame.rear + bed)
    for x in (-0.5 * (frame.width - wall), 0.5 * (frame.width - wall)):
        car.box([wall, height, bed - frame.rear], [x, y, z])
    car.box([frame.width, height, wall], [0.0, y, frame.rear + 0.5 * wall])
    roof_front = cowl - rng.uniform(0.25, 0.55)
    roof_rear = min(bed + rng.uniform(0.08, 0.3), roof_front - 0.35)
    car.add(_cabin(rng, frame, (bed, roof_rear, roof_front, cowl)))
    car.add(_trim(rng, frame))
    if rng.random() < 0.5:
        car.add(_bed_load(rng, frame, bed))
    if rng.random() < 0.3:
        car.add(_flares(frame))
    return car


def _bed_load(rng: np.random.Generator, frame: _Frame, bed: float) -> Assembly:
    """A roll bar, a hard cover or crates on a pickup's bed."""
    load = Assembly()
    middle, length = 0.5 * (frame.rear + bed), bed - frame.rear
    kind = str(rng.choice(["bar", "cover", "crates"]))
    if kind == "bar":
        x, top, z = 0.4 * frame.width, frame.roof + rng.uniform(-0.1, 0.12), bed - 0.25
        load.tube([[x, frame.arch, z], [x, top, z], [-x, top, z], [-x, frame.arch, z]], 0.07)
    elif kind == "cover":
        size = [frame.width - 0.1, frame.roof - frame.arch, length]
        load.box(size, [0.0, 0.5 * (frame.roof + frame.arch), middle + 0.02], rounding=0.1)
    else:
        for x in (-0.2 * frame.width, 0.22 * frame.width):
            size = rng.uniform([0.4, 0.6, 0.4], [0.6, 1.0, 0.8])
            load.box(size, [x, frame.arch + 0.5 * size[1], middle + rng.uniform(-0.2, 0.2)])
    return load


def _van(rng: np.random.Generator) -> Assembly:
    """A one-box body: delivery van, minibus, camper or coach."""
    coach = rng.random() < 0.3
    frame = replace(
        _frame(rng, _OFFROADER),
        length=rng.uniform(5.5, 7.5) if coach else rng.uniform(3.8, 5.2),
        roof=rng.uniform(2.2, 2.6) if coach else rng.uniform(1.8, 2.4),
        width=rng.uniform(1.8, 2.2),
    )
    frame = replace(
        frame,
        front_axle=frame.front - frame.wheel_radius - rng.uniform(0.3, 0.6),
        rear_axle=frame.rear + frame.wheel_radius + rng.uniform(0.4, 0.8),
        edge=float(rng.choice([0.04, 0.1, 0.16])),
    )
    hood = 0.02 if coach else float(rng.choice([0.03, rng.uniform(0.3, 0.9)]))
    van = _running_gear(rng, frame)
    edge, rake = frame.edge, rng.uniform(0.1, 0.6)
    front, rear, top = frame.front - edge, frame.rear + edge, frame.roof - edge
    outline = [
        (rear, frame.arch + edge), (front, frame.arch + edge),
        (front, frame.belt - edge - 0.15 * min(hood, 1.0)), (front - hood, frame.belt),
        (front - hood - rake, top), (rear + rng.uniform(0.0, 0.15), top), (rear, frame.belt),
    ]  # fmt: skip
    van.prism(outline, frame.width, plane="zy", rounding=edge)
    for skirt in _skirts(frame):
        van.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    van.add(_trim(rng, frame))
    van.add(_roof_load(rng, frame, frame.rear + 0.5, front - hood - rake - 0.1))
    return van


def _truck(rng: np.random.Generator) -> Assembly:
    """A cab on a ladder frame that carries a box, a tank, a tipper or a flat bed."""
    radius = rng.uniform(0.4, 0.52)
    length = rng.uniform(4.6, 6.4)
    frame = _Frame(
        length=length, width=rng.uniform(1.9, 2.3), floor=0.45, belt=rng.uniform(1.25, 1.5),
        roof=rng.uniform(1.9, 2.3), wheel_radius=radius, wheel_width=rng.uniform(0.26, 0.36),
        front_axle=0.5 * length - radius - rng.uniform(0.25, 0.5),
        rear_axle=-0.5 * length + radius + rng.uniform(0.3, 0.9), edge=0.05,
    )  # fmt: skip
    truck = _running_gear(rng, frame)
    cab_rear = frame.front - rng.uniform(0.3, 0.42) * length
    hood = float(rng.choice([0.0, rng.uniform(0.4, 0.8)]))
    windshield = frame.front - hood
    cab = [
        (cab_rear, frame.arch), (frame.front - 0.05, frame.arch),
        (frame.front - 0.05, frame.belt - 0.25 * hood), (windshield - 0.05, frame.belt),
        (windshield - rng.uniform(0.12, 0.35), frame.roof), (cab_rear, frame.roof),
    ]  # fmt: skip
    truck.prism(cab, frame.width - rng.uniform(0.0, 0.25), plane="zy", rounding=0.05)
    for skirt in _skirts(replace(frame, rear_axle=cab_rear - 1.1 * radius))[:2]:
        truck.prism(skirt, frame.width - 0.2, plane="zy", rounding=0.02)
    truck.add(_cargo(rng, frame, cab_rear))
    truck.add(_trim(rng, frame))
    if rng.random() < 0.3:
        y, z = frame.roof + 0.1, 0.5 * (cab_rear + windshield) - 0.1
        truck.box([0.7 * frame.width, 0.22, 0.26], [0.0, y, z], rounding=0.04)
    return truck


def _cargo(rng: np.random.Generator, frame: _Frame, cab_rear: float) -> Assembly:
    """What a truck carries behind its cab, on a plate over the wheels."""
    cargo = Assembly()
    deck = frame.arch + 0.03
    front, rear, width = cab_rear - 0.02, frame.rear, frame.width + rng.uniform(0.0, 0.15)
    middle, length = 0.5 * (front + rear), front - rear
    cargo.box([width, 0.16, length + 0.3], [0.0, deck, middle + 0.15])
    top = frame.roof + rng.uniform(-0.1, 0.7)
    kind = str(rng.choice(["box", "tank", "tipper", "stakes"], p=[0.5, 0.13, 0.19, 0.18]))
    if kind == "box":
        slope = float(rng.choice([0.0, rng.uniform(0.2, 0.7)]))
        outline = [(rear, deck), (front, deck), (front, top), (rear + slope, top),
                   (rear, top - slope)]  # fmt: skip
        cargo.prism(outline, width, plane="zy", rounding=float(rng.choice([0.0, 0.06])))
    elif kind == "tank":
        radius = min(0.48 * width, 0.5 * (top - deck) + 0.2)
        y = deck + radius - 0.02
        cargo.rod([0.0, y, rear + 0.1], [0.0, y, front], radius, rounding=0.25)
    elif kind == "tipper":
        high = deck + rng.uniform(0.5, 1.0)
        outline = [(rear + 0.25, deck), (front, deck), (front, high + 0.1), (rear - 0.05, high)]
        cargo.prism(outline, 0.14, center=[0.5 * width - 0.07, 0.0, 0.0], plane="zy")
        cargo.prism(outline, 0.14, center=[0.07 - 0.5 * width, 0.0, 0.0], plane="zy")
        cargo.box([width, high - deck + 0.15, 0.16], [0.0, 0.5 * (deck + high) + 0.05, front])
        cargo.box([width, 0.7 * (high - deck), 0.5 * length], [0.0, deck + 0.3, middle])
    else:
        for x in (-0.5 * width + 0.06, 0.5 * width - 0.06):
            for z in np.linspace(rear + 0.08, front - 0.1, 4):
                cargo.box([0.12, 0.6, 0.14], [x, deck + 0.3, float(z)])
            cargo.box([0.12, 0.16, length], [x, deck + 0.52, middle])
    return cargo


def _racer(rng: np.random.Generator) -> Assembly:
    """An open-wheel single-seater with wings."""
    car = Assembly()
    length, track = rng.uniform(3.8, 4.8), rng.uniform(0.75, 0.9)
    front, rear = 0.5 * length, -0.5 * length
    front_radius, rear_radius = rng.uniform(0.28, 0.36), rng.uniform(0.34, 0.42)
    for z, radius in ((front - 0.75, front_radius), (rear + 0.55, rear_radius)):
        width = radius * rng.uniform(0.8, 1.1)
        profile = _wheel_profile(rng, radius, width)
        for side in (-1.0, 1.0):
            hub = [side * track, radius, z]
            car.lathe(profile, base=hub, axis=(side, 0.0, 0.0), rounding=0.02)
            car.capsule([0.0, radius + 0.05, z - 0.1], hub, 0.06)
            car.capsule([0.0, radius + 0.05, z + 0.2], hub, 0.06)
    tip = rng.uniform(0.09, 0.16)
    car.beam([0.0, 0.36, 0.1], [0.0, 0.28, front - 0.1], 0.62, 0.34, end_width=2.0 * tip,
             rounding=0.06)  # fmt: skip
    car.box([0.72, 0.4, 0.55 * length], [0.0, 0.38, rear + 0.33 * length], rounding=0.08)
    pods = rng.uniform(0.8, 1.15)
    car.box([pods, 0.34, 0.33 * length], [0.0, 0.32, -0.05 * length], rounding=0.08)
    car.sphere([0.0, 0.72, 0.12], 0.17)
    fin = [(rear + 0.3, 0.4), (0.0, 0.4), (-0.05, rng.uniform(0.85, 1.0)), (-0.3, 0.95),
           (rear + 0.4, 0.6)]  # fmt: skip
    car.prism(fin, rng.uniform(0.2, 0.4), plane="zy", rounding=0.04)
    car.box([2.0 * track * rng.uniform(0.85, 1.1), 0.09, 0.36], [0.0, 0.2, front - 0.15],
            rounding=0.03)  # fmt: skip
    wing = rng.uniform(0.75, 1.0)
    car.box([1.5 * track, 0.09, 0.4], [0.0, wing, rear + 0.2], rounding=0.03)
    for x in (-0.72 * track, 0.72 * track):
        car.box([0.09, wing - 0.25, 0.5], [x, 0.5 * (wing + 0.4), rear + 0.2])
    car.box([1.44 * track, 0.12, 0.2], [0.0, 0.45, rear + 0.25])
    return car
