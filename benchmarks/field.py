"""The query function of Eq. 9: as released, and every way there is to ask it faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import torch

from benchmarks.comparison import Bench, Table, seconds, times
from benchmarks.subjects import Features, Size, own_size, paper_size
from model.autoencoder import AutoEncoder
from model.field import OccupancyField, QueryAttention
from model.grid import HALF_EXTENT, QUERY_CHUNK
from model.gridfield import GridField

CHUNKS = (128, 256, 512, 1024, 2048, 4096)
_RESOLUTION = 128

Ask = Callable[[torch.Tensor], torch.Tensor]


def tables(bench: Bench) -> Iterator[Table]:
    sizes = (own_size, 32_768, 5), (paper_size, 4096, 2)
    chunked: dict[str, dict[int, float]] = {}
    for make, full, repeats in sizes:
        size, count = make(bench), bench.pick(full, 64)
        yield forms(bench, size, count, repeats)
        chunked[f"{size.name}, {count:,} queries"] = by_chunk(bench, size, count, repeats)
    head = ["the folded field in torch, queries at once", *map(str, CHUNKS), "best"]
    rows = []
    for name, spent in chunked.items():
        best = min(spent, key=lambda chunk: spent[chunk])
        cells = [seconds(spent[chunk]) for chunk in CHUNKS]
        rows.append([name, *cells, f"{best}, {spent[4096] / spent[best]:.2f}x of 4096"])
    yield Table("Field: how many queries at once", head, rows)


def forms(bench: Bench, size: Size, count: int, repeats: int) -> Table:
    """Ways to the logits of `count` samples of a grid in the middle of the shape."""
    indices, points = samples(bench, count)
    chunks = points.split(QUERY_CHUNK, dim=1)
    field = size.autoencoder.fold(size.features)
    at = GridField(field, -HALF_EXTENT, 2 * HALF_EXTENT / _RESOLUTION, _RESOLUTION + 1)
    kept = with_keys_values(size.autoencoder, size.features)
    spent = bench.in_turn(
        {
            "modules, as released": lambda: [
                size.autoencoder.query_reference(chunk, size.features) for chunk in chunks
            ],
            "modules, K and V kept": lambda: [kept(chunk) for chunk in chunks],
            "folded": lambda: [field(chunk) for chunk in chunks],
            "tables": lambda: [at(part) for part in indices.split(QUERY_CHUNK)],
        },
        repeats,
    )
    first = next(iter(spent.values()))
    note = f"{count:,} queries, {min(count, QUERY_CHUNK):,} at once."
    if bench.device.type == "cuda":
        note += " There are no tables on a GPU: that row is the folded kernel."
    return Table(
        f"Field: forms, {size.name}",
        ["form", "time", "queries a second", "of released"],
        [
            [name, seconds(cost), f"{count / cost:,.0f}", times(first / cost)]
            for name, cost in spent.items()
        ],
        note,
    )


def by_chunk(bench: Bench, size: Size, count: int, repeats: int) -> dict[int, float]:
    """Seconds of the folded field in torch, by how many queries it is asked at once."""
    _, points = samples(bench, count)
    field = size.autoencoder.fold(size.features)

    def ask(chunk: int) -> Callable[[], object]:
        return mock.patch.object(OccupancyField, "_at_once", chunk)(lambda: field(points))

    spent = bench.in_turn({str(chunk): ask(chunk) for chunk in CHUNKS}, repeats)
    return {int(chunk): cost for chunk, cost in spent.items()}


def samples(bench: Bench, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of a grid from its middle on: indices, and points."""
    axis = torch.arange(_RESOLUTION + 1, device=bench.device)
    indices = torch.cartesian_prod(axis[_RESOLUTION // 2 :], axis, axis)[:count]
    spacing = 2 * HALF_EXTENT / _RESOLUTION
    return indices, (indices * spacing - HALF_EXTENT).unsqueeze(0)


def with_keys_values(autoencoder: AutoEncoder, features: Features) -> Ask:
    """`AutoEncoder.query_reference` with keys and values made once a shape, not once a chunk."""
    attentions = [a for a in autoencoder.query_attentions if isinstance(a, QueryAttention)]
    made = [
        attention.attention.keys_values(attention.norm_context(context))
        for attention, context in zip(attentions, features, strict=True)
    ]

    def ask(points: torch.Tensor) -> torch.Tensor:
        embedded = autoencoder.point_embedding(points)
        attended = [
            attention.attention.attend(attention.norm_query(embedded), *keys_values)
            for attention, keys_values in zip(attentions, made, strict=True)
        ]
        logits: torch.Tensor = autoencoder.to_logit(torch.cat(attended, dim=-1))
        return logits.squeeze(-1)

    return ask
