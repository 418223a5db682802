"""Pictures: what is where, and what it does not depend on."""

import numpy as np
import pytest
import trimesh

from model.rendering import CREASE_DEGREES, contact_sheet, render, smooth_normals
from tests.shapes import box, moved, sphere

SIZE = 48


def luminance(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float).mean(axis=2)


def test_the_shape_is_in_the_middle_of_a_white_picture() -> None:
    picture = render(sphere().mesh, size=SIZE)
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8
    light = luminance(picture)
    assert light[SIZE // 2, SIZE // 2] < 235
    assert (light[0] == 255).all()
    assert (light[: SIZE // 4, [0, -1]] == 255).all()


def test_the_picture_is_filled_whatever_the_shape() -> None:
    pole = trimesh.creation.box(extents=(0.4, 4.0, 0.4))
    rows = np.flatnonzero((luminance(render(pole, size=SIZE)) < 200).any(axis=1))
    assert rows[0] < 0.15 * SIZE
    assert rows[-1] > 0.85 * SIZE


def test_pictures_are_deterministic() -> None:
    np.testing.assert_array_equal(render(box().mesh, size=SIZE), render(box().mesh, size=SIZE))


def test_size_place_and_winding_do_not_matter() -> None:
    mesh = box().mesh
    expected = render(mesh, size=SIZE).astype(int)
    large = moved(trimesh.Trimesh(mesh.vertices * 64, mesh.faces, process=False), (512, 0, -256))
    inverted = trimesh.Trimesh(mesh.vertices, mesh.faces[:, ::-1], process=False)
    for other in (large, inverted):
        assert np.abs(render(other, size=SIZE) - expected).mean() < 1.0


def test_light_comes_from_above() -> None:
    light = luminance(render(sphere().mesh, size=SIZE))
    middle = SIZE // 2
    assert light[SIZE // 4, middle] > light[3 * SIZE // 4, middle] + 20


def test_the_camera_turns_to_the_right() -> None:
    # A pole at the front right of a plate: in the middle when seen from its own side.
    plate = trimesh.creation.box(extents=(2, 0.05, 2))
    pole = trimesh.creation.box(extents=(0.2, 2, 0.2))
    pole.apply_translation((0.9, 1, 0.9))
    scene = trimesh.util.concatenate([plate, pole])
    top = [
        np.flatnonzero(luminance(render(scene, size=SIZE, azimuth=azimuth))[SIZE // 6] < 240).mean()
        for azimuth in (0.0, 45.0, 90.0)
    ]
    assert top[1] == pytest.approx(SIZE / 2, abs=2)
    assert top[0] > top[1] > top[2]


def test_a_mesh_without_faces_is_refused() -> None:
    with pytest.raises(ValueError, match="without faces"):
        render(trimesh.Trimesh(np.zeros((3, 3)), np.zeros((0, 3), int), process=False))


def normals_of(mesh: trimesh.Trimesh) -> np.ndarray:
    corners = np.asarray(mesh.triangles, dtype=np.float32)
    return smooth_normals(corners, np.asarray(mesh.faces, dtype=np.int64))


def test_normals_of_a_sphere_are_smooth() -> None:
    mesh = sphere().mesh
    expected = mesh.vertices[mesh.faces]
    np.testing.assert_allclose(normals_of(mesh), expected, atol=0.02)


def test_normals_of_a_box_keep_its_edges() -> None:
    mesh = box().mesh
    expected = np.repeat(mesh.face_normals[:, None], 3, axis=1)
    np.testing.assert_allclose(normals_of(mesh), expected, atol=1e-6)


@pytest.mark.parametrize("degrees", [CREASE_DEGREES - 5, CREASE_DEGREES + 5])
def test_two_faces_are_smooth_below_the_crease_angle(degrees: float) -> None:
    fold = np.radians(degrees)
    vertices = [[0, 0, 0], [0, 0, 1], [-1, 0, 0], [np.cos(fold), np.sin(fold), 0]]
    faces = [[0, 2, 1], [0, 1, 3]]
    normals = normals_of(trimesh.Trimesh(vertices, faces, process=False))
    smooth = degrees < CREASE_DEGREES
    assert np.allclose(normals[0, 0], normals[1, 0], atol=1e-5) == smooth
    assert not np.allclose(normals[0, 1], normals[1, 2], atol=1e-3)


def picture(value: int) -> np.ndarray:
    return np.full((20, 30, 3), value, dtype=np.uint8)


def test_contact_sheet_lays_out_rows() -> None:
    sheet = np.asarray(contact_sheet([[picture(0), picture(50)], [picture(100)]]))
    gap = (sheet.shape[0] - 2 * 20) // 3
    assert sheet.shape == (2 * 20 + 3 * gap, 2 * 30 + 3 * gap, 3)
    assert (sheet[gap : gap + 20, gap : gap + 30] == 0).all()
    assert (sheet[gap : gap + 20, 2 * gap + 30 : 2 * gap + 60] == 50).all()
    assert (sheet[2 * gap + 20 : 2 * gap + 40, gap : gap + 30] == 100).all()
    assert (sheet[2 * gap + 20 :, 2 * gap + 30 :] == 255).all()


def test_contact_sheet_makes_room_for_labels() -> None:
    rows = [[picture(255), picture(255)], [picture(255), picture(255)]]
    bare = contact_sheet(rows)
    labelled = contact_sheet(rows, row_labels=["one", "three"], column_labels=["a", "b"])
    assert labelled.width > bare.width
    assert labelled.height > bare.height
    pixels = np.asarray(labelled)
    left, top = labelled.width - bare.width, labelled.height - bare.height
    assert (pixels[:, :left] < 200).any()
    assert (pixels[:top] < 200).any()
    assert (pixels[top:, left:] == 255).all()


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        ([], {}, "one size"),
        ([[picture(0), np.zeros((5, 5, 3), np.uint8)]], {}, "one size"),
        ([[picture(0)]], {"row_labels": ["a", "b"]}, "1 rows need 1 row labels, got 2"),
        ([[picture(0)]], {"column_labels": ["a", "b"]}, "1 columns need 1 column labels, got 2"),
    ],
)
def test_contact_sheet_says_what_does_not_fit(
    rows: list[list[np.ndarray]], labels: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        contact_sheet(rows, **labels)
