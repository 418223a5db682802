"""schemathesis: requests made from the OpenAPI document, answers held against it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import checks

from service.gateway.app import create_app
from service.settings import GatewaySettings
from tests.fuzz.answers import check_parts
from tests.fuzz.gateway import Gateway

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def _operations() -> dict[str, Any]:
    settings = GatewaySettings(redis_url="unix://nowhere")
    document = create_app(settings, asyncio.Event()).openapi()
    schema = schemathesis.openapi.from_dict(document).exclude(path_regex="/events$")
    found = [result.ok() for result in schema.get_all_operations()]
    return {f"{operation.method} {operation.path}": operation for operation in found}


OPERATIONS = _operations()
EVERY_ROUTE = pytest.mark.parametrize("name", OPERATIONS)


@pytest.fixture(scope="module")
def known(shared_gateway: Gateway) -> dict[str, str]:
    """Ids of things that exist."""
    job = shared_gateway.ask("POST", "/generate", params={"category": "table"}).json()
    return {"job_id": job["id"], "shape_id": job["shapes"][0]["id"]}


def check(gateway: Gateway, known: dict[str, str], name: str, data: Any) -> None:
    case = data.draw(OPERATIONS[name].as_strategy())
    for parameters, own in ((case.path_parameters, "shape_id"), (case.query, "shape")):
        if parameters and own in parameters and data.draw(st.booleans()):
            parameters[own] = known["shape_id"]
    if case.path_parameters and "job_id" in case.path_parameters and data.draw(st.booleans()):
        case.path_parameters["job_id"] = known["job_id"]
    response = case.call_and_validate(base_url=gateway.url, checks=CHECKS, timeout=60)
    headers = {name: values[0] for name, values in response.headers.items()}
    check_parts(response.status_code, headers, response.content.decode(errors="replace"))


@EVERY_ROUTE
@settings(max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_few_requests_of_each_route(
    shared_gateway: Gateway, known: dict[str, str], name: str, data: Any
) -> None:
    check(shared_gateway, known, name, data)


@pytest.mark.slow
@EVERY_ROUTE
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_many_requests_of_each_route(
    gateway: Gateway, known: dict[str, str], name: str, data: Any
) -> None:
    check(gateway, known, name, data)


def test_all_is_well_after_them(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/readyz").status_code == 200
