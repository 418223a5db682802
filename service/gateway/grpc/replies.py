"""Results from the contract to protobuf: the same facts, without addresses of REST."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from service import contract
from service.gateway.events import EventKind
from service.pb import lagem_pb2 as pb

_PLAIN_INPUTS = (
    *("category", "seed", "n", "steps", "guidance", "keep_level"),
    *("resolution", "target_faces", "exhaustive", "shape", "parents"),
)
"""Fields of a job's input that mean the same in both."""


def job_reply(job: contract.Job) -> pb.Job:
    """A job."""
    return pb.Job(
        id=job.id,
        operation=job.operation,
        state=f"JOB_STATE_{job.state.upper()}",
        stage=job.stage or "",
        progress=job.progress,
        queue_position=job.queue_position,
        created_at=_moment(job.created_at),
        started_at=_moment(job.started_at),
        finished_at=_moment(job.finished_at),
        expires_at=_moment(job.expires_at),
        attempts=job.attempts,
        shapes=[shape_reply(shape) for shape in job.shapes],
        timings_ms=job.timings_ms,
        error=_error(job.error),
        input=_input(job.input),
        model=None if job.model is None else model_ref(job.model),
        eta_s=job.eta_s,
        cancel_requested=job.cancel_requested,
    )


def shape_reply(shape: contract.Shape) -> pb.Shape:
    """A shape as its job reports it."""
    return pb.Shape(
        id=shape.id,
        seed=shape.seed,
        category=shape.category,
        parents=shape.parents,
        mesh=_mesh(shape.mesh),
        normalization=pb.Normalization(
            center=shape.normalization.center, scale=shape.normalization.scale
        ),
        metrics=shape.metrics or {},
        reused=shape.reused,
        expires_at=_moment(shape.expires_at),
        latents=[
            pb.LevelLatents(
                level=int(level),
                tokens=latents.shape[0],
                channels=latents.shape[1],
                dtype=latents.dtype,
                sha256=latents.sha256,
            )
            for level, latents in sorted(shape.latents.items(), reverse=True)
        ],
    )


def shape_detail_reply(shape: contract.ShapeDetail) -> pb.GetShapeResponse:
    """A shape with its provenance."""
    return pb.GetShapeResponse(
        shape=shape_reply(shape),
        operation=shape.operation,
        model=model_ref(shape.model),
        created_at=_moment(shape.created_at),
    )


def tree_reply(tree: contract.Lineage) -> pb.GetTreeResponse:
    """A shape's family."""
    return pb.GetTreeResponse(
        parents=tree.parents,
        children=tree.children,
        children_count=tree.children_count,
        nodes=[
            pb.LineageNode(
                id=node.id,
                expired=node.expired,
                operation=node.operation or "",
                seed=node.seed,
                category=node.category,
                parents=node.parents,
                children=node.children,
                children_count=node.children_count,
            )
            for node in tree.nodes
        ],
        truncated=tree.truncated,
    )


def model_reply(model: contract.Model) -> pb.GetModelResponse:
    """What the workers say of their model."""
    return pb.GetModelResponse(
        name=model.name,
        version=model.version,
        licence=model.licence,
        weights_sha256=model.weights_sha256,
        levels=[pb.LevelShape(**level.model_dump()) for level in model.levels],
        categories=model.categories,
        can=model.can,
        defaults=pb.SamplingDefaults(**model.defaults.model_dump()),
    )


def model_ref(model: contract.ModelRef) -> pb.ModelRef:
    """Which weights made a result."""
    return pb.ModelRef(name=model.name, weights_sha256=model.weights_sha256, version=model.version)


def artifact_reply(artifact: contract.Artifact) -> pb.Artifact:
    """A mesh to look at, but for its file."""
    return pb.Artifact(
        job=artifact.job,
        sample=artifact.sample,
        shape=artifact.shape,
        final=artifact.final,
        resolution=artifact.resolution,
        format=_format(artifact.format),
        bytes=artifact.bytes,
        faces=artifact.faces,
        vertices=artifact.vertices,
    )


def kind_reply(kind: EventKind) -> str:
    """What an event tells, as the name of an ``EventKind``."""
    return f"EVENT_KIND_{kind.name}"


def _mesh(mesh: contract.Mesh) -> pb.Mesh:
    lower, upper = mesh.bounds
    return pb.Mesh(
        format=_format(mesh.format),
        bytes=mesh.bytes,
        faces=mesh.faces,
        vertices=mesh.vertices,
        lower=lower,
        upper=upper,
        watertight=mesh.watertight,
        components=mesh.components,
        resolution=mesh.resolution,
        target_faces=mesh.target_faces,
        exhaustive=mesh.exhaustive,
        space=_space(mesh.space),
        boundary_edges=mesh.boundary_edges,
        expires_at=_moment(mesh.expires_at),
    )


def _input(given: dict[str, Any]) -> pb.JobInput:
    frame, source = given.get("normalization"), given.get("source")
    return pb.JobInput(
        **{name: given[name] for name in _PLAIN_INPUTS if name in given},
        format=_format(given["format"]) if "format" in given else None,
        space=_space(given["space"]) if "space" in given else None,
        normalization=None if frame is None else pb.Normalization(**frame),
        source=None if source is None else _source(**source),
    )


def _source(
    filename: str | None, vertices: int, faces: int, bounds: tuple[contract.Vector, contract.Vector]
) -> pb.Upload:
    lower, upper = bounds
    return pb.Upload(filename=filename, vertices=vertices, faces=faces, lower=lower, upper=upper)


def _error(error: contract.ErrorInfo | None) -> pb.Error | None:
    if error is None:
        return None
    return pb.Error(
        code=error.code,
        detail=error.detail,
        suggestion=error.suggestion or "",
        param=error.param or "",
        retryable=error.retryable,
    )


def _format(name: contract.MeshFormat) -> str:
    return f"MESH_FORMAT_{name.upper()}"


def _space(name: contract.Space) -> str:
    return f"SPACE_{name.upper()}"


def _moment(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
