"""Cars: sedans, hatchbacks, estates, coupes, roadsters, pickups, vans, lorries, buses, racers.

Units are metres before normalisation; Y is up, the car drives towards +Z, the ground is y = 0.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from model.data.procedural.assembly import Assembly
from model.data.procedural.bodywork import (
    Frame,
    Silhouette,
    body,
    cabin,
    draw_frame,
    flares,
    roof_load,
    running_gear,
    skirts,
    spare_wheel,
    spoiler,
    trim,
    wheel_profile,
)
from model.data.procedural.draws import chance, pick
from model.data.procedural.lorry import box_van, lorry
from model.data.procedural.solids import Solids

_SEDAN = Silhouette(
    (4.2, 5.0), (1.7, 1.95), (0.86, 1.0), (1.36, 1.52), (0.95, 1.35), (0.45, 0.8), (0.4, 0.75),
    (0.45, 0.9), (0.30, 0.37), (0.17, 0.26),
)  # fmt: skip
_HATCHBACK = Silhouette(
    (3.4, 4.2), (1.6, 1.85), (0.88, 1.02), (1.4, 1.62), (0.7, 1.05), (0.4, 0.75), (0.15, 0.55),
    (0.0, 0.15), (0.29, 0.36), (0.17, 0.26),
)  # fmt: skip
_ESTATE = Silhouette(
    (4.3, 4.9), (1.7, 1.9), (0.88, 1.0), (1.4, 1.55), (0.95, 1.3), (0.5, 0.8), (0.15, 0.5),
    (0.0, 0.1), (0.31, 0.37), (0.17, 0.26),
)  # fmt: skip
_OFFROADER = Silhouette(
    (3.9, 4.9), (1.75, 2.0), (1.05, 1.2), (1.65, 1.95), (0.85, 1.25), (0.2, 0.6), (0.03, 0.3),
    (0.0, 0.08), (0.36, 0.46), (0.28, 0.42),
)  # fmt: skip
_COUPE = Silhouette(
    (4.0, 4.7), (1.8, 2.02), (0.76, 0.88), (1.12, 1.3), (1.05, 1.6), (0.65, 1.0), (0.7, 1.25),
    (0.15, 0.5), (0.32, 0.39), (0.13, 0.19),
)  # fmt: skip
_CITY_CAR = Silhouette(
    (2.7, 3.3), (1.5, 1.75), (0.85, 0.98), (1.42, 1.62), (0.4, 0.7), (0.35, 0.6), (0.1, 0.35),
    (0.0, 0.1), (0.28, 0.34), (0.17, 0.25),
)  # fmt: skip


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
        (2.0, _racer),
        (3.5, lorry),
        (1.2, box_van),
    ]
    style = pick(rng, [style for _, style in styles], [weight for weight, _ in styles])
    return style(rng).build()


def _passenger_car(rng: np.random.Generator, shape: Silhouette) -> Assembly:
    frame = draw_frame(rng, shape)
    squeeze = 2.0 * frame.length / sum(shape.length)
    cowl = frame.front - rng.uniform(*shape.hood) * squeeze
    tail = frame.rear + rng.uniform(*shape.deck) * squeeze
    car = running_gear(rng, frame)
    car.add(body(rng, frame, cowl, tail))
    roof_front = cowl - rng.uniform(*shape.windshield) * squeeze
    roof_rear = min(tail + rng.uniform(*shape.rear_window) * squeeze, roof_front - 0.4)
    car.add(cabin(rng, frame, (tail + 0.02, roof_rear, roof_front, cowl)))
    car.add(trim(rng, frame, cowl))
    car.add(roof_load(rng, frame, roof_rear, roof_front))
    if shape in (_COUPE, _SEDAN) and chance(rng, 0.35):
        car.add(spoiler(rng, frame))
    if shape is _OFFROADER and chance(rng, 0.5):
        car.add(spare_wheel(frame))
    return car


def _roadster(rng: np.random.Generator) -> Assembly:
    """An open two-seater or a four-seat convertible."""
    frame = draw_frame(rng, _COUPE if chance(rng, 0.6) else _SEDAN)
    cowl = frame.front - rng.uniform(0.3, 0.4) * frame.length
    tail = frame.rear + rng.uniform(0.12, 0.22) * frame.length
    car = running_gear(rng, frame)
    car.add(body(rng, replace(frame, belt=frame.belt - 0.12), cowl, tail))
    for x in (-0.5 * frame.width + 0.1, 0.5 * frame.width - 0.1):
        car.beam([x, frame.belt - 0.1, tail], [x, frame.belt - 0.1, cowl], 0.2, 0.22, rounding=0.05)
    car.box([frame.width, 0.22, 0.5], [0.0, frame.belt - 0.1, tail - 0.2], rounding=0.08)
    height = rng.uniform(0.3, 0.42)
    car.beam(
        [0.0, frame.belt - 0.15, cowl], [0.0, frame.belt + height, cowl - 0.9 * height],
        0.94 * frame.width, 0.09, end_width=0.76 * frame.width, rounding=0.03,
    )  # fmt: skip
    rows = [tail + 0.35] if chance(rng, 0.6) else [tail + 0.25, tail + 1.0]
    for z in rows:
        for x in (-0.22 * frame.width, 0.22 * frame.width):
            top = [x, frame.belt + rng.uniform(0.1, 0.25), z - 0.12]
            car.beam([x, frame.belt - 0.25, z], top, 0.46, 0.16, rounding=0.06)
    car.add(trim(rng, frame, cowl))
    return car


def _pickup(rng: np.random.Generator) -> Assembly:
    """A cabin before an open bed, with one or two rows of seats."""
    frame = replace(draw_frame(rng, _OFFROADER), edge=0.03)
    cowl = frame.front - rng.uniform(0.22, 0.28) * frame.length
    bed = frame.rear + rng.uniform(0.28, 0.42) * frame.length
    floor = frame.arch + 0.1
    car = running_gear(rng, frame)
    nose = frame.belt - rng.uniform(0.03, 0.1)
    outline = [
        (frame.rear, frame.arch), (frame.front, frame.arch), (frame.front, nose - 0.12),
        (frame.front - 0.1, nose), (cowl, frame.belt - 0.03), (bed, frame.belt - 0.03),
        (bed, floor), (frame.rear, floor),
    ]  # fmt: skip
    car.prism(outline, frame.width, plane="zy", rounding=0.02)
    for skirt in skirts(frame):
        car.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    wall, height = 0.12, frame.belt - frame.arch - rng.uniform(0.0, 0.05)
    y, z = frame.arch + 0.5 * height, 0.5 * (frame.rear + bed)
    for x in (-0.5 * (frame.width - wall), 0.5 * (frame.width - wall)):
        car.box([wall, height, bed - frame.rear], [x, y, z])
    car.box([frame.width, height, wall], [0.0, y, frame.rear + 0.5 * wall])
    roof_front = cowl - rng.uniform(0.25, 0.55)
    roof_rear = min(bed + rng.uniform(0.08, 0.3), roof_front - 0.35)
    car.add(cabin(rng, frame, (bed, roof_rear, roof_front, cowl)))
    car.add(trim(rng, frame, cowl))
    if chance(rng, 0.5):
        car.add(_bed_load(rng, frame, bed))
    if chance(rng, 0.3):
        car.add(flares(frame))
    return car


def _bed_load(rng: np.random.Generator, frame: Frame, bed: float) -> Assembly:
    """A roll bar, a hard cover or crates on a pickup's bed."""
    load = Assembly()
    middle, length = 0.5 * (frame.rear + bed), bed - frame.rear
    kind = pick(rng, ("bar", "cover", "crates"))
    if kind == "bar":
        x, top, z = 0.4 * frame.width, frame.roof + rng.uniform(-0.1, 0.12), bed - 0.25
        load.tube([[x, frame.arch, z], [x, top, z], [-x, top, z], [-x, frame.arch, z]], 0.07)
    elif kind == "cover":
        size = [frame.width - 0.1, frame.roof - frame.arch, length]
        load.box(size, [0.0, 0.5 * (frame.roof + frame.arch), middle + 0.02], rounding=0.1)
    else:
        for x in (-0.2 * frame.width, 0.22 * frame.width):
            crate = rng.uniform([0.4, 0.6, 0.4], [0.6, 1.0, 0.8])
            load.box(crate, [x, frame.arch + 0.5 * crate[1], middle + rng.uniform(-0.2, 0.2)])
    return load


def _van(rng: np.random.Generator) -> Assembly:
    """A one-box body: delivery van, minibus, camper or coach."""
    coach = chance(rng, 0.3)
    frame = replace(
        draw_frame(rng, _OFFROADER),
        length=rng.uniform(5.5, 7.5) if coach else rng.uniform(3.8, 5.2),
        roof=rng.uniform(2.2, 2.6) if coach else rng.uniform(1.8, 2.4),
        width=rng.uniform(1.8, 2.2),
    )
    frame = replace(
        frame,
        front_axle=frame.front - frame.wheel_radius - rng.uniform(0.3, 0.6),
        rear_axle=frame.rear + frame.wheel_radius + rng.uniform(0.4, 0.8),
        edge=pick(rng, (0.04, 0.1, 0.16)),
    )
    hood = 0.02 if coach else pick(rng, (0.03, rng.uniform(0.3, 0.9)))
    van = running_gear(rng, frame)
    edge, rake = frame.edge, rng.uniform(0.1, 0.6)
    front, rear, top = frame.front - edge, frame.rear + edge, frame.roof - edge
    low = frame.arch + edge
    belt = max(frame.belt, low + 0.2)
    outline = [
        (rear, low), (front, low), (front, max(belt - edge - 0.15 * hood, low + 0.04)),
        (front - hood, belt), (front - hood - rake, top), (rear + rng.uniform(0.0, 0.15), top),
        (rear, belt),
    ]  # fmt: skip
    van.prism(outline, frame.width, plane="zy", rounding=edge)
    for skirt in skirts(frame):
        van.prism(skirt, frame.width - 0.01, plane="zy", rounding=0.02)
    van.add(trim(rng, frame, front - hood))
    van.add(roof_load(rng, frame, frame.rear + 0.5, front - hood - rake - 0.1))
    return van


def _truck(rng: np.random.Generator) -> Assembly:
    """A cab on a ladder frame that carries a box, a tank, a tipper or a flat bed."""
    radius = rng.uniform(0.4, 0.52)
    length = rng.uniform(4.6, 6.4)
    frame = Frame(
        length=length, width=rng.uniform(1.9, 2.3), floor=0.45, belt=rng.uniform(1.25, 1.5),
        roof=rng.uniform(1.9, 2.3), wheel_radius=radius, wheel_width=rng.uniform(0.26, 0.36),
        front_axle=0.5 * length - radius - rng.uniform(0.25, 0.5),
        rear_axle=-0.5 * length + radius + rng.uniform(0.3, 0.9), edge=0.05,
    )  # fmt: skip
    truck = running_gear(rng, frame)
    cab_rear = frame.front - rng.uniform(0.3, 0.42) * length
    hood = pick(rng, (0.0, rng.uniform(0.4, 0.8)))
    windshield = frame.front - hood
    cab = [
        (cab_rear, frame.arch), (frame.front - 0.05, frame.arch),
        (frame.front - 0.05, frame.belt - 0.25 * hood), (windshield - 0.05, frame.belt),
        (windshield - rng.uniform(0.12, 0.35), frame.roof), (cab_rear, frame.roof),
    ]  # fmt: skip
    truck.prism(cab, frame.width - rng.uniform(0.0, 0.25), plane="zy", rounding=0.05)
    for skirt in skirts(replace(frame, rear_axle=cab_rear - 1.1 * radius)):
        if max(z for z, _ in skirt) > cab_rear:
            truck.prism(skirt, frame.width - 0.2, plane="zy", rounding=0.02)
    truck.add(_cargo(rng, frame, cab_rear))
    truck.add(trim(rng, frame, windshield))
    if chance(rng, 0.3):
        y, z = frame.roof + 0.1, 0.5 * (cab_rear + windshield) - 0.1
        truck.box([0.7 * frame.width, 0.22, 0.26], [0.0, y, z], rounding=0.04)
    return truck


def _cargo(rng: np.random.Generator, frame: Frame, cab_rear: float) -> Assembly:
    """What a truck carries behind its cab, on a plate over the wheels."""
    cargo = Assembly()
    deck = frame.arch + 0.03
    front, rear, width = cab_rear - 0.02, frame.rear, frame.width + rng.uniform(0.0, 0.15)
    middle, length = 0.5 * (front + rear), front - rear
    cargo.box([width, 0.16, length + 0.3], [0.0, deck, middle + 0.15])
    top = frame.roof + rng.uniform(-0.1, 0.7)
    kind = pick(rng, ("box", "tank", "tipper", "stakes"), [0.5, 0.13, 0.19, 0.18])
    if kind == "box":
        slope = pick(rng, (0.0, rng.uniform(0.2, 0.7)))
        outline = [(rear, deck), (front, deck), (front, top), (rear + slope, top),
                   (rear, top - slope)]  # fmt: skip
        cargo.prism(outline, width, plane="zy", rounding=pick(rng, (0.0, 0.06)))
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
        profile = wheel_profile(rng, radius, width)
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
