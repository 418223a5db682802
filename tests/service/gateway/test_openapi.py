"""The OpenAPI document, which every request with parameters asks for."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI

from service.gateway import openapi


def test_the_first_requests_at_once_make_the_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def slowly(**_: Any) -> dict[str, Any]:
        made.append(1)
        time.sleep(0.05)  # others ask meanwhile
        return {"paths": {}}

    monkeypatch.setattr(openapi, "get_openapi", slowly)
    app = FastAPI()
    with ThreadPoolExecutor(4) as threads:
        documents = list(threads.map(openapi.document, [app] * 4))
    assert len(made) == 1
    assert all(each is documents[0] for each in documents)
