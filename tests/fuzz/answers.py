"""What every answer must look like."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import httpx

from service.errors import ERROR_SPECS, ErrorCode

PROBLEM = "application/problem+json"

PYTHON = re.compile(
    r"object at 0x|has no attribute\b|NoneType|\bNone\b|<class|\bsys\.|<ast\.|Traceback|unhashable"
    r"|subscriptable|iterable|not supported between|'(?:int|str|list|dict|float|bool)'|unpack"
    r"|positional argument|codec can't|invalid literal|out of range|could not|operands|dtype"
    r"|recursion|allow_pickle|max_header_size|\w+(?:Error|Exception)\b|\('?\w*'?\)\.?$"
)
"""What only Python says: a word of it is no help to who sent a file."""


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


def check_words(detail: str) -> None:
    """Nothing in a message comes from Python; what it quotes of the file is left out."""
    said = re.sub(r"""(["'])(?:\\.|(?!\1).)*?\1(?=[\s.,):;\]]|$)""", "", detail)
    assert not PYTHON.search(said), detail
    assert not re.search(r"\('?\w+'?\)\.?$|object at 0x|NoneType", detail), detail
