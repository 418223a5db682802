"""Farthest point sampling: one nested order serves all levels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.comparison import COMPARISON, Bench, Table
from benchmarks.subjects import torus
from model.config import PRESETS
from model.geometry.sampling import farthest_point_order, to_point_cloud
from model.nn.fps import farthest_point_sampling, sample_step_by_step


def tables(bench: Bench) -> Iterator[Table]:
    cloud = to_point_cloud(torus(), count=bench.pick(8192, 512), ordered=1).points
    rows = []
    for preset in ("starter", "lagem-objaverse"):
        levels = [level.tokens for level in PRESETS[preset].autoencoder.levels]
        counts = [bench.pick(tokens, max(tokens // 32, 1)) for tokens in levels]
        assert all(map(np.array_equal, nested(cloud, counts), level_by_level(cloud, counts)))
        rows += compared(bench, cloud, counts)
    note = f"{len(cloud):,} points; all of these choose the same points, which is checked first."
    yield Table("Farthest points", COMPARISON, rows, note)


def nested(points: np.ndarray, counts: list[int]) -> list[np.ndarray]:
    """The points of each level, coarse to fine: prefixes of one order."""
    order = farthest_point_order(points, max(counts))
    return [points[order[:count]] for count in counts]


def level_by_level(points: np.ndarray, counts: list[int]) -> list[np.ndarray]:
    """The same by the paper's words, P_i = FPS(P_{i-1}): each level out of the one finer."""
    levels = []
    for count in reversed(counts):
        points = points[farthest_point_order(points, count)]
        levels.append(points)
    return levels[::-1]


def compared(bench: Bench, cloud: np.ndarray, counts: list[int]) -> list[list[str]]:
    """One order against a run a level, and against torch."""
    what = " of ".join(map(str, counts))
    most, batch = max(counts), torch.from_numpy(cloud)[None].to(bench.device)
    if bench.device.type == "cpu":  # a GPU may round distances differently
        chosen = sample_step_by_step(batch, most)[0].numpy()
        assert np.array_equal(chosen, farthest_point_order(cloud, most))
    rows = [
        bench.compare(
            f"{what}, numpy",
            {
                "level by level": lambda: level_by_level(cloud, counts),
                "one order": lambda: nested(cloud, counts),
            },
        ),
        bench.compare(
            f"{most}",
            {
                "torch, step by step": lambda: sample_step_by_step(batch, most),
                "numpy, on the CPU": lambda: farthest_point_order(cloud, most),
            },
        ),
    ]
    if bench.device.type == "cuda":
        rows.append(
            bench.compare(
                f"{most}",
                {
                    "torch, step by step": lambda: sample_step_by_step(batch, most),
                    "kernel": lambda: farthest_point_sampling(batch, most),
                },
            )
        )
    return rows
