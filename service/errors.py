"""Every error a caller can see: one exception tree, and one table that drives REST and gRPC alike.

::

    ServiceError
    ├── RequestError                 the request itself is at fault
    │   ├── MalformedRequest         malformed_request
    │   ├── MethodNotAllowed         method_not_allowed
    │   ├── NotAcceptable            not_acceptable
    │   ├── InvalidParameter         invalid_parameter
    │   ├── UnknownParameter         unknown_parameter
    │   ├── IrrelevantParameter      irrelevant_parameter
    │   ├── IdempotencyConflict      idempotency_conflict
    │   ├── MeshError                the uploaded mesh is at fault
    │   │   ├── MeshTooLarge             mesh_too_large
    │   │   ├── UnsupportedMeshFormat    unsupported_mesh_format
    │   │   ├── MalformedMesh            malformed_mesh
    │   │   ├── EmptyMesh                empty_mesh
    │   │   ├── NonFiniteMesh            non_finite_mesh
    │   │   ├── InvalidMeshIndex         invalid_mesh_index
    │   │   ├── PointCloudTooSmall       point_cloud_too_small
    │   │   └── PreprocessingTimeout     preprocessing_timeout
    │   └── LatentsError             the uploaded latents are at fault
    │       ├── InvalidLatents           invalid_latents
    │       └── WeightsMismatch          weights_mismatch
    ├── AccessError                  the caller may not do this
    │   ├── Unauthenticated          unauthenticated
    │   └── Forbidden                forbidden
    ├── StateError                   the thing asked for is not there, or not in the right state
    │   ├── NotFound                 not_found
    │   ├── JobFinal                 job_final
    │   └── CapabilityMissing        capability_missing
    ├── CapacityError                the service cannot take the request now
    │   ├── QueueFull                queue_full
    │   ├── RateLimited              rate_limited
    │   ├── QueueUnavailable         queue_unavailable
    │   └── NoWorker                 no_worker
    └── ExecutionError               an accepted job did not succeed
        ├── Canceled                 canceled
        ├── DeadlineExceeded         deadline_exceeded
        ├── OutOfMemory              out_of_memory
        ├── EmptySurface             empty_surface
        ├── WorkerCrashed            worker_crashed
        └── InternalError            internal

Only the leaves are raised. Each has a ``code``, and ``ERROR_SPECS`` is the one table that says
what a code means to HTTP, to gRPC and to a client that considers trying again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Any, ClassVar


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
            422, "INVALID_ARGUMENT", "The latents were made by another model"
        ),
        ErrorCode.UNAUTHENTICATED: ErrorSpec(401, "UNAUTHENTICATED", "A valid API key is required"),
        ErrorCode.FORBIDDEN: ErrorSpec(403, "PERMISSION_DENIED", "This API key may not do this"),
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
        ErrorCode.EMPTY_SURFACE: ErrorSpec(500, "INTERNAL", "The decoded field has no surface"),
        ErrorCode.WORKER_CRASHED: ErrorSpec(500, "INTERNAL", "The job's workers died"),
        ErrorCode.INTERNAL: ErrorSpec(500, "INTERNAL", "Something went wrong in the service"),
    }
)


class ServiceError(Exception):
    """Base of all errors told to a caller; raise one of its leaves.

    Args:
        detail: the cause, in one or two sentences, for this very request.
        suggestion: what the caller can do about it.
        param: the parameter, field or header at fault, where it is one.
        retry_after: seconds after which a retry makes sense.
        job: id of the job the error belongs to.

    Attributes:
        request_id: of the request that was answered so, where a client was told.
    """

    code: ClassVar[ErrorCode]
    request_id: str | None = None

    def __init_subclass__(cls, *, code: ErrorCode | None = None) -> None:
        super().__init_subclass__()
        if code is not None:
            cls.code = code

    def __init__(
        self,
        detail: str,
        *,
        suggestion: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        job: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.suggestion = suggestion
        self.param = param
        self.retry_after = retry_after
        self.job = job

    @property
    def spec(self) -> ErrorSpec:
        """What this error's code means on the wire."""
        return ERROR_SPECS[self.code]

    def to_dict(self) -> dict[str, str | None]:
        """The lasting part of the error, JSON-able: what a failed job stores."""
        return {
            "code": self.code.value,
            "detail": self.detail,
            "suggestion": self.suggestion,
            "param": self.param,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any], *, job: str | None = None) -> "ServiceError":
        """Inverse of ``to_dict``: the leaf that ``data["code"]`` names.

        Raises:
            ValueError: the code is not one of ``ErrorCode``.
        """
        code = ErrorCode(data["code"])
        return error_classes()[code](
            data["detail"], suggestion=data.get("suggestion"), param=data.get("param"), job=job
        )


class RequestError(ServiceError):
    """The request itself is at fault: sending it again changes nothing."""


class MalformedRequest(RequestError, code=ErrorCode.MALFORMED_REQUEST):
    """The request cannot be parsed at all."""


class MethodNotAllowed(RequestError, code=ErrorCode.METHOD_NOT_ALLOWED):
    """The route exists, the HTTP method on it does not."""


class NotAcceptable(RequestError, code=ErrorCode.NOT_ACCEPTABLE):
    """No media type of the ``Accept`` header can be produced."""


class InvalidParameter(RequestError, code=ErrorCode.INVALID_PARAMETER):
    """A known parameter has a value out of its range or type."""


class UnknownParameter(RequestError, code=ErrorCode.UNKNOWN_PARAMETER):
    """A parameter of this name does not exist."""


class IrrelevantParameter(RequestError, code=ErrorCode.IRRELEVANT_PARAMETER):
    """A parameter that exists elsewhere means nothing on this operation."""


class IdempotencyConflict(RequestError, code=ErrorCode.IDEMPOTENCY_CONFLICT):
    """The same idempotency key came with another request."""


class MeshError(RequestError):
    """The uploaded mesh is at fault."""


class MeshTooLarge(MeshError, code=ErrorCode.MESH_TOO_LARGE):
    """More bytes or faces than this deployment takes."""


class UnsupportedMeshFormat(MeshError, code=ErrorCode.UNSUPPORTED_MESH_FORMAT):
    """The bytes are in none of the known formats."""


class MalformedMesh(MeshError, code=ErrorCode.MALFORMED_MESH):
    """The format is known, the content is broken or truncated."""


class EmptyMesh(MeshError, code=ErrorCode.EMPTY_MESH):
    """No faces, or faces without area."""


class NonFiniteMesh(MeshError, code=ErrorCode.NON_FINITE_MESH):
    """NaN or infinite vertex coordinates."""


class InvalidMeshIndex(MeshError, code=ErrorCode.INVALID_MESH_INDEX):
    """A face refers to a vertex that does not exist."""


class PointCloudTooSmall(MeshError, code=ErrorCode.POINT_CLOUD_TOO_SMALL):
    """A cloud without faces has too few points to stand for a surface."""


class PreprocessingTimeout(MeshError, code=ErrorCode.PREPROCESSING_TIMEOUT):
    """Reading the mesh took more time or memory than allowed."""


class LatentsError(RequestError):
    """The uploaded latents are at fault."""


class InvalidLatents(LatentsError, code=ErrorCode.INVALID_LATENTS):
    """Wrong container, keys, shapes or values."""


class WeightsMismatch(LatentsError, code=ErrorCode.WEIGHTS_MISMATCH):
    """The latents carry the hash of other weights than the loaded ones."""


class AccessError(ServiceError):
    """The caller may not do this."""


class Unauthenticated(AccessError, code=ErrorCode.UNAUTHENTICATED):
    """No API key, or an unknown one."""


class Forbidden(AccessError, code=ErrorCode.FORBIDDEN):
    """A known caller without the right to do this."""


class StateError(ServiceError):
    """The thing asked for is not there, or not in a state that allows this."""


class NotFound(StateError, code=ErrorCode.NOT_FOUND):
    """No such route, job, shape or file; or it has expired."""


class JobFinal(StateError, code=ErrorCode.JOB_FINAL):
    """The job has reached a final state, which never changes."""


class CapabilityMissing(StateError, code=ErrorCode.CAPABILITY_MISSING):
    """The loaded model has no part for this operation (such as no diffusion cascade)."""


class CapacityError(ServiceError):
    """The service cannot take the request now; ``retry_after`` says when it may."""


class QueueFull(CapacityError, code=ErrorCode.QUEUE_FULL):
    """As many live jobs as the deployment admits."""


class RateLimited(CapacityError, code=ErrorCode.RATE_LIMITED):
    """The caller has too many requests or live jobs."""


class QueueUnavailable(CapacityError, code=ErrorCode.QUEUE_UNAVAILABLE):
    """Redis cannot be reached, or refuses to write."""


class NoWorker(CapacityError, code=ErrorCode.NO_WORKER):
    """No worker has ever announced a model that could run this."""


class ExecutionError(ServiceError):
    """An accepted job did not succeed."""


class Canceled(ExecutionError, code=ErrorCode.CANCELED):
    """Somebody canceled the job."""


class DeadlineExceeded(ExecutionError, code=ErrorCode.DEADLINE_EXCEEDED):
    """The job's deadline passed before it had finished."""


class OutOfMemory(ExecutionError, code=ErrorCode.OUT_OF_MEMORY):
    """The device has too little memory even for this job alone."""


class EmptySurface(ExecutionError, code=ErrorCode.EMPTY_SURFACE):
    """The occupancy field has no zero crossing within the grid."""


class WorkerCrashed(ExecutionError, code=ErrorCode.WORKER_CRASHED):
    """Every attempt ended with the death of the worker that ran it."""


class InternalError(ExecutionError, code=ErrorCode.INTERNAL):
    """A defect of the service; the log has the traceback under the same job id."""


def error_classes() -> dict[ErrorCode, type[ServiceError]]:
    """The leaf that each code belongs to."""
    return {leaf.code: leaf for leaf in _leaves(ServiceError)}


def _leaves(node: type[ServiceError]) -> Iterator[type[ServiceError]]:
    children = node.__subclasses__()
    if not children:
        yield node
    for child in children:
        yield from _leaves(child)
