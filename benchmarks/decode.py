"""The whole decoding, latents to mesh: as released, against every speed-up alone and together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.comparison import Bench, Table, seconds, times
from benchmarks.field import with_keys_values
from benchmarks.subjects import encoded, generated, paper_size, parametric, torus
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import (
    COARSE,
    HALF_EXTENT,
    OUTSIDE,
    QUERY_CHUNK,
    Samples,
    evaluate_grid,
    track_surface,
)
from model.latents import Latents

Field = Callable[[torch.Tensor], torch.Tensor]
Call = Callable[[], object]


def tables(bench: Bench) -> Iterator[Table]:
    chair = Chair(bench, bench.pick(256, 32))
    yield chair.ladder()
    yield other_shapes(bench, chair)
    yield at_paper_size(bench, chair)


class FieldSamples:
    """Any field of points at the samples of a grid, chunk by chunk."""

    def __init__(self, bench: Bench, field: Field, resolution: int) -> None:
        self._bench, self._field, self._side = bench, field, resolution + 1
        self._spacing = 2 * HALF_EXTENT / resolution

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        at = torch.from_numpy(indices).to(self._bench.device)
        points = (at * self._spacing - HALF_EXTENT).unsqueeze(0)
        logits = [self._field(chunk).squeeze(0) for chunk in points.split(QUERY_CHUNK, dim=1)]
        return torch.cat(logits).float().cpu().numpy()

    def everywhere(self) -> np.ndarray:
        """At every sample of the grid."""
        return np.stack([self(self._layer(x)) for x in range(self._side)]).reshape(
            (self._side,) * 3
        )

    def in_the_middle(self, count: int) -> None:
        """At so many samples, from the middle of the grid on."""
        x = self._side // 2
        while count > 0:
            layer = self._layer(x)[:count]
            self(layer)
            count -= len(layer)
            x += 1

    def _layer(self, x: int) -> np.ndarray:
        indices = np.indices((1, self._side, self._side)).reshape(3, -1).T.copy()
        indices[:, 0] = x
        return indices


class Chair:
    """A generated chair on one grid, and what each way of each stage of its decoding costs."""

    def __init__(self, bench: Bench, resolution: int) -> None:
        self.bench, self.resolution, self.every = bench, resolution, (resolution + 1) ** 3
        self.latents = generated(bench, "chair", 1)
        self.autoencoder = bench.pipeline.autoencoder
        self.features = self.autoencoder.decode_features(self.latents)
        self.field = self.autoencoder.fold(self.features)
        self.grid = evaluate_grid(self.field, resolution, lambda _: None)
        self.tracked = track_surface(self.field, resolution, lambda _: None)
        self.stages = bench.in_turn(self._stages(), repeats=3)
        self.modules = FieldSamples(bench, self._modules, resolution)
        logits, self.asked_whole = bench.once(self.modules.everywhere)
        asked = self.grid.values != OUTSIDE
        assert np.allclose(logits[asked], self.grid.values[asked], atol=1e-3)
        self.asked_slab, self.slab = self._slab()
        self.released = self.stages["features"] + self.asked_whole + self.stages["mcubes"]

    def _modules(self, points: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.query_reference(points, self.features)

    def _stages(self) -> dict[str, Call]:
        autoencoder, resolution = self.autoencoder, self.resolution
        modules = FieldSamples(self.bench, self._modules, resolution)
        return {
            "features": lambda: autoencoder.decode_features(self.latents),
            "fold": lambda: autoencoder.fold(self.features),
            "every": lambda: evaluate_grid(self.field, resolution, lambda _: None),
            "track": lambda: track_surface(self.field, resolution, lambda _: None),
            "track modules": lambda: track(modules, resolution, coarse=COARSE),
            "mcubes": self.grid.surface,
            "sparse": self.tracked.surface,
            "ours": lambda: self.bench.pipeline.meshes(self.latents, resolution=resolution),
        }

    def _slab(self) -> tuple[dict[str, float], int]:
        """Seconds of all samples, extrapolated from those in the middle, and how many these are."""
        count = self.bench.pick(8 * (self.resolution + 1) ** 2, QUERY_CHUNK)
        kept = with_keys_values(self.autoencoder, self.features)
        fields: dict[str, Field] = {"modules": self._modules, "kept": kept, "folded": self.field}
        return extrapolated(self.bench, fields, self.resolution, count), count

    def ladder(self) -> Table:
        """Each speed-up on top of those before it, and tracking alone."""
        s, slab = self.stages, self.asked_slab
        folded = s["features"] + s["fold"]
        rows = [
            ("every sample, modules (as released), PyMCubes", self.released),
            ("the same *", s["features"] + slab["modules"] + s["mcubes"]),
            ("the same with K and V kept *", s["features"] + slab["kept"] + s["mcubes"]),
            ("every sample, folded, PyMCubes *", folded + slab["folded"] + s["mcubes"]),
            ("every sample in the ball, tables, PyMCubes", folded + s["every"] + s["mcubes"]),
            ("tracked, tables, PyMCubes", folded + s["track"] + s["mcubes"]),
            ("tracked, tables, sparse meshing: `ShapePipeline.meshes`", s["ours"]),
            ("tracked, modules, sparse meshing", s["features"] + s["track modules"] + s["sparse"]),
        ]
        asked = self.tracked.queries
        return Table(
            f"Decode: {self.bench.pipeline.info.name}, generated chair, {self.resolution}^3 cells",
            ["latents to mesh", "time", "of released"],
            [[what, seconds(cost), times(self.released / cost)] for what, cost in rows],
            f"{self.every:,} samples; tracking asks {asked:,}, {self.every / asked:.0f} times "
            f"fewer. The first row asked them all, once; * is extrapolated from {self.slab:,} in "
            "the middle of the grid. PyMCubes after tracking gets the whole grid for nothing. "
            f"Stages: features {seconds(s['features'])}, folding {seconds(s['fold'])}, tables and "
            f"tracking {seconds(s['track'])}, meshing {seconds(s['sparse'])}, PyMCubes "
            f"{seconds(s['mcubes'])}.",
        )


def extrapolated(
    bench: Bench, fields: dict[str, Field], resolution: int, count: int
) -> dict[str, float]:
    """Seconds that fields would take at every sample, from so many in the middle of the grid."""

    def asking(field: Field) -> Call:
        return lambda: FieldSamples(bench, field, resolution).in_the_middle(count)

    spent = bench.in_turn({name: asking(field) for name, field in fields.items()}, repeats=1)
    return {name: cost * (resolution + 1) ** 3 / count for name, cost in spent.items()}


def other_shapes(bench: Bench, chair: Chair) -> Table:
    """Our decoding of other shapes, and on a finer grid, against every sample by modules."""
    subjects = {
        "generated chair": chair.latents,
        "generated rifle": generated(bench, "rifle", 1),
        "generated sofa": generated(bench, "sofa", 1),
        "encoded torus": encoded(bench, torus()),
        "encoded parametric table": encoded(bench, parametric("table", 2, bench.pick(96, 24))),
    }
    rows = []
    for cells in (chair.resolution, 2 * chair.resolution):
        every = (cells + 1) ** 3
        released = chair.released * every / chair.every
        for name, latents in subjects.items():

            def ours(latents: Latents = latents, cells: int = cells) -> object:
                return bench.pipeline.meshes(latents, resolution=cells)

            spent = bench.in_turn({"": ours}, repeats=3)[""]
            field = bench.pipeline.autoencoder.decode(latents)
            asked = track_surface(field, cells, lambda _: None).queries
            rows.append(
                [
                    f"{name}, {cells}^3 cells",
                    f"{asked:,}",
                    f"{every / asked:.0f}x",
                    seconds(spent),
                    times(released / spent),
                ]
            )
    return Table(
        "Decode: other shapes",
        ["latents to mesh, ours", "asked", "fewer than all", "time", "of released"],
        rows,
        "As released, every sample is asked, whatever the shape: the chair's time stands for all; "
        f"at {2 * chair.resolution}^3 cells it is extrapolated by the number of samples.",
    )


def at_paper_size(bench: Bench, chair: Chair) -> Table:
    """The same at the paper's size, whose random weights have no surface of their own.

    The samples that the chair's tracking asks are asked of the large field too, whose answers are
    not used: the chair's grid answers.
    """
    size, resolution = paper_size(bench), chair.resolution
    features, decoding = bench.once(lambda: size.autoencoder.decode_features(size.latents))
    field, folding = bench.once(lambda: size.autoencoder.fold(features))

    def modules(points: torch.Tensor) -> torch.Tensor:
        return size.autoencoder.query_reference(points, features)

    kept, count = with_keys_values(size.autoencoder, features), bench.pick(2 * QUERY_CHUNK, 64)
    fields: dict[str, Field] = {"modules": modules, "kept": kept, "folded": field}
    every = extrapolated(bench, fields, resolution, count)

    def ours() -> object:
        samples = Samples(field, resolution, lambda _: None)

        def ask(indices: np.ndarray) -> np.ndarray:
            samples(indices)
            answers: np.ndarray = chair.grid.values[tuple(indices.T)]
            return answers

        blocks = track(ask, resolution, coarse=COARSE)
        return extract_surface(blocks, lower=(samples.lower,) * 3, spacing=samples.spacing)

    tracked, mcubes = bench.in_turn({"": ours}, repeats=1)[""], chair.stages["mcubes"]
    released = every["modules"] + mcubes
    rows = []
    for what, cost in (
        ("every sample, modules (as released), PyMCubes *", released),
        ("the same with K and V kept *", every["kept"] + mcubes),
        ("every sample, folded, PyMCubes *", folding + every["folded"] + mcubes),
        ("tracked, tables, sparse meshing", folding + tracked),
    ):
        whole = times((decoding + released) / (decoding + cost))
        rows.append([what, seconds(cost), times(released / cost), seconds(decoding + cost), whole])
    return Table(
        f"Decode: {size.name}, {resolution}^3 cells",
        ["", "features to mesh", "of released", "latents to mesh", "of released"],
        rows,
        f"Random weights have no surface worth the name: the {chair.tracked.queries:,} samples "
        "that the chair's tracking asks are asked of the large field, and the chair's grid "
        f"answers. * is extrapolated from {count:,} of {chair.every:,} samples. Features take "
        f"{seconds(decoding)} of all rows, made once.",
    )
