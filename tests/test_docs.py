"""Nothing that callers or operators can meet is missing from docs/."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.contract import (
    DecodeRequest,
    EncodeRequest,
    GenerateRequest,
    JobsRequest,
    LatentsFileRequest,
    ResampleRequest,
)
from service.errors import ErrorCode
from service.gateway.routes import docs, events, jobs, operations, shapes, system
from service.settings import variable_names
from service.telemetry import GatewayMetrics, WorkerMetrics

DOCS = Path(__file__).parent.parent / "docs"
REQUESTS = (
    DecodeRequest,
    EncodeRequest,
    GenerateRequest,
    JobsRequest,
    LatentsFileRequest,
    ResampleRequest,
)


def metrics() -> dict[str, str]:
    """Which process shows each metric."""
    of: dict[str, str] = {}
    for process, kind in (("gateway", GatewayMetrics), ("worker", WorkerMetrics)):
        for family in kind(CollectorRegistry(), version="0").registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            of[name] = "both" if name in of else process
    return of


def routes() -> Iterator[str]:
    for router in (operations, shapes, jobs, events, system, docs):
        for route in router.router.routes:
            path: str = route.path  # type: ignore[attr-defined]
            yield path.replace("{shape_id}", "{id}").replace("{job_id}", "{id}")


@pytest.mark.parametrize("code", ErrorCode)
def test_each_error_code_is_described(code: ErrorCode) -> None:
    assert f"| `{code}` |" in (DOCS / "api.md").read_text()


@pytest.mark.parametrize(
    "name", sorted({name for request in REQUESTS for name in request.model_fields})
)
def test_each_parameter_is_described(name: str) -> None:
    assert f"`{name}`" in (DOCS / "api.md").read_text()


@pytest.mark.parametrize("path", sorted(set(routes())))
def test_each_route_is_described(path: str) -> None:
    assert (
        f"{path}`" in (DOCS / "api.md").read_text() or f"{path}?" in (DOCS / "api.md").read_text()
    )


@pytest.mark.parametrize("name", variable_names())
def test_each_setting_is_described(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "operations.md").read_text()


@pytest.mark.parametrize(("name", "process"), sorted(metrics().items()))
def test_each_metric_is_described_with_its_place(name: str, process: str) -> None:
    assert f"| `{name}` | {process} |" in (DOCS / "operations.md").read_text()
