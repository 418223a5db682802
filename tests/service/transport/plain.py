"""Answers in one form, whatever skin they come from: that of REST's JSON.

Jobs lose their addresses (``url``, ``links``, ``object``), which gRPC has no use for; moments are
``datetime``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from service.pb import lagem_pb2 as pb


def plain(value: Any) -> Any:
    """REST's JSON without addresses, moments as numbers."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: plain(item) for name, item in value.items() if name not in _ADDRESSES}
    for name, item in kept.items():
        if name.endswith("_at") and item is not None:
            kept[name] = datetime.fromisoformat(item)
    return kept


_ADDRESSES = {"url", "links", "object"}


def job_dict(job: pb.Job) -> dict[str, Any]:
    """A job as REST has it."""
    moments = {name: moment(job, name) for name in _MOMENTS}
    error = fields_dict(job.error) if job.HasField("error") else None
    if error is not None:
        error |= {"suggestion": job.error.suggestion or None, "param": job.error.param or None}
    return {
        **fields_dict(job),
        **moments,
        "state": enum_name(pb.JobState, job.state),
        "stage": job.stage or None,
        "shapes": [shape_dict(shape) for shape in job.shapes],
        "error": error,
        "input": _input_dict(job.input),
        "model": fields_dict(job.model) if job.HasField("model") else None,
    }


_MOMENTS = ("created_at", "started_at", "finished_at", "expires_at")


def _input_dict(given: pb.JobInput) -> dict[str, Any]:
    values = {name: value for name, value in fields_dict(given).items() if value is not None}
    values |= {"format": enum_name(pb.MeshFormat, given.format)}
    if given.space:
        values["space"] = enum_name(pb.Space, given.space)
    else:
        del values["space"]
    if not given.HasField("normalization"):
        del values["parents"]  # has no presence of its own: only jobs with a frame have parents
        return values
    values["normalization"] = fields_dict(given.normalization)
    if given.HasField("source"):
        del values["parents"]
        source = fields_dict(given.source)
        values["source"] = source | {"bounds": [source.pop("lower"), source.pop("upper")]}
    return values


def shape_dict(shape: pb.Shape) -> dict[str, Any]:
    mesh = fields_dict(shape.mesh)
    mesh["bounds"] = [mesh.pop("lower"), mesh.pop("upper")]
    mesh["format"] = enum_name(pb.MeshFormat, shape.mesh.format)
    mesh["space"] = enum_name(pb.Space, shape.mesh.space)
    mesh["expires_at"] = moment(shape.mesh, "expires_at")
    return fields_dict(shape) | {
        "mesh": mesh,
        "normalization": fields_dict(shape.normalization),
        "metrics": dict(shape.metrics) or None,
        "expires_at": moment(shape, "expires_at"),
        "latents": {
            str(one.level): {
                "shape": [one.tokens, one.channels],
                "dtype": one.dtype,
                "sha256": one.sha256,
            }
            for one in shape.latents
        },
    }


def artifact_dict(artifact: pb.Artifact) -> dict[str, Any]:
    return fields_dict(artifact) | {"format": enum_name(pb.MeshFormat, artifact.format)}


def fields_dict(message: Message) -> dict[str, Any]:
    """Every field by name; those that have presence and are not set are None."""
    values: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values[field.name] = dict(getattr(message, field.name))
        elif field.is_repeated:
            values[field.name] = list(getattr(message, field.name))
        else:
            absent = field.has_presence and not message.HasField(field.name)
            values[field.name] = None if absent else getattr(message, field.name)
    return values


def optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def moment(message: Any, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    return getattr(message, name).ToDatetime(tzinfo=UTC)


def enum_name(enum: Any, value: int) -> str:
    """``JOB_STATE_QUEUED`` as ``queued``."""
    zero = enum.Name(0).removesuffix("UNSPECIFIED")
    return enum.Name(value).removeprefix(zero).lower()
