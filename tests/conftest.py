"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported, and for the processes that tests start: its threads sleep while they
# wait for one another. By default they spin, and where others use the cores too (a CI machine,
# servers of the tests themselves) a tiny model takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

REPO_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return REPO_ROOT


@pytest.fixture(scope="session")
def real_meshes() -> Path:
    """The folder of real meshes beside the checkout; the test skips where it is absent."""
    folder = REPO_ROOT.parent / "shared" / "meshes"
    if not folder.is_dir():
        pytest.skip(f"no real meshes at {folder}")
    return folder
