"""Metric names and log fields, each declared once."""

import logging
import sys
from enum import StrEnum
from functools import partial
from typing import TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_JOB_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class LogField(StrEnum):
    """Names of the fields that log lines share across processes."""

    REQUEST_ID = "request_id"
    JOB_ID = "job_id"
    ATTEMPT = "attempt"
    OPERATION = "operation"
    WORKER = "worker"
    TENANT = "tenant"
    CODE = "code"


class GatewayMetrics:
    """What a gateway measures.

    Args:
        registry: one a process; ``/metrics`` shows it.
        version: of the program, for ``lagem_build_info``.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.registry = registry
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.http_requests = counter(
            "lagem_http_requests_total", "REST requests answered.", ("method", "route", "status")
        )
        self.http_request_duration = histogram(
            "lagem_http_request_duration_seconds",
            "Time from the first byte of a REST request to the last of its response.",
            ("method", "route"),
            buckets=_REQUEST_BUCKETS,
        )
        self.grpc_requests = counter(
            "lagem_grpc_requests_total", "gRPC calls answered.", ("method", "code")
        )
        self.jobs_submitted = counter("lagem_jobs_submitted_total", "Jobs accepted.", ("op",))
        self.jobs_rejected = counter(
            "lagem_jobs_rejected_total", "Submissions refused, by error code.", ("reason",)
        )
        self.queue_entries = gauge(
            "lagem_queue_entries", "Jobs waiting or running.", ("op", "priority")
        )
        self.queue_oldest_age = gauge(
            "lagem_queue_oldest_age_seconds", "Age of the oldest job waiting or running.", ("op",)
        )
        _build_info(registry, version=version, process="gateway")


class WorkerMetrics:
    """What a worker measures; arguments as for ``GatewayMetrics``."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.registry = registry
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.jobs_finished = counter(
            "lagem_jobs_finished_total", "Jobs brought to a terminal state.", ("op", "state")
        )
        self.jobs_redelivered = counter(
            "lagem_jobs_redelivered_total", "Jobs started again after an attempt that did not end."
        )
        self.results_fenced = counter(
            "lagem_results_fenced_total",
            "Results refused because the job belonged to another attempt.",
        )
        self.job_wait = histogram(
            "lagem_job_wait_seconds",
            "Time from submission to the start of an attempt.",
            ("op",),
            buckets=_JOB_BUCKETS,
        )
        self.job_run = histogram(
            "lagem_job_run_seconds",
            "Time a job spent in a stage.",
            ("op", "stage"),
            buckets=_JOB_BUCKETS,
        )
        self.batch_size = histogram(
            "lagem_batch_size", "Jobs run together.", ("op",), buckets=_BATCH_BUCKETS
        )
        self.shapes_computed = counter(
            "lagem_shapes_computed_total",
            "Shapes whose latents the model made: encoded or sampled.",
            ("op",),
        )
        self.shapes_reused = counter(
            "lagem_shapes_reused_total",
            "Shapes of succeeded jobs whose latents another equal request had made.",
            ("op",),
        )
        self.slots = gauge("lagem_worker_slots", "Jobs this worker can hold.")
        self.gpu_memory = gauge(
            "lagem_gpu_memory_bytes", "Device memory of the model process.", ("kind",)
        )
        _build_info(registry, version=version, process="worker")


def configure_logging(level: str, stream: TextIO = sys.stderr) -> None:
    """Write one JSON object a line: time (RFC 3339, UTC), level, event, bound context, fields.

    Lines of the standard library's loggers (uvicorn, grpc) take the same form.

    Args:
        level: debug, info, warning or error.
        stream: where the lines go.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _build_info(registry: CollectorRegistry, *, version: str, process: str) -> None:
    info = Gauge(
        "lagem_build_info", "Always 1; the labels tell.", ("version", "process"), registry=registry
    )
    info.labels(version=version, process=process).set(1)
