"""A generation and an encoding from request to file, stage by stage, and the preview before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import trimesh

from benchmarks.comparison import Bench, Table, megabytes, seconds, times
from benchmarks.sampling import by_level
from benchmarks.subjects import encoded, generated, parametric
from model.evaluation.metrics import chamfer_distance, f_score
from model.geometry.mesh import EXPORT_FORMATS, export_mesh, load_mesh, mesh_report
from model.geometry.sampling import farthest_point_order, sample_surface, to_point_cloud
from model.geometry.simplification import simplify
from model.grid import track_surface

TARGET_FACES = 10_000
_METRIC_POINTS = 8192
PREVIEW = 64


def tables(bench: Bench) -> Iterator[Table]:
    yield whole(bench)
    yield generation(bench)
    yield encoding(bench)
    yield preview(bench)
    yield export(bench)


def whole(bench: Bench) -> Table:
    """What the worker computes for a request, by the same calls; nothing is stored."""
    resolution = bench.pick(bench.pipeline.info.defaults.resolution, 16)
    upload = export_mesh(parametric("chair", 1, bench.pick(96, 24)), "glb")
    requests: dict[str, Callable[[], object]] = {
        f"generate to GLB, {resolution}^3 cells": lambda: generate(bench, resolution),
        f"encode a GLB of {megabytes(len(upload))}, to GLB": lambda: encode(
            bench, upload, resolution
        ),
    }
    rows = []
    for name, call in requests.items():
        walls, costs = [], []
        for repeat in range(1 + bench.pick(3, 1)):
            began = time.perf_counter()
            _, spent = bench.once(call)
            if repeat:
                walls.append(time.perf_counter() - began)
                costs.append(spent)
        rows.append([name, seconds(float(np.median(costs))), seconds(float(np.median(walls)))])
    note = "Without queue, store and HTTP. Neighbours on the machine lengthen the wall time."
    return Table("End to end", ["request", "time", "wall time"], rows, note)


def generate(bench: Bench, resolution: int) -> bytes:
    mesh = bench.pipeline.meshes(generated(bench, "chair", 1), resolution=resolution)[0]
    return _file(mesh)


def encode(bench: Bench, upload: bytes, resolution: int) -> bytes:
    cloud = to_point_cloud(load_mesh(upload))
    latents = bench.pipeline.encode(np.ascontiguousarray(cloud.points[None]))
    mesh = bench.pipeline.meshes(latents, resolution=resolution, seeds=[cloud.points])[0]
    _metrics(cloud.points, mesh)
    vertices = cloud.normalization.invert(np.asarray(mesh.vertices))
    return _file(trimesh.Trimesh(vertices, mesh.faces, process=False))


def _file(mesh: trimesh.Trimesh) -> bytes:
    """The file and the report that come with it; nothing where there is no surface."""
    if not len(mesh.faces):
        return b""
    mesh_report(mesh)
    return export_mesh(mesh, "glb")


def _metrics(points: np.ndarray, mesh: trimesh.Trimesh) -> tuple[float, float]:
    surface = sample_surface(mesh, _METRIC_POINTS, seed=0)
    return chamfer_distance(points, surface), f_score(points, surface)


def stages(what: str, spent: dict[str, float], note: str) -> Table:
    """Seconds of the stages of one request, and their shares of all."""
    total = sum(spent.values())
    rows = [[name, seconds(cost), f"{100 * cost / total:.1f} %"] for name, cost in spent.items()]
    rows.append(["all", seconds(total), ""])
    return Table(f"End to end: stages of {what}", ["stage", "time", "of all"], rows, note)


def generation(bench: Bench) -> Table:
    resolution = bench.pick(bench.pipeline.info.defaults.resolution, 16)
    [levels] = by_level(bench, [bench.device.type == "cuda"])
    mesh, calls = decoding(bench, resolution)
    target = bench.pick(TARGET_FACES, 100)
    calls |= {
        f"simplification to {target:,} faces": lambda: simplify(mesh, target),
        "report of the mesh": lambda: mesh_report(mesh),
        f"export to GLB, {len(mesh.faces):,} faces": lambda: export_mesh(mesh, "glb"),
    }
    spent = {f"sampling, level {level}": cost for level, cost in levels.items()}
    spent |= bench.in_turn(calls)
    note = f"Chair, seed 1, {resolution}^3 cells. Simplification only where it is asked for."
    return stages("a generation", spent, note)


def decoding(
    bench: Bench, resolution: int
) -> tuple[trimesh.Trimesh, dict[str, Callable[[], object]]]:
    """The generated chair's mesh, and the stages that lead to it from latents."""
    autoencoder = bench.pipeline.autoencoder
    latents = generated(bench, "chair", 1)
    field = autoencoder.decode(latents)
    tracked = track_surface(field, resolution, lambda _: None)
    mesh = trimesh.Trimesh(*tracked.surface(), process=False)
    if not len(mesh.faces):  # after two steps of a quick run
        mesh = trimesh.creation.icosphere(subdivisions=3)
    return mesh, {
        "decoding of features": lambda: autoencoder.decode(latents),
        "tracking": lambda: track_surface(field, resolution, lambda _: None),
        "meshing": tracked.surface,
    }


def encoding(bench: Bench) -> Table:
    resolution = bench.pick(bench.pipeline.info.defaults.resolution, 16)
    upload = export_mesh(parametric("chair", 1, bench.pick(96, 24)), "glb")
    shape = load_mesh(upload)
    cloud = to_point_cloud(shape)
    points = np.ascontiguousarray(cloud.points[None])
    autoencoder = bench.pipeline.autoencoder
    latents = bench.pipeline.encode(points)
    field = autoencoder.decode(latents)
    tracked = track_surface(field, resolution, lambda _: None)
    mesh = trimesh.Trimesh(*tracked.surface(), process=False)
    spent = bench.in_turn(
        {
            f"reading a GLB of {megabytes(len(upload))}": lambda: load_mesh(upload),
            "points of the surface": lambda: sample_surface(shape, len(cloud.points), seed=0),
            "farthest points, 2,048": lambda: farthest_point_order(cloud.points, 2048),
            "encoder": lambda: bench.pipeline.encode(points),
            "decoding of features": lambda: autoencoder.decode(latents),
            "tracking": lambda: track_surface(field, resolution, lambda _: None),
            "meshing": tracked.surface,
            "chamfer distance and F-score": lambda: _metrics(cloud.points, mesh),
            "report of the mesh": lambda: mesh_report(mesh),
            f"export to GLB, {len(mesh.faces):,} faces": lambda: export_mesh(mesh, "glb"),
        }
    )
    return stages("an encoding", spent, f"A parametric chair, {resolution}^3 cells.")


def preview(bench: Bench) -> Table:
    """After the last denoising step: a coarse mesh to look at, then the final one."""
    final = bench.pick(bench.pipeline.info.defaults.resolution, 16)
    resolutions = (bench.pick(PREVIEW, 8), final)
    subjects = {
        "generated chair": generated(bench, "chair", 1),
        "encoded torus": encoded(bench, trimesh.creation.torus(0.7, 0.2)),
    }
    rows = []
    for name, latents in subjects.items():

        def to_file(resolution: int, latents: object = latents) -> Callable[[], object]:
            return lambda: _file(bench.pipeline.meshes(latents, resolution=resolution)[0])  # type: ignore[arg-type]

        spent = bench.in_turn({str(cells): to_file(cells) for cells in resolutions})
        rows.append([name, *(seconds(spent[str(cells)]) for cells in resolutions)])
    head = ["from the last step to the file", *(f"{cells}^3 cells" for cells in resolutions)]
    return Table("End to end: preview", head, rows)


def export(bench: Bench) -> Table:
    """`export_mesh`, which copies no more than a plain export by trimesh does."""
    resolution = bench.pick(256, 16)
    mesh, _ = decoding(bench, resolution)

    def fresh() -> trimesh.Trimesh:
        """The mesh without what trimesh has computed of it and kept."""
        return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)

    rows = []
    for name in EXPORT_FORMATS[:1] if bench.quick else EXPORT_FORMATS:
        size = len(export_mesh(mesh, name))

        def ours(name: str = name) -> object:
            return export_mesh(fresh(), name)

        def plain(name: str = name) -> object:
            return fresh().export(file_type=name)

        spent = bench.in_turn({"plain": plain, "ours": ours}, repeats=3)
        rows.append(
            [
                name,
                megabytes(size),
                seconds(spent["plain"]),
                seconds(spent["ours"]),
                times(spent["plain"] / spent["ours"]),
                f"{megabytes(size / spent['ours'])}/s",
                megabytes(bench.peak(plain)),
                megabytes(bench.peak(ours)),
            ]
        )
    return Table(
        f"End to end: export of {len(mesh.faces):,} faces",
        ["format", "file", "trimesh", "`export_mesh`", "ratio", "rate", "peak, trimesh",
         "peak, `export_mesh`"],
        rows,
    )  # fmt: skip
