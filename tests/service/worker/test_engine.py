"""What an engine makes of each operation, with a tiny model of random weights."""

import numpy as np
import pytest
import trimesh

from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from model.latentfile import LatentFile
from model.pipeline import ShapePipeline
from service.jobqueue.lease import Succeeded
from service.jobs import Operation, Stage
from service.settings import WorkerSettings
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref, mesh_ref
from service.worker.engine import Engine
from service.worker.finisher import Finisher
from tests.service.worker.engines import (
    RESOLUTION,
    TINY,
    Make,
    Recorder,
    blob,
    generate,
    put,
    put_points,
    run,
    shapes,
    sphere_points,
)
from tests.service.worker.jobs import job


def test_generate_makes_n_shapes_each_with_its_own_seed(make: Make) -> None:
    engine = make()
    request = generate(n=3, seed=2**64 - 2, category="table")
    recorder = run(engine, [request])
    outcome = recorder.outcomes[request.id]
    made = shapes(outcome)
    assert [shape["seed"] for shape in made] == [2**64 - 2, 2**64 - 1, 0]
    assert {shape["category"] for shape in made} == {"table"}
    assert isinstance(outcome, Succeeded)
    assert outcome.result["model"] == {
        "name": "tiny", "version": "0", "weights_sha256": "f" * 64
    }  # fmt: skip
    assert [record.id for record in outcome.shapes] == [shape["id"] for shape in made]
    assert len({shape["id"] for shape in made}) == 3


def test_the_shape_describes_the_files_it_wrote(make: Make) -> None:
    engine = make()
    request = generate(format="ply", target_faces=200)
    (shape,) = shapes(run(engine, [request]).outcomes[request.id])
    ref = mesh_ref(
        shape["id"],
        resolution=RESOLUTION,
        target_faces=200,
        exhaustive=False,
        space="input",
        format="ply",
    )
    data = blob(engine, ref)
    mesh = load_mesh(data)
    told = shape["mesh"]
    assert told["bytes"] == len(data)
    assert told["faces"] == len(mesh.faces) == pytest.approx(200, abs=20)
    assert told["vertices"] == len(mesh.vertices)
    assert told["watertight"] is True
    assert told["components"] == 1
    assert told["url"] == (
        f"/shapes/{shape['id']}/mesh?format=ply&resolution={RESOLUTION}&target_faces=200"
    )
    latents = LatentFile.from_safetensors(blob(engine, latents_ref(shape["id"])))
    assert latents.metadata["seed"] == "7"
    assert latents.metadata["weights_sha256"] == "f" * 64
    assert {level: list(vectors.shape) for level, vectors in latents.levels.items()} == {
        int(level): entry["shape"] for level, entry in shape["latents"].items()
    }


def test_a_seed_gives_the_same_latents_whoever_shares_the_batch(make: Make) -> None:
    engine = make()
    alone, shared, other = generate(seed=5), generate(seed=5), generate(seed=6, category="chair")
    recorder = run(engine, [alone])
    recorder = run(engine, [other, shared], recorder=Recorder())
    again = run(engine, [alone])
    files = [
        LatentFile.from_safetensors(blob(engine, latents_ref(shapes(outcome)[0]["id"])))
        for outcome in (again.outcomes[alone.id], recorder.outcomes[shared.id])
    ]
    for level in (3, 2, 1):
        np.testing.assert_allclose(files[0].levels[level], files[1].levels[level], atol=1e-4)


def test_encode_returns_the_shape_over_the_upload_with_metrics(make: Make) -> None:
    engine = make()
    frame = {"center": [10.0, 0.0, 0.0], "scale": 0.25}
    request = job(
        Operation.ENCODE,
        input_ref=put_points(engine, "a", sphere_points() * 0.5),
        resolution=RESOLUTION,
        space="input",
        normalization=frame,
    )
    recorder = run(engine, [request])
    (shape,) = shapes(recorder.outcomes[request.id])
    np.testing.assert_allclose(shape["mesh"]["bounds"], [[8, -2, -2], [12, 2, 2]], atol=1e-5)
    assert shape["normalization"] == {"center": (10.0, 0.0, 0.0), "scale": 0.25}
    assert shape["metrics"]["chamfer"] < 0.03
    assert 0.2 < shape["metrics"]["f_score"] <= 1
    stages = [Stage.ENCODE, Stage.DECODE, Stage.MESH, Stage.EXPORT]
    assert recorder.stages[request.id] == stages
    assert list(recorder.outcomes[request.id].timings_ms) == stages


def test_the_normalized_space_leaves_the_mesh_in_the_unit_sphere(make: Make) -> None:
    engine = make()
    request = job(
        Operation.ENCODE,
        input_ref=put_points(engine, "a", sphere_points()),
        resolution=RESOLUTION,
        space="normalized",
        normalization={"center": [10.0, 0.0, 0.0], "scale": 0.25},
    )
    (shape,) = shapes(run(engine, [request]).outcomes[request.id])
    np.testing.assert_allclose(shape["mesh"]["bounds"], [[-0.5] * 3, [0.5] * 3], atol=1e-5)
    assert shape["mesh"]["url"].endswith("&space=normalized")


def test_resample_keeps_the_coarse_levels_and_names_the_parent(make: Make) -> None:
    engine = make()
    parent = generate(seed=1)
    (shape,) = shapes(run(engine, [parent]).outcomes[parent.id])
    request = job(
        Operation.RESAMPLE,
        input_ref=latents_ref(shape["id"]),
        parents=[shape["id"]],
        n=2,
        seed=9,
        steps=2,
        keep_level=2,
        resolution=RESOLUTION,
    )
    children = shapes(run(engine, [request]).outcomes[request.id])
    old, *new = (
        LatentFile.from_safetensors(blob(engine, latents_ref(each["id"]))).levels
        for each in [shape, *children]
    )
    for levels in new:
        np.testing.assert_array_equal(levels[3], old[3])
        np.testing.assert_array_equal(levels[2], old[2])
        assert not np.array_equal(levels[1], old[1])
    assert [child["parents"] for child in children] == [[shape["id"]]] * 2
    assert [child["seed"] for child in children] == [9, 10]
    # All of these fields are the same ball.
    assert [child["metrics"] for child in children] == [{"parent_distance": 0.0}] * 2


def test_decoding_a_shape_again_makes_no_new_shape(make: Make) -> None:
    engine = make()
    parent = generate(seed=1, category="chair")
    (shape,) = shapes(run(engine, [parent]).outcomes[parent.id])
    request = job(
        Operation.DECODE,
        input_ref=latents_ref(shape["id"]),
        shape=shape["id"],
        parents=[],
        resolution=RESOLUTION,
        format="stl",
    )
    outcome = run(engine, [request]).outcomes[request.id]
    (again,) = shapes(outcome)
    assert isinstance(outcome, Succeeded)
    assert outcome.shapes == ()
    assert again["id"] == shape["id"]
    assert again["seed"] == 1
    assert again["category"] == "chair"
    assert again["latents"] == shape["latents"]
    assert again["mesh"]["format"] == "stl"


def test_decoding_uploaded_latents_makes_a_shape_and_trusts_no_metadata(make: Make) -> None:
    engine = make()
    generator = np.random.default_rng(0)
    levels = {
        3 - i: generator.normal(size=(level.tokens, level.channels)).astype(np.float32)
        for i, level in enumerate(TINY.autoencoder.levels)
    }
    file = LatentFile(levels, {"seed": "not a number", "normalization": "{"})
    ref = put(engine, "inputs/upload.safetensors", file.to_safetensors())
    request = job(Operation.DECODE, input_ref=ref, parents=["shp_a"], resolution=RESOLUTION)
    outcome = run(engine, [request]).outcomes[request.id]
    (shape,) = shapes(outcome)
    assert isinstance(outcome, Succeeded)
    assert outcome.shapes[0].parents == ("shp_a",)
    assert shape["seed"] is None


def test_a_real_field_is_decoded(store: LocalBlobStore) -> None:
    finisher = Finisher(store, retention_s=60, mesh_retention_s=60)
    engine = Engine(ShapePipeline.load(device="cpu"), store, finisher, WorkerSettings())
    points = to_point_cloud(trimesh.creation.box((1.0, 0.6, 0.8))).points
    request = job(
        Operation.ENCODE, input_ref=put_points(engine, "box", points), resolution=RESOLUTION
    )
    try:
        outcome = run(engine, [request]).outcomes[request.id]
    finally:
        engine.close()
        finisher.close()
    shape = shapes(outcome)[0]
    assert shape["mesh"]["faces"] > 100
    assert shape["metrics"]["chamfer"] < 0.06


def test_a_job_from_before_a_mesh_option_was_there_runs_with_its_default(make: Make) -> None:
    request = generate()
    del request.params["exhaustive"]
    (shape,) = shapes(run(make(), [request]).outcomes[request.id])
    assert shape["mesh"]["exhaustive"] is False


def test_it_tells_what_it_loaded(make: Make) -> None:
    engine = make()
    assert engine.model["name"] == "tiny"
    assert engine.model["can"] == ("encode", "decode", "generate", "resample")
    assert engine.device == "cpu"
    assert engine.memory() == {}
