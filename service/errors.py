"""Every error a caller can see, as one exception tree that drives REST and gRPC alike.

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
    │   ├── Forbidden                forbidden
    │   └── HostNotAllowed           host_not_allowed
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

Only the leaves are raised. Each has a ``code``, and ``ERROR_SPECS`` (``service/errorcodes.py``) is
the one table that says what a code means to HTTP, to gRPC and to a client that considers trying
again.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from service.errorcodes import ERROR_SPECS as ERROR_SPECS  # noqa: PLC0414 (for all who import it)
from service.errorcodes import ErrorCode as ErrorCode  # noqa: PLC0414
from service.errorcodes import ErrorSpec as ErrorSpec  # noqa: PLC0414


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
    """The latents were made by other weights than the loaded ones, or the job accepted for them."""


class AccessError(ServiceError):
    """The caller may not do this."""


class Unauthenticated(AccessError, code=ErrorCode.UNAUTHENTICATED):
    """No API key, or an unknown one."""


class Forbidden(AccessError, code=ErrorCode.FORBIDDEN):
    """A known caller without the right to do this."""


class HostNotAllowed(AccessError, code=ErrorCode.HOST_NOT_ALLOWED):
    """The request names a host that this server does not answer to."""


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
