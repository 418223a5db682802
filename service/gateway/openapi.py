"""The parts of the OpenAPI document that the routes themselves do not say."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.contract import Problem
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

_BINARY = {"schema": {"type": "string", "format": "binary"}}

MESH_FILE: dict[str, Any] = {
    "description": "The mesh.",
    "content": dict.fromkeys(MESH_TYPES.values(), _BINARY),
}

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

_PROBES = ("/livez", "/readyz", "/metrics")


def document(app: FastAPI, *, keys: bool = False) -> dict[str, Any]:
    """The app's OpenAPI document; made once.

    Args:
        app: with all its routes.
        keys: whether callers need one.
    """
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components["Problem"] = Problem.model_json_schema(ref_template=_REFERENCE + "{model}")
        if keys:
            schema["components"]["securitySchemes"] = _SECURITY_SCHEMES
            schema["security"] = [{name: []} for name in _SECURITY_SCHEMES]
            for path in _PROBES:
                schema["paths"][path]["get"]["security"] = []
        app.openapi_schema = schema
    return app.openapi_schema
