"""Signed 2D distances to polygons and rectangles, batched."""

import torch
from jaxtyping import Float
from torch import Tensor


def polygon_distance(
    x: Float[Tensor, "b p q"],
    y: Float[Tensor, "b p q"],
    starts: Float[Tensor, "b p k 2"],
    ends: Float[Tensor, "b p k 2"],
    edge_prefix: tuple[int, ...],
) -> Float[Tensor, "b p q"]:
    """Exact signed distance of points to simple polygons, negative inside.

    The magnitude is the distance to the nearest edge; the sign is the parity of the edges that a
    ray towards +x crosses. Edges of length 0 count for neither. Only the first `edge_prefix[k]`
    polygons have a k-th edge.
    """
    squared = torch.full_like(x, torch.inf)
    inside = torch.zeros_like(x, dtype=torch.bool)
    edge = ends - starts
    direction = edge / edge.square().sum(-1, keepdim=True).clamp(min=1e-30)
    for k, count in enumerate(edge_prefix):
        along_x, along_y = edge[:, :count, k, :, None].unbind(2)
        unit_x, unit_y = direction[:, :count, k, :, None].unbind(2)
        start_x, start_y = starts[:, :count, k, :, None].unbind(2)
        to_x, to_y = x[:, :count] - start_x, y[:, :count] - start_y
        step = (to_x * unit_x).addcmul_(to_y, unit_y).clamp_(0.0, 1.0)
        off_x = torch.addcmul(to_x, step, along_x, value=-1.0)
        off_y = torch.addcmul(to_y, step, along_y, value=-1.0)
        nearest = squared[:, :count]
        torch.minimum(nearest, off_x.square_().addcmul_(off_y, off_y), out=nearest)
        above_start = y[:, :count] >= start_y
        below_end = y[:, :count] < ends[:, :count, k, 1, None]
        left = (to_y * along_x) > (to_x * along_y)
        inside[:, :count] ^= (above_start == below_end) & (below_end == left)
    distance = squared.sqrt_()
    return torch.where(inside, -distance, distance)


def rectangle_distance(
    x: Float[Tensor, "b p q"], y: Float[Tensor, "b p q"], half: Float[Tensor, "b p 2"]
) -> Float[Tensor, "b p q"]:
    """Exact signed distance of points to rectangles about the origin, negative inside."""
    beyond_x = x.abs().sub_(half[..., :1])
    beyond_y = y.abs().sub_(half[..., 1:])
    return joined_distance(beyond_x, beyond_y)


def joined_distance(
    first: Float[Tensor, "b p q"], second: Float[Tensor, "b p q"]
) -> Float[Tensor, "b p q"]:
    """Signed distance to a product set A x B from the distances to A and to B.

    A and B lie in orthogonal spaces. The arguments are overwritten.
    """
    inside = torch.maximum(first, second).clamp_(max=0.0)
    first.clamp_(min=0.0)
    second.clamp_(min=0.0)
    return first.square_().addcmul_(second, second).sqrt_().add_(inside)
