"""Sofas: a base, seat cushions, a back and arms; straight, with a chaise, or around a corner."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.draws import chance, pick
from model.data.procedural.legs import LEG_STYLES, corner_legs
from model.data.procedural.solids import Solids


@dataclass(frozen=True, slots=True)
class _Plan:
    """A sofa's measures in metres.

    Attributes:
        width, depth: outer size along x and z.
        floor: clearance under the base.
        seat: height of the cushions' upper face.
        back: height of the back's upper edge.
        arm: width of one arm; `arm_height` its upper edge.
        thick: thickness of the back.
        cushion: thickness of the seat cushions.
        softness: rounding of soft parts, 0 (square) to 1 (as round as they can be).
        seats: how many cushions side by side.
        left, right: whether there is an arm at -x and at +x.
    """

    width: float
    depth: float
    floor: float
    seat: float
    back: float
    arm: float
    arm_height: float
    thick: float
    cushion: float
    softness: float
    seats: int
    left: bool
    right: bool

    @property
    def inner(self) -> tuple[float, float]:
        """Left and right end of the seat, between the arms."""
        half = 0.5 * self.width
        return -half + self.arm * self.left, half - self.arm * self.right

    @property
    def sides(self) -> tuple[float, ...]:
        """-1 and +1 for the arms there are."""
        return (-1.0,) * self.left + (1.0,) * self.right


def build(rng: np.random.Generator) -> Solids:
    """One sofa that faces +z."""
    assembly = Assembly()
    plan = _measures(rng)
    _base(rng, assembly, plan)
    _seat_cushions(rng, assembly, plan)
    back = pick(rng, *_BACKS)
    back(rng, assembly, plan)
    if plan.sides:
        pick(rng, *_ARMS)(rng, assembly, plan)
    extension = pick(rng, ("none", "chaise", "corner", "both"), (6.0, 2.0, 1.2, 0.5))
    if extension in ("chaise", "corner"):
        side = pick(rng, (-1.0, 1.0))
        _extension(rng, assembly, plan, side, extension == "corner")
    elif extension == "both":
        for side in (-1.0, 1.0):
            _extension(rng, assembly, plan, side, False)
    if chance(rng, 0.3):
        _pillows(rng, assembly, plan)
    return assembly.build()


def _measures(rng: np.random.Generator) -> _Plan:
    seat = rng.uniform(0.38, 0.48)
    back = pick(rng, (rng.uniform(0.6, 0.8), rng.uniform(0.68, 1.0)))
    left, right = pick(
        rng, ((True, True), (True, False), (False, True), (False, False)), (8.0, 0.7, 0.7, 0.6)
    )
    width = pick(rng, (rng.uniform(1.2, 1.6), rng.uniform(1.6, 2.4), rng.uniform(2.0, 3.2)))
    seats = pick(rng, (1, max(1, round((width - 0.3) / rng.uniform(0.55, 0.9)))), (1.0, 4.0))
    return _Plan(
        width=width,
        depth=rng.uniform(0.78, 1.0),
        floor=pick(rng, (0.02, rng.uniform(0.08, 0.18))),
        seat=seat,
        back=back,
        arm=rng.uniform(0.09, 0.26),
        arm_height=pick(rng, (seat + rng.uniform(0.12, 0.24), back), (3.0, 1.0)),
        thick=rng.uniform(0.12, 0.24),
        cushion=rng.uniform(0.11, 0.19),
        softness=rng.uniform(0.0, 1.0),
        seats=seats,
        left=left,
        right=right,
    )


def _base(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """The block under the seat and what it stands on."""
    top = plan.seat - 0.8 * plan.cushion
    size = (plan.width, top - plan.floor, 0.94 * plan.depth)
    assembly.box(size, (0, 0.5 * (top + plan.floor), 0), rounding=0.04 * plan.softness)
    if plan.floor < 0.05:
        plinth = (0.92 * plan.width, 0.06, 0.84 * plan.depth)
        assembly.box(plinth, (0, 0.03, 0))
        return
    _supports(rng, assembly, plan)


def _supports(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Corner legs, long side runners or a recessed block."""
    x, z = 0.5 * plan.width - 0.09, 0.47 * plan.depth - 0.08
    kind = pick(rng, ("legs", "runners", "block"), (5.0, 1.0, 1.0))
    if kind == "legs":
        splay = pick(rng, (0.0, 0.35 * plan.floor))
        thickness = rng.uniform(0.05, 0.09)
        style = pick(rng, LEG_STYLES[:4])
        corner_legs(assembly, style, (x, z), plan.floor + 0.05, thickness, (splay, splay))
    elif kind == "runners":
        bar = rng.uniform(0.05, 0.07)
        for side in (-x, x):
            assembly.box((bar, bar, 2 * z), (side, 0.5 * bar, 0))
            for end in (-z, z):
                assembly.box((bar, plan.floor + 0.05, bar), (side, 0.5 * plan.floor + 0.025, end))
    else:
        size = (1.7 * x, plan.floor + 0.05, 1.5 * z)
        assembly.box(size, (0, 0.5 * plan.floor + 0.025, 0))


def _seat_cushions(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Equal cushions side by side; where there is no arm they end inside the base."""
    low, high = plan.inner
    pitch = (high - low) / plan.seats
    front = 0.5 * plan.depth * rng.uniform(0.92, 1.0)
    rear = 0.6 * plan.thick - 0.47 * plan.depth
    rounding = plan.cushion * (0.15 + 0.33 * plan.softness)
    size = (pitch * 0.985, plan.cushion, front - rear)
    for index in range(plan.seats):
        center = (low + (index + 0.5) * pitch, plan.seat - 0.5 * plan.cushion, 0.5 * (front + rear))
        assembly.box(size, center, rounding=rounding)


def _lean(assembly: Assembly, upright: Assembly, plan: _Plan, degrees: float) -> None:
    """Set a back, built upright from y = 0 over z = 0, on the base's rear edge and lean it."""
    offset = (0.0, plan.seat - plan.cushion, 0.5 * plan.thick - 0.47 * plan.depth)
    assembly.add(upright.posed(turn("x", -degrees), offset))


def _plain_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """One upholstered board over the whole width."""
    tall = plan.back - plan.seat + plan.cushion
    upright = Assembly()
    rounding = plan.thick * (0.05 + 0.43 * plan.softness)
    upright.box((plan.width, tall, plan.thick), (0, 0.5 * tall, 0), rounding=rounding)
    _lean(assembly, upright, plan, rng.uniform(0.0, 10.0))


def _cushioned_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A thin board with one loose cushion for each seat, higher than the board or level with it."""
    low, high = plan.inner
    tall = plan.back - plan.seat + plan.cushion
    board = rng.uniform(0.6, 1.0) * tall
    upright = Assembly()
    upright.box((plan.width, board, 0.6 * plan.thick), (0, 0.5 * board, -0.2 * plan.thick),
                rounding=0.04 * plan.softness)  # fmt: skip
    pitch = (high - low) / plan.seats
    rounding = plan.thick * (0.2 + 0.28 * plan.softness)
    for index in range(plan.seats):
        size = (0.97 * pitch, tall - plan.cushion + 0.05, plan.thick)
        x = low + (index + 0.5) * pitch
        center = (x, tall - 0.5 * size[1], 0.45 * plan.thick)
        upright.box(size, center, rounding=rounding, rotation=turn("x", -rng.uniform(2.0, 8.0)))
    _lean(assembly, upright, plan, rng.uniform(0.0, 6.0))


def _humped_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A camelback: the upper edge rises to the middle in slopes."""
    tall = plan.back - plan.seat + plan.cushion
    x, rounding = 0.5 * plan.width, 0.4 * plan.thick
    flat, low = rng.uniform(0.1, 0.6) * x, rng.uniform(0.6, 0.85) * tall
    x -= rounding
    outline = [(-x, rounding), (x, rounding), (x, low - rounding), (0.55 * x + 0.45 * flat, low),
               (flat, tall - rounding), (-flat, tall - rounding),
               (-0.55 * x - 0.45 * flat, low), (-x, low - rounding)]  # fmt: skip
    upright = Assembly()
    upright.prism(outline, plan.thick, rounding=rounding)
    _lean(assembly, upright, plan, rng.uniform(2.0, 9.0))


def _rolled_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A board with a thick roll along its upper edge, as of a chesterfield."""
    tall = plan.back - plan.seat + plan.cushion
    radius = rng.uniform(0.45, 0.65) * plan.thick
    upright = Assembly()
    board = (plan.width, tall - radius, 0.8 * plan.thick)
    upright.box(board, (0, 0.5 * board[1], 0), rounding=0.02)
    x = 0.5 * plan.width
    axis = tall - radius
    upright.rod((-x, axis, -0.2 * radius), (x, axis, -0.2 * radius), radius, rounding=0.3 * radius)
    _lean(assembly, upright, plan, rng.uniform(0.0, 6.0))


def _railed_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """An open wooden frame: posts, a top rail and bars or a lower cushion."""
    tall = plan.back - plan.seat + plan.cushion
    bar = rng.uniform(0.05, 0.075)
    upright = Assembly()
    upright.box((plan.width, bar * 1.4, bar), (0, tall - 0.7 * bar, 0), rounding=0.2 * bar)
    posts = 2 + int(rng.integers(1, 3)) * plan.seats
    for x in np.linspace(-0.5, 0.5, posts) * (plan.width - bar):
        upright.box((bar, tall, 0.9 * bar), (float(x), 0.5 * tall, 0))
    if chance(rng, 0.6):
        pad = 0.7 * tall
        low, high = plan.inner
        upright.box((high - low, pad, 0.7 * plan.thick),
                    (0.5 * (low + high), plan.cushion + 0.5 * pad - 0.05, 0.35 * plan.thick),
                    rounding=0.3 * plan.thick)  # fmt: skip
    _lean(assembly, upright, plan, rng.uniform(0.0, 8.0))


def _low_back(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A low board at arm height that continues in pillows, as of a lounge sofa."""
    rise = rng.uniform(0.12, 0.22) + plan.cushion
    upright = Assembly()
    upright.box((plan.width, rise, plan.thick), (0, 0.5 * rise, 0),
                rounding=plan.thick * 0.4 * plan.softness)  # fmt: skip
    low, high = plan.inner
    pitch = (high - low) / plan.seats
    for index in range(plan.seats):
        size = (0.8 * pitch, plan.back - plan.seat, 0.6 * plan.thick)
        center = (low + (index + 0.5) * pitch, plan.cushion + 0.45 * size[1], 0.5 * plan.thick)
        upright.box(size, center, rounding=0.25 * plan.thick, rotation=turn("x", -12.0))
    _lean(assembly, upright, plan, 0.0)


def _box_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Straight upholstered blocks."""
    tall = plan.arm_height - plan.floor
    rounding = plan.arm * (0.04 + 0.44 * plan.softness)
    depth = plan.depth * rng.uniform(0.92, 1.0)
    for side in plan.sides:
        center = (side * 0.5 * (plan.width - plan.arm), plan.floor + 0.5 * tall, 0)
        assembly.box((plan.arm, tall, depth), center, rounding=rounding)


def _sloped_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Blocks whose upper edge falls, or steps down, towards the front."""
    z, rear, floor = 0.47 * plan.depth, plan.arm_height, plan.floor
    low = plan.seat + rng.uniform(0.02, 0.1)
    bend = rng.uniform(-0.4, 0.6) * z
    rounding = 0.3 * plan.arm * plan.softness
    outline = [(-z, floor + rounding), (z, floor + rounding), (z, low - rounding),
               (bend, 0.5 * (low + rear) if chance(rng, 0.5) else low),
               (-0.5 * z, rear - rounding), (-z, rear - rounding)]  # fmt: skip
    for side in plan.sides:
        x = side * 0.5 * (plan.width - plan.arm)
        assembly.prism(outline, plan.arm, center=(x, 0, 0), plane="zy", rounding=rounding)


def _rolled_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """A roll along the upper edge of each arm."""
    radius = max(0.55 * plan.arm, 0.075)
    z = rng.uniform(0.47, 0.52) * plan.depth
    axis = plan.arm_height - radius
    for side in plan.sides:
        x = side * 0.5 * (plan.width - plan.arm)
        size = (0.8 * plan.arm, axis - plan.floor, 2 * z)
        assembly.box(size, (x, plan.floor + 0.5 * size[1], 0), rounding=0.02)
        shift = side * 0.25 * radius
        assembly.rod((x + shift, axis, -z), (x + shift, axis, z), radius, rounding=0.25 * radius)


def _flared_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Boards that lean outward."""
    tall, lean = plan.arm_height - plan.floor, rng.uniform(6.0, 16.0)
    thick = max(0.6 * plan.arm, 0.09)
    for side in plan.sides:
        center = (side * 0.5 * (plan.width - 0.6 * thick), plan.floor + 0.5 * tall, 0.0)
        size = (thick, tall, 0.96 * plan.depth)
        rounding = thick * (0.1 + 0.35 * plan.softness)
        assembly.box(size, center, rounding=rounding, rotation=turn("z", -side * lean))


def _framed_arms(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """Open wooden arms: two posts and a rest."""
    bar = rng.uniform(0.055, 0.08)
    z = 0.47 * plan.depth - 0.5 * bar
    height = plan.seat + rng.uniform(0.16, 0.24)
    for side in plan.sides:
        x = side * 0.5 * (plan.width - bar)
        for end in (-z, z):
            assembly.box((bar, height - plan.floor, bar), (x, 0.5 * (height + plan.floor), end))
        rest = (1.3 * bar, 0.8 * bar, 2 * z + 1.5 * bar)
        assembly.box(rest, (x, height, 0), rounding=0.2 * bar)


def _extension(
    rng: np.random.Generator, assembly: Assembly, plan: _Plan, side: float, corner: bool
) -> None:
    """A chaise (the seat runs on to the front) or a second wing with its own back, at one end."""
    wide = rng.uniform(0.6, 0.85)
    long = rng.uniform(0.45, 0.8) if not corner else rng.uniform(0.7, 1.2)
    edge = side * 0.5 * plan.width
    x = edge - side * 0.5 * wide
    top = plan.seat - 0.8 * plan.cushion
    near, far = 0.3 * plan.depth, 0.47 * plan.depth + long
    base = (wide, top - plan.floor, far - near)
    assembly.box(base, (x, 0.5 * (top + plan.floor), 0.5 * (near + far)))
    soft = (wide - 0.02, plan.cushion, far - near)
    rounding = plan.cushion * (0.15 + 0.33 * plan.softness)
    assembly.box(soft, (x, plan.seat - 0.5 * plan.cushion, 0.5 * (near + far)), rounding=rounding)
    if corner:
        tall = plan.back - plan.floor
        size = (plan.thick, tall, far + 0.3 * plan.depth)
        center = (edge - side * 0.5 * plan.thick, plan.floor + 0.5 * tall, far - 0.5 * size[2])
        assembly.box(size, center, rounding=plan.thick * (0.05 + 0.4 * plan.softness))
    foot = (0.07, plan.floor + 0.05, 0.07)
    for inset in (0.07, wide - 0.07):
        assembly.box(foot, (edge - side * inset, 0.5 * foot[1], far - 0.07))


def _pillows(rng: np.random.Generator, assembly: Assembly, plan: _Plan) -> None:
    """One to three loose pillows that lean in the corners of the seat."""
    low, high = plan.inner
    for share in pick(rng, ((0.14,), (0.86,), (0.14, 0.86), (0.12, 0.3, 0.86))):
        size = rng.uniform(0.3, 0.4)
        rotation = turn("y", rng.uniform(-25.0, 25.0)) @ turn("x", -rng.uniform(15.0, 30.0))
        center = (
            low + share * (high - low),
            plan.seat + 0.42 * size,
            plan.thick - 0.3 * plan.depth,
        )
        assembly.box((size, size, 0.13), center, rounding=0.055, rotation=rotation)


_Back = Callable[[np.random.Generator, Assembly, _Plan], None]
_Arms = Callable[[np.random.Generator, Assembly, _Plan], None]

_BACKS: tuple[tuple[_Back, ...], tuple[float, ...]] = (
    (_plain_back, _cushioned_back, _humped_back, _rolled_back, _railed_back, _low_back),
    (2.0, 4.0, 1.0, 1.0, 0.8, 1.0),
)
_ARMS: tuple[tuple[_Arms, ...], tuple[float, ...]] = (
    (_box_arms, _sloped_arms, _rolled_arms, _flared_arms, _framed_arms),
    (3.0, 1.5, 1.5, 1.2, 0.8),
)
