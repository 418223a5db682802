"""An engine without a model: each job's ``play`` parameter says what it does."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from service.errors import EmptySurface
from service.jobqueue.lease import Canceled, Failed, Outcome, Succeeded
from service.jobs import Job, Stage
from service.worker.child import Reporter

MODEL = {
    "name": "fake",
    "version": "0",
    "licence": "MIT",
    "weights_sha256": "0" * 64,
    "levels": [{"level": 1, "tokens": 2, "channels": 2}],
    "categories": ["table"],
    "can": ["encode", "decode", "generate", "resample"],
    "defaults": {"resolution": 128, "steps": 18, "guidance": 1.0},
}


@dataclass
class FakeEngine:
    """Plays ``succeed``, ``fail``, ``work``, ``crash``, ``crash_once``, ``freeze``, ``forget``.

    ``work`` ends after ``seconds``, when the file ``marker`` is there or when it is canceled;
    ``crash_once`` crashes while ``marker`` is absent; ``forget`` reports no outcome at its first
    attempt. ``finish`` leaves the model free and ends when ``marker`` is there; with ``breaks`` its
    first attempt cannot end, with ``poison`` none. ``computed`` and ``reused`` are how many shapes
    it says were.
    """

    model: dict[str, Any]
    device: str = "cpu"
    _finishing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def run(self, jobs: Sequence[Job], reporter: Reporter) -> Future[None]:
        return self._finishing.submit(_in_turn, [self._run(job, jobs, reporter) for job in jobs])

    def memory(self) -> dict[str, int]:
        return {"allocated": 5}

    def _run(self, job: Job, jobs: Sequence[Job], reporter: Reporter) -> Callable[[], None]:
        """What is left to do of a job when the model is free."""
        if job.params.get("play") == "forget" and job.attempts == 1:
            return lambda: None
        if job.params.get("play") == "finish":
            return partial(self._finish, job, reporter)
        if "computed" in job.params:
            reporter.computed(job.params["computed"])
        reporter.finished(job.id, self._play(job, len(jobs), reporter))
        return lambda: None

    def _finish(self, job: Job, reporter: Reporter) -> None:
        if job.params.get("poison"):
            time.sleep(0.3)  # others may have begun
        if job.params.get("poison") or (job.params.get("breaks") and job.attempts == 1):
            raise RuntimeError("the finishing process ended (signal 9)")  # as the engine's does
        until = Path(job.params["marker"])
        while not until.exists():
            time.sleep(0.005)
        reporter.finished(job.id, Succeeded(result={"shapes": []}))

    def _play(self, job: Job, mates: int, reporter: Reporter) -> Outcome:
        match job.params.get("play", "succeed"):
            case "fail":
                return Failed(error=EmptySurface("no surface").to_dict())
            case "work":
                return self._work(job, reporter)
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "crash_once" if not Path(job.params["marker"]).exists():
                Path(job.params["marker"]).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "freeze":
                time.sleep(60)
        shapes = [{"reused": True}] * job.params.get("reused", 0)
        result = {"shapes": shapes, "mates": mates, "pid": os.getpid(), "parent": os.getppid()}
        return Succeeded(result=result, timings_ms={"decode": 1.5})

    def _work(self, job: Job, reporter: Reporter) -> Outcome:
        seconds = job.params.get("seconds", 30.0)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            reporter.progress(job.id, Stage.DENOISE_L2, 1 - left / seconds)
            if reporter.canceled(job.id):
                return Canceled()
            if Path(job.params.get("marker", "/nowhere")).exists():
                break
            time.sleep(0.005)
        return Succeeded(result={"shapes": []})


def _in_turn(rest: Sequence[Callable[[], None]]) -> None:
    for each in rest:
        each()


def load() -> FakeEngine:
    return FakeEngine(MODEL)


def load_slowly() -> FakeEngine:
    time.sleep(30)
    return FakeEngine(MODEL)


def fail_to_load() -> FakeEngine:
    raise FileNotFoundError("there are no weights here")


def crash_while_loading() -> FakeEngine:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
