"""The parts of the OpenAPI document that the routes themselves do not say."""

from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.contract import Problem
from service.errors import ERROR_SPECS, ErrorCode
from service.gateway.negotiation import JSON, MESH_TYPES, ZIP
from service.gateway.problem import MEDIA_TYPE

_REFERENCE = "#/components/schemas/"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any error, as RFC 9457 problem details.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REFERENCE}Problem"}}},
    }
}
"""Responses that every route may give."""

TAGS = [
    {"name": "operations", "description": "What makes shapes and meshes. Each call becomes a job."},
    {"name": "jobs", "description": "Accepted requests: how far they are, and their end."},
    {"name": "shapes", "description": "What jobs made: latents that last, meshes made from them."},
    {"name": "system", "description": "The deployment: its model, its health."},
]


def problems(*codes: ErrorCode) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that may answer with these errors, by status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        spec = ERROR_SPECS[code]
        response = responses.setdefault(spec.http, {"description": "", "content": {}})
        response["description"] += f"`{code}`: {spec.title}.\n\n"
        response["content"] = {MEDIA_TYPE: {"schema": {"$ref": f"{_REFERENCE}Problem"}}}
    return dict(sorted(responses.items(), key=lambda item: int(item[0])))


_READING = (ErrorCode.UNAUTHENTICATED, ErrorCode.QUEUE_UNAVAILABLE)
_SUBMITTING = (
    *_READING,
    ErrorCode.MALFORMED_REQUEST,
    ErrorCode.FORBIDDEN,
    ErrorCode.NOT_ACCEPTABLE,
    ErrorCode.CAPABILITY_MISSING,
    ErrorCode.INVALID_PARAMETER,
    ErrorCode.UNKNOWN_PARAMETER,
    ErrorCode.IRRELEVANT_PARAMETER,
    ErrorCode.IDEMPOTENCY_CONFLICT,
    ErrorCode.QUEUE_FULL,
    ErrorCode.RATE_LIMITED,
    ErrorCode.NO_WORKER,
    ErrorCode.WEIGHTS_MISMATCH,
    ErrorCode.CANCELED,
    ErrorCode.DEADLINE_EXCEEDED,
    ErrorCode.OUT_OF_MEMORY,
    ErrorCode.EMPTY_SURFACE,
    ErrorCode.WORKER_CRASHED,
    ErrorCode.INTERNAL,
)
_LATENTS = ErrorCode.NOT_FOUND, ErrorCode.INVALID_LATENTS

SUBMISSION_PROBLEMS = problems(*_SUBMITTING)
LATENTS_PROBLEMS = problems(
    *_SUBMITTING, *_LATENTS, ErrorCode.MESH_TOO_LARGE, ErrorCode.UNSUPPORTED_MESH_FORMAT
)
MESH_PROBLEMS = problems(
    *_SUBMITTING,
    ErrorCode.MESH_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MESH_FORMAT,
    ErrorCode.MALFORMED_MESH,
    ErrorCode.EMPTY_MESH,
    ErrorCode.NON_FINITE_MESH,
    ErrorCode.INVALID_MESH_INDEX,
    ErrorCode.POINT_CLOUD_TOO_SMALL,
    ErrorCode.PREPROCESSING_TIMEOUT,
)
LOOKUP_PROBLEMS = problems(*_READING, ErrorCode.NOT_FOUND, ErrorCode.UNKNOWN_PARAMETER)
CANCEL_PROBLEMS = problems(*_READING, ErrorCode.NOT_FOUND, ErrorCode.JOB_FINAL)

_BINARY = {"schema": {"type": "string", "format": "binary"}}

MESH_FILE: dict[str, Any] = {
    "description": "The mesh.",
    "content": dict.fromkeys(MESH_TYPES.values(), _BINARY),
}

LATENTS_FILE: dict[str, Any] = {
    "description": "The latents: safetensors or npz with `level3`, `level2` and `level1`.",
    "content": {"application/octet-stream": _BINARY},
}

UNCHANGED: dict[str, Any] = {"description": "You have these bytes: see `If-None-Match`."}

SUBMISSION: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The finished job; or, as `Accept` asks: its mesh, or a zip of everything.",
        "content": {
            JSON: {"schema": {"$ref": f"{_REFERENCE}Job"}},
            **dict.fromkeys((*MESH_TYPES.values(), ZIP), _BINARY),
        },
    },
    202: {
        "description": "The job goes on: ask again at `Location` after `Retry-After` seconds.",
        "content": {JSON: {"schema": {"$ref": f"{_REFERENCE}Job"}}},
    },
}
"""Responses of the four operations."""

EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events `status`, `progress`, `artifact`, `done`, `error`; `id` "
        "is what `Last-Event-ID` takes.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: progress\nid: 7\ndata: {"id": "job_...", ...}\n\n',
            }
        },
    },
    204: {"description": "The job has ended, and you have seen its last event."},
}
"""Responses of the stream of events."""

MESH_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        **dict.fromkeys((*MESH_TYPES.values(), "application/octet-stream"), _BINARY),
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}

LATENTS_BODY: dict[str, Any] = {
    "required": False,
    "description": "Latents as safetensors or npz, where no shape is named.",
    "content": {"application/octet-stream": _BINARY},
}


_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Your API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_MAKING = Lock()
"""Requests ask for the document in threads of their own, and FastAPI makes it for one at a time."""

_PROBES = ("/livez", "/readyz", "/metrics")


def document(app: FastAPI, *, keys: bool = False) -> dict[str, Any]:
    """The app's OpenAPI document; made once.

    Args:
        app: with all its routes.
        keys: whether callers need one.
    """
    with _MAKING:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app, keys=keys)
        return app.openapi_schema


def _made(app: FastAPI, *, keys: bool) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    for operation in (each for path in schema["paths"].values() for each in path.values()):
        operation["summary"] = _summary(operation["description"])
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _without_null(parameter["schema"])
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = Problem.model_json_schema(ref_template=_REFERENCE + "{model}")
    if keys:
        schema["components"]["securitySchemes"] = _SECURITY_SCHEMES
        schema["security"] = [{name: []} for name in _SECURITY_SCHEMES]
        for path in _PROBES:
            schema["paths"][path]["get"]["security"] = []
    return schema


def _summary(description: str) -> str:
    """The first sentence: what the route is in a list of all."""
    sentence = description.partition("\n\n")[0].replace("\n", " ").partition(". ")[0]
    return sentence.replace("`", "").rstrip(".")


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that may be left out: it cannot be sent as null."""
    match schema.get("anyOf"):
        case [dict(given), {"type": "null"}]:
            rest = {name: value for name, value in schema.items() if name != "anyOf"}
            return {**given, **rest}
    return schema
