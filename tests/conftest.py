"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

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
