"""Short, tall utility vehicles as toys show them: ambulances, fire engines, vendors' vans; metres.

Y is up, the car drives towards +Z, the ground is y = 0.
"""

from dataclasses import replace

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.bodywork import Frame, flares, running_gear, skirts, trim
from model.data.procedural.draws import chance, pick


def lorry(rng: np.random.Generator) -> Assembly:
    """A stubby lorry: a cab with a short hood right before what it carries, on big wheels."""
    frame = _stubby_frame(rng)
    truck = running_gear(rng, frame)
    length = frame.length
    cab_rear = frame.front - rng.uniform(0.3, 0.42) * length
    hood = pick(rng, (0.0, rng.uniform(0.08, 0.18))) * length
    windshield = frame.front - hood
    edge = frame.edge
    low, top = frame.arch + edge, frame.roof - edge
    rake = rng.uniform(0.02, 0.12) * length
    nose = max(frame.belt - edge - 0.2 * hood, low + 0.05)
    cab = [
        (cab_rear - 0.1, low), (frame.front - edge, low), (frame.front - edge, nose),
        (windshield - edge, max(frame.belt - edge, low + 0.1)), (windshield - rake - edge, top),
        (cab_rear - 0.1, top),
    ]  # fmt: skip
    truck.prism(cab, frame.width - rng.uniform(0.0, 0.2), plane="zy", rounding=edge)
    for skirt in skirts(frame):
        truck.prism(skirt, frame.width - 0.05, plane="zy", rounding=0.02)
    truck.add(pick(rng, *_LOADS)(rng, frame, cab_rear))
    truck.add(trim(rng, frame, windshield))
    if chance(rng, 0.4):
        truck.add(flares(frame))
    if chance(rng, 0.4):
        size = [0.6 * frame.width, 0.2, 0.24]
        z = 0.5 * (cab_rear + windshield - rake)
        truck.box(size, [0.0, frame.roof + 0.04, z], rounding=0.04)
    return truck


def _stubby_frame(rng: np.random.Generator) -> Frame:
    length, radius = rng.uniform(3.2, 5.0), rng.uniform(0.32, 0.48)
    return Frame(
        length=length,
        width=min(rng.uniform(1.6, 2.2), 0.52 * length),
        floor=rng.uniform(0.25, 0.4),
        belt=2.0 * radius + rng.uniform(0.3, 0.6),
        roof=2.0 * radius + rng.uniform(0.8, 1.2),
        wheel_radius=radius,
        wheel_width=rng.uniform(0.24, 0.4),
        front_axle=0.5 * length - radius - rng.uniform(0.12, 0.4),
        rear_axle=-0.5 * length + radius + rng.uniform(0.15, 0.6),
        edge=pick(rng, (0.02, 0.05, 0.1)),
    )


def _cap(frame: Frame, height: float) -> float:
    """A height that keeps the vehicle longer than tall."""
    return min(height, 0.66 * frame.length)


def _box_load(rng: np.random.Generator, frame: Frame, front: float) -> Assembly:
    """A tall box, as of an ambulance or delivery lorry; some reach over the cab."""
    load = Assembly()
    width = frame.width + rng.uniform(-0.05, 0.12)
    top = _cap(frame, frame.roof + rng.uniform(0.0, 0.9))
    nose = pick(rng, (0.0, 0.0, rng.uniform(0.3, 0.8)))
    outline = [
        (frame.rear, frame.arch), (front, frame.arch), (front, frame.roof - 0.15),
        (front + nose, frame.roof - 0.1), (front + nose, max(top, frame.roof + 0.15)),
        (frame.rear, max(top, frame.roof + 0.15)),
    ]  # fmt: skip
    if nose == 0.0:
        outline = [outline[0], outline[1], outline[4], outline[5]]
    load.prism(outline, width, plane="zy", rounding=pick(rng, (0.0, 0.0, 0.06)))
    if chance(rng, 0.4):
        middle = 0.5 * (frame.rear + front)
        panel = [width + 0.1, 0.5 * (top - frame.arch), 0.5 * (front - frame.rear)]
        load.box(panel, [0.0, 0.5 * (top + frame.arch), middle])
    return load


def _engine_load(rng: np.random.Generator, frame: Frame, front: float) -> Assembly:
    """A fire engine's body level with its cab, with lockers and a ladder on the roof."""
    load = Assembly()
    top, middle = frame.roof - rng.uniform(0.0, 0.15), 0.5 * (frame.rear + front)
    length = front - frame.rear
    load.box([frame.width, top - frame.arch, length + 0.2],
             [0.0, 0.5 * (top + frame.arch), middle + 0.1])  # fmt: skip
    count = int(rng.integers(2, 4))
    for z in (np.arange(count) + 0.5) / count * length + frame.rear:
        size = [frame.width + 0.1, 0.6 * (top - frame.arch), 0.75 * length / count]
        load.box(size, [0.0, 0.5 * (top + frame.arch), float(z)])
    for x in (-0.3, 0.3):
        end = front + rng.uniform(0.0, 0.5)
        load.beam([x, top + 0.1, frame.rear], [x, top + 0.1, end], 0.09, 0.3)
    for z in np.linspace(frame.rear + 0.1, front - 0.1, 5).tolist():
        load.box([0.6, 0.09, 0.09], [0.0, top + 0.16, z])
    return load


def _refuse_load(rng: np.random.Generator, frame: Frame, front: float) -> Assembly:
    """A refuse lorry's bevelled container with a hopper behind and arms beside it."""
    load = Assembly()
    top = _cap(frame, frame.roof + rng.uniform(-0.1, 0.4))
    slope = rng.uniform(0.2, 0.5)
    low = frame.arch
    outline = [
        (frame.rear, low), (front - 0.02, low), (front - 0.02, top - 0.2), (front - 0.25, top),
        (frame.rear + slope, top), (frame.rear - 0.1, 0.5 * (low + top)),
    ]  # fmt: skip
    load.prism(outline, frame.width, plane="zy", rounding=0.02)
    load.box([0.8 * frame.width, 0.12, 0.1 + front - frame.rear],
             [0.0, low + 0.02, 0.5 * (front + frame.rear)])  # fmt: skip
    if chance(rng, 0.6):
        x = 0.5 * frame.width + 0.03
        for side in (-x, x):
            load.tube([[side, low + 0.3, frame.rear + 0.4], [side, top, front - 0.3],
                       [side, frame.belt, front + 0.4]], 0.07)  # fmt: skip
    return load


def _vendor_load(rng: np.random.Generator, frame: Frame, front: float) -> Assembly:
    """A vendor's box with an awning over a counter at one side, and often a sign on its roof."""
    load = Assembly()
    top, middle = _cap(frame, frame.roof + rng.uniform(0.2, 0.6)), 0.5 * (frame.rear + front)
    length, width = front - frame.rear, frame.width
    load.box([width, top - frame.arch, length], [0.0, 0.5 * (top + frame.arch), middle],
             rounding=0.04)  # fmt: skip
    side = pick(rng, (-1.0, 1.0))
    x = side * 0.5 * width
    awning = rng.uniform(0.22, 0.36)
    load.beam([x - side * 0.1, top - 0.1, middle], [x + side * awning, top - 0.3, middle],
              0.1, 0.7 * length)  # fmt: skip
    y = 0.45 * (top + frame.arch)
    load.box([0.5, 0.09, 0.7 * length], [x, y, middle])
    if chance(rng, 0.6):
        load.sphere([0.0, top + 0.15, middle], rng.uniform(0.22, 0.34))
    return load


def _flat_load(rng: np.random.Generator, frame: Frame, front: float) -> Assembly:
    """A flat bed with low sides, empty or with crates."""
    load = Assembly()
    deck, middle, length = frame.arch + 0.06, 0.5 * (frame.rear + front), front - frame.rear
    load.box([frame.width, 0.16, length + 0.1], [0.0, deck, middle])
    high = rng.uniform(0.2, 0.5)
    for x in (-0.5 * frame.width + 0.06, 0.5 * frame.width - 0.06):
        load.box([0.12, high, length], [x, deck + 0.5 * high - 0.02, middle])
    load.box([frame.width, high, 0.12], [0.0, deck + 0.5 * high - 0.02, frame.rear + 0.06])
    if chance(rng, 0.4):
        size = rng.uniform([0.5, 0.4, 0.4], [0.8 * frame.width, 1.0, 0.8 * length])
        load.box(size, [0.0, deck + 0.5 * size[1], middle])
    return load


def box_van(rng: np.random.Generator) -> Assembly:
    """A tall narrow van with a round roof and a short sloped nose, as of old delivery vans."""
    frame = _stubby_frame(rng)
    tall = min(rng.uniform(2.1, 2.7), 0.62 * frame.length)
    frame = replace(frame, roof=max(tall, frame.belt + 0.5), width=min(frame.width, 1.9))
    van = running_gear(rng, frame)
    edge = rng.uniform(0.06, 0.25)
    low, top = frame.arch + edge, frame.roof - edge
    belt = max(frame.belt, low + 0.1)
    front, rear = frame.front - edge, frame.rear + edge
    nose = rng.uniform(0.0, 0.35)
    outline = [
        (rear, low), (front, low), (front, 0.5 * (low + belt)), (front - nose, belt + 0.05),
        (front - nose - 0.15, top), (rear, top),
    ]  # fmt: skip
    van.prism(outline, frame.width, plane="zy", rounding=edge)
    van.box([frame.width - 0.04, 0.2 + edge, frame.length - 2.0 * edge],
            [0.0, frame.arch + 0.5 * edge, 0.0])  # fmt: skip
    for skirt in skirts(frame):
        van.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    if chance(rng, 0.4):
        van.add(flares(frame))
    van.add(trim(rng, frame, front - nose))
    return van


_LOADS = (
    (_box_load, _engine_load, _refuse_load, _vendor_load, _flat_load),
    (3.0, 1.5, 1.2, 0.8, 1.0),
)
