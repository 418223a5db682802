"""Rifles: hunting, sniper and assault rifles, muskets, shotguns, bullpups, carbines, blasters.

A long gun is about 2 units long before normalisation; Y is up and the bore runs along z at y = 0.
Parts are placed with the muzzle at +Z and the whole is turned at the end: the muzzle points to -Z.
"""

from collections.abc import Callable

import numpy as np

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.blaster import blaster
from model.data.procedural.carbine import carbine, hand_cannon
from model.data.procedural.draws import chance, pick
from model.data.procedural.firearm import (
    barrel,
    bayonet,
    bipod,
    box_magazine,
    draw_layout,
    drum,
    grip,
    handguard,
    magazine,
    receiver,
    scope,
    sight,
    stock,
    trigger_guard,
    under_barrel,
    wooden_stock,
)
from model.data.procedural.solids import Solids


def build(rng: np.random.Generator) -> Solids:
    """One random long gun, normalised to the unit sphere."""
    styles: list[Callable[[np.random.Generator], Assembly]] = [
        _hunting_rifle,
        _assault_rifle,
        _bullpup,
        _submachine_gun,
        _sniper_rifle,
        _shotgun,
        _machine_gun,
        blaster,
        carbine,
        hand_cannon,
    ]
    style = pick(rng, styles, [2.0, 3.5, 1.0, 1.5, 2.0, 2.0, 1.0, 5.0, 2.5, 1.0])
    return style(rng).posed(turn("y", 180.0)).build()


def _hunting_rifle(rng: np.random.Generator) -> Assembly:
    """A wooden stock from butt to fore-end: bolt action, lever action or musket."""
    gun = draw_layout(rng, 0.62, 0.42, rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.5))
    rifle = Assembly()
    rifle.add(wooden_stock(rng, gun))
    rifle.rod([0.0, 0.0, gun.rear], [0.0, 0.0, gun.front + 0.02], 1.5 * gun.bore, rounding=0.01)
    fore = [(gun.rear, -0.01), (gun.rear, gun.bottom), (gun.front, gun.bottom - 0.01),
            (gun.guard, -0.055), (gun.guard, -0.01)]  # fmt: skip
    rifle.prism(fore, 0.9 * gun.width, plane="zy", rounding=0.02)
    rifle.rod([0.0, 0.0, gun.front], [0.0, 0.0, gun.muzzle], 1.15 * gun.bore, 0.9 * gun.bore)
    action = pick(rng, ("bolt", "lever", "lock"))
    z = gun.rear + 0.1
    if action == "bolt":
        rifle.capsule([0.0, 0.0, z], [0.1, -0.03, z - 0.03], 0.018)
        rifle.sphere([0.11, -0.04, z - 0.03], 0.03)
    elif action == "lock":
        hammer = [[0.05, 0.0, z], [0.055, 0.09, z - 0.04], [0.05, 0.11, z + 0.03]]
        rifle.tube(hammer, 0.02)
    rifle.add(trigger_guard(gun, z, lever=action == "lever"))
    if action == "bolt" and chance(rng, 0.4):
        rifle.add(box_magazine(gun, gun.front - 0.12, 0.09, 0.16))
    if chance(rng, 0.45):
        rifle.add(scope(rng, gun, 1.5 * gun.bore))
    else:
        rifle.box([0.03, 0.07, 0.05], [0.0, gun.bore + 0.02, gun.muzzle - 0.05])
    if chance(rng, 0.2):
        rifle.add(bayonet(gun))
    return rifle


def _assault_rifle(rng: np.random.Generator) -> Assembly:
    """Separate stock, receiver, grip, magazine and handguard, in many combinations."""
    gun = draw_layout(rng, 0.5, 0.55, 0.45, rng.uniform(0.15, 0.45))
    rifle = receiver(rng, gun)
    rifle.add(stock(rng, gun, pick(rng, ("fixed", "fixed", "frame", "sliding", "wooden"))))
    rifle.add(grip(rng, gun, gun.rear + rng.uniform(0.06, 0.12)))
    rifle.add(magazine(rng, gun, pick(rng, ("straight", "curved", "curved", "drum"))))
    rifle.add(handguard(rng, gun))
    rifle.add(barrel(rng, gun))
    rifle.add(sight(rng, gun))
    if chance(rng, 0.3):
        rifle.add(under_barrel(rng, gun))
    return rifle


def _bullpup(rng: np.random.Generator) -> Assembly:
    """The action and magazine lie in the stock, behind the grip."""
    gun = draw_layout(rng, 0.55, 0.5, 0.35, rng.uniform(0.12, 0.3))
    rifle = Assembly()
    low = gun.bottom - rng.uniform(0.06, 0.14)
    rear = [
        (gun.butt, low - 0.05),
        (gun.butt, gun.top),
        (gun.front, gun.top),
        (gun.front, gun.bottom),
        (gun.rear + 0.05, gun.bottom),
        (gun.rear - 0.1, low),
    ]
    rifle.prism(rear, gun.width, plane="zy", rounding=0.015)
    rifle.add(grip(rng, gun, gun.front - rng.uniform(0.1, 0.2)))
    z = rng.uniform(gun.butt + 0.18, gun.rear - 0.08)
    rifle.add(box_magazine(gun, z, rng.uniform(0.26, 0.36), 0.14, tilt=rng.uniform(-12.0, 12.0)))
    rifle.add(handguard(rng, gun))
    rifle.add(barrel(rng, gun))
    if chance(rng, 0.5):
        rail = [[0.0, gun.top, gun.rear - 0.05], [0.0, gun.top + 0.1, gun.rear + 0.05],
                [0.0, gun.top + 0.1, gun.front], [0.0, gun.top, gun.front + 0.06]]  # fmt: skip
        rifle.tube(rail, 0.025)
    else:
        rifle.add(sight(rng, gun))
    return rifle


def _submachine_gun(rng: np.random.Generator) -> Assembly:
    """Short and stubby, with a long magazine."""
    gun = draw_layout(rng, 0.45, 0.6, rng.uniform(0.15, 0.3), rng.uniform(0.12, 0.28))
    weapon = receiver(rng, gun)
    if chance(rng, 0.85):
        weapon.add(stock(rng, gun, pick(rng, ("frame", "sliding", "fixed", "wooden"))))
    weapon.add(grip(rng, gun, gun.rear + rng.uniform(0.06, 0.2)))
    z = gun.front - rng.uniform(0.08, 0.2)
    if chance(rng, 0.2):
        weapon.add(drum(rng, gun, z))
    else:
        length, tilt = rng.uniform(0.36, 0.55), rng.uniform(-3.0, 10.0)
        weapon.add(box_magazine(gun, z, length, rng.uniform(0.08, 0.13), tilt=tilt))
    weapon.add(handguard(rng, gun))
    weapon.add(barrel(rng, gun))
    weapon.add(sight(rng, gun))
    return weapon


def _sniper_rifle(rng: np.random.Generator) -> Assembly:
    """A long heavy barrel, a scope, and usually a bipod."""
    gun = draw_layout(rng, 0.55, 0.45, 0.4, rng.uniform(0.45, 0.75))
    rifle = receiver(rng, gun)
    kind = pick(rng, ("thumbhole", "fixed", "wooden", "frame"))
    rifle.add(stock(rng, gun, kind))
    if kind != "wooden":
        rifle.add(grip(rng, gun, gun.rear + 0.06))
    else:
        rifle.add(trigger_guard(gun, gun.rear + 0.1))
    z = gun.front - rng.uniform(0.1, 0.18)
    rifle.add(box_magazine(gun, z, rng.uniform(0.12, 0.22), rng.uniform(0.13, 0.18)))
    rifle.add(handguard(rng, gun))
    rifle.add(barrel(rng, gun))
    rifle.add(scope(rng, gun, gun.top))
    if chance(rng, 0.65):
        rifle.add(bipod(rng, gun))
    return rifle


def _shotgun(rng: np.random.Generator) -> Assembly:
    """Pump action with a tube magazine, or two barrels side by side or stacked; some sawn off."""
    sawn = chance(rng, 0.25)
    length, barrel_length = (0.4, 0.15) if sawn else (0.6, rng.uniform(0.35, 0.6))
    gun = draw_layout(rng, length, 0.38, 0.35, barrel_length)
    weapon = receiver(rng, gun)
    kind = pick(rng, ("pistol", "wooden") if sawn else ("wooden", "wooden", "fixed"))
    weapon.add(stock(rng, gun, kind))
    weapon.add(trigger_guard(gun, gun.rear + 0.12))
    bore = rng.uniform(0.032, 0.042)
    action = pick(rng, ("pump", "pump", "side", "stacked"))
    if action == "pump":
        weapon.rod([0.0, 0.01, gun.front - 0.05], [0.0, 0.01, gun.muzzle], bore)
        y, end = 0.01 - 1.9 * bore, gun.muzzle - rng.uniform(0.03, 0.3)
        weapon.rod([0.0, y, gun.front - 0.05], [0.0, y, end], 0.9 * bore, rounding=0.01)
        start = gun.front + rng.uniform(0.05, 0.15)
        weapon.box([2.9 * bore, 2.6 * bore, 0.32], [0.0, y - 0.01, start + 0.16], rounding=0.025)
    else:
        step = [0.95 * bore, 0.0] if action == "side" else [0.0, 0.95 * bore]
        for side in (-1.0, 1.0):
            x, y = side * step[0], side * step[1]
            weapon.rod([x, y, gun.front - 0.05], [x, y, gun.muzzle], bore)
        fore = [(gun.front - 0.02, 0.0), (gun.front - 0.02, gun.bottom - 0.01),
                (gun.guard, -0.06), (gun.guard, 0.0)]  # fmt: skip
        weapon.prism(fore, 0.9 * gun.width, plane="zy", rounding=0.02)
    if chance(rng, 0.2):
        weapon.add(scope(rng, gun, gun.top))
    return weapon


def _machine_gun(rng: np.random.Generator) -> Assembly:
    """A heavy barrel with a bipod and a drum or an ammunition box."""
    gun = draw_layout(rng, 0.45, 0.65, 0.4, rng.uniform(0.3, 0.55))
    weapon = receiver(rng, gun)
    weapon.add(stock(rng, gun, pick(rng, ("fixed", "wooden", "frame"))))
    weapon.add(grip(rng, gun, gun.rear + 0.1))
    z = gun.front - rng.uniform(0.15, 0.3)
    if chance(rng, 0.5):
        weapon.add(drum(rng, gun, z))
    else:
        size = [rng.uniform(0.14, 0.2), rng.uniform(0.22, 0.3), rng.uniform(0.24, 0.34)]
        weapon.box(size, [0.0, gun.bottom - 0.5 * size[1] + 0.02, z], rounding=0.02)
    weapon.add(handguard(rng, gun))
    weapon.add(barrel(rng, gun))
    weapon.add(bipod(rng, gun))
    handle = gun.front + rng.uniform(0.0, 0.1)
    weapon.tube(
        [[0.0, 0.0, handle], [0.0, gun.top + 0.12, handle], [0.0, gun.top + 0.12, handle - 0.2]],
        0.025,
    )
    return weapon
