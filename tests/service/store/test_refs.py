"""Names of blobs."""

from itertools import product

from service.store.refs import (
    INPUTS,
    LATENTS,
    MESHES,
    input_latents_ref,
    latents_ref,
    mesh_ref,
    points_ref,
)


def test_each_kind_has_its_own_folder() -> None:
    options = {"resolution": 64, "target_faces": None, "space": "input", "format": "glb"}
    mesh = mesh_ref("shp_1", **options, exhaustive=False)
    assert mesh == f"{MESHES}/shp_1/64-input.glb"
    assert latents_ref("shp_1") == f"{LATENTS}/shp_1.safetensors"
    assert points_ref("job_1") == f"{INPUTS}/job_1.npy"
    assert input_latents_ref("job_1") == f"{INPUTS}/job_1.safetensors"
    assert len({INPUTS, LATENTS, MESHES}) == 3


def test_every_option_of_a_mesh_is_in_its_name() -> None:
    names = {
        mesh_ref(
            shape,
            resolution=resolution,
            target_faces=faces,
            exhaustive=exhaustive,
            space=space,
            format=kind,
        )
        for shape, resolution, faces, exhaustive, space, kind in product(
            ("shp_1", "shp_2"),
            (64, 128),
            (None, 100, 1000),
            (False, True),
            ("input", "normalized"),
            ("glb", "obj"),
        )
    }
    assert len(names) == 2 * 2 * 3 * 2 * 2 * 2
