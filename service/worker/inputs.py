"""What jobs start from, and what to say of an input that is gone."""

from datetime import timedelta

from service.errors import NotFound
from service.jobs import Job
from service.settings import WorkerSettings
from service.store.blobs import BlobMissing, BlobStore
from service.store.refs import LATENTS


class Inputs:
    """Reads the inputs of jobs.

    Args:
        settings: its times of retention, which the gateway sweeps by.
    """

    def __init__(self, store: BlobStore, settings: WorkerSettings) -> None:
        self._store = store
        self._inputs_kept = timedelta(seconds=settings.job_retention_s)
        self._latents_kept = timedelta(seconds=settings.latents_retention_s)

    async def read(self, job: Job) -> bytes | None:
        """The input of a job; None where it needs none.

        Raises:
            NotFound: it was there when the job was accepted, and is not any more.
        """
        if job.input_ref is None:
            return None
        try:
            return await self._store.get(job.input_ref)
        except BlobMissing:
            raise self._gone(job.input_ref) from None

    def _gone(self, ref: str) -> NotFound:
        folder, _, name = ref.partition("/")
        if folder == LATENTS:
            return NotFound(
                f"The latents of {name.partition('.')[0]} are gone: they expired or were deleted"
                f" before the job ran. Latents are kept for {self._latents_kept}.",
                suggestion="Make the shape again, then send the request again with its id.",
                param="shape",
            )
        return NotFound(
            "The job's input is gone: it expired or was deleted before the job ran."
            f" Inputs are kept for {self._inputs_kept}.",
            suggestion="Send the request again.",
        )
