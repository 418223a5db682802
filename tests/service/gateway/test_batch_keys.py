"""Which jobs a worker may run together: those that agree in all that a run has one value of."""

from typing import Any

import httpx
import pytest

from service.contract import Model
from service.gateway.jobparams import batch_key
from service.jobs import Operation
from tests.service.gateway.fakeworker import MODEL, FakeWorker

PARAMS: dict[str, Any] = {
    "seed": 7,
    "category": None,
    "format": "glb",
    "exhaustive": False,
    "steps": 18,
    "guidance": 1.0,
    "keep_level": 3,
    "resolution": 128,
}


def key(
    *, weights: str = "ab" * 32, operation: Operation = Operation.RESAMPLE, **changes: Any
) -> str:
    model = Model.model_validate(MODEL | {"weights_sha256": weights})
    return batch_key(operation, PARAMS | changes, model)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 20},
        {"guidance": 2.0},
        {"resolution": 64},
        {"keep_level": 2},
        {"operation": Operation.GENERATE},
        {"weights": "cd" * 32},
    ],
)
def test_jobs_that_differ_in_what_a_run_shares_have_other_keys(change: dict[str, Any]) -> None:
    assert key() != key(**change)


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"category": "table"}, {"format": "obj"}, {"exhaustive": True}]
)
def test_jobs_that_differ_in_a_row_only_share_their_key(change: dict[str, Any]) -> None:
    assert key() == key(**change)


async def test_a_job_carries_the_weights_it_was_checked_against(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    await client.post("/generate?category=table")
    assert worker.seen[0].weights_sha256 == MODEL["weights_sha256"]
