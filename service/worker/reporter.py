"""What a running batch tells the worker, and asks it."""

from typing import Protocol

from service.jobqueue.lease import Outcome
from service.jobs import Artifact, Stage


class Reporter(Protocol):
    """Where an engine tells what becomes of each job, and learns which are not wanted any more."""

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        """Tell how far a job is; cheap enough for every step."""

    def computed(self, shapes: int) -> None:
        """Tell that the model has made the latents of so many shapes."""

    def showed(self, job_id: str, artifact: Artifact) -> None:
        """Tell of a mesh to look at while the job goes on."""

    def finished(self, job_id: str, outcome: Outcome) -> None:
        """Tell how a job ended; exactly once for each job of a batch."""

    def canceled(self, job_id: str) -> bool:
        """Whether to stop working on a job."""
