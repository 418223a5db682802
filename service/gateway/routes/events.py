"""A job's events as server-sent events, and the meshes that they name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import Response, StreamingResponse

from service.errors import ErrorCode, InvalidParameter
from service.gateway.events import EventKind, JobEvent
from service.gateway.exchange import CallOf, file_response
from service.gateway.head import head_alone
from service.gateway.negotiation import MESH_TYPES, accept_of, check_accepts
from service.gateway.openapi import EVENT_STREAM, LOOKUP_PROBLEMS, MESH_FILE, problems
from service.gateway.state import GatewayOf

router = APIRouter(tags=["jobs"])

PING_S = 15.0
_RECONNECT = "retry: 1000\n\n"  # milliseconds
_MEDIA_TYPE = "text/event-stream"


def last_event_id(
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="`id` of the last event seen: go on from there, on any gateway.",
        ),
    ] = None,
) -> int:
    """The event to go on from; -1 for none.

    Raises:
        InvalidParameter: it is no id of an event.
    """
    if last_event_id is None or last_event_id == "":
        return -1
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16):
        raise InvalidParameter(
            f"Last-Event-ID must be the id of an event, not {last_event_id[:40]!r}.",
            suggestion="Send the id of the last event as it came, or leave the header out.",
            param="Last-Event-ID",
        )
    return int(last_event_id)


async def open_stream(gateway: GatewayOf, call: CallOf) -> AsyncIterator[None]:
    """Held until the response has been sent: one of the streams that the caller may have.

    Raises:
        RateLimited: the caller has as many as one may have.
    """
    with gateway.streams.opened(call):
        yield


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={
        **EVENT_STREAM,
        **LOOKUP_PROBLEMS,
        **problems(ErrorCode.NOT_ACCEPTABLE, ErrorCode.RATE_LIMITED),
    },
    dependencies=[Depends(open_stream)],
)
async def follow_job(
    job_id: str,
    request: Request,
    gateway: GatewayOf,
    call: CallOf,
    after: Annotated[int, Depends(last_event_id)],
) -> Response:
    """Follow a job: its state, progress and place in the queue, coarse meshes, and its end.

    Each event tells the whole job as it then is, so none is missed by missing one. The stream
    begins with the present state, and ends with `done` or `error`; where the server ends before the
    job does, `retry` says when to come back, with `Last-Event-ID`.
    """
    check_accepts(accept_of(request.headers), _MEDIA_TYPE)
    job = await gateway.jobs.get(job_id, call)
    if job.state.terminal and job.seq <= after:
        return Response(status_code=204)  # there is no more: browsers do not come back then
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.state.head:
        return head_alone(Response(media_type=_MEDIA_TYPE, headers=headers))
    events = gateway.events.follow(job_id, call, after=after)
    return StreamingResponse(_frames(events), media_type=_MEDIA_TYPE, headers=headers)


@router.get(
    "/jobs/{job_id}/artifacts/{sample}-{resolution}.glb",
    response_class=Response,
    responses={200: MESH_FILE, **LOOKUP_PROBLEMS},
)
async def get_artifact(
    job_id: str,
    sample: Annotated[int, Path(ge=0)],
    resolution: Annotated[int, Path(ge=1)],
    gateway: GatewayOf,
    call: CallOf,
) -> Response:
    """A mesh that an `artifact` event named: coarser than the result, there before it."""
    data = await gateway.jobs.artifact(job_id, sample, resolution, "glb", call)
    return file_response(data, MESH_TYPES["glb"], f"{job_id}-{sample}-{resolution}.glb")


async def _frames(events: AsyncIterator[JobEvent]) -> AsyncIterator[str]:
    """Events as lines of text, and a comment where there was none for a while.

    `retry` comes first, and once more where the stream ends before the job does.
    """
    yield _RECONNECT
    ended = False
    following = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait({following}, timeout=PING_S)
            if not following.done():
                yield ": ping\n\n"
                continue
            event = following.result()
            if event is None:
                if not ended:
                    yield _RECONNECT  # this process ends before the job does
                return
            ended = event.kind in (EventKind.DONE, EventKind.ERROR)
            yield f"event: {event.kind}\nid: {event.seq}\ndata: {event.data.model_dump_json()}\n\n"
            following = asyncio.ensure_future(anext(events, None))
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await events.aclose()  # type: ignore[attr-defined]
