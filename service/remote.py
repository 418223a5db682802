"""``lagem remote``: the offline commands' work, done by a server.

Same options and the same files as the commands that run the model here. The client is imported by
the command that needs it, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from model.cli.command import ExpectedFailure, OfflineCommand
from model.cli.options import (
    EXISTING_FILE,
    MeshChoice,
    SamplingChoice,
    category_option,
    combined,
    json_option,
    keep_level_option,
    mesh_file_options,
    mesh_options,
    output_option,
    placed_mesh_options,
    sampling_options,
    variant_category_option,
)
from model.cli.shapes import shape_line
from service.errors import (
    AccessError,
    Canceled,
    EmptySurface,
    RequestError,
    ServiceError,
    StateError,
)

if TYPE_CHECKING:
    from service.client import ClientError, Event, LagemClient, Result, Results
    from service.contract import Job

_QUIET_S = 1.0  # shorter jobs show no bar

_server_options = combined(
    click.option("--server", help="Address.  [default: LAGEM_URL, else http://localhost:8000]"),
    click.option("--api-key", help="Key, where one is asked for.  [default: LAGEM_API_KEY]"),
)
_any_weights_option = click.option(
    "--any-weights", is_flag=True, default=None, help="Accept latents made with other weights."
)


class RemoteCommand(OfflineCommand):
    """A command whose failures reach the user as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            ExpectedFailure: the server refused, and the caller is at fault: exit code 2.
            ClickException: it cannot be reached, or failed: exit code 1.
        """
        from service.client import ClientError

        try:
            return super().invoke(ctx)
        except (RequestError, AccessError, StateError, EmptySurface) as error:
            raise ExpectedFailure(_one_line(error)) from error
        except (ServiceError, ClientError) as error:
            raise click.ClickException(_one_line(error)) from error
        except ExpectedFailure as failure:
            if isinstance(failure.__cause__, ClientError):  # some are an OSError as well
                raise click.ClickException(failure.message) from failure.__cause__
            raise


def _one_line(error: ServiceError | ClientError) -> str:
    suggestion = getattr(error, "suggestion", None) or ""
    return " ".join(f"{error} {suggestion}".split())


class _RemoteGroup(click.Group):
    command_class = RemoteCommand


@click.group(cls=_RemoteGroup)
def remote() -> None:
    """Have a server do it: same options and files as without `remote`. Ctrl-C cancels the job."""


@remote.command()
@click.argument("source", metavar="IN", type=EXISTING_FILE)
@output_option
@placed_mesh_options
@_server_options
@json_option
def encode(
    source: Path,
    output: Path,
    meshing: MeshChoice,
    server: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Encode the mesh or point cloud IN to latents, and reconstruct it.

    Writes shape.safetensors and mesh.glb into the output folder.
    """
    with _client(server, api_key) as client:
        job = client.submit_encode(source, **_placed(meshing))
        _deliver(_awaited(client, job), lambda _: output, as_json)


@remote.command()
@category_option
@sampling_options
@output_option
@mesh_options
@_server_options
@json_option
def generate(
    category: str | None,
    sampling: SamplingChoice,
    output: Path,
    meshing: MeshChoice,
    server: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Generate new shapes, each in a folder named by category and seed."""
    with _client(server, api_key) as client:
        options = _mesh(meshing) | _sampling(sampling)
        job = client.submit_generate(category=category, **options)
        name = category or "shape"
        _deliver(_awaited(client, job), lambda result: output / f"{name}-{result.seed}", as_json)


@remote.command()
@click.argument("source", metavar="SHAPE")
@keep_level_option
@variant_category_option
@sampling_options
@output_option
@placed_mesh_options
@_any_weights_option
@_server_options
@json_option
def resample(
    source: str,
    keep_level: int,
    category: str | None,
    sampling: SamplingChoice,
    output: Path,
    meshing: MeshChoice,
    any_weights: bool | None,
    server: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Make variants of SHAPE, a latents file or the id of a shape on the server.

    Finer levels are made anew, coarser ones kept. Each variant gets a folder named by its seed.
    """
    with _client(server, api_key) as client:
        job = client.submit_resample(
            source,
            keep_level=keep_level,
            category=category,
            any_weights=any_weights,
            **_placed(meshing) | _sampling(sampling),
        )
        _deliver(_awaited(client, job), lambda result: output / f"variant-{result.seed}", as_json)


@remote.command()
@click.argument("source", metavar="SHAPE")
@mesh_file_options
@_any_weights_option
@_server_options
@json_option
def decode(
    source: str,
    output: Path,
    meshing: MeshChoice,
    any_weights: bool | None,
    server: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Extract a mesh from SHAPE, a latents file or the id of a shape on the server."""
    mesh_format = meshing.format_of(output)
    with _client(server, api_key) as client:
        options = _placed(meshing) | {"format": mesh_format}
        job = client.submit_decode(source, any_weights=any_weights, **options)
        [result] = _awaited(client, job)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(result.files.mesh_data)
    _report(result.job, [_entry(result, output)], as_json)


@remote.command()
@click.argument("job", metavar="JOB")
@_server_options
@json_option
def watch(job: str, server: str | None, api_key: str | None, as_json: bool) -> None:
    """Follow the job with the id JOB to its end: a line an event, with --json a JSON object."""
    with _client(server, api_key) as client:
        for event in client.watch(job, artifacts=False):
            click.echo(_event_json(event) if as_json else _event_line(event))
            if event.kind == "error":
                raise event.error


def _client(server: str | None, api_key: str | None) -> LagemClient:
    from service.client import LagemClient

    return LagemClient(server, api_key)


def _mesh(meshing: MeshChoice) -> dict[str, Any]:
    return {
        "resolution": meshing.resolution,
        "target_faces": meshing.target_faces,
        "exhaustive": meshing.exhaustive,
        "format": meshing.mesh_format,
    }


def _placed(meshing: MeshChoice) -> dict[str, Any]:
    return _mesh(meshing) | {"space": meshing.space}


def _sampling(sampling: SamplingChoice) -> dict[str, Any]:
    return {
        "n": sampling.count,
        "seed": sampling.seed,
        "steps": sampling.steps,
        "guidance": sampling.guidance,
    }


def _awaited(client: LagemClient, job: Job) -> Results:
    """The results of a job, its progress shown on a terminal."""
    try:
        with _progress_bar() as show:
            for event in client.watch(job, artifacts=False):
                show(event)
        return client.wait(job)
    except KeyboardInterrupt:
        client.cancel(job)
        raise Canceled("The job was canceled.", job=job.id) from None


@contextmanager
def _progress_bar() -> Iterator[Callable[[Event], None]]:
    """Shows events as one bar on stderr, where that is a terminal."""
    with tqdm(
        total=100,
        bar_format="{desc:<11}{percentage:3.0f}% {bar} {elapsed}",
        delay=_QUIET_S,
        disable=not sys.stderr.isatty(),
        leave=False,
    ) as bar:

        def show(event: Event) -> None:
            if event.kind != "artifact":
                bar.set_description_str(event.job.stage or event.job.state, refresh=False)
                bar.update(max(0.0, 100 * event.job.progress - bar.n))

        yield show


def _deliver(results: Results, folder_of: Callable[[Result], Path], as_json: bool) -> None:
    """Write each result into its folder, and tell what was made."""
    from service.client.results import LATENTS_NAME

    entries = []
    for result in results:
        folder = result.save(folder_of(result))
        entry = _entry(result, folder / f"mesh.{result.files.shape.mesh.format}")
        entries.append(entry | {"latents": str(folder / LATENTS_NAME)})
    _report(results[0].job, entries, as_json)


def _entry(result: Result, mesh: Path) -> dict[str, Any]:
    facts = result.files.shape.mesh.model_dump(
        include={
            "format",
            "vertices",
            "faces",
            "bounds",
            "watertight",
            "components",
            "boundary_edges",
        }
    )
    entry: dict[str, Any] = {
        "id": result.shape_id,
        "category": result.category,
        "seed": result.seed,
        "mesh": {"path": str(mesh), **facts},
    }
    return entry | ({"metrics": result.metrics} if result.metrics else {})


def _report(job: Job | None, entries: list[dict[str, Any]], as_json: bool) -> None:
    if not as_json:
        for entry in entries:
            click.echo(shape_line(entry))
        return
    assert job is not None
    model = None if job.model is None else job.model.model_dump()
    report = {"operation": job.operation, "job": job.id, "model": model, "shapes": entries}
    click.echo(json.dumps(report, indent=2))


def _event_line(event: Event) -> str:
    assert event.kind != "artifact"
    job = event.job
    words: list[str] = [job.state]
    if job.stage:
        words.append(job.stage)
    if job.queue_position is not None:
        words.append(f"{job.queue_position} ahead")
    elif job.state == "running":
        words.append(f"{job.progress:.0%}")
    return ", ".join(words)


def _event_json(event: Event) -> str:
    assert event.kind != "artifact"
    return json.dumps(
        {"event": event.kind, "id": event.id, "job": event.job.model_dump(mode="json")}
    )
