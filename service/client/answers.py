"""The server's answers: a body as its contract model, a refusal as its exception."""

from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from service.client.errors import UnexpectedAnswer
from service.contract import ErrorInfo, Job, Problem
from service.errors import ERROR_SPECS, Canceled, ErrorCode, InternalError, ServiceError

_Model = TypeVar("_Model", bound=BaseModel)

_PROBLEM_TYPE = "application/problem+json"
_SHOWN = 200  # characters of a body that nobody understands


def parsed(model: type[_Model], response: httpx.Response) -> _Model:
    """The body as the contract has it.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise UnexpectedAnswer(
            f"{response.url} did not answer as this service does: no {model.__name__} but"
            f" {response.text[:_SHOWN]!r}. Is base_url right?"
        ) from error


def problem_of(response: httpx.Response) -> Problem | None:
    """The problem that a response tells; None where it has another body, as a proxy's."""
    if response.headers.get("content-type", "").partition(";")[0].strip() != _PROBLEM_TYPE:
        return None
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return None


def error_of(response: httpx.Response) -> ServiceError | UnexpectedAnswer:
    """The exception that a response of 3xx to 5xx stands for."""
    problem = problem_of(response)
    if problem is not None:
        error = _leaf(problem.code, problem.status, problem.model_dump(), job=problem.job)
    else:
        code = _code_of_status(response.status_code)
        if code is None:
            return UnexpectedAnswer(_unexpected(response))
        detail = f"{response.url} answered {response.status_code} {response.reason_phrase}."
        error = ServiceError.from_dict({"code": code, "detail": detail})
    request_id = response.headers.get("x-request-id")
    error.request_id = problem.request_id if problem is not None else request_id
    error.retry_after = retry_after_of(response)
    return _told(error)


def failure_of(job: Job) -> ServiceError | None:
    """The error that a job ended with; None where it succeeded or goes on."""
    if job.state == "canceled":
        return Canceled("The job was canceled.", job=job.id)
    if job.state != "failed":
        return None
    if job.error is None:
        return InternalError("The job failed without a reason.", job=job.id)
    info: ErrorInfo = job.error
    return _told(_leaf(info.code, 500, info.model_dump(), job=job.id))


def retry_after_of(response: httpx.Response) -> int | None:
    """The seconds of ``Retry-After``; None where there is none, or a date in its place."""
    text = response.headers.get("retry-after", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _leaf(code: str, status: int, data: dict[str, Any], *, job: str | None) -> ServiceError:
    """The exception of a code; one that only a newer server has becomes its status's."""
    if code not in set(ErrorCode):
        data = data | {"code": _code_of_status(status) or ErrorCode.INTERNAL}
        data["detail"] = f"{data['detail']} ({code})"
    return ServiceError.from_dict(data, job=job)


def _code_of_status(status: int) -> ErrorCode | None:
    if status >= 500 and status not in (503, 504):
        return ErrorCode.INTERNAL
    return next((code for code, spec in ERROR_SPECS.items() if spec.http == status), None)


def _told(error: ServiceError) -> ServiceError:
    """The same, its traceback ending with what to do, and where to look for more."""
    facts = {"Parameter": error.param, "Job": error.job, "Request": error.request_id}
    if error.suggestion:
        error.add_note(error.suggestion)
    known = [f"{name}: {value}" for name, value in facts.items() if value]
    if known:
        error.add_note("; ".join(known))
    return error


def _unexpected(response: httpx.Response) -> str:
    if response.is_redirect:
        return (
            f"{response.url} redirects to {response.headers.get('location')}: use that server's"
            " address as base_url."
        )
    return f"{response.url} answered {response.status_code}: {response.text[:_SHOWN]!r}"
