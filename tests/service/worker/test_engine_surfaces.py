"""How surfaces are followed: coarse ones first, every sample where that is asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from model.autoencoder import AutoEncoder
from model.geometry.mesh import load_mesh
from model.grid import QUERY_CHUNK, TrackedLogits
from model.pipeline import ShapePipeline
from service.jobqueue.lease import Canceled, Succeeded
from service.jobs import Operation, Stage
from service.store.refs import mesh_ref
from tests.service.worker.engines import (
    RESOLUTION,
    BeadField,
    Impatient,
    Make,
    blob,
    generate,
    put_points,
    run,
    shapes,
    sphere_points,
)
from tests.service.worker.jobs import job


def test_coarser_surfaces_are_shown_on_the_way(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoEncoder, "fold", lambda *_: BeadField())
    engine = make(ShapePipeline)
    request, small = generate(resolution=128, n=2), generate(resolution=48)
    recorder = run(engine, [request, small])
    shown = recorder.artifacts[request.id]
    assert [(one.sample, one.resolution) for one in shown] == [(0, 32), (0, 64), (1, 32), (1, 64)]
    mesh = load_mesh(blob(engine, shown[1].ref))
    np.testing.assert_allclose(mesh.bounds, [[-0.5] * 3, [0.5] * 3], atol=0.01)
    assert small.id not in recorder.artifacts


def test_asking_every_sample_finds_a_part_that_tracking_misses(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoEncoder, "fold", lambda *_: BeadField())
    engine = make(ShapePipeline)
    parts = {}
    for exhaustive in (False, True):
        request = generate(resolution=64, exhaustive=exhaustive)
        (shape,) = shapes(run(engine, [request]).outcomes[request.id])
        told = shape["mesh"]
        parts[told["exhaustive"]] = told["components"]
        assert told["url"].endswith("&exhaustive=true") == exhaustive
        ref = mesh_ref(
            shape["id"],
            resolution=64,
            target_faces=None,
            exhaustive=exhaustive,
            space="input",
            format="glb",
        )
        assert len(blob(engine, ref)) == told["bytes"]
    assert parts == {False: 1, True: 2}


def test_asking_every_sample_tells_of_every_chunk_and_stops_when_canceled(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoEncoder, "fold", lambda *_: BeadField())
    engine = make(ShapePipeline)
    request = generate(resolution=64, exhaustive=True)
    patient = Impatient(float("inf"))
    assert isinstance(run(engine, [request], patient).outcomes[request.id], Succeeded)
    assert patient.told > np.pi / 6 * 64**3 / QUERY_CHUNK  # what lies in the ball is asked
    impatient = Impatient(patience=patient.told // 2)
    assert isinstance(run(engine, [request], impatient).outcomes[request.id], Canceled)
    assert impatient.told == impatient.patience + 1
    assert impatient.stages[request.id][-1] is Stage.DECODE


def test_an_encoded_cloud_is_where_its_surface_is_looked_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, points, given = make(), sphere_points(), []
    plain = engine._pipeline.track

    def spy(*args: Any, **kwargs: Any) -> Iterator[TrackedLogits]:
        given.append(kwargs["seeds"])
        return plain(*args, **kwargs)

    monkeypatch.setattr(engine._pipeline, "track", spy)
    options: dict[str, Any] = {"resolution": RESOLUTION}
    run(engine, [job(Operation.ENCODE, input_ref=put_points(engine, "a", points), **options)])
    run(engine, [generate()])
    (seeds,), none = given
    np.testing.assert_array_equal(seeds, points)
    assert none is None
