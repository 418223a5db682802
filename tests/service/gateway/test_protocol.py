"""What is no HTTP, never ends or breaks off, on raw connections."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from service.errors import MalformedRequest
from service.gateway.middleware import BodyLimit
from service.gateway.protocol import ProblemProtocol


class HastyProtocol(ProblemProtocol):
    head_timeout_s = 0.3


async def slow_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, of which a half second is allowed; tells what it was refused with."""

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        status, text = 200, b"read"
        try:
            while (await receive()).get("more_body"):
                pass
        except MalformedRequest as error:
            status, text = 400, error.detail.encode()
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    await BodyLimit(read, max_bytes=100, max_seconds=0.5)(scope, receive, send)


@pytest.fixture(scope="module")
def hasty_port() -> Iterator[int]:
    """A server that gives little time."""
    config = uvicorn.Config(
        slow_body, port=0, http=HastyProtocol, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def answer(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """All that comes back, once the server has closed the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def problem_of(received: bytes) -> dict:
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 400 bad request"
    assert b"content-type: application/problem+json" in lines
    assert b"connection: close" in lines
    problem: dict = json.loads(body)
    assert b"x-request-id: " + problem["request_id"].encode() in lines
    assert problem["code"] == "malformed_request"
    return problem


@pytest.mark.parametrize(
    ("request_bytes", "cause"),
    [
        (b"\0\1\2\r\n\r\n", "method"),
        (b"GET /livez HTTP/9.9\r\n\r\n", "version"),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "url"),
        (b"GET /livez NOTHTTP/1.1\r\n\r\n", "HTTP/"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", "header value"),
        (
            b"POST /encode HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "Duplicate",
        ),
        (
            b"POST / HTTP/1.1\r\nHost:a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsolid\r\nzz\r\n",
            "chunk size",
        ),
    ],
)
def test_what_is_no_http_is_a_problem(gateway_url: str, request_bytes: bytes, cause: str) -> None:
    problem = problem_of(answer(httpx.URL(gateway_url).port, request_bytes))
    assert problem["detail"].startswith("This is no HTTP request: ")
    assert cause in problem["detail"]


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: a\r\nhost: b\r\n"]
)
def test_a_request_has_one_host(gateway_url: str, hosts: bytes) -> None:
    head = b"GET /livez HTTP/1.1\r\n" + hosts + b"\r\n"
    problem = problem_of(answer(httpx.URL(gateway_url).port, head))
    assert problem["detail"].startswith("A request has one Host header, not ")


def test_an_old_request_needs_no_host(gateway_url: str) -> None:
    received = answer(httpx.URL(gateway_url).port, b"GET /livez HTTP/1.0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200")


def count_of_refusals(gateway_url: str) -> float:
    name = 'lagem_http_requests_total{method="unknown",route="unmatched",status="400"}'
    lines = httpx.get(f"{gateway_url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_what_is_no_http_is_counted_and_logged(gateway_url: str) -> None:
    before = count_of_refusals(gateway_url)
    with capture_logs() as logs:
        problem = problem_of(answer(httpx.URL(gateway_url).port, b"\0\r\n\r\n"))
    (line,) = [each for each in logs if each["event"] == "request"]
    assert (line["status"], line["code"], line["detail"]) == (
        *(400, "malformed_request"),
        problem["detail"],
    )
    assert line["request_id"] == problem["request_id"]
    assert count_of_refusals(gateway_url) == before + 1


def test_a_server_without_metrics_logs_what_it_refuses(hasty_port: int) -> None:
    with capture_logs() as logs:
        problem = problem_of(answer(hasty_port))
    assert [line["request_id"] for line in logs] == [problem["request_id"]]


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"a"),
        (b"GET /livez HTTP/1.1\r\nX: ", b"a"),
        (b"GET /livez HTTP/1.1\r\n", b"A: b\r\n"),
        (b"POST /generate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    ],
)
def test_a_head_that_goes_on_and_on_is_refused(gateway_url: str, start: bytes, more: bytes) -> None:
    filler = more * (40_000 // len(more))  # what is on its way when the server closes is reset
    problem = problem_of(answer(httpx.URL(gateway_url).port, start, filler, filler, pause=0.05))
    assert "larger than 65,536 bytes" in problem["detail"]


def test_a_head_of_many_pieces_is_read(gateway_url: str) -> None:
    pieces = (
        b"GET /livez HTTP/1.1\r\nHost: a\r\nConn",
        b"ection: close\r\nX: ",
        b"a" * 30_000,
        b"\r\n\r\n",
    )
    assert answer(httpx.URL(gateway_url).port, *pieces, pause=0.02).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("pieces", [(), (b"GET / HT",), (b"GET / HTTP/1.1\r\nA: b\r\n",)])
def test_a_head_that_does_not_come_is_not_waited_for(
    hasty_port: int, pieces: tuple[bytes, ...]
) -> None:
    assert "within 0.3 seconds" in problem_of(answer(hasty_port, *pieces))["detail"]


def test_a_body_may_come_later_than_a_head_but_not_at_any_time(hasty_port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    assert answer(hasty_port, head, *(b"abc",) * 3, pause=0.12).endswith(b"read")
    refused = answer(hasty_port, head.replace(b"Connection: close\r\n", b""), b"abc")
    assert refused.endswith(b"The body took more than 0.5 seconds to arrive.")
    assert b"connection: close" in refused.lower()


@pytest.mark.parametrize("form", [b"", b"Content-Type: multipart/form-data; boundary=B\r\n"])
async def test_an_upload_that_breaks_off_is_no_defect(
    client: httpx.AsyncClient, gateway_url: str, form: bytes
) -> None:
    def line(text: str) -> float:
        name = 'lagem_http_requests_total{method="POST",route="/encode",status="%s"}'
        values = {s: [x for x in text.splitlines() if x.startswith(name % s)] for s in (499, 500)}
        assert not values[500], values
        return float(values[499][0].split()[-1]) if values[499] else 0.0

    before = line((await client.get("/metrics")).text)
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(gateway_url).port)
        writer.write(
            b"POST /encode HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n" + form + b"\r\n--B\r\n"
        )
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        end = time.monotonic() + 5
        while line((await client.get("/metrics")).text) == before:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
    assert "request failed" not in [entry["event"] for entry in logs]
