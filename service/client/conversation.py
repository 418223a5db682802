"""How the client talks: submissions that never run twice, jobs followed to their end, downloads."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import uuid4

import httpx
from pydantic import BaseModel

from service.client.answers import error_of, failure_of, parsed
from service.client.effects import Call, Emit, Sleep, Steps, opened, read, unwatched
from service.client.errors import JobPending, UnexpectedAnswer
from service.client.events import (
    ArtifactEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    Frame,
    FrameReader,
    ProgressEvent,
    StatusEvent,
)
from service.client.results import ShapeFiles
from service.client.retries import Retrying, RetryPolicy, asked_delay, exchange, worth_retrying
from service.contract import MAX_WAIT_S, Artifact, Job, Shape
from service.errors import NotFound

_Model = TypeVar("_Model", bound=BaseModel)

JobRef = str | Job
"""A job, or its id."""

_WAIT_S = min(MAX_WAIT_S, 25)  # for a job in one answer: proxies end those of 30 or 60 s
_GRACE_S = 60.0  # silence beyond the agreed wait: reading a large mesh comes before it
_SILENCE_S = 45.0  # of a stream of events; the server pings every 15 s
_FIRST_POLL_S, _LAST_POLL_S = 0.1, 1.0


def job_id_of(job: JobRef) -> str:
    """The id of a job.

    Raises:
        TypeError: it has none.
    """
    if isinstance(job, str | Job):
        return job if isinstance(job, str) else job.id
    raise TypeError(f"job must be an id or a Job, not {type(job).__name__}")


def path_of(*parts: str) -> str:
    """A path of parts that may hold anything."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def query(**values: str | float | bool | None) -> dict[str, str]:
    """Query parameters of those values that say something: the service has the defaults."""
    return {
        name: "true" if value is True else str(value)
        for name, value in values.items()
        if value is not None and value is not False
    }


class Conversation:
    """The ways in which calls are made.

    Args:
        policy: how often a call is tried.
        timeout: seconds that a submission waits for its job; None: until it ends.
    """

    def __init__(self, policy: RetryPolicy, timeout: float | None) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be seconds, or None to wait on, not {timeout}")
        self._policy = policy
        self._timeout = timeout

    def _get(
        self, model: type[_Model], path: str, params: Mapping[str, str] | None = None
    ) -> Steps[_Model]:
        response = yield from exchange(Call("GET", path, params or {}), self._policy)
        return parsed(model, response)

    def _submitted(self, call: Call, prefer: str = "respond-async") -> Steps[Job]:
        """The job of a submission, which carries a key: sent again, it is the same job."""
        headers = {**call.headers, "Idempotency-Key": uuid4().hex, "Prefer": prefer}
        response = yield from exchange(replace(call, headers=headers), self._policy)
        return parsed(Job, response)

    def _finished(self, call: Call) -> Steps[Job]:
        """The succeeded job of a submission.

        Raises:
            ServiceError: why it was not accepted, or did not succeed.
            JobPending: it goes on, and the time is up.
        """
        began = time.monotonic()
        wait = _WAIT_S if self._timeout is None else min(_WAIT_S, int(self._timeout))
        call = replace(call, read_s=wait + _GRACE_S)
        job = yield from self._submitted(call, prefer=f"wait={wait}")
        if job.state == "succeeded":
            return job
        if self._timeout is None:
            return (yield from self._ended(job))
        spent = time.monotonic() - began
        return (yield from self._polled(job, self._timeout - spent, self._timeout))

    def _ended(self, job: JobRef) -> Steps[Job]:
        """A job once it has succeeded.

        Raises:
            ServiceError: it failed, or was canceled.
        """
        job = yield from unwatched(self._followed(job, artifacts=False), lambda _: None)
        failure = failure_of(job)
        if failure is not None:
            raise failure
        return job

    def _polled(self, job: JobRef, seconds: float, told: float) -> Steps[Job]:
        """As ``_ended``, but no longer than some seconds, which a stream cannot promise.

        Raises:
            JobPending: the job goes on after ``seconds``; ``told`` is what the caller had asked.
        """
        job_id, end, pause = job_id_of(job), time.monotonic() + seconds, _FIRST_POLL_S
        path = path_of("jobs", job_id)
        while True:
            call, policy = Call("GET", path), self._policy.within(end - time.monotonic())
            found = parsed(Job, (yield from exchange(call, policy)))
            failure = failure_of(found)
            if failure is not None:
                raise failure
            if found.state == "succeeded":
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise JobPending(job_id, told)
            yield Sleep(min(pause, left))
            pause = min(pause * 1.5, _LAST_POLL_S)

    def _followed(self, job: JobRef, *, artifacts: bool) -> Steps[Job]:
        """Emit a job's events to the last one; a stream that breaks is gone on with.

        Returns:
            the job as the last event told it.

        Raises:
            NotFound: there is no such job.
            ServerUnreachable: the stream breaks each time, with nothing new in between.
        """
        job_id, seen = job_id_of(job), ""
        path = path_of("jobs", job_id, "events")
        retrying = Retrying(self._policy)
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": seen} if seen else {})
            answer = yield from opened(Call("GET", path, headers=headers, read_s=_SILENCE_S))
            if isinstance(answer, httpx.TransportError) or worth_retrying(answer):
                yield from retrying.pause(answer, asked_s=asked_delay(answer))
                continue
            if answer.status_code == 204:  # the end was told already, or there is no more to tell
                final = yield from self._get(Job, path_of("jobs", job_id))
                yield Emit(_job_event(Frame(_end_kind(final), int(seen or 0), ""), final))
                return final
            if answer.status_code != 200:
                raise error_of(answer)
            reader = FrameReader()
            while isinstance(chunk := (yield from read()), bytes):
                for frame in reader.feed(chunk):
                    seen = str(frame.id)
                    last = yield from self._emitted(frame, artifacts=artifacts)
                    if last is not None:
                        return last
            if reader.alive:
                retrying = Retrying(self._policy)
            yield from retrying.pause(chunk, asked_s=reader.retry_s if chunk is None else None)

    def _emitted(self, frame: Frame, *, artifacts: bool) -> Steps[Job | None]:
        """Emit what a frame tells; returns the job if that was the last one."""
        if frame.kind == "artifact":
            if artifacts:
                yield from self._emitted_artifact(frame)
            return None
        if frame.kind not in ("status", "progress", "done", "error"):
            return None  # a newer server tells more
        job = _read_frame(Job, frame)
        yield Emit(_job_event(frame, job))
        return job if frame.kind in ("done", "error") else None

    def _emitted_artifact(self, frame: Frame) -> Steps[None]:
        artifact = _read_frame(Artifact, frame)
        name = f"{artifact.sample}-{artifact.resolution}.{artifact.format}"
        path = path_of("jobs", artifact.job, "artifacts", name)
        try:
            if artifact.final:
                options = dict(parse_qsl(urlsplit(artifact.url).query))
                mesh_data = yield from self._mesh_file(artifact.shape, options)
            else:
                mesh_data = (yield from exchange(Call("GET", path), self._policy)).content
        except NotFound:
            return  # made way for the result, or for another attempt's; or expired
        yield Emit(ArtifactEvent(frame.id, artifact, mesh_data))

    def _mesh_file(self, shape_id: str, params: Mapping[str, str]) -> Steps[bytes]:
        """A mesh, which the server may have to make first."""
        headers = {"Idempotency-Key": uuid4().hex, "Prefer": f"wait={_WAIT_S}", "Accept": "*/*"}
        path = path_of("shapes", shape_id, "mesh")
        call = Call("GET", path, params, headers, read_s=_WAIT_S + _GRACE_S)
        while True:
            response = yield from exchange(call, self._policy)
            if response.status_code != 202:
                return response.content
            yield from self._ended(parsed(Job, response))

    def _latents_file(self, shape_id: str) -> Steps[bytes]:
        call = Call("GET", path_of("shapes", shape_id, "latents"), headers={"Accept": "*/*"})
        response = yield from exchange(call, self._policy)
        return response.content

    def _files(self, shape: Shape, job: Job | None) -> Steps[ShapeFiles]:
        """A shape with the mesh that its record names, and its latents."""
        mesh = shape.mesh
        options = query(
            format=mesh.format,
            resolution=mesh.resolution,
            target_faces=mesh.target_faces,
            exhaustive=mesh.exhaustive,
            space=mesh.space,
        )
        mesh_data = yield from self._mesh_file(shape.id, options)
        latents_data = yield from self._latents_file(shape.id)
        return ShapeFiles(shape, job, mesh_data, latents_data)


def _end_kind(job: Job) -> str:
    return "done" if job.state == "succeeded" else "error"


def _job_event(frame: Frame, job: Job) -> Event:
    match frame.kind:
        case "status":
            return StatusEvent(frame.id, job)
        case "progress":
            return ProgressEvent(frame.id, job)
        case "done":
            return DoneEvent(frame.id, job)
    failure = failure_of(job)
    if failure is None:
        raise UnexpectedAnswer(f"{job.id} ended with an error event in state {job.state}")
    return ErrorEvent(frame.id, job, failure)


def _read_frame(model: type[_Model], frame: Frame) -> _Model:
    try:
        return model.model_validate_json(frame.data)
    except ValueError as error:
        raise UnexpectedAnswer(
            f"an event is no {model.__name__} but {frame.data[:200]!r}. Is base_url right?"
        ) from error
