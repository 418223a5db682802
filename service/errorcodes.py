"""The codes of all errors a caller can see, and the one table of what they mean on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from types import MappingProxyType


class ErrorCode(StrEnum):
    """The closed set of codes; a code's meaning never changes once it is published."""

    MALFORMED_REQUEST = auto()
    METHOD_NOT_ALLOWED = auto()
    NOT_ACCEPTABLE = auto()
    INVALID_PARAMETER = auto()
    UNKNOWN_PARAMETER = auto()
    IRRELEVANT_PARAMETER = auto()
    IDEMPOTENCY_CONFLICT = auto()
    MESH_TOO_LARGE = auto()
    UNSUPPORTED_MESH_FORMAT = auto()
    MALFORMED_MESH = auto()
    EMPTY_MESH = auto()
    NON_FINITE_MESH = auto()
    INVALID_MESH_INDEX = auto()
    POINT_CLOUD_TOO_SMALL = auto()
    PREPROCESSING_TIMEOUT = auto()
    INVALID_LATENTS = auto()
    WEIGHTS_MISMATCH = auto()
    UNAUTHENTICATED = auto()
    FORBIDDEN = auto()
    HOST_NOT_ALLOWED = auto()
    NOT_FOUND = auto()
    JOB_FINAL = auto()
    CAPABILITY_MISSING = auto()
    QUEUE_FULL = auto()
    RATE_LIMITED = auto()
    QUEUE_UNAVAILABLE = auto()
    NO_WORKER = auto()
    CANCELED = auto()
    DEADLINE_EXCEEDED = auto()
    OUT_OF_MEMORY = auto()
    EMPTY_SURFACE = auto()
    WORKER_CRASHED = auto()
    INTERNAL = auto()


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What one code means on the wire.

    ``http`` is the status, ``grpc`` the name of the ``grpc.StatusCode``; ``title`` is the same for
    all errors of the code; ``retryable`` says that the very same request may succeed later.
    """

    http: int
    grpc: str
    title: str
    retryable: bool = False


ERROR_SPECS: Mapping[ErrorCode, ErrorSpec] = MappingProxyType(
    {
        ErrorCode.MALFORMED_REQUEST: ErrorSpec(
            400, "INVALID_ARGUMENT", "The request cannot be read"
        ),
        ErrorCode.METHOD_NOT_ALLOWED: ErrorSpec(
            405, "UNIMPLEMENTED", "The method is not allowed here"
        ),
        ErrorCode.NOT_ACCEPTABLE: ErrorSpec(
            406, "INVALID_ARGUMENT", "No accepted media type is offered"
        ),
        ErrorCode.INVALID_PARAMETER: ErrorSpec(422, "INVALID_ARGUMENT", "A parameter is invalid"),
        ErrorCode.UNKNOWN_PARAMETER: ErrorSpec(422, "INVALID_ARGUMENT", "A parameter is unknown"),
        ErrorCode.IRRELEVANT_PARAMETER: ErrorSpec(
            422, "INVALID_ARGUMENT", "A parameter has no effect here"
        ),
        ErrorCode.IDEMPOTENCY_CONFLICT: ErrorSpec(
            422, "INVALID_ARGUMENT", "The key belongs to another request"
        ),
        ErrorCode.MESH_TOO_LARGE: ErrorSpec(413, "RESOURCE_EXHAUSTED", "The mesh is too large"),
        ErrorCode.UNSUPPORTED_MESH_FORMAT: ErrorSpec(
            415, "INVALID_ARGUMENT", "Not a known mesh format"
        ),
        ErrorCode.MALFORMED_MESH: ErrorSpec(422, "INVALID_ARGUMENT", "The mesh cannot be parsed"),
        ErrorCode.EMPTY_MESH: ErrorSpec(422, "INVALID_ARGUMENT", "The mesh has no surface"),
        ErrorCode.NON_FINITE_MESH: ErrorSpec(
            422, "INVALID_ARGUMENT", "The mesh has NaN or infinite vertices"
        ),
        ErrorCode.INVALID_MESH_INDEX: ErrorSpec(
            422, "INVALID_ARGUMENT", "A face names a missing vertex"
        ),
        ErrorCode.POINT_CLOUD_TOO_SMALL: ErrorSpec(
            422, "INVALID_ARGUMENT", "The point cloud has too few points"
        ),
        ErrorCode.PREPROCESSING_TIMEOUT: ErrorSpec(
            422, "INVALID_ARGUMENT", "The mesh took too long to read"
        ),
        ErrorCode.INVALID_LATENTS: ErrorSpec(422, "INVALID_ARGUMENT", "The latents cannot be used"),
        ErrorCode.WEIGHTS_MISMATCH: ErrorSpec(
            422, "INVALID_ARGUMENT", "Other weights are needed than the loaded ones"
        ),
        ErrorCode.UNAUTHENTICATED: ErrorSpec(401, "UNAUTHENTICATED", "A valid API key is required"),
        ErrorCode.FORBIDDEN: ErrorSpec(403, "PERMISSION_DENIED", "This caller may not do this"),
        ErrorCode.HOST_NOT_ALLOWED: ErrorSpec(
            421, "PERMISSION_DENIED", "The server does not answer to this name"
        ),
        ErrorCode.NOT_FOUND: ErrorSpec(404, "NOT_FOUND", "There is nothing here"),
        ErrorCode.JOB_FINAL: ErrorSpec(409, "ABORTED", "The job has already ended"),
        ErrorCode.CAPABILITY_MISSING: ErrorSpec(409, "ABORTED", "The loaded model cannot do this"),
        ErrorCode.QUEUE_FULL: ErrorSpec(
            429, "RESOURCE_EXHAUSTED", "The queue is full", retryable=True
        ),
        ErrorCode.RATE_LIMITED: ErrorSpec(
            429, "RESOURCE_EXHAUSTED", "This caller has reached a limit", retryable=True
        ),
        ErrorCode.QUEUE_UNAVAILABLE: ErrorSpec(
            503, "UNAVAILABLE", "The job queue cannot be reached", retryable=True
        ),
        ErrorCode.NO_WORKER: ErrorSpec(503, "UNAVAILABLE", "No worker is ready", retryable=True),
        ErrorCode.CANCELED: ErrorSpec(499, "CANCELLED", "The job was canceled"),
        ErrorCode.DEADLINE_EXCEEDED: ErrorSpec(
            504, "DEADLINE_EXCEEDED", "The job did not finish in time", retryable=True
        ),
        ErrorCode.OUT_OF_MEMORY: ErrorSpec(
            503, "UNAVAILABLE", "The worker ran out of memory", retryable=True
        ),
        ErrorCode.EMPTY_SURFACE: ErrorSpec(
            422, "FAILED_PRECONDITION", "The decoded field has no surface"
        ),
        ErrorCode.WORKER_CRASHED: ErrorSpec(500, "INTERNAL", "The job's workers died"),
        ErrorCode.INTERNAL: ErrorSpec(500, "INTERNAL", "Something went wrong in the service"),
    }
)
