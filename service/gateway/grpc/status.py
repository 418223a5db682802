"""Every error as a rich status: ``google.rpc.Status`` with machine-readable details."""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from service.errors import QueueFull, RateLimited, ServiceError
from service.gateway.submission import Call

DOMAIN = "lagem"

_LONGEST_TEXT = 500
"""Characters; a status travels in headers, which clients limit to 8 KiB."""


def grpc_status(error: ServiceError, *, request_id: str, call: Call | None = None) -> grpc.Status:
    """The status that tells ``error`` to a caller."""
    return rpc_status.to_status(rich_status(error, request_id=request_id, call=call))


def rich_status(error: ServiceError, *, request_id: str, call: Call | None = None) -> Status:
    """``ErrorInfo`` always; ``BadRequest`` names the field, ``RetryInfo`` when to come back.

    ``QuotaFailure`` says whose limit was reached: the caller's, or that of all.
    """
    detail = _cut(error.detail)
    told = {"request_id": request_id, "suggestion": error.suggestion, "job": error.job}
    metadata = {name: _cut(value) for name, value in told.items() if value is not None}
    details: list[Message] = [ErrorInfo(reason=error.code, domain=DOMAIN, metadata=metadata)]
    if error.param is not None:
        violation = BadRequest.FieldViolation(field=error.param, description=detail)
        details.append(BadRequest(field_violations=[violation]))
    subject = _subject(error, call)
    if subject is not None:
        over = QuotaFailure.Violation(subject=subject, description=detail)
        details.append(QuotaFailure(violations=[over]))
    if error.retry_after is not None:
        details.append(RetryInfo(retry_delay=Duration(seconds=error.retry_after)))
    return Status(
        code=status_code(error).value[0], message=detail, details=[_packed(one) for one in details]
    )


def status_code(error: ServiceError) -> grpc.StatusCode:
    """The status code of the error's row in the one table."""
    return grpc.StatusCode[error.spec.grpc]


def _subject(error: ServiceError, call: Call | None) -> str | None:
    if isinstance(error, QueueFull):
        return "deployment"
    if isinstance(error, RateLimited):
        return "caller" if call is None else f"caller:{call.origin}"
    return None


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
