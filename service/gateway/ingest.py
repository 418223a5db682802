"""Uploaded meshes to point clouds, in processes of their own that may hang or die."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import structlog

from service.contract import Frame, Vector
from service.errors import InternalError, MalformedMesh, PreprocessingTimeout, ServiceError
from service.gateway.limits import IngestLimits

_START_TIMEOUT_S = 60.0
_MESHES_PER_PROCESS = 256
"""After so many a process is replaced, which bounds what any leak can add up to."""

_LINE_LIMIT = 2**16
_DYING_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedMesh:
    """The model's view of an upload.

    Attributes:
        points: ``.npy`` of (8192, 3) float32, canonical frame, farthest points first.
        normalization: user frame to canonical frame.
        vertices, faces, bounds: of the upload, in its own frame; a point cloud has no faces.
        milliseconds: that reading it took.
    """

    points: bytes
    normalization: Frame
    vertices: int
    faces: int
    bounds: tuple[Vector, Vector]
    milliseconds: float


class MeshIngest:
    """A pool of sandboxed processes, each reading one mesh at a time.

    A process that exceeds its time or dies takes only its own mesh with it and is replaced. Use as
    an async context manager.
    """

    def __init__(self, limits: IngestLimits, *, processes: int) -> None:
        self._limits = limits
        self._sandboxes = [_Sandbox(limits) for _ in range(processes)]
        self._free: asyncio.Queue[_Sandbox] = asyncio.Queue()
        self._log = structlog.get_logger("gateway.ingest")

    async def __aenter__(self) -> Self:
        for sandbox in self._sandboxes:
            await sandbox.start()
            self._free.put_nowait(sandbox)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(sandbox.stop() for sandbox in self._sandboxes))

    async def read(self, path: Path, *, hint: str | None = None) -> IngestedMesh:
        """Read a mesh file.

        Args:
            path: the file; it is not kept open.
            hint: the caller's name for it, where there is one.

        Raises:
            MeshError: the leaf that tells what is wrong with the mesh.
        """
        sandbox = await self._free.get()
        started = time.perf_counter()
        try:
            header, points = await self._ask(sandbox, {"path": str(path), "hint": hint})
        finally:
            self._free.put_nowait(sandbox)
        if "unforeseen" in header:
            self._log.warning("mesh reader failed", error=header["unforeseen"])
        if "error" in header:
            raise ServiceError.from_dict(header["error"])
        return IngestedMesh(
            points=points,
            normalization=Frame(**header["normalization"]),
            vertices=header["vertices"],
            faces=header["faces"],
            bounds=header["bounds"],
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )

    async def _ask(self, sandbox: "_Sandbox", request: dict[str, Any]) -> tuple[Any, bytes]:
        await sandbox.ready()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await sandbox.ask(request)
        except TimeoutError:
            await sandbox.stop()
            raise self._too_slow() from None
        except (EOFError, OSError, ValueError):
            raise self._died(await sandbox.stop(grace_s=_DYING_S)) from None
        except BaseException:
            await sandbox.stop()  # its answer must not be taken for the next caller's
            raise

    def _too_slow(self) -> PreprocessingTimeout:
        return PreprocessingTimeout(
            f"Reading the mesh took more than {self._limits.timeout_s:g} s.",
            suggestion="Simplify the mesh, or send it as glb.",
        )

    def _died(self, status: int) -> ServiceError:
        if status == -signal.SIGXCPU:
            return self._too_slow()
        self._log.error("mesh reader died", status=status)
        return MalformedMesh(
            f"Reading the mesh ended the process that read it (status {status}).",
            suggestion="Export the mesh again, best as glb, or simplify it.",
        )


class _Sandbox:
    """One process; started again on demand after it was stopped or has read enough meshes."""

    def __init__(self, limits: IngestLimits) -> None:
        self._arguments = json.dumps(asdict(limits))
        self._process: Process | None = None
        self._is_ready = False
        self._meshes = 0

    async def start(self) -> Process:
        """Start the process, without waiting until it can read."""
        # No variable of the service's own reaches it: they hold addresses and keys.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAGEM_")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service.gateway.sandbox", self._arguments),
            stdin=PIPE,
            stdout=PIPE,
            limit=_LINE_LIMIT,
            env=environment | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )
        self._is_ready, self._meshes = False, 0
        return self._process

    async def ready(self) -> None:
        """Wait until the process can read; start one where there is none."""
        died = self._process is not None and self._process.returncode is not None
        if died or self._meshes >= _MESHES_PER_PROCESS:
            await self.stop()
        if self._process is None:
            await self.start()
        if self._is_ready:
            return
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._reply()
        except (TimeoutError, EOFError, OSError) as error:
            status = await self.stop(grace_s=_DYING_S)
            raise InternalError(f"The mesh reader does not start (status {status}).") from error
        self._is_ready = True

    async def ask(self, request: dict[str, Any]) -> tuple[Any, bytes]:
        """Send one request, wait for its answer.

        Raises:
            EOFError, OSError: the process died.
            ValueError: its answer is not one.
        """
        self._meshes += 1
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._reply()

    async def stop(self, *, grace_s: float = 0.0) -> int:
        """End the process, if there is one; returns its exit status.

        One that seems to be dying gets ``grace_s`` seconds to do so: to kill it meanwhile would
        hide what it died of.
        """
        if self._process is None:
            return 0
        if grace_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        status = await self._process.wait()
        self._process = None
        return status

    async def _reply(self) -> tuple[Any, bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        header = json.loads(line)
        return header, await self._process.stdout.readexactly(header["size"])
