"""What a caller may still submit, as header fields (draft-ietf-httpapi-ratelimit-headers-11)."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import QueueUnavailable
from service.gateway.submission import Call, JobService

_SUBMISSIONS = '"submissions"'
_LIVE_JOBS = '"live-jobs"'
_WINDOW_S = 60


async def quota_headers(jobs: JobService, call: Call) -> dict[str, str]:
    """``RateLimit-Policy`` and ``RateLimit``: the limits of the caller, and what is left.

    Nothing where Redis cannot tell: an answer is worth more than its headers.
    """
    limits = jobs.caller_limits
    try:
        standing = await jobs.standing(call)
    except QueueUnavailable:
        return {}
    policy = [f'{_LIVE_JOBS};q={limits.live_jobs};qu="concurrent-requests"']
    left = [f"{_LIVE_JOBS};r={standing.live_jobs}"]
    if standing.submissions is not None:
        policy.insert(0, f"{_SUBMISSIONS};q={limits.per_minute};w={_WINDOW_S}")
        left.insert(0, f"{_SUBMISSIONS};r={standing.submissions};t={standing.next_s}")
    return {"RateLimit-Policy": ", ".join(policy), "RateLimit": ", ".join(left)}


class Quota:
    """Tells what is left on every answer to a submission, however it ends, and what is a replay.

    Submissions are what ``Preference`` takes for one; of a request that might have become one
    (``request.state.may_submit``) refusals tell it too. After ``request.state.unanswered`` Redis is
    not asked once more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state", {})
        if scope["type"] != "http" or "caller" not in state:
            await self._app(scope, receive, send)
            return

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start" and _counts(state, message["status"]):
                headers = MutableHeaders(scope=message)
                call = Call(tenant=state["caller"].tenant)
                headers.update(await quota_headers(scope["app"].state.gateway.jobs, call))
                if state.get("replayed"):
                    headers["Idempotent-Replayed"] = "true"
            await send(message)

        await self._app(scope, receive, send_told)


def _counts(state: dict[str, object], status: int) -> bool:
    refused = status >= 400 and state.get("may_submit")
    return bool(state["submits"] or refused) and not state.get("unanswered")
