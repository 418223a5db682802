"""Chairs, armchairs, stools, folding and deck chairs: a seat with a base, most with a back."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly, clipped_rectangle, turn
from model.data.procedural.draws import chance, pick
from model.data.procedural.folding import FOLDING_CHAIRS
from model.data.procedural.legs import LEG_STYLES, corner_legs, stretchers
from model.data.procedural.solids import Solids
from model.data.procedural.stools import STOOLS


@dataclass(frozen=True, slots=True)
class _Plan:
    """A chair's measures in metres; the seat's top is at `seat`, its plate `thickness` thick.

    Attributes:
        width, depth: of the seat, along x and z.
        seat: height of the seat's upper face.
        back: length of the back above the seat; 0 for a stool.
        thickness: of the seat plate.
        member: of legs, posts and rails.
        lean: backward tilt of the back in degrees.
        round_seat: whether the seat is a disc.
    """

    width: float
    depth: float
    seat: float
    back: float
    thickness: float
    member: float
    lean: float
    round_seat: bool

    @property
    def under(self) -> float:
        """Height at which supports end: inside the seat plate."""
        return self.seat - 0.5 * self.thickness

    @property
    def reach(self) -> tuple[float, float]:
        """Half extents of the rectangle of the legs' middles: within the disc of a round seat."""
        share = 0.37 if self.round_seat else 0.5
        return share * (self.width - self.member), share * (self.depth - self.member)


def build(rng: np.random.Generator) -> Solids:
    """One chair that faces +z."""
    assembly = Assembly()
    if chance(rng, 0.28):
        pick(rng, *pick(rng, (FOLDING_CHAIRS, STOOLS)))(rng, assembly)
        return assembly.build()
    plan = _measures(rng)
    kind = pick(rng, ("plain", "swivel", "padded", "stool"), (6.0, 1.5, 1.5, 1.2))
    if kind == "padded":
        _armchair(rng, assembly, plan)
    elif kind == "stool":
        _stool(rng, assembly, plan)
    else:
        _seat(rng, assembly, plan)
        base = _swivel_base if kind == "swivel" else pick(rng, *_BASES)
        base(rng, assembly, plan)
        back = pick(rng, _SOFT_BACKS if kind == "swivel" else _BACKS)
        _mount_back(rng, assembly, plan, back)
        if not plan.round_seat and chance(rng, 0.4):
            pick(rng, _ARMS)(rng, assembly, plan)
    return assembly.build()


def _measures(rng: np.random.Generator) -> _Plan:
    width, seat = rng.uniform(0.38, 0.56), rng.uniform(0.38, 0.50)
    blocky = chance(rng, 0.15)  # as toys are
    return _Plan(
        width=width,
        depth=width * rng.uniform(0.9, 1.1),
        seat=seat,
        back=rng.uniform(0.32, 0.70),
        thickness=rng.uniform(0.07, 0.13) if blocky else rng.uniform(0.03, 0.075),
        member=rng.uniform(0.065, 0.11) if blocky else rng.uniform(0.030, 0.060),
        lean=rng.uniform(2.0, 16.0),
        round_seat=chance(rng, 0.13),
    )


def _seat(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A round, flat, cushioned, tapered or slatted seat."""
    y = plan.seat - 0.5 * plan.thickness
    size = (plan.width, plan.thickness, plan.depth)
    if plan.round_seat:
        radius = 0.54 * max(plan.width, plan.depth)
        assembly.disc((0, y, 0), radius, plan.thickness, rounding=0.45 * plan.thickness)
        return
    kind = pick(rng, ("flat", "cushion", "tapered", "slats"), (3.0, 2.5, 2.0, 1.0))
    if kind == "flat":
        assembly.box(size, (0, y, 0), rounding=plan.thickness * pick(rng, (0.0, 0.3)))
    elif kind == "cushion":
        assembly.box(size, (0, y, 0))
        soft = (0.92 * plan.width, 1.5 * plan.thickness, 0.92 * plan.depth)
        assembly.box(soft, (0, plan.seat, 0), rounding=0.7 * plan.thickness)
    elif kind == "tapered":
        front, z = 0.5 * plan.width, 0.5 * plan.depth
        rear = max(rng.uniform(0.38, 0.46) * plan.width, front - 0.6 * plan.member)
        outline = [(-front, z), (front, z), (rear, -z), (-rear, -z)]
        rounding = 0.3 * plan.thickness
        assembly.prism(outline, plan.thickness, center=(0, y, 0), plane="xz", rounding=rounding)
    else:
        count = int(rng.integers(4, 7))
        slat = 0.68 * plan.depth / count
        for z in np.linspace(-0.5, 0.5, count) * (plan.depth - slat):
            assembly.box((plan.width, plan.thickness, slat), (0, y, z))
        for side in (-0.5, 0.5):
            x = side * (plan.width - plan.member)
            assembly.box((plan.member, plan.thickness, plan.depth), (x, y - 0.01, 0))


def _four_legs(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Corner legs with optional apron and stretchers."""
    splay = pick(rng, (0.0, rng.uniform(0.02, 0.07)))
    x, z = plan.reach
    reach = (x - 0.5 * splay, z - 0.5 * splay)
    style = pick(rng, LEG_STYLES)
    corner_legs(assembly, style, reach, plan.under, plan.member, (splay, splay))
    if chance(rng, 0.4):
        drop = rng.uniform(0.05, 0.09)
        y = plan.seat - plan.thickness - 0.4 * drop
        for side in (-1.0, 1.0):
            assembly.box((2 * reach[0], drop, 0.7 * plan.member), (0, y, side * reach[1]))
            assembly.box((0.7 * plan.member, drop, 2 * reach[1]), (side * reach[0], y, 0))
    if chance(rng, 0.4):
        stretchers(rng, assembly, reach, plan.under, (splay, splay), 0.75 * plan.member)


def _sled(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Two side frames on floor runners; without rear posts they are cantilevers."""
    x, z = plan.reach
    bar, y = 0.5 * plan.member, plan.seat - plan.thickness
    cantilever = chance(rng, 0.4)
    for side in (-x, x):
        path = [(side, y, -z), (side, y, z), (side, bar, z), (side, bar, -z)]
        assembly.tube(path if cantilever else [*path, path[0]], bar)
    if cantilever or chance(rng, 0.5):
        assembly.capsule((-x, bar, -z), (x, bar, -z), bar)


def _folding(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Crossed legs at both sides, tied at front and rear."""
    x, z = plan.reach
    member, inset = plan.member, rng.uniform(0.86, 0.95)
    for side in (-x, x):
        inner = inset * side
        assembly.beam((side, 0, z), (side, plan.under, -z), 0.9 * member, member)
        assembly.beam((inner, 0, -z), (inner, plan.under, z), 0.9 * member, member)
    for end in (-0.8 * z, 0.8 * z):
        y = 0.1 * plan.under
        assembly.beam((-x, y, end), (x, y, end), 0.8 * member, 0.8 * member)


def _side_panels(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Full boards at both sides, sometimes tied by a board under the seat."""
    x, _ = plan.reach
    for side in (-x, x):
        assembly.box((plan.member, plan.under, plan.depth), (side, 0.5 * plan.under, 0))
    if chance(rng, 0.7):
        drop = rng.uniform(0.3, 0.9) * plan.under
        assembly.box((2 * x, drop, plan.member), (0, plan.under - 0.5 * drop, -0.2 * plan.depth))


def _pedestal(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A column on a plate or a bell, as of a tulip chair."""
    radius = rng.uniform(0.5, 0.9) * plan.member
    spread = rng.uniform(0.40, 0.52) * plan.width
    assembly.rod((0, 0.01, 0), (0, plan.under, 0), radius)
    if chance(rng, 0.5):
        height = rng.uniform(0.06, 0.16)
        assembly.rod((0, 0, 0), (0, height, 0), spread, radius)
        assembly.rod((0, plan.under - height, 0), (0, plan.under, 0), radius, 0.6 * spread)
    else:
        assembly.disc((0, 0.018, 0), spread, 0.036, rounding=0.01)


def _swivel_base(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A column on four or five spokes with castors, as of an office chair."""
    count, spread = int(rng.integers(4, 6)), rng.uniform(0.5, 0.62) * plan.width
    spoke = 0.5 * plan.member
    castor = pick(rng, (0.0, 0.026))
    hub = (0.0, 0.08 + castor, 0.0)
    assembly.rod((0, hub[1] - 0.02, 0), (0, plan.under, 0), 0.85 * plan.member)
    for index in range(count):
        angle = 2.0 * math.pi * (index / count + 0.25)
        x, z = spread * math.cos(angle), spread * math.sin(angle)
        assembly.capsule(hub, (x, 1.4 * castor + spoke, z), spoke)
        if castor > 0.0:
            assembly.sphere((x, castor, z), 1.15 * castor)


def _mount_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan, back: "_Part") -> None:
    """Build a back upright over z = 0, then lean it and set it on the seat's rear edge."""
    upright = Assembly()
    back(rng, upright, plan)
    offset = (0.0, plan.seat - 0.6 * plan.thickness, -plan.reach[1])
    assembly.add(upright.posed(turn("x", -plan.lean), offset))


def _posts(assembly: Assembly, plan: _Plan, height: float) -> float:
    """Two rear posts; returns the half distance between their middles."""
    x, member = plan.reach[0], plan.member
    for side in (-x, x):
        assembly.box((member, height, member), (side, 0.5 * height, 0), rounding=0.1 * member)
    return x


def _solid_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """One board, straight, tapered or arched."""
    member = rng.uniform(0.8, 1.2) * plan.member
    x, y = 0.5 * plan.width, plan.back
    kind = pick(rng, ("straight", "tapered", "flared", "arched"))
    top = {"straight": x, "tapered": 0.7 * x, "flared": 1.12 * x, "arched": 0.55 * x}[kind]
    shoulder = (0.75 if kind == "arched" else 0.96) * y
    wide = x if kind == "arched" else top
    outline = [(-0.9 * x, 0), (0.9 * x, 0), (wide, shoulder), (0.9 * top, y),
               (-0.9 * top, y), (-wide, shoulder)]  # fmt: skip
    assembly.prism(outline, member, rounding=0.25 * member)


def _ladder_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Posts with horizontal rails."""
    x = _posts(assembly, plan, plan.back)
    count = int(rng.integers(2, 6))
    first = rng.uniform(0.2, 0.5)
    pitch = (1.0 - first) * plan.back / count
    rail = rng.uniform(0.45, 0.75) * pitch
    for index in range(count):
        y = plan.back - 0.5 * rail - index * pitch
        assembly.box((2 * x, max(rail, 0.022), 0.7 * plan.member), (0, y, 0))


def _spindle_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Posts, a top rail and upright bars."""
    x = _posts(assembly, plan, plan.back)
    member, rail = plan.member, rng.uniform(0.05, 0.12)
    assembly.box((2 * x + member, rail, member), (0, plan.back - 0.5 * rail, 0), rounding=0.006)
    low = pick(rng, (0.0, rng.uniform(0.15, 0.3) * plan.back))
    if low > 0.0:
        assembly.box((2 * x, 0.04, 0.8 * member), (0, low, 0))
    count = int(rng.integers(1, 6))
    wide = min(rng.uniform(0.024, 0.05), x / count) if count > 1 else rng.uniform(0.2, 0.45) * x * 2
    for index in range(count):
        at = -x + 2 * x * (index + 1) / (count + 1)
        assembly.box((wide, plan.back - low, 0.6 * member), (at, 0.5 * (plan.back + low), 0))


def _hoop_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A round bent hoop with bars, a splat or a pad within."""
    x, bar = plan.reach[0], 0.42 * plan.member
    rise = max(plan.back - x, 0.12)
    arc = [(x * math.cos(a), rise + x * math.sin(a), 0.0) for a in np.linspace(0.0, math.pi, 7)]
    assembly.tube([(x, 0, 0), *arc, (-x, 0, 0)], bar)
    filling = pick(rng, ("bars", "splat", "pad"))
    if filling == "pad":
        assembly.disc((0, rise, 0), x, 1.6 * bar, axis=(0, 0, 1), rounding=0.5 * bar)
    elif filling == "splat":
        assembly.box((0.6 * x, rise + x, 1.5 * bar), (0, 0.5 * (rise + x), 0))
    else:
        for share in pick(rng, ((0.0,), (-0.4, 0.4), (-0.55, 0.0, 0.55))):
            top = rise + x * math.sqrt(1.0 - share * share)
            assembly.rod((share * 0.7 * x, 0, 0), (share * x, top, 0), 0.8 * bar)


def _curved_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Three or five upright panels bent around the sitter, on the seat or on posts."""
    count = pick(rng, (3, 5))
    panel, bend = 1.12 * plan.width / count, rng.uniform(30.0, 78.0) / count
    floor = pick(rng, (0.0, rng.uniform(0.2, 0.45) * plan.back))
    size = (1.05 * panel, plan.back - floor, 0.85 * plan.member)
    y, rounding = 0.5 * (floor + plan.back), 0.3 * size[2]
    assembly.box(size, (0, y, 0), rounding=rounding)
    for side in (-1.0, 1.0):
        edge = np.array([0.5 * side * panel, y, 0.0])
        for index in range(1, count // 2 + 1):
            rotation = turn("y", -side * bend * index)
            step = rotation @ np.array([side * panel, 0.0, 0.0])
            assembly.box(size, edge + 0.5 * step, rounding=rounding, rotation=rotation)
            edge += step
    if floor > 0.0:
        for at in pick(rng, ((0.0,), (-0.15, 0.15))):
            post = (plan.member, floor + 0.3 * size[1], 0.9 * plan.member)
            assembly.box(post, (at * plan.width, 0.5 * post[1], -0.2 * plan.member))


def _padded_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A thick soft pad, standing on the seat or held by a post."""
    thick = rng.uniform(1.3, 2.2) * plan.member
    floor = pick(rng, (0.0, rng.uniform(0.15, 0.35) * plan.back))
    wide, tall = rng.uniform(0.8, 1.0) * plan.width, plan.back - floor
    rounding = rng.uniform(0.3, 0.5) * thick
    if chance(rng, 0.5):
        assembly.box((wide, tall, thick), (0, floor + 0.5 * tall, 0), rounding=rounding)
    else:
        half_x, half_y = 0.5 * wide - rounding, 0.5 * tall - rounding
        outline = clipped_rectangle(half_x, half_y, rng.uniform(0.3, 0.7) * min(half_x, half_y))
        assembly.prism(outline, thick, center=(0, floor + 0.5 * tall, 0), rounding=rounding)
    if floor > 0.0:
        post = (1.4 * plan.member, floor + 0.4 * tall, 0.8 * plan.member + 0.4 * thick)
        assembly.box(post, (0, 0.5 * post[1], -0.2 * thick))


def _post_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Arm rests on front posts, running back into the back's posts."""
    x, z = plan.reach
    height = plan.seat + rng.uniform(0.17, 0.25)
    member = plan.member
    rear = -z - 0.8 * math.tan(math.radians(plan.lean)) * (height - plan.seat)
    front = z * rng.uniform(0.3, 0.95)
    for side in (-x, x):
        assembly.beam((side, plan.under, front), (side, height, front), 0.9 * member, 0.9 * member)
        wide = 1.3 * member
        assembly.beam((side, height, rear), (side, height, front + member), wide, 0.8 * member)


def _loop_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Closed loops of bent tube beside the seat, as on office chairs."""
    x = 0.5 * plan.width + 0.25 * plan.member
    y, z, bar = plan.seat + rng.uniform(0.16, 0.22), 0.3 * plan.depth, 0.45 * plan.member
    under = plan.under
    closed = chance(rng, 0.5)
    for side in (-x, x):
        path = [(side, under, 0.6 * z), (side, y - 0.04, z), (side, y, 0.6 * z), (side, y, -z)]
        assembly.tube([*path, (side, under, -0.8 * z)] if closed else path, bar)
        assembly.capsule((0.7 * side, under, 0.6 * z), (side, under, 0.6 * z), bar)
        if closed:
            assembly.capsule((0.7 * side, under, -0.8 * z), (side, under, -0.8 * z), bar)


def _panel_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Solid boards at both sides of the seat."""
    x = 0.5 * plan.width
    rise = rng.uniform(0.15, 0.26) + 0.8 * plan.thickness
    y = plan.seat - 0.8 * plan.thickness + 0.5 * rise
    for side in (-x, x):
        assembly.box((plan.member, rise, plan.depth), (side, y, 0), rounding=0.2 * plan.member)


def _armchair(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """An upholstered chair: a block seat, thick arms and a thick back."""
    width, depth = 1.5 * plan.width, 1.5 * plan.depth
    arm = rng.uniform(0.09, 0.17)
    foot = pick(rng, (0.03, rng.uniform(0.08, 0.18)))
    seat, thick = rng.uniform(0.36, 0.44), rng.uniform(0.12, 0.2)
    inner = width - 2.0 * arm
    base = 0.55 * (seat - foot)
    assembly.box((width - arm, base, 0.94 * depth), (0, foot + 0.5 * base, 0))
    cushion = seat - foot - base + 0.03
    assembly.box((inner + 0.01, cushion, 0.9 * depth), (0, seat - 0.5 * cushion, 0.04 * depth),
                 rounding=0.3 * cushion)  # fmt: skip
    rise = rng.uniform(0.14, 0.26)
    rounding = arm * rng.uniform(0.1, 0.49)
    for side in (-1.0, 1.0):
        tall = seat + rise - foot
        center = (side * 0.5 * (width - arm), foot + 0.5 * tall, 0.02 * depth)
        assembly.box((arm, tall, 0.96 * depth), center, rounding=rounding)
    back = Assembly()
    tall = rng.uniform(0.4, 0.7)
    wide = pick(rng, (inner + 0.02, width))
    back.box((wide, tall + 0.2, thick), (0, 0.5 * tall - 0.1, 0), rounding=0.35 * thick)
    offset = (0.0, seat, 0.5 * (thick - 0.96 * depth))
    assembly.add(back.posed(turn("x", -0.7 * plan.lean), offset))
    reach, splay = (0.5 * width - 0.07, 0.46 * depth - 0.06), pick(rng, (0.0, 0.25 * foot))
    style = pick(rng, LEG_STYLES[:4])
    corner_legs(assembly, style, reach, foot + 0.05, rng.uniform(0.045, 0.07), (splay, splay))


def _stool(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A seat without back, low or at bar height, some with a low back rest."""
    tall = pick(rng, (plan.seat, rng.uniform(0.6, 0.8)))
    width = 0.85 * plan.width
    low = _Plan(
        width, width, tall, 0.16, 1.2 * plan.thickness, 1.05 * plan.member, 6.0, chance(rng, 0.4)
    )
    _seat(rng, assembly, low)
    pick(rng, _STOOL_BASES)(rng, assembly, low)
    if chance(rng, 0.35):
        _mount_back(rng, assembly, low, pick(rng, (_solid_back, _padded_back, _curved_back)))


_Part = Callable[[np.random.Generator, Assembly, _Plan], None]

_BASES: tuple[tuple[_Part, ...], tuple[float, ...]] = (
    (_four_legs, _sled, _folding, _side_panels, _pedestal),
    (7.0, 1.2, 0.8, 0.8, 1.0),
)
_STOOL_BASES: tuple[_Part, ...] = (_four_legs, _pedestal, _sled)
_SOFT_BACKS: tuple[_Part, ...] = (_padded_back, _curved_back, _solid_back)
_BACKS: tuple[_Part, ...] = (
    _solid_back, _ladder_back, _spindle_back, _hoop_back, _curved_back, _padded_back)  # fmt: skip
_ARMS: tuple[_Part, ...] = (_post_arms, _loop_arms, _panel_arms)
