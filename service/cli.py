"""``lagem``: the offline commands of the model, and ``serve``."""

import contextlib
import errno
import http.client
import json
import socket
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from model.cli import main as offline
from service.apikeys import ApiKey, check_name, new_key, warning_of_short_keys
from service.jobqueue.embedded import EmbeddedServerError, redis_server
from service.remote import remote
from service.settings import PREFIX, GatewaySettings, UnknownVariableError, WorkerSettings
from service.supervisor import Part, PartFailedError, Supervisor

_LOG_LEVELS = ("debug", "info", "warning", "error")
_PROBE_TIMEOUT_S = 1.0


@click.group(name="lagem", cls=type(offline), commands=dict(offline.commands))
@click.version_option(package_name="lagem")
def main() -> None:
    """LaGeM, a large geometry model: meshes to per-level latents and back."""


main.add_command(remote)


@main.command(cls=click.Command)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="REST port.  [default: 8000]")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="gRPC port.  [default: 8001]")
@click.option(
    "--weights",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a checkpoint.  [default: the bundled starter model]",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for jobs, shapes and meshes.  [default: ~/.local/state/lagem]",
)
@click.option("--device", help="auto, cpu, cuda or cuda:<index>.  [default: auto]")
@click.option("--log-level", type=click.Choice(_LOG_LEVELS), help="[default: warning]")
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Listen on a non-loopback address although there are no keys.",
)
def serve(**flags: Any) -> None:
    """Run the whole server on this machine: queue, gateway and one worker.

    Flags win over the variables LAGEM_HOST, LAGEM_PORT and so on. Stop with Ctrl-C: running jobs
    are finished, waiting ones are kept for the next start on the same data folder.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    gateway, worker = _settings(given)
    _refuse_open_address(gateway)
    if warning := warning_of_short_keys(gateway.api_keys):
        click.echo(f"Warning: {warning}.", err=True)
    port = _free_port(gateway.host, gateway.port)
    grpc_port = _free_port(gateway.host, gateway.grpc_port, flag="--grpc-port")
    worker_port = _worker_port(worker)
    try:
        with redis_server(gateway.redis_url, gateway.data_dir) as redis_url:
            common = {"redis_url": redis_url, "data_dir": str(gateway.data_dir.resolve())}
            common["log_level"] = gateway.log_level
            listening = {"host": gateway.host, "port": str(port), "grpc_port": str(grpc_port)}
            listening["insecure"] = str(gateway.insecure)
            # Only hashes go on: a plain key ends here.
            common["api_keys"] = ",".join(key.line for key in gateway.api_keys)
            computing = {"device": worker.device, "worker_port": str(worker_port)}
            if worker.weights is not None:
                computing["weights"] = str(worker.weights.resolve())
            console = _Console(gateway, port, grpc_port, worker_port, worker.weights)
            supervisor = Supervisor(
                [
                    Part("service.gateway", _variables(common | listening)),
                    Part("service.worker", _variables(common | computing)),
                ],
                on_poll=lambda: console.await_readiness(supervisor),
                on_stop=console.tell_stop,
            )
            console.tell_start()
            if not supervisor.run():
                sys.exit(130)
    except (EmbeddedServerError, PartFailedError) as error:
        raise click.ClickException(str(error)) from error


@main.command(cls=click.Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def key(name: str | None, as_json: bool) -> None:
    """Make an API key. NAME says whose it is; the keys of one name share jobs and shapes.

    The key is shown once and kept nowhere; the server needs the line with its hash alone.
    """
    secret = new_key()
    try:
        record = ApiKey.of(secret, None if name is None else check_name(name))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps({"name": record.name, "key": secret, "line": record.line}))
        return
    click.echo(f"Key, for the caller (shown this once):\n  {secret}")
    click.echo(f"Line, to be added to LAGEM_API_KEYS (by a comma):\n  {record.line}")


class _Console:
    """What a person at the terminal reads."""

    def __init__(
        self,
        gateway: GatewaySettings,
        port: int,
        grpc_port: int,
        worker_port: int,
        weights: Path | None,
    ) -> None:
        host = "127.0.0.1" if gateway.host in ("0.0.0.0", "::") else gateway.host  # noqa: S104
        self._address = (host, port)
        named = f"[{host}]" if ":" in host else host
        self._url = f"http://{named}:{port}"
        self._grpc = f"{named}:{grpc_port}"
        self._worker = f"http://127.0.0.1:{worker_port}"
        self._data_dir = gateway.data_dir.resolve()
        self._weights = "the bundled starter model" if weights is None else str(weights.resolve())
        self._started = time.monotonic()
        self._ready = False

    def tell_start(self) -> None:
        """Say where everything is."""
        lines = {
            "Page": f"{self._url}/",
            "API": self._url,
            "Docs": f"{self._url}/docs",
            "gRPC": self._grpc,
            "Metrics": f"{self._url}/metrics, of the worker {self._worker}/metrics",
            "Data": self._data_dir,
            "Model": self._weights,
        }
        click.echo(f"LaGeM {version('lagem')}")
        for name, value in lines.items():
            click.echo(f"  {name:<9}{value}")
        click.echo("Loading the model ...")

    def await_readiness(self, supervisor: Supervisor) -> None:
        """Look whether the server has become ready, and say so once."""
        if self._ready or self._get("/readyz") is None:
            return
        self._ready = True
        supervisor.settle()
        (model, *_) = json.loads(self._get("/models") or '{"models": [null]}')["models"]
        name = f" with {model['name']} {model['version']}" if model else ""
        seconds = time.monotonic() - self._started
        click.echo(f"Ready{name} after {seconds:.1f} s. Stop with Ctrl-C.")

    def tell_stop(self) -> None:
        """Say that the end takes its time."""
        click.echo("\nStopping: running jobs are finished. Ctrl-C again stops at once.")

    def _get(self, path: str) -> bytes | None:
        """Body of a 200 answer; None for any other, or none."""
        connection = http.client.HTTPConnection(*self._address, timeout=_PROBE_TIMEOUT_S)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", path)
            response = connection.getresponse()
            if response.status == 200:
                return response.read()
        return None


def _settings(given: Mapping[str, Any]) -> tuple[GatewaySettings, WorkerSettings]:
    def of(settings: type[Any]) -> Any:
        fields = settings.model_fields
        chosen = {name: value for name, value in given.items() if name in fields}
        return settings.from_environment(**chosen)

    try:
        gateway, worker = of(GatewaySettings), of(WorkerSettings)
    except UnknownVariableError as error:
        raise click.UsageError(str(error)) from error
    except ValidationError as error:
        problems = (
            f"{PREFIX}{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
            for each in error.errors()
        )
        raise click.UsageError("; ".join(problems)) from error
    if "log_level" not in gateway.model_fields_set:
        gateway = gateway.model_copy(update={"log_level": "warning"})
    return gateway, worker


def _variables(values: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + name.upper(): value for name, value in values.items()}


def _refuse_open_address(gateway: GatewaySettings) -> None:
    if gateway.unguarded:
        raise click.UsageError(
            f"{gateway.host} can be reached from other machines, and everyone there could use this"
            " server: set LAGEM_API_KEYS (`lagem key` makes one), listen on 127.0.0.1, or add"
            " --insecure"
        )


def _worker_port(worker: WorkerSettings) -> int:
    """Where the worker shows its metrics: at a free port, unless the environment names one."""
    wanted = worker.worker_port if "worker_port" in worker.model_fields_set else 0
    return _free_port("0.0.0.0", wanted, flag="LAGEM_WORKER_PORT")  # noqa: S104 (as the worker)


def _free_port(host: str, port: int, *, flag: str = "--port") -> int:
    """``port`` if one can listen on it, or a free one in place of 0."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, where = address[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} is in use: stop what listens there, or choose another by {flag}"
            ) from error
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


if __name__ == "__main__":
    main()
