"""Tables, desks and stands: a top on legs, trestles, pedestals, panels, frames or drawers."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.counters import COUNTERS
from model.data.procedural.draws import chance, pick
from model.data.procedural.legs import LEG_STYLES, corner_legs, stretchers
from model.data.procedural.solids import Solids
from model.data.procedural.tabletops import (
    Plate,
    Reach,
    clipped_top,
    oval_top,
    plain_top,
    planked_top,
    rimmed_top,
    round_top,
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What supports need to know, in metres.

    Attributes:
        plate: the top.
        member: thickness of legs and rails.
        reach_x, reach_z: half extents of the rectangle that supports may stand on.
    """

    plate: Plate
    member: float
    reach_x: float
    reach_z: float

    @property
    def width(self) -> float:
        """Outer size along x."""
        return self.plate.width

    @property
    def depth(self) -> float:
        """Outer size along z."""
        return self.plate.depth

    @property
    def height(self) -> float:
        """Height of the top's upper face."""
        return self.plate.height

    @property
    def footprint(self) -> tuple[float, float]:
        """Width and depth of the largest block that stays under the top's corners."""
        return 2.0 * self.reach_x + self.member, 2.0 * self.reach_z + self.member

    @property
    def ceiling(self) -> float:
        """Height of the top's lower face."""
        return self.plate.height - self.plate.thickness

    @property
    def under(self) -> float:
        """Height at which supports end: the middle of the top."""
        return self.plate.middle


def build(rng: np.random.Generator) -> Solids:
    """One table; width along x, front towards +z."""
    assembly = Assembly()
    if chance(rng, 0.2):
        pick(rng, *COUNTERS)(rng, assembly)
        return assembly.build()
    width, height, depth = _size(rng)
    unit = 0.5 * math.hypot(width, height, depth)
    plate = Plate(width, height, depth, thickness=unit * rng.uniform(0.035, 0.09))
    member = unit * rng.uniform(0.05, 0.11)
    top = pick(rng, *_TOPS)
    share_x, share_z = top(rng, assembly, plate)
    reach_x, reach_z = 0.5 * (width * share_x - member), 0.5 * (depth * share_z - member)
    plan = _Plan(plate, member, reach_x, reach_z)
    if top in (round_top, oval_top):
        support = pick(rng, _CENTRAL_SUPPORTS)
    elif max(width, depth) < 0.8 * height:
        support = pick(rng, _NARROW_SUPPORTS)
    else:
        support = pick(rng, *_WIDE_SUPPORTS)
    support(rng, assembly, plan)
    return assembly.build()


def _size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Width, height and depth of a dining, coffee, side, console, desk or bar table."""
    ranges = pick(
        rng,
        (
            ((1.2, 2.2), (0.70, 0.80), (0.75, 1.05)),
            ((0.8, 1.3), (0.35, 0.50), (0.55, 0.80)),
            ((0.40, 0.65), (0.45, 0.65), (0.40, 0.60)),
            ((0.9, 1.4), (0.70, 0.90), (0.35, 0.50)),
            ((1.1, 1.7), (0.70, 0.78), (0.55, 0.75)),
            ((0.55, 0.80), (0.75, 1.10), (0.55, 0.80)),
        ),
        (4.0, 3.0, 2.0, 1.5, 3.0, 1.0),
    )
    width, height, depth = (rng.uniform(*bounds) for bounds in ranges)
    return width, height, width * rng.uniform(0.9, 1.0) if chance(rng, 0.15) else depth


def _four_legs(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Corner legs with an optional apron, stretchers, shelf or drawer box."""
    splay = pick(rng, (0.0, 0.0, rng.uniform(0.05, 0.15) * plan.height))
    reach = plan.reach_x - splay, plan.reach_z - splay
    style = pick(rng, LEG_STYLES)
    corner_legs(assembly, style, reach, plan.under, plan.member, (splay, splay))
    if chance(rng, 0.6):
        _apron(rng, assembly, plan, reach)
    extra = pick(rng, ("none", "stretchers", "shelf"), (3.0, 2.0, 1.5))
    if extra == "stretchers":
        stretchers(rng, assembly, reach, plan.under, (splay, splay), 0.7 * plan.member)
    elif extra == "shelf":
        level = rng.uniform(0.15, 0.4)
        grow = splay * (1.0 - level)
        size = (2.0 * (reach[0] + grow), 0.7 * plan.member, 2.0 * (reach[1] + grow))
        assembly.box(size, (0, level * plan.height, 0))


def _apron(
    rng: np.random.Generator, assembly: Assembly, plan: _Plan, reach: tuple[float, float]
) -> None:
    """Boards under the top between the legs, or one deep drawer box."""
    drop = rng.uniform(0.08, 0.16) * plan.height
    y = plan.ceiling - 0.45 * drop
    x, z = reach
    if chance(rng, 0.3):
        assembly.box((2.0 * x, 1.1 * drop, 2.0 * z), (0, y, 0))
        return
    board = 0.5 * plan.member
    for side in (-1.0, 1.0):
        assembly.box((2.0 * x, 1.1 * drop, board), (0, y, side * z))
        assembly.box((board, 1.1 * drop, 2.0 * z), (side * x, y, 0))


def _trestle(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Two end stands of a post between a foot and a head beam, tied by a bar."""
    x, member = 0.8 * plan.reach_x, plan.member
    post = rng.uniform(1.0, 2.0) * member
    for side in (-x, x):
        assembly.box((post, plan.under, member), (side, 0.5 * plan.under, 0))
        assembly.box((1.2 * member, member, 2.0 * plan.reach_z), (side, 0.5 * member, 0))
        head = (1.2 * member, member, 1.6 * plan.reach_z)
        assembly.box(head, (side, plan.ceiling - 0.45 * member, 0))
    y = rng.uniform(0.2, 0.6) * plan.height
    assembly.box((2.0 * x, rng.uniform(0.8, 1.6) * member, 0.7 * member), (0, y, 0))


def _crossed_legs(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """An X of two beams under each end, tied by a bar."""
    x, z, member = rng.uniform(0.6, 0.95) * plan.reach_x, 0.95 * plan.reach_z, 0.85 * plan.member
    for side in (-x, x):
        for lean in (-z, z):
            assembly.beam((side, 0.4 * member, -lean), (side, plan.under, lean), member, member)
    assembly.beam((-x, 0.5 * plan.under, 0), (x, 0.5 * plan.under, 0), member, member)


def _a_frames(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Sawhorse ends: two beams that lean together, with a cross bar."""
    x, z, member = 0.8 * plan.reach_x, plan.reach_z, 0.85 * plan.member
    level, narrow = rng.uniform(0.25, 0.45), rng.uniform(0.3, 0.6)
    for side in (-x, x):
        for lean in (-1.0, 1.0):
            top = (0.95 * side, plan.under, lean * narrow * z)
            assembly.beam((side, 0, lean * z), top, member, member)
        span = z * (1.0 + (narrow - 1.0) * level)
        y = level * plan.under
        assembly.beam((side, y, -span), (side, y, span), 0.8 * member, 0.8 * member)


def _sled_frames(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A closed rectangular hoop under each end."""
    x, z, bar = rng.uniform(0.7, 1.0) * plan.reach_x, plan.reach_z, 0.75 * plan.member
    for side in (-x, x):
        for lean in (-z, z):
            assembly.box((bar, plan.under, bar), (side, 0.5 * plan.under, lean))
        assembly.box((bar, bar, 2.0 * z), (side, 0.5 * bar, 0))
        assembly.box((bar, bar, 2.0 * z), (side, plan.ceiling - 0.4 * bar, 0))
    if chance(rng, 0.4):
        assembly.box((2.0 * x, bar, bar), (0, 0.5 * bar, pick(rng, (0.0, -z))))


def _panels(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Two full side boards, with a back board or a shelf between them."""
    board = 0.8 * plan.member
    width, depth = plan.footprint
    x = 0.5 * width * rng.uniform(0.85, 1.0) - 0.5 * board
    for side in (-x, x):
        assembly.box((board, plan.under, depth), (side, 0.5 * plan.under, 0))
    kind = pick(rng, ("none", "back", "shelf", "bottom"))
    if kind == "back":
        drop = rng.uniform(0.3, 0.9) * plan.height
        assembly.box((2.0 * x, drop, board), (0, plan.under - 0.5 * drop, -0.4 * depth))
    elif kind != "none":
        y = 0.5 * board if kind == "bottom" else rng.uniform(0.25, 0.6) * plan.height
        assembly.box((2.0 * x, board, depth), (0, y, 0))


def _drawers(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A desk: a drawer cabinet at one or both ends, legs or a panel at the open one."""
    member = plan.member
    width, depth = (0.98 * size for size in plan.footprint)
    wide = width * rng.uniform(0.25, 0.35)
    floor = pick(rng, (0.0, 0.12, rng.uniform(0.35, 0.6))) * plan.height
    x = 0.5 * (width - wide)
    both = chance(rng, 0.45)
    first = pick(rng, (-1.0, 1.0))
    for side in (first, -first) if both else (first,):
        size = (wide, plan.under - floor, depth)
        assembly.box(size, (side * x, 0.5 * (plan.under + floor), 0))
        count = max(1, round((plan.under - floor) / (0.25 * plan.height)))
        pitch = (plan.under - floor) / count
        for index in range(count):
            y = floor + (index + 0.45) * pitch
            front = (0.86 * wide, 0.72 * pitch, 0.8 * member)
            assembly.box(front, (side * x, y, 0.5 * depth), rounding=0.1 * member)
    if floor > 0.0 or not both:
        reach = 0.5 * (width - member), 0.5 * (depth - member)
        style = pick(rng, LEG_STYLES[:4])
        corner_legs(assembly, style, reach, plan.under, member, (0.0, 0.0))


def _cabinet(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A night stand: a box with drawer fronts on short legs."""
    floor = pick(rng, (0.06, rng.uniform(0.2, 0.45))) * plan.height
    width, depth = (0.98 * size for size in plan.footprint)
    tall = plan.under - floor
    assembly.box((width, tall, depth), (0, 0.5 * (plan.under + floor), 0))
    count = int(rng.integers(1, 4))
    for index in range(count):
        y = floor + (index + 0.47) * tall / count
        front = (0.86 * width, 0.74 * tall / count, plan.member)
        assembly.box(front, (0, y, 0.5 * depth), rounding=0.1 * plan.member)
        assembly.sphere((0, y, 0.5 * depth + 0.6 * plan.member), 0.45 * plan.member)
    splay = pick(rng, (0.0, 0.3 * floor))
    reach = 0.47 * width - 0.5 * plan.member - splay, 0.47 * depth - 0.5 * plan.member - splay
    style = pick(rng, LEG_STYLES[:4])
    corner_legs(assembly, style, reach, floor + plan.member, plan.member, (splay, splay))


def _pedestal(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """One column (straight, conical, square or turned) on a plate, a bell or spreading feet."""
    _column(rng, assembly, plan, 0.0)
    if chance(rng, 0.4):
        radius = 0.4 * min(plan.reach_x, plan.reach_z)
        plate = plan.ceiling
        assembly.rod((0, plate - 0.6 * plan.member, 0), (0, plate, 0), 0.6 * radius, radius)


def _double_pedestal(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Two equal columns side by side, often tied by a bar."""
    if plan.width < 1.4 * plan.depth:
        _pedestal(rng, assembly, plan)
        return
    state = rng.bit_generator.state
    for x in (-0.6 * plan.reach_x, 0.6 * plan.reach_x):
        rng.bit_generator.state = state
        _column(rng, assembly, plan, x)
    if chance(rng, 0.5):
        y = rng.uniform(0.15, 0.5) * plan.height
        bar = 0.8 * plan.member
        assembly.box((1.2 * plan.reach_x, bar, bar), (0, y, 0))


def _column(rng: np.random.Generator, assembly: Assembly, plan: _Plan, x: float) -> None:
    radius = rng.uniform(0.6, 1.1) * plan.member
    shaft = pick(rng, ("straight", "cone", "square", "turned"))
    foot = (x, 0.3 * plan.member, 0)
    if shaft == "square":
        assembly.beam(foot, (x, plan.under, 0), 1.8 * radius, 1.8 * radius)
    elif shaft == "cone":
        assembly.rod(foot, (x, plan.under, 0), 1.6 * radius, 0.8 * radius)
    else:
        assembly.rod(foot, (x, plan.under, 0), radius)
    if shaft == "turned":
        for share, swell in ((0.3, 1.9), (0.55, 1.5), (0.8, 1.7)):
            assembly.sphere((x, share * plan.height, 0), swell * radius)
    _column_foot(rng, assembly, plan, x, radius)


def _column_foot(
    rng: np.random.Generator, assembly: Assembly, plan: _Plan, x: float, radius: float
) -> None:
    spread = rng.uniform(0.75, 1.0) * min(plan.reach_x, plan.reach_z, 0.6 * plan.height)
    spread = max(spread, 2.0 * radius)
    member = 0.8 * plan.member
    foot = pick(rng, ("disc", "square", "bell", "cross", "claws"))
    if foot == "disc":
        assembly.disc((x, 0.5 * member, 0), spread, member, rounding=0.3 * member)
    elif foot == "square":
        assembly.box((1.7 * spread, member, 1.7 * spread), (x, 0.5 * member, 0))
    elif foot == "bell":
        assembly.rod((x, 0, 0), (x, rng.uniform(0.1, 0.25) * plan.height, 0), spread, radius)
    elif foot == "cross":
        for angle in (0.0, 90.0):
            size = (2.0 * spread, member, 1.2 * member)
            assembly.box(size, (x, 0.5 * member, 0), rotation=turn("y", angle + 45.0))
    else:
        for angle in np.arange(4) * 0.5 * math.pi + pick(rng, (0.0, 0.25 * math.pi)):
            ray = np.array([math.cos(angle), 0.0, math.sin(angle)])
            hip = ray * 0.5 * radius + (x, 0.35 * plan.height, 0)
            toe = ray * spread + (x, 0.5 * member, 0)
            knee = 0.5 * (hip + toe) + (0, 0.06 * plan.height, 0)
            assembly.tube([hip, knee, toe], 0.5 * member)


def _drum(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A wide round or square block."""
    radius = rng.uniform(0.5, 0.85) * min(plan.reach_x, plan.reach_z)
    narrow = rng.uniform(0.7, 1.0)
    if chance(rng, 0.7):
        assembly.rod((0, 0, 0), (0, plan.under, 0), radius, narrow * radius)
    else:
        assembly.beam(
            (0, 0, 0), (0, plan.under, 0), 2 * radius, 1.6 * radius, end_width=2 * narrow * radius
        )


def _lattice(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Slanted rods between a ring on the floor and a ring under the top."""
    bar = 0.36 * plan.member
    radius = 0.95 * min(plan.reach_x, plan.reach_z)
    waist = rng.uniform(0.6, 1.0) * radius
    assembly.ring((0, bar, 0), waist, bar)
    assembly.ring((0, plan.ceiling, 0), radius, bar)
    count = int(rng.integers(4, 9))
    twist = pick(rng, (0.0, rng.uniform(0.3, 1.2)))
    for index in range(count):
        first = 2.0 * math.pi * index / count
        foot = (waist * math.cos(first), bar, waist * math.sin(first))
        angle = first + twist
        head = (radius * math.cos(angle), plan.ceiling, radius * math.sin(angle))
        assembly.capsule(foot, head, bar)


def _tripod(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Three or four round legs that lean outward from the middle."""
    count, spread = int(rng.integers(3, 5)), min(plan.reach_x, plan.reach_z)
    narrow = rng.uniform(0.4, 0.8)
    radius = 0.45 * plan.member
    for index in range(count):
        angle = 2.0 * math.pi * index / count + math.pi / 6.0
        x, z = spread * math.cos(angle), spread * math.sin(angle)
        assembly.rod((x * narrow, plan.under, z * narrow), (x, 0, z), 1.2 * radius, 0.8 * radius)


_Top = Callable[[np.random.Generator, Assembly, Plate], Reach]
_Support = Callable[[np.random.Generator, Assembly, _Plan], None]

_TOPS: tuple[tuple[_Top, ...], tuple[float, ...]] = (
    (plain_top, clipped_top, round_top, oval_top, planked_top, rimmed_top),
    (5.0, 1.5, 2.5, 1.0, 1.0, 1.0),
)
_CENTRAL_SUPPORTS: tuple[_Support, ...] = (
    _pedestal, _double_pedestal, _drum, _lattice, _tripod, _four_legs)  # fmt: skip
_NARROW_SUPPORTS: tuple[_Support, ...] = (_four_legs, _pedestal, _cabinet, _panels, _sled_frames)
_WIDE_SUPPORTS: tuple[tuple[_Support, ...], tuple[float, ...]] = (
    (_four_legs, _trestle, _crossed_legs, _a_frames, _sled_frames, _panels, _drawers, _cabinet,
     _pedestal, _double_pedestal),
    (6.0, 1.5, 1.0, 1.0, 1.5, 1.5, 2.0, 0.7, 1.0, 0.7),
)  # fmt: skip
