"""What a caller prefers: ``Prefer`` (RFC 7240) and ``Accept`` (RFC 9110)."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from starlette.datastructures import Headers

from service.contract import MAX_WAIT_S, MeshFormat
from service.errors import InvalidParameter, NotAcceptable

JSON = "application/json"
ZIP = "application/zip"
MESH_TYPES: MappingProxyType[MeshFormat, str] = MappingProxyType(
    {"glb": "model/gltf-binary", "obj": "model/obj", "ply": "model/ply", "stl": "model/stl"}
)
"""Media type of each mesh format."""

_DEFAULT_FORMAT: MeshFormat = "glb"

_ALIASES = MappingProxyType(
    {
        "application/ply": "model/ply",
        "application/x-ply": "model/ply",
        "application/sla": "model/stl",
        "model/x.stl-binary": "model/stl",
    }
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a submission waits for its job, and what is said about it."""

    seconds: float
    applied: str


@dataclass(frozen=True, slots=True)
class Representation:
    """What the body of a finished submission is: ``media_type``, and the format of a mesh."""

    media_type: str
    mesh_format: MeshFormat | None = None


_WAIT_DIGITS = 6  # of a wait in seconds; more are far beyond the limit


def accept_of(headers: Headers) -> str:
    """The ``Accept`` of a request; empty where there is none."""
    return ",".join(headers.getlist("accept"))


def preferred_waiting(prefer: str, default_s: float) -> Waiting:
    """How long to wait, by the ``Prefer`` header's value (several joined by commas).

    ``wait=N`` wins over ``respond-async``, since both together mean: asynchronous after N seconds.
    More than ``MAX_WAIT_S`` is cut to it. What is not understood is ignored, as the RFC demands.
    """
    preferences = [part.split(";")[0].strip().lower() for part in prefer.split(",")]
    for preference in preferences:
        name, _, value = preference.partition("=")
        value = value.strip().strip('"')
        if name.strip() == "wait" and value.isascii() and value.isdecimal():
            seconds = int(value) if len(value) <= _WAIT_DIGITS else MAX_WAIT_S
            seconds = min(seconds, MAX_WAIT_S)
            return Waiting(seconds, f"wait={seconds}")
    if "respond-async" in preferences:
        return Waiting(0, "respond-async")
    return Waiting(default_s, f"wait={default_s:g}")


def preferred_representation(
    accept: str, mesh_format: MeshFormat | None, samples: int
) -> Representation:
    """The representation of a submission's result.

    Args:
        accept: value of the ``Accept`` header; empty where there is none.
        mesh_format: the ``format`` parameter, where it was given.
        samples: how many shapes the request makes.

    Raises:
        NotAcceptable: nothing that is accepted can be made.
        InvalidParameter: ``format`` contradicts ``Accept``, or one mesh is to hold n shapes.
    """
    for media_range in _by_quality(accept or "*/*"):
        chosen = _representation(media_range, mesh_format)
        if chosen is not None:
            _check(chosen, mesh_format, samples)
            return chosen
    raise _not_acceptable(accept, (JSON, *MESH_TYPES.values(), ZIP))


def preferred_mesh_format(accept: str) -> MeshFormat:
    """The format of a mesh that is asked for without ``format``.

    Args:
        accept: value of the ``Accept`` header; empty where there is none.

    Raises:
        NotAcceptable: it names nothing that a mesh can be.
    """
    for media_range in _by_quality(accept or "*/*"):
        if media_range == "*/*":
            return _DEFAULT_FORMAT
        chosen = _representation(media_range, None)
        if chosen is not None and chosen.mesh_format is not None:
            return chosen.mesh_format
    raise _not_acceptable(accept, MESH_TYPES.values())


def check_accepts(accept: str, media_type: str) -> None:
    """For what has one representation: whether the caller takes it.

    Args:
        accept: value of the ``Accept`` header; empty where there is none.
        media_type: of what there is.

    Raises:
        NotAcceptable: the caller names other types alone.
    """
    kind = media_type.partition("/")[0]
    if not {media_type, f"{kind}/*", "*/*"}.intersection(_by_quality(accept or "*/*")):
        raise _not_acceptable(accept, (media_type,))


def mesh_format_of(media_type: str) -> str | None:
    """The file extension of an uploaded mesh by its media type; None where that says nothing."""
    media_type = _ALIASES.get(media_type, media_type)
    if media_type == "model/gltf+json":
        return "gltf"
    return next((name for name, known in MESH_TYPES.items() if known == media_type), None)


def _representation(media_range: str, mesh_format: MeshFormat | None) -> Representation | None:
    media_range = _ALIASES.get(media_range, media_range)
    if media_range in ("*/*", "application/*", JSON):
        return Representation(JSON)
    if media_range == ZIP:
        return Representation(ZIP)
    if media_range == "model/*":
        chosen = mesh_format or _DEFAULT_FORMAT
        return Representation(MESH_TYPES[chosen], chosen)
    for name in get_args(MeshFormat):
        if MESH_TYPES[name] == media_range:
            return Representation(media_range, name)
    return None


def _check(chosen: Representation, mesh_format: MeshFormat | None, samples: int) -> None:
    if chosen.mesh_format is None:
        return
    if mesh_format not in (None, chosen.mesh_format):
        raise InvalidParameter(
            f"format={mesh_format} contradicts Accept: {chosen.media_type}.",
            suggestion="Leave one of them out.",
            param="format",
        )
    if samples != 1:
        raise InvalidParameter(
            f"Accept: {chosen.media_type} holds one mesh, not n={samples}.",
            suggestion=f"Use n=1, or Accept: {ZIP}.",
            param="n",
        )


def _not_acceptable(accept: str, offered: Iterable[str]) -> NotAcceptable:
    return NotAcceptable(
        f"None of {accept!r} can be produced.",
        suggestion=f"Accept one of: {', '.join(offered)}.",
        param="Accept",
    )


def _by_quality(accept: str) -> list[str]:
    """The media ranges from most to least wanted; those with q=0 are left out."""
    weighted = []
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        weighted.append((_quality(parameters), media_range))
    wanted = [pair for pair in weighted if pair[0] > 0]
    return [media_range for _, media_range in sorted(wanted, key=lambda pair: -pair[0])]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
