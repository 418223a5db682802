"""The two clients themselves: alike, light, and clear about whom they speak to."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from typing import Any

import httpx
import pytest

from service.client import AsyncLagemClient, LagemClient, RetryPolicy, UnexpectedAnswer
from service.client.address import KEY_VARIABLE, URL_VARIABLE
from service.errors import Forbidden, InternalError, NotFound, Unauthenticated
from service.settings import CLIENT_VARIABLES
from tests.service.client.conftest import Connect

ONCE = RetryPolicy(tries=1)
CATEGORIES = {"categories": [{"name": "table"}]}


def public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    blocking, asynchronous = public(LagemClient), public(AsyncLagemClient)
    assert blocking.keys() == asynchronous.keys()
    for name, method in blocking.items():
        if name == "base_url":
            continue
        own, other = inspect.signature(method), inspect.signature(asynchronous[name])
        assert own.parameters == other.parameters
        if name != "watch":
            assert own.return_annotation == other.return_annotation
            assert inspect.iscoroutinefunction(asynchronous[name])
        assert method.__doc__
        assert method.__name__ == asynchronous[name].__name__ == name


def test_importing_the_client_loads_no_torch_and_no_server() -> None:
    code = (
        "import sys, service.client\n"
        "heavy = {'torch', 'numba', 'fastapi', 'redis', 'service.gateway', 'service.jobqueue'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_the_blocking_client_works_within_a_running_loop() -> None:
    asyncio.get_running_loop()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=CATEGORIES))
    with LagemClient("http://server", transport=transport) as client:
        assert client.categories() == ["table"]


def test_an_asynchronous_client_may_be_made_before_there_is_a_loop() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=CATEGORIES))
    client = AsyncLagemClient("http://server", transport=transport)

    async def ask() -> list[str]:
        async with client:
            return await client.categories()

    assert asyncio.run(ask()) == ["table"]


async def test_the_key_is_a_bearer_and_the_path_of_the_address_stays(connect: Connect) -> None:
    seen: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=CATEGORIES)

    client = await connect(
        base_url="https://server/lagem/", api_key="secret", transport=httpx.MockTransport(serve)
    )
    await client.categories()
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert seen[0].headers["user-agent"].startswith("lagem-client/")
    assert str(seen[0].url) == "https://server/lagem/categories"


def test_the_environment_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert LagemClient().base_url == "http://localhost:8000"
    assert "authorization" not in LagemClient()._http.headers
    monkeypatch.setenv(URL_VARIABLE, "http://elsewhere:1")
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    client = AsyncLagemClient()
    assert client.base_url == "http://elsewhere:1"
    assert client._http.headers["authorization"] == "Bearer secret"
    assert LagemClient("http://here", "other").base_url == "http://here"


def test_the_server_knows_the_client_s_variables() -> None:
    assert {URL_VARIABLE, KEY_VARIABLE} == set(CLIENT_VARIABLES)


@pytest.mark.parametrize("kind", [LagemClient, AsyncLagemClient])
def test_addresses_and_keys_that_cannot_be_are_refused_at_once(kind: Any) -> None:
    with pytest.raises(ValueError, match="base_url must begin with http://"):
        kind("localhost:8000")
    with pytest.raises(ValueError, match="api_key"):
        kind("http://server", "secret\n")
    with pytest.raises(ValueError, match="timeout must be seconds"):
        kind("http://server", timeout=-1)


HTML = {"content-type": "text/html"}


@pytest.mark.parametrize(
    ("response", "expected", "words"),
    [
        (httpx.Response(200, text="<html>"), UnexpectedAnswer, "Is base_url right"),
        (httpx.Response(404, headers=HTML, text="<html>"), NotFound, "answered 404"),
        (httpx.Response(401), Unauthenticated, "answered 401"),
        (httpx.Response(403), Forbidden, "answered 403"),
        (httpx.Response(500), InternalError, "answered 500"),
        (httpx.Response(418), UnexpectedAnswer, "answered 418"),
        (
            httpx.Response(301, headers={"location": "https://new/"}),
            UnexpectedAnswer,
            "https://new/",
        ),
        (
            httpx.Response(404, headers={"content-type": "application/problem+json"}, text="{}"),
            NotFound,
            "answered 404",
        ),
    ],
)
async def test_another_server_s_answers_are_told_from_this_one_s(
    connect: Connect, response: httpx.Response, expected: type[Exception], words: str
) -> None:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(
            response.status_code, headers=response.headers, content=response.content
        )
    )
    client = await connect(base_url="http://server", transport=transport, retries=ONCE)
    with pytest.raises(expected, match=words):
        await client.categories()


async def test_a_newer_server_s_code_becomes_the_error_of_its_status(connect: Connect) -> None:
    body = {
        "type": "t", "title": "t", "status": 404, "detail": "Gone.", "instance": "/",
        "code": "evaporated", "suggestion": None, "param": None, "retryable": False,
        "request_id": "req_1", "job": None,
    }  # fmt: skip
    headers = {"content-type": "application/problem+json"}
    transport = httpx.MockTransport(lambda _: httpx.Response(404, headers=headers, json=body))
    client = await connect(base_url="http://server", transport=transport)
    with pytest.raises(NotFound, match=r"Gone\. \(evaporated\)") as caught:
        await client.categories()
    assert caught.value.request_id == "req_1"
