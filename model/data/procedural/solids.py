"""Batches of shapes, each a union of rounded extrusions and revolutions, in signed distance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor
from torch.nn import functional

from model.data.procedural.patches import (
    CAP,
    extruded_section,
    patch_areas,
    patch_kind,
    patch_rows,
)
from model.data.procedural.polygons import (
    joined_distance,
    polygon_distance,
    rectangle_distance,
)
from model.data.procedural.solid import Solid

_CHUNK_ELEMENTS = {"cpu": 1 << 15, "cuda": 1 << 24}
"""Distances (shapes x solids x queries) worked on at once: the CPU's fit in its second cache."""

_SURFACE_TOLERANCE = 5e-6
"""A point within this distance of a solid's boundary lies on it (shapes of about unit size)."""

_MAX_ROUNDS = 50
"""Rounds of candidates after which a shape counts as degenerate."""


@dataclass(frozen=True, slots=True)
class Solids:
    """A batch of `b` shapes, each the union of up to `p` solids with up to `k` vertices.

    General polygons come first, by falling vertex count, so that the work on the k-th edges needs
    only the first `edge_prefix[k]` solids. Behind the first `edge_prefix[0]` solids every polygon
    is a rectangle about the local origin (boxes, cylinders, capsules, balls: most parts), whose
    distance has a shorter form. Padding is the empty set: a point grown by minus infinity, whose
    distance is plus infinity everywhere.

    Attributes:
        starts: start of each edge in its solid's local frame; padding repeats a vertex.
        ends: end of each edge; equal to the start for padding and for edges on a turning axis.
        arc_start: angle (radians) of the first outward normal at each edge's start.
        arc_turn: exterior angle there; 0 at reflex vertices and padding.
        half_height: half length of an extrusion before rounding; 0 for a revolution.
        rounding: radius of the ball each solid is grown by; -inf marks padding.
        revolved: True for revolutions about local y, False for extrusions along local z.
        rotation: local to world.
        center: local origins in the world.
        edge_prefix: how many leading solids are general polygons with a k-th edge.
    """

    starts: Float[Tensor, "b p k 2"]
    ends: Float[Tensor, "b p k 2"]
    arc_start: Float[Tensor, "b p k"]
    arc_turn: Float[Tensor, "b p k"]
    half_height: Float[Tensor, "b p"]
    rounding: Float[Tensor, "b p"]
    revolved: Bool[Tensor, "b p"]
    rotation: Float[Tensor, "b p 3 3"]
    center: Float[Tensor, "b p 3"]
    edge_prefix: tuple[int, ...]

    @staticmethod
    def union(parts: Sequence[Solid]) -> "Solids":
        """A batch of one shape: the union of `parts`.

        Raises:
            ValueError: if there are no parts.
        """
        if not parts:
            raise ValueError("a shape needs at least one solid")
        ordered = sorted(parts, key=lambda part: (part.is_rectangle, -len(part.polygon)))
        counts = [len(part.polygon) for part in ordered if not part.is_rectangle]
        width = max(len(part.polygon) for part in ordered)
        edges = np.zeros((len(ordered), width, 6), dtype=np.float32)
        for row, part in zip(edges, ordered, strict=True):
            row[:, :4] = (*part.polygon[-1], *part.polygon[-1])
            count = len(part.polygon)
            row[:count, :4] = [(*start, *end) for start, end in part.edges()]
            row[:count, 4:] = part.arcs()
        table = torch.from_numpy(edges)[None]
        return Solids(
            starts=table[..., :2],
            ends=table[..., 2:4],
            arc_start=table[..., 4],
            arc_turn=table[..., 5],
            half_height=torch.tensor([[part.half_height for part in ordered]]),
            rounding=torch.tensor([[part.rounding for part in ordered]]),
            revolved=torch.tensor([[part.revolved for part in ordered]]),
            rotation=_float_tensor([part.rotation for part in ordered]),
            center=_float_tensor([part.center for part in ordered]),
            edge_prefix=tuple(
                sum(count > k for count in counts) for k in range(max(counts, default=0))
            ),
        )

    @staticmethod
    def stack(batches: Sequence["Solids"]) -> "Solids":
        """Join batches along the batch axis, padding solids and vertices."""
        width = max(batch.starts.shape[2] for batch in batches)
        general = max(batch.general for batch in batches)
        simple = max(batch.rounding.shape[1] - batch.general for batch in batches)
        tensors = {
            name: torch.cat([_padded(batch, name, general, simple, width) for batch in batches])
            for name in _tensor_names()
        }
        prefixes = zip_longest(*(batch.edge_prefix for batch in batches), fillvalue=0)
        return Solids(**tensors, edge_prefix=tuple(max(counts) for counts in prefixes))

    def to(self, device: torch.device | str) -> "Solids":
        """The same shapes on `device`."""
        tensors = {name: getattr(self, name).to(device) for name in _tensor_names()}
        return Solids(**tensors, edge_prefix=self.edge_prefix)

    def __len__(self) -> int:
        return self.rounding.shape[0]

    @property
    def general(self) -> int:
        """How many leading solids have a general polygon; rectangles follow."""
        return self.edge_prefix[0] if self.edge_prefix else 0

    @property
    def exists(self) -> Bool[Tensor, "b p"]:
        """False for padding."""
        return self.rounding.isfinite()

    def solid_distances(self, queries: Float[Tensor, "b q 3"]) -> Float[Tensor, "b p q"]:
        """Signed distance to each solid, negative inside; +inf to padding.

        Exact outside and on the surface; inside it is exact for convex polygons and a lower bound
        of the depth for concave ones that are rounded.
        """
        to_local = self.rotation.transpose(-1, -2)
        origin = -(to_local @ self.center[..., None])
        local = torch.baddbmm(origin.flatten(1, 2), to_local.flatten(1, 2), queries.transpose(1, 2))
        x, y, z = local[:, 0::3], local[:, 1::3], local[:, 2::3]
        turned = x.square().addcmul_(z, z).sqrt_()
        x = torch.where(self.revolved[..., None], turned, x)
        general = self.general
        polygons = polygon_distance(
            x[:, :general], y[:, :general],
            self.starts[:, :general], self.ends[:, :general], self.edge_prefix,
        )  # fmt: skip
        half = self.starts[:, general:].amax(2)
        rectangles = rectangle_distance(x[:, general:], y[:, general:], half)
        planar = torch.cat([polygons, rectangles], dim=1)
        half_height = self.half_height.masked_fill(self.revolved, torch.inf)
        axial = z.abs().sub_(half_height[..., None])
        return joined_distance(planar, axial).sub_(self.rounding[..., None])

    def signed_distance(self, queries: Float[Tensor, "b q 3"]) -> Float[Tensor, "b q"]:
        """Signed distance to the union, negative inside.

        Exact outside and on the surface. Where solids overlap, the smallest of their distances is
        a lower bound of the depth; the sign is exact everywhere.
        """
        chunks = [self.solid_distances(chunk).amin(1) for chunk in self._chunks(queries)]
        return torch.cat(chunks, dim=1)

    def occupied(self, queries: Float[Tensor, "b q 3"]) -> Bool[Tensor, "b q"]:
        """Whether each query lies strictly inside the shape."""
        return self.signed_distance(queries) < 0.0

    def _chunks(self, queries: Float[Tensor, "b q 3"]) -> tuple[Tensor, ...]:
        limit = _CHUNK_ELEMENTS.get(queries.device.type, _CHUNK_ELEMENTS["cpu"])
        return torch.split(queries, max(limit // self.rounding.numel(), 256), dim=1)

    def bounds(self) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
        """Lowest and highest corner of each shape's exact bounding box."""
        around, along, across = self.rotation.unbind(-1)
        turned = torch.hypot(around, across)
        revolved = self.revolved[..., None]
        reach = self.half_height[..., None] * across.abs() + self.rounding[..., None]
        corners = []
        for sign in (-1.0, 1.0):
            planar = torch.where(revolved, turned, sign * around)
            support = planar[..., None, :] * self.starts[..., :1]
            support = support + (sign * along)[..., None, :] * self.starts[..., 1:]
            corners.append(self.center + sign * (support.amax(2) + reach))
        exists = self.exists[..., None]
        low = corners[0].masked_fill(~exists, torch.inf).amin(1)
        high = corners[1].masked_fill(~exists, -torch.inf).amax(1)
        return low, high

    def farthest(self, points: Float[Tensor, "b 3"]) -> Float[Tensor, " b"]:
        """Exact distance from each point to the farthest point of its shape."""
        offset = (points[:, None] - self.center)[..., None, :]
        x, y, z = (offset @ self.rotation).squeeze(-2).unbind(-1)
        x = torch.where(self.revolved, -torch.hypot(x, z), x)
        z = torch.where(self.revolved, 0.0, z.abs() + self.half_height)
        planar = torch.stack([x, y], dim=-1)[..., None, :] - self.starts
        reach = torch.hypot(planar.norm(dim=-1).amax(-1), z) + self.rounding
        return reach.amax(1)

    def normalized(self) -> "Solids":
        """The shapes in the unit sphere: box centre at the origin, farthest point at norm 1.

        Source: the paper, appendix B.
        """
        low, high = self.bounds()
        middle = 0.5 * (low + high)
        scale = 1.0 / self.farthest(middle)[:, None]
        return replace(
            self,
            starts=self.starts * scale[..., None, None],
            ends=self.ends * scale[..., None, None],
            half_height=self.half_height * scale,
            rounding=self.rounding * scale,
            center=(self.center - middle[:, None]) * scale[..., None],
        )

    def sample_surface(self, count: int, generator: Generator) -> Float[Tensor, "b count 3"]:
        """Points uniform by area on the union's boundary.

        Candidates are uniform on each solid's offset faces, edges and corners; those that do not
        lie on the union's boundary are drawn again, and a point on the faces of n solids at once
        counts 1 / n.
        """

        def propose(size: int) -> tuple[Tensor, Tensor]:
            points, chance = _surface_candidates(self, size, generator)
            lottery = torch.rand(chance.shape, generator=generator, device=chance.device)
            distances = torch.cat([self.solid_distances(part) for part in self._chunks(points)], 2)
            touching = (distances.abs() <= _SURFACE_TOLERANCE).sum(1)
            exposed = (distances.amin(1) >= -_SURFACE_TOLERANCE) & (touching > 0)
            return points, exposed & (lottery * touching < chance)

        return _accepted(propose, count)

    def sample_inside(self, count: int, generator: Generator) -> Float[Tensor, "b count 3"]:
        """Points uniform by volume inside the union.

        Candidates are uniform in each solid's local box or tube; those outside it are drawn
        again, and a point inside n solids at once counts 1 / n.
        """

        def propose(size: int) -> tuple[Tensor, Tensor]:
            points, owner = _inside_candidates(self, size, generator)
            lottery = torch.rand(owner.shape, generator=generator, device=owner.device)
            distances = torch.cat([self.solid_distances(part) for part in self._chunks(points)], 2)
            inside = distances < 0.0
            own = inside.gather(1, owner[:, None]).squeeze(1)
            return points, own & (lottery * inside.sum(1) < 1.0)

        return _accepted(propose, count)


def _tensor_names() -> list[str]:
    return [field.name for field in fields(Solids) if field.name != "edge_prefix"]


def _float_tensor(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)[None].astype(np.float32))


def _padded(batch: Solids, name: str, general: int, simple: int, width: int) -> Tensor:
    """One field with empty solids added behind both groups, and edges of length 0 up to `width`."""
    tensor: Tensor = getattr(batch, name)
    if name in ("starts", "ends"):
        last = batch.starts[:, :, -1:].expand(-1, -1, width - tensor.shape[2], -1)
        tensor = torch.cat([tensor, last], dim=2)
    elif name in ("arc_start", "arc_turn"):
        tensor = functional.pad(tensor, (0, width - tensor.shape[2]))
    empty = -torch.inf if name == "rounding" else 0.0

    def fill(group: Tensor, count: int) -> Tensor:
        tail = group.new_full((len(batch), count - group.shape[1], *group.shape[2:]), empty)
        return torch.cat([group, tail], dim=1)

    groups = tensor[:, : batch.general], tensor[:, batch.general :]
    return torch.cat([fill(groups[0], general), fill(groups[1], simple)], dim=1)


def _accepted(
    propose: Callable[[int], tuple[Tensor, Tensor]], count: int
) -> Float[Tensor, "b count 3"]:
    """Draw until each shape has `count` accepted candidates; keep each shape's first ones.

    Raises:
        RuntimeError: if a shape yields almost no points (it has no surface or no volume).
    """
    points, accepted = propose(2 * count)
    for _ in range(_MAX_ROUNDS):
        fewest = int(accepted.sum(1).min())
        if fewest >= count:
            order = accepted.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
            return points.gather(1, order[:, :count, None].expand(-1, -1, 3))
        missing = (count - fewest) * points.shape[1] // max(fewest, 1)
        more, more_accepted = propose(min(int(1.2 * missing) + 64, 8 * count))
        points = torch.cat([points, more], dim=1)
        accepted = torch.cat([accepted, more_accepted], dim=1)
    raise RuntimeError(f"fewer than {count} points after {_MAX_ROUNDS} rounds: degenerate shape")


def _surface_candidates(
    solids: Solids, size: int, generator: Generator
) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b n"]]:
    """Candidates on all solids' patches, and the chance to keep each for a uniform density."""
    rows = patch_rows(
        solids.starts, solids.ends, solids.arc_start, solids.arc_turn, solids.rounding
    )
    areas = patch_areas(rows, solids.half_height, solids.rounding, solids.revolved)
    picked = torch.multinomial(areas.flatten(1), size, replacement=True, generator=generator)
    slots = areas.shape[2]
    owner, kind = picked // slots, patch_kind(picked % slots, slots)
    row = rows.flatten(1, 2).gather(1, picked[..., None].expand(-1, -1, rows.shape[-1]))
    random = torch.rand((*picked.shape, 4), generator=generator, device=areas.device)
    across = torch.where(kind == CAP, random[..., 1], random[..., 0])
    foot_x = row[..., 0] + row[..., 2] * random[..., 0]
    foot_y = row[..., 1] + row[..., 3] * across
    angle = row[..., 4] + row[..., 5] * random[..., 0]
    half_height, rounding = solids.half_height.gather(1, owner), solids.rounding.gather(1, owner)
    tilt, z = extruded_section(kind, half_height, rounding, random[..., 2:])
    revolved = solids.revolved.gather(1, owner)
    tilt, z = tilt.masked_fill(revolved, 0.0), z.masked_fill(revolved, 0.0)
    x = foot_x + rounding * tilt.cos() * angle.cos()
    y = foot_y + rounding * tilt.cos() * angle.sin()
    chance = torch.where(revolved, x / row[..., 6].clamp(min=1e-12), 1.0)
    spin = torch.where(revolved, 2.0 * torch.pi * random[..., 1], 0.0)
    z = z + rounding * tilt.sin() + x * spin.sin()
    return _to_world(solids, owner, torch.stack([x * spin.cos(), y, z], dim=-1)), chance


def _inside_candidates(
    solids: Solids, size: int, generator: Generator
) -> tuple[Float[Tensor, "b n 3"], Tensor]:
    """Candidates uniform in each solid's local box (extrusions) or tube (revolutions).

    Also returns which solid each was drawn for.
    """
    exists, revolved = solids.exists, solids.revolved
    grow = torch.where(exists, solids.rounding, 0.0)
    low, high = solids.starts.amin(2) - grow[..., None], solids.starts.amax(2) + grow[..., None]
    inner, outer = low[..., 0].clamp(min=0.0).square(), high[..., 0].square()
    low_x = torch.where(revolved, inner, low[..., 0])
    high_x = torch.where(revolved, outer, high[..., 0])
    half = torch.where(revolved, torch.pi, solids.half_height + grow)
    corner = torch.stack([low_x, low[..., 1], -half], dim=-1)
    extent = torch.stack([high_x - low_x, high[..., 1] - low[..., 1], 2.0 * half], dim=-1)
    volume = extent.prod(-1) * torch.where(revolved, 0.5, 1.0) * exists
    owner = torch.multinomial(volume, size, replacement=True, generator=generator)
    pick = owner[..., None].expand(-1, -1, 3)
    random = torch.rand((*owner.shape, 3), generator=generator, device=owner.device)
    a, y, c = (corner.gather(1, pick) + extent.gather(1, pick) * random).unbind(-1)
    turned = revolved.gather(1, owner)
    radius = a.clamp(min=0.0).sqrt()
    x = torch.where(turned, radius * c.cos(), a)
    z = torch.where(turned, radius * c.sin(), c)
    return _to_world(solids, owner, torch.stack([x, y, z], dim=-1)), owner


def _to_world(
    solids: Solids, owner: Tensor, local: Float[Tensor, "b n 3"]
) -> Float[Tensor, "b n 3"]:
    """Points given in the frame of their owning solid, in the world."""
    pick = owner[..., None].expand(-1, -1, 3)
    rotation = solids.rotation.gather(1, pick[..., None].expand(-1, -1, -1, 3))
    return (rotation @ local[..., None]).squeeze(-1) + solids.center.gather(1, pick)
