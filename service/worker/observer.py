"""What watches a batch on behalf of its jobs."""

from collections.abc import Sequence

from service.errors import Canceled
from service.jobs import Stage
from service.worker.reporter import Reporter
from service.worker.task import Task


class JobObserver:
    """Passes the pipeline's progress on, keeps the time, and stops work that nobody wants.

    Args:
        tasks: the jobs that the work is for.
        sample: index of the shape worked on, within its job.

    Calling it raises ``Canceled`` when all of them are canceled.
    """

    def __init__(self, tasks: Sequence[Task], reporter: Reporter, sample: int = 0) -> None:
        self._tasks = tasks
        self._reporter = reporter
        self._sample = sample

    def __call__(self, stage: str, fraction: float) -> None:
        current = Stage(stage)
        for task in self._tasks:
            task.stopwatch.enter(current)
            progress = task.meter.at(current, fraction, self._sample)
            self._reporter.progress(task.job.id, current, progress)
        if all(self._reporter.canceled(task.job.id) for task in self._tasks):
            raise Canceled("The job was canceled.")

    def end(self) -> None:
        """Stop the clocks."""
        for task in self._tasks:
            task.stopwatch.enter(None)
