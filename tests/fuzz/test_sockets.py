"""Raw connections: what is no HTTP, lies about its length, stalls, breaks off or never ends."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.answers import check_parts
from tests.fuzz.gateway import MAX_UPLOAD, Gateway
from tests.fuzz.mutations import BLIND, mutations, spoiled

FEW = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))

TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
FORM = (
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.obj"\r\n\r\n'
    + TRIANGLE
    + b"\r\n--B--\r\n"
)


def post(path: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join(
        [b"POST " + path + b" HTTP/1.1", b"Host: a", b"Connection: close", *headers, b"", body]
    )


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


REQUESTS = [
    b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /jobs?limit=2 HTTP/1.0\r\n\r\n",
    post(b"/encode", b"Content-Length: %d" % len(TRIANGLE), body=TRIANGLE),
    post(b"/generate?category=table", b"Prefer: wait=1", b"Content-Length: 0"),
    post(b"/encode", b"Transfer-Encoding: chunked", body=chunked(TRIANGLE[:9], TRIANGLE[9:], b"")),
    post(
        b"/encode",
        b"Content-Type: multipart/form-data; boundary=B",
        b"Content-Length: %d" % len(FORM),
        body=FORM,
    ),
    (
        b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
        b"GET /models HTTP/1.1\r\nHost: a:b:c\r\nConnection: close\r\n\r\n"
    ),
]
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


def check(received: bytes) -> None:
    """Every whole response on a connection is as responses must be."""
    place = 0
    while match := _HEAD.match(received, place):
        lines = (line.partition(": ") for line in match[2].decode("latin-1").split("\r\n") if line)
        headers = {name.lower(): value for name, _, value in lines}
        place = match.end() + int(headers.get("content-length", len(received)))
        if match[1] == b"100":
            place = match.end()
            continue
        text = received[match.end() : place].decode("utf-8", "replace")
        check_parts(int(match[1]), headers, text)
    assert place >= len(received), received[place : place + 200]


@pytest.mark.parametrize("request_bytes", REQUESTS)
def test_good_requests_are_answered(gateway: Gateway, request_bytes: bytes) -> None:
    received = gateway.answer(request_bytes, patience=20)
    assert received.startswith(b"HTTP/1.1 200")
    check(received)


@FEW
@given(request_bytes=st.sampled_from(REQUESTS), ways=mutations(BLIND))
def test_a_few_spoiled_requests(gateway: Gateway, request_bytes: bytes, ways: list) -> None:
    check(gateway.answer(spoiled(request_bytes, ways)))


@pytest.mark.slow
@MANY
@given(request_bytes=st.sampled_from(REQUESTS), ways=mutations(BLIND))
def test_many_spoiled_requests(gateway: Gateway, request_bytes: bytes, ways: list) -> None:
    check(gateway.answer(spoiled(request_bytes, ways)))


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: -1",),
        (b"Content-Length: +5",),
        (b"Content-Length: 0x5",),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: " + b"9" * 30,),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: gzip",),
        (b"Transfer-Encoding: chunked, identity",),
        (b"Transfer-Encoding : chunked",),
        (b"Content-Length: \xb2",),
    ],
)
def test_lengths_that_cannot_be(gateway: Gateway, headers: tuple[bytes, ...]) -> None:
    received = gateway.answer(post(b"/encode", *headers, body=b"hello"))
    assert b" 400 " in received[:20]
    check(received)


@pytest.mark.parametrize("declared", [len(TRIANGLE) - 9, len(TRIANGLE) + 9, MAX_UPLOAD + 1])
@pytest.mark.parametrize("path", [b"/encode", b"/decode", b"/generate"])
def test_lengths_that_lie(gateway: Gateway, path: bytes, declared: int) -> None:
    check(gateway.answer(post(path, b"Content-Length: %d" % declared, body=TRIANGLE)))


def test_a_body_that_is_shorter_than_declared_is_refused_in_time(gateway: Gateway) -> None:
    request = post(b"/encode", b"Content-Length: 99", body=TRIANGLE)
    received = gateway.answer(request, patience=20)
    assert b" 400 " in received[:20]
    assert b"took more than" in received
    check(received)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n",
        b"5\r\nhello world\r\n",
        b"ffffffffffffffffffff\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"5;a=" + b"b" * 70_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        chunked(b"hello"),
    ],
)
def test_chunks_that_are_broken(gateway: Gateway, body: bytes) -> None:
    check(gateway.answer(post(b"/encode", b"Transfer-Encoding: chunked", body=body)))


@pytest.mark.parametrize("path", [b"/encode", b"/decode?seed=1", b"/resample", b"/generate"])
def test_a_chunked_body_without_end_is_cut_short(gateway: Gateway, path: bytes) -> None:
    received, chunk = b"", chunked(bytes(2**16))
    with gateway.connect() as connection, contextlib.suppress(ConnectionError):
        # Kept alive, so that what is on its way does not reset the connection.
        head = post(path, b"Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"")
        connection.sendall(head)
        for _ in range(3 * MAX_UPLOAD // 2**16):
            connection.sendall(chunk)
        received = connection.recv(65536)
    assert received[9:12] in (b"413", b"400", b"422"), received
    assert json.loads(received.partition(b"\r\n\r\n")[2])["detail"]


@pytest.mark.parametrize("content_type", [b"model/obj", b"multipart/form-data; boundary=B"])
def test_uploads_that_break_off(gateway: Gateway, content_type: bytes) -> None:
    framings = (b"Content-Length: 9999", b"Transfer-Encoding: chunked")
    for framing in framings:
        for reset in (False, True):
            with gateway.connect() as connection:
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                head = post(b"/encode", b"Content-Type: " + content_type, framing)
                connection.sendall(head + (chunked(FORM[:60]) if b"chunked" in head else FORM[:60]))
                time.sleep(0.05)


def test_uploads_of_a_byte_now_and_then_do_not_last(gateway: Gateway) -> None:
    """Each gets its refusal; the others are served meanwhile."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(gateway.connect()) for _ in range(20)]
        for number, connection in enumerate(slow):
            path = (b"/encode", b"/decode", b"/generate")[number % 3]
            connection.sendall(post(path, b"Content-Length: 9999"))
        end = time.monotonic() + 15
        while slow and time.monotonic() < end:
            assert gateway.ask("GET", "/livez").status_code == 200
            for connection in list(slow):
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"v")
                connection.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    received = connection.recv(65536)
                    assert received[9:12] == b"400", received
                    slow.remove(connection)
            time.sleep(0.3)
        assert not slow


def test_idle_connections_do_not_keep_others_out(gateway: Gateway) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(100):
            connection = stack.enter_context(gateway.connect())
            connection.sendall((b"", b"GET", b"GET / HTTP/1.1\r\nA: ")[number % 3])
        gateway.check()


def test_callers_who_do_not_read_their_answers(gateway: Gateway) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(gateway.connect())
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        gateway.check()


def test_callers_who_leave_before_their_answer(gateway: Gateway) -> None:
    for path in (b"/generate?category=table", b"/encode"):
        body = TRIANGLE if path == b"/encode" else b""
        for _ in range(10):
            with gateway.connect() as connection:
                connection.sendall(post(path, b"Content-Length: %d" % len(body), body=body))
