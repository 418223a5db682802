"""Names under which a server without keys answers on a loopback address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from service.gateway.app import create_app
from service.settings import GatewaySettings
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LOCALHOST", "127.0.0.1", "127.1.2.3:9", "[::1]"),
        *("[::1]:8000", "app.localhost:80", "localhost.", "testserver", "gateway:8000"),
    ],
)
async def test_names_of_this_machine_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/livez", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("page.example", "page.example:8000", "localhost.page.example", "127.0.0.1.page.example"),
        *(
            "10.0.0.1:8000",
            "0.0.0.0",
            "[fe80::1]:8000",
            "[page.example]",
            "page.example.",
            "ai.",
            "a,b",
            "local host",
        ),
    ],
)
async def test_other_names_are_refused(
    client: httpx.AsyncClient, worker: FakeWorker, host: str
) -> None:
    for method, path in [("GET", "/jobs"), ("POST", "/generate"), ("GET", "/livez")]:
        response = await client.request(method, path, headers={"Host": host})
        assert code_of(response) == (421, "host_not_allowed")
        problem = response.json()
        assert problem["param"] == "Host"
        assert host in problem["detail"]
        assert "LAGEM_ALLOWED_HOSTS" in problem["suggestion"]
    assert worker.seen == []


async def test_a_page_that_rebinds_its_name_cannot_submit(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    headers = {"Host": "page.example:8000", "Origin": "http://page.example:8000"}
    response = await client.post("/generate", headers=headers)
    assert code_of(response) == (421, "host_not_allowed")
    assert worker.seen == []


async def status(settings: GatewaySettings, host: str) -> int:
    app = create_app(settings, asyncio.Event())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return (await client.get("/livez")).status_code


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 421),
        ({"allowed_hosts": "page.example, Other.Example"}, 200),
        ({"insecure": True}, 421),
        ({"api_keys": "a-key-of-some-length"}, 200),
        ({"host": "0.0.0.0", "insecure": True}, 200),
        ({"host": "::1"}, 421),
    ],
)
async def test_only_a_loopback_server_without_keys_looks_at_names(
    tmp_path: Path, fields: dict[str, object], expected: int
) -> None:
    settings = GatewaySettings(redis_url="unix:///nobody.sock", data_dir=tmp_path, **fields)
    assert await status(settings, "other.example") == expected
    assert await status(settings, "localhost") == 200


@pytest.mark.parametrize("value", ["http://page.example", "*", "page.example:80", "a/b"])
def test_an_allowed_host_is_a_name(value: str) -> None:
    with pytest.raises(ValueError, match="allowed_hosts"):
        GatewaySettings(allowed_hosts=value)
