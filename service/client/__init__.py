"""The Python client: ``LagemClient``, and ``AsyncLagemClient`` with the same methods to await.

What a method does is written once, as a generator of effects (``core``), and knows no network. Two
thin drivers (``blocking``, ``asynchronous``) carry the effects out.
"""

from service.client.asynchronous import AsyncLagemClient
from service.client.blocking import LagemClient
from service.client.errors import ClientError, JobPending, ServerUnreachable, UnexpectedAnswer
from service.client.events import (
    ArtifactEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    ProgressEvent,
    StatusEvent,
)
from service.client.results import Result, Results
from service.client.retries import RetryPolicy

__all__ = [
    "ArtifactEvent",
    "AsyncLagemClient",
    "ClientError",
    "DoneEvent",
    "ErrorEvent",
    "Event",
    "JobPending",
    "LagemClient",
    "ProgressEvent",
    "Result",
    "Results",
    "RetryPolicy",
    "ServerUnreachable",
    "StatusEvent",
    "UnexpectedAnswer",
]
