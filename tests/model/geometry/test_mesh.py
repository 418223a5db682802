import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
import trimesh

from model.geometry.mesh import (
    EXPORT_FORMATS,
    MeshError,
    MeshLimits,
    export_mesh,
    load_mesh,
    mesh_report,
)
from tests import shapes

_BOX = shapes.box().mesh
_FILES = {
    "glb": export_mesh(_BOX, "glb"),
    "obj": export_mesh(_BOX, "obj"),
    "stl": export_mesh(_BOX, "stl"),
    "text stl": shapes.ascii_stl_bytes(_BOX),
    "ply": shapes.ply_bytes(_BOX),
    "text ply": shapes.ascii_ply_bytes(_BOX),
    "off": shapes.off_bytes(_BOX),
    "npy": shapes.npy_bytes(np.random.default_rng(0).normal(size=(512, 3))),
}


def _load(data: bytes, hint: str | None = None) -> trimesh.Trimesh:
    mesh = load_mesh(data, hint=hint)
    assert isinstance(mesh, trimesh.Trimesh)
    return mesh


def _code(data: bytes, hint: str | None = None, limits: MeshLimits | None = None) -> str:
    with pytest.raises(MeshError) as caught:
        load_mesh(data, hint=hint, limits=limits or MeshLimits())
    assert caught.value.detail
    assert caught.value.suggestion
    return caught.value.code


def _cloud_ply(points: np.ndarray) -> bytes:
    header = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\n"
    header += "property double x\nproperty double y\nproperty double z\nend_header\n"
    return header.encode() + b"\n".join(b"%r %r %r" % tuple(p) for p in points.tolist()) + b"\n"


class TestRoundTrip:
    @pytest.mark.parametrize("first", EXPORT_FORMATS)
    @pytest.mark.parametrize("second", EXPORT_FORMATS)
    def test_any_format_into_any_other_keeps_the_shape(self, first: str, second: str):
        torus = shapes.moved(shapes.torus().mesh, (5, -2, 1))
        once = _load(export_mesh(torus, first))
        twice = _load(export_mesh(once, second))
        assert len(twice.faces) == len(torus.faces)
        assert np.allclose(twice.triangles, torus.triangles, atol=1e-6)

    @pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
    def test_vertices_stay_shared(self, kind: str):
        box = shapes.box().mesh
        again = _load(export_mesh(box, kind))
        assert np.array_equal(again.faces, box.faces)
        assert again.is_watertight

    @pytest.mark.parametrize("kind", EXPORT_FORMATS)
    def test_a_report_survives_the_file(self, kind: str):
        mesh = shapes.torus().mesh
        report, again = mesh_report(mesh), mesh_report(_load(export_mesh(mesh, kind)))
        assert (again.faces, again.watertight, again.components, again.boundary_edges) == (
            report.faces,
            True,
            1,
            0,
        )
        assert np.allclose(again.bounds, report.bounds)

    @pytest.mark.parametrize("kind", ["gltf", "GLB", "dae", ""])
    def test_an_unknown_export_format_names_the_known_ones(self, kind: str):
        with pytest.raises(MeshError, match="glb, obj, ply, stl") as caught:
            export_mesh(shapes.box().mesh, kind)
        assert caught.value.code == "unsupported_mesh_format"

    @pytest.mark.parametrize("kind", EXPORT_FORMATS)
    def test_a_mesh_without_faces_is_not_written(self, kind: str):
        with pytest.raises(MeshError) as caught:
            export_mesh(trimesh.Trimesh(), kind)
        assert caught.value.code == "empty_mesh"

    def test_an_export_holds_geometry_only(self):
        mesh = shapes.box().mesh
        mesh.metadata["owner"] = "someone"
        mesh.visual.face_colors = [255, 0, 0, 255]
        for kind in EXPORT_FORMATS:
            content = export_mesh(mesh, kind)
            assert b"someone" not in content
            assert b"color" not in content.lower()


class TestChecks:
    """What no format may let through, whichever reader it comes from."""

    def test_the_byte_limit_is_checked_first(self):
        assert _code(b"\0" * 101, limits=MeshLimits(max_bytes=100)) == "mesh_too_large"

    @pytest.mark.parametrize("kind", EXPORT_FORMATS)
    def test_the_face_limit_holds_in_every_format(self, kind: str):
        data = export_mesh(shapes.box().mesh, kind)
        assert len(_load(data).faces) == 12
        assert _code(data, limits=MeshLimits(max_faces=11)) == "mesh_too_large"

    @pytest.mark.parametrize("kind", EXPORT_FORMATS)
    def test_the_vertex_limit_holds_in_every_format(self, kind: str):
        data = export_mesh(shapes.box().mesh, kind)
        assert _code(data, limits=MeshLimits(max_vertices=7)) == "mesh_too_large"

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e31])
    @pytest.mark.parametrize("kind", EXPORT_FORMATS)
    def test_a_vertex_that_is_not_finite_is_refused(self, kind: str, bad: float):
        mesh = shapes.box().mesh
        vertices = np.array(mesh.vertices)
        vertices[3, 1] = bad
        broken = trimesh.Trimesh(vertices, mesh.faces, process=False)
        with np.errstate(all="ignore"):  # the writer computes normals, of no use here
            data = export_mesh(broken, kind)
        assert _code(data) == "non_finite_mesh"

    @pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
    def test_an_index_past_the_vertices_is_refused(self, kind: str):
        mesh = shapes.box().mesh
        faces = np.array(mesh.faces)
        faces[5, 2] = 8
        broken = trimesh.Trimesh(mesh.vertices, faces, process=False)
        assert _code(export_mesh(broken, kind)) == "invalid_mesh_index"

    @pytest.mark.parametrize("kind", EXPORT_FORMATS)
    @pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.1, 0.7, 0.3)])
    def test_faces_without_area_are_refused(self, kind: str, direction: tuple[float, ...]):
        line = np.outer([0.0, 1.0, 2.0, 3.0], direction)
        flat = trimesh.Trimesh(line, [[0, 1, 2], [1, 2, 3], [0, 0, 0]], process=False)
        assert _code(export_mesh(flat, kind)) == "empty_mesh"

    def test_a_flat_sheet_is_a_surface(self):
        sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
        assert _load(export_mesh(sheet, "ply")).area == pytest.approx(0.5)

    @pytest.mark.parametrize("scale", [1e-18, 1e18])
    def test_unusual_units_are_no_error(self, scale: float):
        box = shapes.box().mesh
        mesh = trimesh.Trimesh(box.vertices * scale, box.faces, process=False)
        assert _load(shapes.off_bytes(mesh)).volume == pytest.approx(6 * scale**3)

    def test_non_manifold_open_and_loose_parts_are_fine(self):
        vertices = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0], *np.eye(3) + 9]
        fan = trimesh.Trimesh(vertices, [[0, 1, 2], [0, 1, 3], [0, 1, 4], [5, 6, 7]], process=False)
        assert len(_load(export_mesh(fan, "obj")).faces) == 4

    def test_an_empty_file_is_an_empty_mesh(self):
        assert _code(b"") == "empty_mesh"

    def test_an_error_survives_a_process_boundary(self):
        error = MeshError("empty_mesh", "No faces.", "Send some.")
        again = pickle.loads(pickle.dumps(error))
        assert (again.code, again.detail, again.suggestion) == (
            "empty_mesh",
            "No faces.",
            "Send some.",
        )
        assert str(again) == "No faces. Send some."


class TestPointCloud:
    @pytest.mark.parametrize("as_bytes", [shapes.npy_bytes, _cloud_ply])
    def test_enough_points_are_a_cloud(self, as_bytes):
        points = np.random.default_rng(0).normal(size=(512, 3))
        cloud = load_mesh(as_bytes(points))
        assert isinstance(cloud, trimesh.PointCloud)
        assert np.allclose(cloud.vertices, points)

    @pytest.mark.parametrize("as_bytes", [shapes.npy_bytes, _cloud_ply])
    @pytest.mark.parametrize("count", [0, 1, 511])
    def test_too_few_points_are_refused(self, as_bytes, count: int):
        assert _code(as_bytes(np.random.default_rng(0).normal(size=(count, 3)))) == (
            "point_cloud_too_small"
        )

    def test_too_many_points_are_refused(self):
        data = shapes.npy_bytes(np.random.default_rng(0).normal(size=(600, 3)))
        assert _code(data, limits=MeshLimits(max_cloud_points=599)) == "mesh_too_large"

    def test_coinciding_points_are_refused(self):
        assert _code(shapes.npy_bytes(np.ones((600, 3)))) == "empty_mesh"

    def test_points_that_are_not_finite_are_refused(self):
        assert _code(shapes.npy_bytes(np.full((600, 3), np.nan))) == "non_finite_mesh"


class TestReport:
    def test_a_closed_mesh(self):
        report = mesh_report(shapes.box((2, 4, 6)).mesh)
        assert (report.vertices, report.faces) == (8, 12)
        assert report.bounds == ((-1, -2, -3), (1, 2, 3))
        assert report.watertight
        assert (report.components, report.boundary_edges) == (1, 0)

    def test_a_missing_triangle_leaves_three_boundary_edges(self):
        box = shapes.box().mesh
        report = mesh_report(trimesh.Trimesh(box.vertices, box.faces[1:], process=False))
        assert not report.watertight
        assert report.boundary_edges == 3

    def test_loose_parts_are_counted(self):
        parts = [shapes.moved(shapes.sphere(subdivisions=1).mesh, (3 * i, 0, 0)) for i in range(5)]
        assert mesh_report(trimesh.util.concatenate(parts)).components == 5

    def test_vertices_split_by_rounding_still_count_as_one(self):
        box = shapes.box().mesh
        soup = box.triangles.reshape(-1, 3)
        noisy = soup + np.random.default_rng(0).normal(size=soup.shape) * 1e-17
        report = mesh_report(trimesh.Trimesh(noisy, np.arange(36).reshape(12, 3), process=False))
        assert report.vertices == 36
        assert report.watertight
        assert report.components == 1

    def test_a_collapsed_face_does_not_open_the_surface(self):
        box = shapes.box().mesh
        mesh = trimesh.Trimesh(box.vertices, [*box.faces, [0, 0, 1]], process=False)
        assert mesh_report(mesh).watertight

    def test_an_edge_of_three_faces_is_not_watertight(self):
        box = shapes.box().mesh
        fin = [*box.faces[0][:2], 8]
        mesh = trimesh.Trimesh([*box.vertices, [9, 9, 9]], [*box.faces, fin], process=False)
        report = mesh_report(mesh)
        assert not report.watertight
        assert report.boundary_edges == 2

    def test_nothing_is_not_measured(self):
        with pytest.raises(ValueError, match="at least one face"):
            mesh_report(trimesh.Trimesh())


class TestDamage:
    """Whatever happens to a file, its reader answers with a mesh or with a `MeshError`."""

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("name", _FILES)
    def test_changed_bytes(self, name: str):
        data = _FILES[name]
        generator = np.random.default_rng(0)
        for _ in range(100):
            damaged = np.frombuffer(data, dtype=np.uint8).copy()
            # Headers and counts stand in front: half of the damage goes there.
            end = min(len(data), 300) if generator.random() < 0.5 else len(data)
            places = generator.integers(end, size=3)
            damaged[places] = generator.integers(256, size=3)
            self._reads_or_refuses(damaged.tobytes(), name)

    @pytest.mark.parametrize("name", _FILES)
    def test_cut_off_bytes(self, name: str):
        data = _FILES[name]
        for kept in np.linspace(0, len(data), 60, dtype=int).tolist():
            self._reads_or_refuses(data[:kept], name)

    @staticmethod
    def _reads_or_refuses(data: bytes, name: str) -> None:
        try:
            shape = load_mesh(data, hint=name.split()[-1])
        except MeshError:
            return
        assert np.isfinite(shape.vertices).all()


class TestRealMeshes:
    def test_each_public_file_reads_as_its_manifest_says(self, real_meshes: Path):
        with (real_meshes / "public" / "manifest.csv").open() as manifest:
            rows = list(csv.DictReader(manifest))
        assert len(rows) == 87
        for row in rows:
            mesh = _load((real_meshes / "public" / row["file"]).read_bytes())
            # The manifest counts after merging, which may drop a few collapsed faces.
            assert 0 <= len(mesh.faces) - int(row["n_faces"]) <= 8, row["file"]
            # Merging by position never opens a surface that merging by all attributes closed.
            assert mesh_report(mesh).watertight or row["watertight"] == "False", row["file"]

    def test_another_reader_agrees(self, real_meshes: Path):
        for path in sorted((real_meshes / "public").glob("*/*.*")):
            mesh = _load(path.read_bytes())
            other = trimesh.load_mesh(path, process=False)
            assert np.allclose(mesh.bounds, other.bounds, rtol=1e-5, atol=1e-6), path.name
            assert mesh.area == pytest.approx(other.area, rel=1e-5), path.name
