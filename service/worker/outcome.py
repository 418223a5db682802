"""How a job ended, from how its samples did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from service.errors import Canceled
from service.jobqueue import lease
from service.worker.draft import Finished
from service.worker.faults import typed
from service.worker.finishing import FinishingDiedError
from service.worker.results import final_artifact
from service.worker.task import Task


def outcome_of(
    task: Task, shapes: Sequence[Future[Finished]], model: Mapping[str, str]
) -> lease.Outcome:
    """The outcome of a job whose samples have ended: all of them, or up to the first that failed.

    Args:
        task: the job.
        shapes: its samples.
        model: name, version and weights hash of what made them.

    Raises:
        FinishingDiedError: a sample has no end, since nobody is left to finish it.
    """
    timings_ms = Counter(task.stopwatch.timings_ms)
    objects, records, artifacts = [], [], []
    try:
        for sample, shape in enumerate(shapes):
            finished = shape.result()
            artifacts.append(final_artifact(sample, task.mesh_options, finished.shape))
            objects.append(finished.shape)
            records += [finished.record] if finished.record else []
            timings_ms.update(finished.timings_ms)
    except Canceled:
        return lease.Canceled(timings_ms=_rounded(timings_ms))
    except FinishingDiedError:
        raise
    except Exception as error:  # noqa: BLE001 (the job's outcome)
        told = typed(error, task.job).to_dict()
        return lease.Failed(error=told, timings_ms=_rounded(timings_ms))
    return lease.Succeeded(
        result={"shapes": objects, "model": dict(model)},
        shapes=tuple(records),
        artifacts=tuple(artifacts),
        timings_ms=_rounded(timings_ms),
    )


def _rounded(timings_ms: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(spent, 3) for stage, spent in timings_ms.items()}
