"""Jobs: list, look up, cancel."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.contract import Job, JobList, JobsRequest
from service.gateway.exchange import CallOf
from service.gateway.openapi import CANCEL_PROBLEMS, LOOKUP_PROBLEMS
from service.gateway.state import GatewayOf

router = APIRouter(tags=["jobs"])


@router.get("/jobs")
async def list_jobs(
    query: Annotated[JobsRequest, Query()], gateway: GatewayOf, call: CallOf
) -> JobList:
    """Your jobs, newest first."""
    return await gateway.jobs.list(query, call)


@router.get("/jobs/{job_id}", responses=LOOKUP_PROBLEMS)
async def get_job(job_id: str, gateway: GatewayOf, call: CallOf) -> Job:
    """A job: its state, progress, results and timings."""
    return await gateway.jobs.view(await gateway.jobs.get(job_id, call))


@router.delete(
    "/jobs/{job_id}",
    responses={
        202: {"model": Job, "description": "It is running, and has been told to stop."},
        **CANCEL_PROBLEMS,
    },
)
async def cancel_job(job_id: str, gateway: GatewayOf, call: CallOf, response: Response) -> Job:
    """Cancel a job: a queued one at once, a running one at its next step."""
    job = await gateway.jobs.cancel(job_id, call)
    response.status_code = 200 if job.state.terminal else 202
    return await gateway.jobs.view(job)
