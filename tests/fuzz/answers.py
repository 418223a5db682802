"""What every answer must look like."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx

from service.errors import ERROR_SPECS, ErrorCode

PROBLEM = "application/problem+json"


def check_answer(response: httpx.Response) -> None:
    """A success, or a problem below 500 that says what is wrong; each with its request id."""
    text = response.text if response.status_code >= 400 else ""
    check_parts(response.status_code, response.headers, text)


def check_parts(status: int, headers: Mapping[str, str], text: str) -> None:
    """As ``check_answer``; names of headers in lower case, unless they ignore it."""
    assert status < 500, text
    assert headers["x-request-id"]
    if status < 400:
        return
    assert headers["content-type"] == PROBLEM, text
    problem = json.loads(text)
    spec = ERROR_SPECS[ErrorCode(problem["code"])]
    assert problem["status"] == status == spec.http
    assert problem["title"] == spec.title
    assert 10 < len(problem["detail"]) < 2100
    assert problem["request_id"] == headers["x-request-id"]
