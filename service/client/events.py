"""A job's events: the text of the stream, and what a watcher gets."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import trimesh

from service.client.meshes import read_mesh
from service.contract import Artifact, Job
from service.errors import ServiceError


@dataclass(frozen=True)
class StatusEvent:
    """The job has another state or stage, or another place in the queue."""

    kind: ClassVar[Literal["status"]] = "status"
    id: int
    job: Job


@dataclass(frozen=True)
class ProgressEvent:
    """The job has come further."""

    kind: ClassVar[Literal["progress"]] = "progress"
    id: int
    job: Job


@dataclass(frozen=True)
class ArtifactEvent:
    """A mesh to look at: coarse ones while the job goes on, then the ``final`` one.

    Attributes:
        artifact: which of the job's shapes it is (``sample``), and how fine (``resolution``).
        mesh_data: its file, in the artifact's ``format``.
    """

    kind: ClassVar[Literal["artifact"]] = "artifact"
    id: int
    artifact: Artifact
    mesh_data: bytes

    @cached_property
    def mesh(self) -> trimesh.Trimesh:
        """The mesh."""
        return read_mesh(self.mesh_data, self.artifact.format)


@dataclass(frozen=True)
class DoneEvent:
    """The last event: the job succeeded."""

    kind: ClassVar[Literal["done"]] = "done"
    id: int
    job: Job


@dataclass(frozen=True)
class ErrorEvent:
    """The last event: the job failed or was canceled, as ``error`` says."""

    kind: ClassVar[Literal["error"]] = "error"
    id: int
    job: Job
    error: ServiceError


Event = StatusEvent | ProgressEvent | ArtifactEvent | DoneEvent | ErrorEvent


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it comes over the wire."""

    kind: str
    id: int
    data: str


class FrameReader:
    """Server-sent events from bytes, however these are cut.

    Attributes:
        retry_s: when to come back after the stream has ended, where the server said so.
        alive: whether anything came that shows a job followed: an event, or a ping.
    """

    def __init__(self) -> None:
        self.retry_s: float | None = None
        self.alive = False
        self._rest = b""
        self._fields: dict[str, str] = {}
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Frame]:
        """The events that these bytes complete."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        frames = (self._line(line.rstrip(b"\r").decode("utf-8", "replace")) for line in lines)
        return [frame for frame in frames if frame is not None]

    def _line(self, line: str) -> Frame | None:
        if not line:
            return self._end_of_frame()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "":
            self.alive = True  # a comment: the server pings
        elif name == "data":
            self._data.append(value)
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry_s = int(value) / 1000
        else:
            self._fields[name] = value
        return None

    def _end_of_frame(self) -> Frame | None:
        fields, data = self._fields, self._data
        self._fields, self._data = {}, []
        number = fields.get("id", "")
        if not data or not (number.isascii() and number.isdecimal()):
            return None
        self.alive = True
        return Frame(fields.get("event", "message"), int(number), "\n".join(data))
