"""Query parameters and paths: unknown, repeated, empty, huge, not numbers, not text."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.gateway import Gateway

FEW = settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))

NAMES = [
    *("category", "seed", "n", "keep_level", "steps", "guidance", "resolution", "format", "space"),
    *(
        "target_faces",
        "exhaustive",
        "shape",
        "any_weights",
        "filename",
        "level3",
        "level2",
        "level1",
    ),
    *("after", "limit", "order", "state"),
]
VALUES = [
    *("", " ", "0", "-0", "-0.0", "1", "-1", "7", "32", "512", "513", "1e999", "-1e999", "NaN"),
    *("inf", "1e3", "0x10", "1_0", "07", "+7", " 7 ", "7.0", "7.5", "18446744073709551615", "2e1"),
    *("18446744073709551616", "9" * 5000, "true", "yes", "None", "null", "[]", "[1]", "{}", "1,2"),
    *("table", "TABLE", "glb", "GLB", "shp_", "shp_x:children", "../x", "*", "job_" + "0" * 26),
    *(
        "\0",
        "table\0",
        "\n",
        "\u202e",
        "\u0660",
        "\uff11",
        "é" * 100,
        "🪑",
        "a" * 70_000,
        "%",
        "%00",
    ),
    *("'; DROP TABLE", "<script>", "{{7*7}}", "${x}", "lg:job:x", "queued", "asc", "input", "3"),
]
RAW = [
    "%",
    "%zz",
    "%00",
    "%ff",
    "%c0%af",
    "+",
    "a=b=c",
    "&",
    "=",
    "%0d%0aX:1",
    "%ed%a0%80",
    "%26",
    ";",
]
PATHS = [
    *(
        "POST /generate",
        "POST /encode",
        "POST /decode",
        "POST /resample",
        "GET /jobs",
        "GET /models",
    ),
    *("GET /shapes/shp_x/mesh", "GET /shapes/shp_x/latents", "GET /jobs/job_x", "GET /livez"),
    *(
        "DELETE /jobs/job_x",
        "GET /shapes/shp_x/tree",
        "POST /v1/generate",
        "GET /v1/jobs",
        "GET /docs",
    ),
]

_NAME = st.sampled_from(NAMES) | st.sampled_from(["x", "seed[]", "Seed", "seed ", "", "n\0", "é"])
_VALUE = st.sampled_from(VALUES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_PAIR = st.builds(lambda name, value: f"{quote(name)}={quote(value)}", _NAME, _VALUE)
QUERIES = st.lists(_PAIR | st.sampled_from(RAW), min_size=1, max_size=4).map("&".join)


def check(gateway: Gateway, target: str, query: str) -> None:
    method, _, path = target.partition(" ")
    if len(query) < 60_000:  # beyond that the head is too large: another test
        gateway.ask(method, f"{path}?{query}")


@FEW
@given(target=st.sampled_from(PATHS), query=QUERIES)
def test_a_few_odd_queries(gateway: Gateway, target: str, query: str) -> None:
    check(gateway, target, query)


@pytest.mark.slow
@MANY
@given(target=st.sampled_from(PATHS), query=QUERIES)
def test_many_odd_queries(gateway: Gateway, target: str, query: str) -> None:
    check(gateway, target, query)


@FEW
@given(
    name=st.sampled_from(NAMES[:9]),
    value=_VALUE.filter(lambda value: len(value) < 9000),
    seed=st.integers(0, 2**64 - 1),
)
def test_one_odd_parameter_among_good_ones(
    gateway: Gateway, name: str, value: str, seed: int
) -> None:
    good = {"category": "table", "seed": str(seed), "n": "1", "resolution": "32"}
    gateway.ask("POST", "/generate", params=good | {name: value})


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "inf", "-0.1", "[1]", "", "1,5"])
@pytest.mark.parametrize("name", ["guidance", "seed", "n", "steps", "resolution"])
def test_what_is_no_number_is_named(gateway: Gateway, name: str, value: str) -> None:
    answer = gateway.ask("POST", "/generate", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["param"] == name
    assert name in answer.json()["detail"]


def test_negative_zero_is_zero(gateway: Gateway) -> None:
    asked = {"category": "table", "seed": "-0", "guidance": "-0.0"}
    answer = gateway.ask("POST", "/generate", params=asked)
    assert answer.status_code == 200
    assert (answer.json()["input"]["seed"], answer.json()["input"]["guidance"]) == (0, 0)


@FEW
@given(
    kind=st.sampled_from(
        ["/shapes/{}", "/shapes/{}/mesh", "/shapes/{}/tree", "/jobs/{}", "/{}", "/v1/{}"]
    ),
    value=st.one_of(
        st.text(min_size=1, max_size=30).map(
            lambda text: quote(text.encode("utf-8", "replace"), safe="")
        ),
        st.sampled_from([quote(value, safe="") for value in VALUES if 0 < len(value) < 9000]),
        st.sampled_from(["%ff", "%00", "%2e%2e%2f", "%0a", "%ed%a0%80", "%25", "a%2fb", "..%2f.."]),
    ),
)
def test_odd_paths(gateway: Gateway, kind: str, value: str) -> None:
    gateway.ask("GET", kind.format(value))


def test_a_query_of_many_parameters(gateway: Gateway) -> None:
    many = "&".join(f"a{i}=" for i in range(6000))
    same = "&".join("seed=1" for _ in range(6000))
    for query in (many, same, "&" * 50_000):
        gateway.ask("POST", f"/generate?{query}")
