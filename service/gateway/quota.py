"""What a caller may still submit, as header fields (draft-ietf-httpapi-ratelimit-headers-11)."""

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
