"""How cost grows: with the grid's resolution, the number of samples, and the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from benchmarks.comparison import Bench, Table, megabytes, seconds, times
from benchmarks.subjects import encoded, generated, torus
from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import denoise
from model.grid import track_surface
from model.latents import Latents

COUNTS = (1, 2, 4, 8, 16)


def tables(bench: Bench) -> Iterator[Table]:
    resolutions = bench.pick((64, 128, 256, 512), (16, 32))
    subjects = {
        "generated chair": generated(bench, "chair", 1),
        "encoded torus": encoded(bench, torus()),
    }
    for name, latents in subjects.items():
        yield over_resolution(bench, name, latents, resolutions)
    counts = bench.pick(COUNTS, (1, 2))
    yield over_samples(bench, counts)
    yield over_batch(bench, counts)


def over_resolution(bench: Bench, name: str, latents: Latents, resolutions: Sequence[int]) -> Table:
    """Tracking and meshing, twice as fine a grid at a time."""
    field = bench.pipeline.autoencoder.decode(latents)
    rows: list[list[str]] = []
    before = 0.0
    for resolution in resolutions:

        def track(resolution: int = resolution) -> object:
            return track_surface(field, resolution, lambda _: None)

        def work(resolution: int = resolution) -> object:
            return track_surface(field, resolution, lambda _: None).surface()

        tracked = track_surface(field, resolution, lambda _: None)
        spent = bench.in_turn({"track": track, "mesh": tracked.surface, "both": work}, repeats=3)
        both = spent["both"]
        rows.append(
            [
                f"{resolution}^3 cells",
                f"{tracked.queries:,}",
                f"{(resolution + 1) ** 3 / tracked.queries:.1f}x",
                seconds(spent["track"]),
                seconds(spent["mesh"]),
                seconds(both),
                times(both / before) if before else "",
                megabytes(bench.peak(work)),
            ]
        )
        before = both
    head = ["grid", "asked", "fewer than all", "tracking", "meshing", "both", "of the row above"]
    return Table(f"Growth: resolution, {name}", [*head, "peak memory"], rows)


def over_samples(bench: Bench, counts: Sequence[int]) -> Table:
    """Requests for n shapes: latents, then meshes at the default resolution."""
    pipeline, defaults = bench.pipeline, bench.pipeline.info.defaults
    resolution, steps = bench.pick(defaults.resolution, 16), bench.pick(6, 2)
    chair = generated(bench, "chair", 1)
    rows = []
    one: tuple[float, float] | None = None
    for count in counts:

        def sample(count: int = count) -> Latents:
            categories = ["chair"] * count
            return pipeline.sample(
                range(count), categories, steps=steps, guidance=defaults.guidance
            )

        def mesh(count: int = count) -> object:
            return pipeline.meshes(Latents.concatenate([chair] * count), resolution=resolution)

        latents, sampled = bench.once(sample)
        _, meshed = bench.once(mesh)
        one = one or (sampled, meshed)
        rows.append(
            [f"{len(latents)}", seconds(sampled), times(sampled / one[0]), seconds(meshed),
             times(meshed / one[1])]
        )  # fmt: skip
    head = ["shapes", "sampling", "of one", "decoding and meshing", "of one"]
    note = f"{steps} steps; the mesh is that of one generated chair, {resolution}^3 cells. Once."
    return Table("Growth: shapes of one request", head, rows, note)


def over_batch(bench: Bench, counts: Sequence[int]) -> Table:
    """One evaluation of each level's denoiser, for rows together."""
    cascade = bench.pipeline.cascade
    assert cascade is not None
    rows = []
    for index, level in enumerate(cascade.levels):
        calls = {str(count): evaluation(bench, index, count) for count in counts}
        spent = bench.in_turn(calls)
        first = spent["1"]
        each = [
            f"{seconds(spent[str(count)] / count)} ({first * count / spent[str(count)]:.2f}x)"
            for count in counts
        ]
        rows.append([f"level {len(cascade.levels) - index}, {level.tokens} tokens", *each])
    head = ["a row of a batch, of rows:", *map(str, counts)]
    note = "Seconds a row, and rows a second against a batch of one."
    return Table("Growth: batch of a denoiser", head, rows, note)


def evaluation(
    bench: Bench, index: int, rows: int, *, conditioned: bool = True
) -> Callable[[], object]:
    """One evaluation of a level's denoiser for some rows; conditions are made before it."""
    cascade = bench.pipeline.cascade
    assert cascade is not None
    torch.manual_seed(0)
    sets = [torch.randn(rows, level.tokens, level.channels) for level in cascade.levels]
    coarser = [latents.to(bench.device) for latents in sets[:index]]
    noised, sigma = sets[index].to(bench.device), torch.ones(rows, device=bench.device)
    category = torch.zeros(rows, dtype=torch.int64, device=bench.device)
    network = cascade.denoisers[index]
    assert isinstance(network, Denoiser)
    conditions = network.condition(category, coarser)
    if conditioned:
        return lambda: denoise(network, noised, sigma, conditions)
    return lambda: denoise(network, noised, sigma, network.condition(category, coarser))
