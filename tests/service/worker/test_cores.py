"""The number of threads a model gets."""

import os
from pathlib import Path

import pytest

from service.worker import cores
from service.worker.cores import available_cores, model_threads


@pytest.fixture
def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cores with two processors each, all allowed."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for processor, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    return tmp_path


def test_processors_of_one_core_count_once(topology: Path) -> None:
    assert available_cores(topology, topology / "absent") == 2


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 2), ("100000 100000", 1), ("150000 100000", 1), ("50000 100000", 1)],
)
def test_the_quota_of_a_container_is_respected(topology: Path, limit: str, expected: int) -> None:
    quota = topology / "cpu.max"
    quota.write_text(limit)
    assert available_cores(topology, quota) == expected


@pytest.mark.parametrize(("available", "threads"), [(1, 1), (2, 1), (8, 7)])
def test_a_model_leaves_one_core_to_others(
    monkeypatch: pytest.MonkeyPatch, available: int, threads: int
) -> None:
    monkeypatch.setattr(cores, "available_cores", lambda: available)
    assert model_threads() == threads


def test_without_a_topology_each_processor_is_a_core(topology: Path) -> None:
    assert available_cores(topology / "absent", topology / "absent") == 4
