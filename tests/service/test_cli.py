"""``lagem serve``: its refusals, and one whole life of a server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import httpx
import pytest
import torch
from click.testing import CliRunner, Result

from model.autoencoder import AutoEncoder
from model.checkpoint import save_checkpoint
from model.cli import main as offline
from model.diffusion.cascade import Cascade
from service import cli
from service.cli import main
from service.jobqueue.embedded import EmbeddedServer
from service.settings import GatewaySettings
from tests.service.worker.test_engine import TINY


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LAGEM_")]:
        monkeypatch.delenv(name)


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["serve", *arguments])


def test_it_offers_the_offline_commands_and_those_of_the_service() -> None:
    assert set(main.commands) == {*offline.commands, "serve", "key", "remote"}
    assert not {"serve", "key", "remote"} & set(offline.commands)


def test_help_names_each_flag() -> None:
    text = serve("--help").output
    for flag in (
        "--host",
        "--port",
        "--grpc-port",
        "--weights",
        "--data-dir",
        "--device",
        "--log-level",
    ):
        assert flag in text


def test_an_open_address_without_keys_is_refused() -> None:
    result = serve("--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "--insecure" in result.output


def test_a_port_in_use_is_told_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = serve("--port", str(port), "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert result.output == (
        f"Error: port {port} is in use: stop what listens there, or choose another by --port\n"
    )


def test_a_grpc_port_in_use_is_told_with_its_own_flag(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = serve("--port", "0", "--grpc-port", port, "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "another by --grpc-port" in result.output


def test_a_worker_port_in_use_is_told_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        monkeypatch.setenv("LAGEM_WORKER_PORT", str(taken.getsockname()[1]))
        result = serve("--port", "0", "--grpc-port", "0", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "another by LAGEM_WORKER_PORT" in result.output


def test_one_port_for_both_is_refused(tmp_path: Path) -> None:
    result = serve("--port", "8001", "--data-dir", str(tmp_path))
    assert result.exit_code == 2
    assert "port and grpc_port are both 8001" in result.output


def test_a_data_folder_in_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobqueue.embedded._LOCK_TIMEOUT_S", 0.1)
    with EmbeddedServer(tmp_path):
        result = serve("--port", "0", "--grpc-port", "0", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "another process uses" in result.output


def test_a_mistyped_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_PROT", "1")
    result = serve()
    assert result.exit_code == 2
    assert "LAGEM_PORT" in result.output


def test_a_variable_out_of_range_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_SLOTS", "0")
    result = serve()
    assert result.exit_code == 2
    assert "LAGEM_SLOTS: Input should be greater than or equal to 1" in result.output


@pytest.mark.parametrize(
    ("flags", "variables", "port", "insecure"),
    [
        ([], {}, 8000, False),
        (["--port", "0", "--insecure"], {"LAGEM_PORT": "9"}, 0, True),
        ([], {"LAGEM_PORT": "9", "LAGEM_INSECURE": "1"}, 9, True),
    ],
)
def test_flags_win_over_variables_and_those_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    variables: dict[str, str],
    port: int,
    insecure: bool,
) -> None:
    seen: list[GatewaySettings] = []
    monkeypatch.setattr(cli, "_refuse_open_address", seen.append)
    monkeypatch.setattr(cli, "_free_port", stop_here)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    serve(*flags)
    assert (seen[0].port, seen[0].insecure) == (port, insecure)


def stop_here(host: str, port: int) -> int:
    raise click.ClickException("far enough")


class Server:
    """A ``lagem serve`` of our own on a free port."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "0"]
        command += ["--grpc-port", "0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = ""
        self.worker_metrics = ""

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, *value = line.split()
            if name == "API":
                self.url = value[0]
            if name == "Metrics":
                self.worker_metrics = value[-1]
            if name == "Ready":
                return
        raise AssertionError("the server ended before it was ready")

    def children(self) -> dict[str, int]:
        """Process ids of the parts by the last word of their command lines."""
        pids = subprocess.check_output(["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)])
        rows = [line.split() for line in pids.decode().splitlines()]
        return {row[-1]: int(row[0]) for row in rows}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    torch.manual_seed(0)
    assert TINY.cascade is not None
    autoencoder = AutoEncoder(TINY.autoencoder)
    cascade = Cascade(TINY.cascade, TINY.autoencoder)
    save_checkpoint(tmp_path / "weights", TINY, autoencoder, cascade)
    servers: list[Server] = []

    def start() -> Server:
        weights, data = str(tmp_path / "weights"), str(tmp_path / "data")
        servers.append(Server("--weights", weights, "--data-dir", data))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


def test_a_server_starts_works_stops_and_starts_again(start: Callable[[], Server]) -> None:
    server = start()
    server.wait_ready()
    options = {"resolution": 32, "steps": 2, "seed": 1}
    job = httpx.post(f"{server.url}/generate", params=options, timeout=120).json()
    assert job["state"] == "succeeded", job
    assert job["shapes"][0]["mesh"]["faces"] > 0
    metrics = httpx.get(server.worker_metrics, timeout=10).text
    assert 'lagem_batch_size_count{op="generate"} 1.0' in metrics
    assert "lagem_http_requests_total" in httpx.get(f"{server.url}/metrics", timeout=10).text

    children = server.children()
    os.kill(server.process.pid, signal.SIGINT)
    assert server.process.wait(120) == 0
    assert server.process.stdout is not None
    assert "Stopping" in server.process.stdout.read()
    assert {"service.gateway", "service.worker"} <= set(children)
    for pid in children.values():
        assert not Path(f"/proc/{pid}/exe").exists()

    again = start()
    again.wait_ready()
    assert httpx.get(f"{again.url}/jobs/{job['id']}", timeout=10).json() == job
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(120) == 0


def test_weights_that_cannot_be_loaded_end_the_server(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    before = time.monotonic()
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--grpc-port", "0"]
    command += ["--weights", str(tmp_path / "weights"), "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 1
    assert "holds no config.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - before < 120
