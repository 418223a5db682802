"""Every example of docs/api.md, against the whole service with the bundled weights."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh

from tests.integration.conftest import Ports

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a mesh in it."""
    monkeypatch.chdir(tmp_path)
    trimesh.creation.box((0.5, 0.8, 0.6)).export("chair.glb")
    return tmp_path


def at(ports: Ports, text: str) -> str:
    there = text.replace("localhost:8000", f"localhost:{ports.rest}")
    return there.replace("localhost:8001", f"localhost:{ports.grpc}")


def test_the_shell_examples_run(ports: Ports, folder: Path) -> None:
    script = "set -euo pipefail\n" + "".join(blocks("sh"))
    ran = subprocess.run(
        ["bash", "-c", at(ports, script)], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    made = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert len(trimesh.load_mesh("table.glb").faces) > 100
    assert all(made.values()), made


def test_the_python_examples_run(ports: Ports, folder: Path) -> None:
    program = folder / "page.py"
    program.write_text(at(ports, "\n".join(blocks("python"))))
    ran = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(PAGE.parents[1])},
    )
    assert ran.returncode == 0, ran.stderr
    assert len(trimesh.load_mesh("table-7.glb").faces) > 100
