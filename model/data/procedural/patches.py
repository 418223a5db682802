"""Patches of a rounded solid's surface: their parameters, areas and uniform points.

The boundary of a body grown by a ball is made of its faces moved outward and of arcs around its
edges and corners. A polygon with k vertices, extruded or revolved, gives k edge patches (a polygon
edge moved outward and swept), k arc patches (the fan of normals at a vertex, swept), and for an
extrusion the pair of caps. Patches may overshoot the boundary (at reflex vertices, beyond a turning
axis; caps fill the polygon's bounding box): points on them need a check by signed distance.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

EDGE, ARC, CAP = 0, 1, 2
"""Kinds of patches; slots run over k edges, k arcs and one pair of caps."""


def patch_rows(
    starts: Float[Tensor, "b p k 2"],
    ends: Float[Tensor, "b p k 2"],
    arc_start: Float[Tensor, "b p k"],
    arc_turn: Float[Tensor, "b p k"],
    rounding: Float[Tensor, "b p"],
) -> Float[Tensor, "b p s 7"]:
    """Each patch's foot (x, y), span of feet (x, y), first normal angle, turn and largest radius.

    A point of the profile is a foot plus `rounding` times a unit normal; the largest radius bounds
    its x, the weight of a turned profile. There are s = 2 k + 1 slots.
    """
    edge, grow = ends - starts, rounding[..., None]
    normal = torch.atan2(-edge[..., 0], edge[..., 1])
    zero = torch.zeros_like(normal)
    widest = torch.maximum(starts[..., 0], ends[..., 0]) + grow * normal.cos()
    edges = torch.stack([*starts.unbind(-1), *edge.unbind(-1), normal, zero, widest], dim=-1)
    around = starts[..., 0] + grow
    arcs = torch.stack([*starts.unbind(-1), zero, zero, arc_start, arc_turn, around], dim=-1)
    low, high = starts.amin(2), starts.amax(2)
    caps = functional.pad(torch.cat([low, high - low], dim=-1), (0, 3))[:, :, None]
    return torch.cat([edges, arcs, caps], dim=2)


def patch_areas(
    rows: Float[Tensor, "b p s 7"],
    half_height: Float[Tensor, "b p"],
    rounding: Float[Tensor, "b p"],
    revolved: Bool[Tensor, "b p"],
) -> Float[Tensor, "b p s"]:
    """Area of each patch; of turned profiles an upper bound (all at their largest radius)."""
    edges = rows.shape[2] // 2
    length = rows[:, :, :edges, 2:4].norm(dim=-1)
    turn = rows[:, :, edges:-1, 5]
    half, grow = half_height[..., None], rounding[..., None]
    profile = torch.cat([length, turn * grow], dim=-1)
    swept = torch.cat(
        [length * (2.0 * half + torch.pi * grow), turn * grow * 2.0 * (half + grow)], dim=-1
    )
    turned = 2.0 * torch.pi * profile * rows[:, :, :-1, 6]
    sides = torch.where(revolved[..., None], turned, swept)
    caps = torch.where(revolved, 0.0, 2.0 * rows[:, :, -1, 2:4].prod(-1))[..., None]
    areas = torch.cat([sides, caps], dim=-1).clamp(min=0.0)
    return torch.where(rounding.isfinite()[..., None], areas, 0.0)


def patch_kind(slot: Int[Tensor, "b n"], slots: int) -> Int[Tensor, "b n"]:
    """EDGE, ARC or CAP by a patch's slot."""
    return (slot >= slots // 2).long() + (slot == slots - 1).long()


def extruded_section(
    kind: Int[Tensor, "b n"],
    half_height: Float[Tensor, "b n"],
    rounding: Float[Tensor, "b n"],
    random: Float[Tensor, "b n 2"],
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n"]]:
    """Uniform tilt of the normal out of the polygon's plane, and the height of its foot.

    Edges carry a wall and two quarter turns, arcs a wall and two quarter spheres (uniform in the
    sine of the tilt), caps look straight up or down.
    """
    first, second = random.unbind(-1)
    signed = 2.0 * second - 1.0
    beyond = first * (2.0 * half_height + torch.pi * rounding) - 2.0 * half_height
    edge_tilt = beyond / rounding.clamp(min=1e-12) - 0.5 * torch.pi
    tilt = torch.where(kind == EDGE, edge_tilt, signed.asin())
    tilt = torch.where(kind == CAP, 0.5 * torch.pi * signed.sign(), tilt)
    on_wall = torch.where(
        kind == EDGE, beyond < 0.0, first * (half_height + rounding) < half_height
    ) & (kind != CAP)
    height = torch.where(on_wall, signed, tilt.sign()) * half_height
    return tilt.masked_fill(on_wall, 0.0), height
