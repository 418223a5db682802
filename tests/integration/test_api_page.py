"""Every example of docs/api.md, against the whole service with the bundled weights."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trimesh

from tests.ports import free_port

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
START_TIMEOUT_S = 120.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """REST and gRPC ports of `lagem serve`."""
    rest, grpc = free_port(), free_port()
    settings = {
        "LAGEM_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "LAGEM_WORKER_PORT": "0",
        "LAGEM_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "service.cli", "serve"]
    server = subprocess.Popen(
        [*command, "--port", str(rest), "--grpc-port", str(grpc)], env=os.environ | settings
    )
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and not is_ready(rest):
        assert server.poll() is None
        time.sleep(0.2)
    yield rest, grpc
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://localhost:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a mesh in it."""
    monkeypatch.chdir(tmp_path)
    trimesh.creation.box((0.5, 0.8, 0.6)).export("chair.glb")
    return tmp_path


def at(ports: tuple[int, int], text: str) -> str:
    rest, grpc = ports
    return text.replace("localhost:8000", f"localhost:{rest}").replace(
        "localhost:8001", f"localhost:{grpc}"
    )


def test_the_shell_examples_run(ports: tuple[int, int], folder: Path) -> None:
    script = "set -euo pipefail\n" + "".join(blocks("sh"))
    ran = subprocess.run(
        ["bash", "-c", at(ports, script)], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    made = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert len(trimesh.load_mesh("table.glb").faces) > 100
    assert all(made.values()), made


def test_the_python_examples_run(ports: tuple[int, int], folder: Path) -> None:
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
