"""The four operations, each once to wait for and once to submit: one description of the request."""

import functools
from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec

from service.client.conversation import Conversation, query
from service.client.effects import Call, Steps, work
from service.client.latents import LatentsInput, ShapeRef, ShapeSource, latents_input, shape_id_of
from service.client.meshes import MeshSource, mesh_bytes
from service.client.results import Result, Results
from service.client.signatures import told_as
from service.contract import Job, MeshFormat, Space

P = ParamSpec("P")

_AT_ONCE = "Returns the job at once: ``wait`` for its results, or ``watch`` it."
_BINARY = "application/octet-stream"


def finished(
    request: Callable[Concatenate["Operations", P], Steps[Call]],
) -> Callable[Concatenate["Operations", P], Steps[Results]]:
    """The operation that submits a request and waits for all it makes."""

    @functools.wraps(request)
    def operation(self: "Operations", /, *args: P.args, **options: P.kwargs) -> Steps[Results]:
        call = yield from request(self, *args, **options)
        job = yield from self._finished(call)
        return (yield from self.downloaded(job))

    told_as(operation, request, lambda _: Steps[Results])
    return operation


def finished_one(
    request: Callable[Concatenate["Operations", P], Steps[Call]],
) -> Callable[Concatenate["Operations", P], Steps[Result]]:
    """As ``finished``, of an operation that makes one shape."""

    @functools.wraps(request)
    def operation(self: "Operations", /, *args: P.args, **options: P.kwargs) -> Steps[Result]:
        [result] = yield from finished(request)(self, *args, **options)
        return result

    told_as(operation, request, lambda _: Steps[Result])
    return operation


def submitted(
    request: Callable[Concatenate["Operations", P], Steps[Call]],
) -> Callable[Concatenate["Operations", P], Steps[Job]]:
    """The operation that submits a request and returns its job at once."""

    @functools.wraps(request)
    def operation(self: "Operations", /, *args: P.args, **options: P.kwargs) -> Steps[Job]:
        call = yield from request(self, *args, **options)
        return (yield from self._submitted(call))

    told_as(operation, request, lambda _: Steps[Job], prefix="submit_", remark=_AT_ONCE)
    return operation


class Operations(Conversation):
    """Every operation; those that submit exist twice, made of one description of the request."""

    def _encode(
        self,
        source: MeshSource,
        *,
        filename: str | None = None,
        resolution: int | None = None,
        format: MeshFormat | None = None,  # noqa: A002 (as the service calls it)
        target_faces: int | None = None,
        exhaustive: bool = False,
        space: Space | None = None,
    ) -> Steps[Call]:
        """Turn a mesh into a shape: its latents, and its reconstruction with metrics.

        Args:
            source: a path, a mesh file's bytes, a trimesh mesh, scene or point cloud, or (N, 3)
                points.
            filename: decides between formats where the bytes do not; default: the path's name.
            resolution: cells on each side of the extraction grid; default: the model's.
            format: of the mesh's file; default: glb.
            target_faces: simplify the mesh to about so many.
            exhaustive: miss no loose part, which takes longer.
            space: "input" (default): the mesh lies over the source; "normalized": unit sphere.
        """
        data, name = yield from work(lambda: mesh_bytes(source))
        params = query(
            filename=filename or name,
            resolution=resolution,
            format=format,
            target_faces=target_faces,
            exhaustive=exhaustive,
            space=space,
        )
        return Call("POST", "/encode", params, {"Content-Type": _BINARY}, data)

    def _generate(
        self,
        *,
        category: str | None = None,
        n: int = 1,
        seed: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        resolution: int | None = None,
        format: MeshFormat | None = None,  # noqa: A002
        target_faces: int | None = None,
        exhaustive: bool = False,
    ) -> Steps[Call]:
        """Make new shapes.

        Args:
            category: one of ``categories()``; default: any.
            n: how many, 1 to 16.
            seed: of the first, the next one is one more; default: chosen by the service, and told.
            steps: denoising steps of each level; default: the model's.
            guidance: how closely to follow the category; default: the model's.
            resolution: cells on each side of the extraction grid; default: the model's.
            format: of the meshes' files; default: glb.
            target_faces: simplify each mesh to about so many.
            exhaustive: miss no loose part, which takes longer.
        """
        yield from ()
        params = query(
            category=category,
            n=n,
            seed=seed,
            steps=steps,
            guidance=guidance,
            resolution=resolution,
            format=format,
            target_faces=target_faces,
            exhaustive=exhaustive,
        )
        return Call("POST", "/generate", params)

    def _resample(
        self,
        source: ShapeSource,
        *,
        keep_level: int = 3,
        category: str | None = None,
        n: int = 1,
        seed: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        resolution: int | None = None,
        format: MeshFormat | None = None,  # noqa: A002
        target_faces: int | None = None,
        exhaustive: bool = False,
        space: Space | None = None,
        any_weights: bool | None = None,
    ) -> Steps[Call]:
        """Make variants of a shape: coarse levels stay, finer ones are made anew.

        Args:
            source: a shape (its id, a result), a latents file or its bytes, or level to array.
            keep_level: the finest level that stays: 3 (main structure) or 2.
            category: of the new levels; default: the shape's.
            n: how many, 1 to 16.
            seed: of the first, the next one is one more; default: chosen by the service, and told.
            steps: denoising steps of each level; default: the model's.
            guidance: how closely to follow the category; default: the model's.
            resolution: cells on each side of the extraction grid; default: the model's.
            format: of the meshes' files; default: glb.
            target_faces: simplify each mesh to about so many.
            exhaustive: miss no loose part, which takes longer.
            space: "input" (default): where the shape's upload was; "normalized": unit sphere.
            any_weights: take latents of other weights, if their sizes fit; default: only where
                nothing is known of the weights, as of arrays.
        """
        latents = yield from work(lambda: latents_input(source))
        params = query(
            keep_level=keep_level,
            category=category,
            n=n,
            seed=seed,
            steps=steps,
            guidance=guidance,
            resolution=resolution,
            format=format,
            target_faces=target_faces,
            exhaustive=exhaustive,
            space=space,
        )
        return _latents_call("/resample", latents, params, any_weights)

    def _decode(
        self,
        source: ShapeSource | None = None,
        *,
        level3: ShapeRef | None = None,
        level2: ShapeRef | None = None,
        level1: ShapeRef | None = None,
        resolution: int | None = None,
        format: MeshFormat | None = None,  # noqa: A002
        target_faces: int | None = None,
        exhaustive: bool = False,
        space: Space | None = None,
        any_weights: bool | None = None,
    ) -> Steps[Call]:
        """Make a mesh of latents, without diffusion.

        Args:
            source: a shape (its id, a result), a latents file or its bytes, or level to array.
            level3: in place of ``source``, with the next two (experimental): the main structure is
                this shape's.
            level2: the major details are this shape's.
            level1: the minor details are this shape's.
            resolution: cells on each side of the extraction grid; default: the model's.
            format: of the mesh's file; default: glb.
            target_faces: simplify the mesh to about so many.
            exhaustive: miss no loose part, which takes longer.
            space: "input" (default): where the shape's upload was; "normalized": unit sphere.
            any_weights: as of ``resample``.
        """
        mixed = {"level3": level3, "level2": level2, "level1": level1}
        levels = {name: shape_id_of(shape) for name, shape in mixed.items() if shape is not None}
        latents = LatentsInput()
        if source is not None:
            latents = yield from work(lambda: latents_input(source))
        params = levels | query(
            resolution=resolution,
            format=format,
            target_faces=target_faces,
            exhaustive=exhaustive,
            space=space,
        )
        return _latents_call("/decode", latents, params, any_weights)

    encode = finished_one(_encode)
    generate = finished(_generate)
    resample = finished(_resample)
    decode = finished_one(_decode)
    submit_encode = submitted(_encode)
    submit_generate = submitted(_generate)
    submit_resample = submitted(_resample)
    submit_decode = submitted(_decode)

    def downloaded(self, job: Job) -> Steps[Results]:
        """The results of a job that has succeeded."""
        results = Results()
        for shape in job.shapes:
            results.append(Result((yield from self._files(shape, job))))
        return results


def _latents_call(
    path: str, latents: LatentsInput, params: Mapping[str, str], any_weights: bool | None
) -> Call:
    allowed = latents.anonymous if any_weights is None else any_weights
    params = {**params, **query(shape=latents.shape, any_weights=allowed)}
    headers = {} if latents.data is None else {"Content-Type": _BINARY}
    return Call("POST", path, params, headers, latents.data)
