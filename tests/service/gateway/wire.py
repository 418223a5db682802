"""What tests send over the wire, and what they read from an answer."""

from __future__ import annotations

import httpx
import numpy as np
import trimesh

from model.latentfile import LatentFile
from tests.service.gateway.fakeworker import MODEL, drawn_levels

NAN_OBJ = b"v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n"


def sphere_bytes(file_type: str = "glb", center: tuple[float, float, float] = (3, 4, 5)) -> bytes:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=2.0)
    mesh.apply_translation(center)
    data = mesh.export(file_type=file_type)
    return data.encode() if isinstance(data, str) else data


def latents_bytes(weights: str | None = MODEL["weights_sha256"], **changes: np.ndarray) -> bytes:
    levels = drawn_levels(0) | {int(name[-1]): value for name, value in changes.items()}
    metadata = {} if weights is None else {"weights_sha256": weights}
    return LatentFile(levels, metadata).to_safetensors()


def code_of(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    return response.status_code, problem["code"]


async def generated(client: httpx.AsyncClient, **params: object) -> dict:
    response = await client.post("/generate", params={"category": "table", "seed": 7, **params})
    assert response.status_code == 200, response.text
    return response.json()
