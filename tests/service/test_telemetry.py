"""Metrics by name, logs as JSON."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from service.telemetry import GatewayMetrics, LogField, WorkerMetrics, configure_logging


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_gateway_metrics_have_their_published_names() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry, version="1.2.3")
    metrics.jobs_submitted.labels(op="encode").inc()
    metrics.queue_entries.labels(op="encode", priority="1").set(4)
    text = generate_latest(registry).decode()
    assert 'lagem_jobs_submitted_total{op="encode"} 1.0' in text
    assert 'lagem_queue_entries{op="encode",priority="1"} 4.0' in text
    assert 'lagem_build_info{process="gateway",version="1.2.3"} 1.0' in text


def test_worker_metrics_have_their_published_names() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, version="1.2.3")
    metrics.jobs_finished.labels(op="decode", state="succeeded").inc()
    metrics.job_run.labels(op="decode", stage="mesh").observe(0.2)
    text = generate_latest(registry).decode()
    assert 'lagem_jobs_finished_total{op="decode",state="succeeded"} 1.0' in text
    assert 'lagem_job_run_seconds_count{op="decode",stage="mesh"} 1.0' in text


def test_processes_do_not_share_metrics() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    GatewayMetrics(first, version="1").jobs_submitted.labels(op="encode").inc()
    GatewayMetrics(second, version="1")
    assert b'op="encode"' not in generate_latest(second)


def test_a_log_line_is_one_json_object(log: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(**{LogField.REQUEST_ID: "req-1"})
    structlog.get_logger("test").info("job submitted", **{LogField.JOB_ID: "job_1"})
    (line,) = log.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "event": "job submitted",
        "level": "info",
        "request_id": "req-1",
        "job_id": "job_1",
    }


def test_other_libraries_log_in_the_same_form(log: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("library").exception("it failed: %s", "badly")
    record = json.loads(log.getvalue())
    assert (record["event"], record["level"]) == ("it failed: badly", "error")
    assert "ValueError: broken" in record["exception"]


def test_less_severe_lines_are_not_written(log: io.StringIO) -> None:
    structlog.get_logger("test").debug("noise")
    logging.getLogger("library").debug("noise")
    assert log.getvalue() == ""
