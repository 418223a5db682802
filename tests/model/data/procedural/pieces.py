"""How many pieces a shape falls into, told by inside samples of its solids."""

from dataclasses import fields

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components

from model.data.procedural.solids import Solids


def part(shape: Solids, index: int) -> Solids:
    """One solid of a shape, alone."""
    tensors = {
        field.name: getattr(shape, field.name)[:, index : index + 1]
        for field in fields(shape)
        if field.name != "edge_prefix"
    }
    return Solids(**tensors, edge_prefix=tuple(int(index < n) for n in shape.edge_prefix))


def pieces_and_depths(shape: Solids, samples: int) -> tuple[int, list[float]]:
    """The number of connected pieces, and each solid's greatest sampled depth."""
    count = shape.rounding.shape[1]
    overlaps = np.zeros((count, count), dtype=bool)
    depths = []
    for index in range(count):
        points = part(shape, index).sample_inside(samples, torch.Generator().manual_seed(0))
        distances = shape.solid_distances(points)[0]
        overlaps[index] = (distances < 0.0).any(dim=1).numpy()
        depths.append(-distances[index].min().item())
    found, _ = connected_components(overlaps | overlaps.T)
    return int(found), depths
