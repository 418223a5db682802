"""How many threads a model should compute with."""

import math
import os
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def model_threads() -> int:
    """Threads that a model computes with where nobody says how many: all cores but one.

    The spare one takes the finishing process, the gateway and what else runs. Threads that share
    a core with other work wait for each other in every matrix product, so that two of them on two
    cores are slower than one (docs/decisions/0016-finishing-process.md).
    """
    return max(1, available_cores() - 1)


def available_cores(topology: Path = _TOPOLOGY, quota: Path = _QUOTA) -> int:
    """Physical cores that this process may use: affinity and container limit respected.

    Two threads on one core share its arithmetic units, and more threads than the container's
    quota are stopped in the middle of a matrix product while the others wait for them.

    Args:
        topology: where Linux describes its processors.
        quota: the container's limit, ``<microseconds|max> <period>`` (cgroup v2).
    """
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if processors is None:
        return os.cpu_count() or 1
    cores = {_siblings(topology, processor) for processor in processors}
    return max(1, min(len(cores), _quota_cores(quota)))


def _siblings(topology: Path, processor: int) -> str:
    """Names the core of a processor: the list of the processors that share it."""
    try:
        return (topology / f"cpu{processor}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return str(processor)


def _quota_cores(quota: Path) -> int:
    try:
        allowed, period = quota.read_text().split()
    except (OSError, ValueError):
        return os.cpu_count() or 1
    if allowed == "max":
        return os.cpu_count() or 1
    return math.floor(int(allowed) / int(period))
