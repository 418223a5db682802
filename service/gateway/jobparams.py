"""What a request becomes in its job: parameters without gaps, its batch, its idempotency."""

import hashlib
import secrets
from typing import Any

from service.contract import MOST_EXHAUSTIVE_CELLS, Model, Request
from service.errors import InvalidParameter
from service.gateway.sources import LatentsSource
from service.jobs import IdempotencyKey, Operation

_CHOSEN_SEED_BITS = 53
"""Seeds chosen here survive a JSON parser that reads numbers as doubles, as browsers do."""

_INPUT_FIELDS = {"filename", "shape", "any_weights", "level3", "level2", "level1"}
"""Fields that say what a job starts from: it keeps that in another form."""

_BATCH_FIELDS = ("steps", "guidance", "keep_level", "resolution")


def resolved(request: Request, model: Model) -> dict[str, Any]:
    """The request with every default filled in: what the worker reads and the job echoes.

    Raises:
        InvalidParameter: it asks for more than a worker should do at once.
    """
    params = request.model_dump(exclude=_INPUT_FIELDS)
    for name, value in model.defaults.model_dump().items():
        if name in params and params[name] is None:
            params[name] = value
    if "seed" in params and params["seed"] is None:
        params["seed"] = secrets.randbits(_CHOSEN_SEED_BITS)
    cells = params.get("n", 1) * params["resolution"] ** 3
    if params["exhaustive"] and cells > MOST_EXHAUSTIVE_CELLS:
        raise InvalidParameter(
            f"n and resolution make {cells:,} cells, and {MOST_EXHAUSTIVE_CELLS:,} is the most to"
            " be asked exhaustively.",
            suggestion="Ask for fewer shapes, a lower resolution, or leave exhaustive out.",
            param="exhaustive",
        )
    return params


def origin(source: LatentsSource) -> dict[str, Any]:
    """Where the shapes of a job come from, and the frame that leads back there."""
    return {"parents": source.parents, "normalization": source.normalization.model_dump()}


def batch_key(operation: Operation, params: dict[str, Any], model: Model) -> str:
    """Jobs with the same key have tensors of the same shapes and the same number of steps."""
    parts = [operation, model.weights_sha256[:16]]
    parts += [f"{name}={params[name]}" for name in _BATCH_FIELDS if name in params]
    return "/".join(parts)


def idempotency(
    operation: Operation, request: Request, digest: str, key: str | None
) -> IdempotencyKey | None:
    """The caller's key with the hash of the request as it was sent: before a seed is chosen."""
    if key is None:
        return None
    content = f"{operation}\n{request.model_dump_json()}\n{digest}"
    return IdempotencyKey(key, hashlib.sha256(content.encode()).hexdigest())
