"""Headers that are malformed, repeated, huge, or contradict each other."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.gateway import Gateway

FEW = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))

_BYTES = st.binary(max_size=40).map(
    lambda value: value.translate(None, bytes([*range(9), *range(10, 32), 127])).strip()
)
_PARTS: dict[str, list[bytes]] = {
    "Prefer": [
        *(
            b"respond-async",
            b"wait",
            b"wait=0",
            b"wait=-1",
            b"wait=1e9",
            b'wait="1"',
            b"wait=1;a=b",
        ),
        *(
            b"wait=99999999999999999999999",
            b"=",
            b"wait==1",
            b"return=minimal",
            b"WAIT = 0",
            b"\xb2",
        ),
    ],
    "Accept": [
        *(b"*/*", b"model/*", b"application/zip", b"application/json;q=0", b"model/obj;q=1e999"),
        *(b"model/ply;q=nan", b"model/stl;q=-1", b";q=1", b"/", b"*", b"model/gltf-binary", b"a/b"),
        *(b"text/event-stream", b"application/json;q=0.0001", b"application/json; profile=x"),
    ],
    "Content-Type": [
        *(b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=B", b"/"),
        *(
            b"multipart/form-data; boundary=",
            b'multipart/form-data; boundary="',
            b"model/obj",
            b";",
        ),
        *(b"application/x-www-form-urlencoded", b"multipart/mixed; boundary=B", b"text/plain"),
        *(
            b"multipart/form-data; boundary=B; charset=undefined",
            b"multipart/form-data; boundary*=B",
        ),
        b"multipart/form-data; boundary=" + b"B" * 500,
    ],
    "Idempotency-Key": [b"", b" ", b"a", b"a" * 255, b"a" * 256, b"\xe9", b"*", b"a b", b'""'],
    "Last-Event-ID": [b"", b"-1", b"0", b"1e3", b"\xb2", b"9" * 15, b"9" * 16, b"+1", b"0x1"],
    "X-Request-Id": [
        b"",
        b"a" * 128,
        b"a" * 129,
        b"a b",
        b"<script>",
        b"a%0d%0ab",
        b"\xe9",
        b"...",
    ],
    "If-None-Match": [b"*", b'""', b'W/"a"', b",,,", b'"' * 99],
    "Authorization": [b"Bearer", b"Bearer ", b"Basic !!", b"\xff", b"Bearer " + b"a" * 9000],
    "X-API-Key": [b"", b"\xff", b"a" * 9000],
    "Expect": [b"100-continue", b"200-ok"],
    "Range": [b"bytes=0-0", b"bytes=-1", b"bytes=9-1,", b"lines=1"],
    "Content-Encoding": [b"gzip", b"br", b"identity", b"zip, gzip"],
    "Connection": [b"Upgrade", b"close", b"keep-alive, X"],
    "Upgrade": [b"websocket", b"h2c", b"\xff"],
    "Cookie": [b"a", b"=", b"a=" + b"b" * 9000],
    "X-Forwarded-For": [b"\xff", b"1.1.1.1, ,"],
    "traceparent": [b"00-0-0-00", b"\xff", b"a" * 3000],
}
_OF_A_PART = b", "


@st.composite
def headers(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """A few headers; some come twice."""
    found = []
    for name in draw(st.lists(st.sampled_from(sorted(_PARTS)), min_size=1, max_size=4)):
        parts = st.lists(st.sampled_from(_PARTS[name]) | _BYTES, max_size=3).map(_OF_A_PART.join)
        value = draw(st.sampled_from(_PARTS[name]) | parts)
        found.append((name.encode(), value.strip()))
    return found


TARGETS = st.sampled_from(
    [
        *("POST /generate?category=table&seed=1", "POST /encode", "POST /decode", "GET /models"),
        *("GET /jobs", "GET /jobs/job_x/events", "DELETE /jobs/job_x", "GET /shapes/shp_x/latents"),
    ]
)
BODIES = st.sampled_from([b"", b"--B\r\n\r\n--B--", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"])


def check(gateway: Gateway, target: str, given: list[tuple[bytes, bytes]], body: bytes) -> None:
    method, _, path = target.partition(" ")
    content = body if path == "/encode" or path == "/decode" else None
    for _ in range(2):  # a key may find what it made
        gateway.ask(method, path, headers=given, content=content)


@FEW
@given(target=TARGETS, given=headers(), body=BODIES)
def test_a_few_malformed_headers(
    gateway: Gateway, target: str, given: list[tuple[bytes, bytes]], body: bytes
) -> None:
    check(gateway, target, given, body)


@pytest.mark.slow
@MANY
@given(target=TARGETS, given=headers(), body=BODIES)
def test_many_malformed_headers(
    gateway: Gateway, target: str, given: list[tuple[bytes, bytes]], body: bytes
) -> None:
    check(gateway, target, given, body)


_DISPOSITIONS = st.sampled_from(
    [
        *(
            b'form-data; name="file"; filename="a.obj"',
            b'form-data; name="file"',
            b"form-data",
            b"",
        ),
        *(
            b'form-data; name="file"; filename=""',
            b'form-data; name=""; filename="a"',
            b"attachment",
        ),
        *(
            b'form-data; name="\xff"; filename="\xff\x00"',
            b'form-data; name="file"; filename="\xff"',
        ),
        *(
            b"form-data; name*=utf-8''file; filename*=x''%ff",
            b'form-data; name="file"; filename="..',
        ),
        b'form-data; name="file"; filename="' + b"a" * 3000 + b'"',
        b'form-data; name="' + b"n" * 3000 + b'"',
    ]
)
_ENDS = st.sampled_from(
    [b"\r\n--B--\r\n", b"\r\n--B--", b"\r\n--B", b"", b"\r\n--C--\r\n", b"\n--B--"]
)


@FEW
@given(
    parts=st.lists(st.tuples(_DISPOSITIONS, _BYTES | BODIES), max_size=12),
    end=_ENDS,
    begin=st.sampled_from([b"--B\r\n", b"", b"\r\n--B\r\n", b"preamble\r\n--B\r\n", b"--B"]),
)
def test_malformed_forms(
    gateway: Gateway, parts: list[tuple[bytes, bytes]], end: bytes, begin: bytes
) -> None:
    body = begin + b"\r\n--B\r\n".join(
        b"Content-Disposition: " + disposition + b"\r\nContent-Type: \xff/\r\n\r\n" + content
        for disposition, content in parts
    )
    content_type = {"Content-Type": "multipart/form-data; boundary=B"}
    gateway.ask("POST", "/encode", content=body + end, headers=content_type)


def test_a_form_with_thousands_of_parts(gateway: Gateway) -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nv\r\n'
    many = b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nv\r\n'
    headers = b"--B\r\n" + b"A: b\r\n" * 100_000
    content_type = {"Content-Type": "multipart/form-data; boundary=B"}
    for body in (part * 9000, many * 9000, headers, b"--B\r\n" + b"a" * 10**6, b"\r\n" * 10**6):
        answer = gateway.ask("POST", "/encode", content=body, headers=content_type)
        assert answer.status_code in (400, 422)


def test_a_repeated_request_id_is_not_passed_on_twice(gateway: Gateway) -> None:
    response = gateway.client.get(
        "/livez", headers=[("X-Request-Id", "first"), ("X-Request-Id", "second")]
    )
    assert response.headers.get_list("x-request-id") == ["first"]
    assert isinstance(response, httpx.Response)
