"""Requests from protobuf to the contract, whose ranges and defaults then hold as over REST.

What a message leaves unset is left out, so that the contract's own default stands. An enum's
unknown number is passed on as text, which the contract refuses by name.
"""

from typing import Any, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from pydantic import ValidationError

from service import contract
from service.errors import IrrelevantParameter
from service.gateway.validation import invalid_parameters
from service.pb import lagem_pb2 as pb

_Request = TypeVar("_Request", bound=contract.Request)


def encode_request(options: pb.EncodeOptions) -> contract.EncodeRequest:
    """The options of an encode call.

    Raises:
        InvalidParameter: a value is out of its range; true of all functions here.
        IrrelevantParameter: a field has no effect on this operation; likewise.
    """
    given = _given(options, "filename") | _mesh(options.mesh)
    return _checked(contract.EncodeRequest, given)


def generate_request(request: pb.GenerateRequest) -> contract.GenerateRequest:
    """A generate call."""
    given = _given(request, "category") | _sampling(request.sampling) | _mesh(request.mesh)
    return _checked(contract.GenerateRequest, given)


def resample_request(request: pb.ResampleRequest) -> contract.ResampleRequest:
    """A resample call, but for uploaded latents."""
    given = _given(request, "category", "keep_level", "shape")
    given |= _sampling(request.sampling) | _mesh(request.mesh)
    given["any_weights"] = request.any_weights
    return _checked(contract.ResampleRequest, given)


def decode_request(request: pb.DecodeRequest) -> contract.DecodeRequest:
    """A decode call, but for uploaded latents."""
    given = _given(request, "shape") | _given(request.mix, "level3", "level2", "level1")
    given |= _mesh(request.mesh)
    given["any_weights"] = request.any_weights
    return _checked(contract.DecodeRequest, given)


def mesh_request(request: pb.GetMeshRequest) -> contract.PlacedMeshRequest:
    """Which mesh of a shape is wanted."""
    return _checked(contract.PlacedMeshRequest, _mesh(request.mesh))


def latents_request(request: pb.GetLatentsRequest) -> contract.LatentsFileRequest:
    """Which file of latents is wanted."""
    given = _named("format", pb.LatentsFormat, "LATENTS_FORMAT_", request.format)
    return _checked(contract.LatentsFileRequest, given)


def jobs_request(request: pb.ListJobsRequest) -> contract.JobsRequest:
    """Which page of jobs is wanted."""
    given = _given(request, "after", "limit")
    given["order"] = "asc" if request.ascending else "desc"
    given |= _named("state", pb.JobState, "JOB_STATE_", request.state)
    return _checked(contract.JobsRequest, given)


def _mesh(options: pb.MeshOptions) -> dict[str, Any]:
    return (
        _given(options, "resolution", "target_faces", "exhaustive")
        | _named("format", pb.MeshFormat, "MESH_FORMAT_", options.format)
        | _named("space", pb.Space, "SPACE_", options.space)
    )


def _sampling(options: pb.SamplingOptions) -> dict[str, Any]:
    return _given(options, "seed", "n", "steps", "guidance")


def _given(message: Message, *names: str) -> dict[str, Any]:
    """The fields that are set."""
    return {name: getattr(message, name) for name in names if message.HasField(name)}


def _named(name: str, enum: EnumTypeWrapper, prefix: str, value: int) -> dict[str, str]:
    """An enum's value as the contract spells it; nothing where it is unspecified."""
    if value == 0:
        return {}
    known = value in enum.values()
    return {name: enum.Name(value).removeprefix(prefix).lower() if known else str(value)}


def _checked(model: type[_Request], given: dict[str, Any]) -> _Request:
    for name in given:
        if name not in model.model_fields:
            raise IrrelevantParameter(
                f"The field {name!r} has no effect on this call.",
                suggestion=f"Those that have one: {', '.join(sorted(model.model_fields))}.",
                param=name,
            )
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_parameters(error.errors()) from None
