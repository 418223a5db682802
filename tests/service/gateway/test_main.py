"""The server as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from service.gateway.__main__ import main
from service.settings import is_loopback
from tests.ports import free_port

START_TIMEOUT_S = 60.0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_reachable_from_elsewhere(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("LAGEM_HOST", "0.0.0.0", "LAGEM_INSECURE"),
        ("LAGEM_PROT", "8000", "LAGEM_PORT"),
        ("LAGEM_PORT", "70000", "port"),
    ],
)
def test_a_wrong_setting_stops_the_start(
    name: str,
    value: str,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert main() == 2
    assert cause in capsys.readouterr().err


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(
    redis_server: str, tmp_path: Path, repo_root: Path, stop: signal.Signals
) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {
        "LAGEM_PORT": str(port),
        "LAGEM_GRPC_PORT": "0",
        "LAGEM_REDIS_URL": redis_server,
        "LAGEM_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "service.gateway"]
    with subprocess.Popen(
        command, cwd=repo_root, env=environment, stderr=subprocess.PIPE
    ) as process:
        try:
            await_answer(f"{url}/livez")
            process.send_signal(stop)
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert b"Traceback" not in log


def await_answer(url: str) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        try:
            assert httpx.get(url).status_code == 200
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)
