"""What is answered: jobs, shapes, models, problems."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.contract.words import MeshFormat, OperationName, Space, StateName

LARGEST_COORDINATE = 1e30
"""Of a user's frame; beyond it, single precision overflows."""

Vector = tuple[float, float, float]
_Coordinate = Annotated[float, Field(ge=-LARGEST_COORDINATE, le=LARGEST_COORDINATE)]


class Result(BaseModel):
    """Base of all results."""

    model_config = ConfigDict(frozen=True)


class Mesh(Result):
    """A mesh that can be fetched."""

    url: str
    format: MeshFormat
    resolution: int
    target_faces: int | None = None
    exhaustive: bool = False
    space: Space = "input"
    bytes: int
    faces: int
    vertices: int
    bounds: tuple[Vector, Vector] = Field(description="Lower and upper corner.")
    watertight: bool
    components: int
    boundary_edges: int | None = Field(
        default=None, description="Edges with one face; 0 in a closed mesh."
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="When the file is forgotten; `url` then makes it again."
    )


class LevelLatents(Result):
    """One level's latent vector set."""

    url: str
    shape: tuple[int, int] = Field(description="(tokens, channels)")
    dtype: Literal["float32"] = "float32"
    sha256: str


class Frame(Result):
    """`canonical = (user - center) * scale`."""

    center: tuple[_Coordinate, _Coordinate, _Coordinate]
    scale: float = Field(ge=1 / LARGEST_COORDINATE, le=LARGEST_COORDINATE)


class Shape(Result):
    """A shape as its job reports it."""

    id: str
    seed: int | None = None
    category: str | None = None
    parents: tuple[str, ...] = ()
    mesh: Mesh
    latents: dict[str, LevelLatents] = Field(description="By level: 3 coarse to 1 fine.")
    normalization: Frame
    metrics: dict[str, float] | None = Field(
        default=None,
        description="Canonical frame. Of encoded shapes: `chamfer` and `f_score` to the upload; of"
        " variants: `parent_distance`, the Chamfer distance to the shape they come from.",
    )
    reused: bool = Field(
        default=False,
        description="An equal request made this shape, before or at the same moment: nothing was"
        " computed for this one but its mesh.",
    )
    expires_at: AwareDatetime | None = Field(
        default=None,
        description="When the shape and its latents are forgotten; null in a job that made a mesh"
        " of an older shape: see the shape.",
    )


class ModelRef(Result):
    """Which weights made a result."""

    name: str
    weights_sha256: str
    version: str


class ShapeDetail(Shape):
    """A shape with its provenance."""

    object: Literal["shape"] = "shape"
    operation: OperationName
    model: ModelRef
    created_at: AwareDatetime
    expires_at: AwareDatetime
    links: dict[str, str]


class ErrorInfo(Result):
    """Why a job failed."""

    code: str
    detail: str
    suggestion: str | None = None
    param: str | None = None
    retryable: bool


class Job(Result):
    """One accepted request."""

    id: str
    object: Literal["job"] = "job"
    operation: OperationName
    state: StateName
    stage: str | None = Field(description="What goes on inside a running job.")
    progress: float = Field(ge=0, le=1)
    queue_position: int | None = Field(description="Jobs ahead of a queued one.")
    eta_s: float | None = Field(description="Estimated seconds to the end.")
    cancel_requested: bool
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    attempts: int
    input: dict[str, Any] = Field(description="The request, with every default filled in.")
    model: ModelRef | None
    shapes: tuple[Shape, ...]
    timings_ms: dict[str, float]
    links: dict[str, str]
    error: ErrorInfo | None = Field(description="Of a job that failed or was canceled.")


class Artifact(Result):
    """A mesh to look at: coarse ones while a job goes on, then the one it was asked for."""

    object: Literal["artifact"] = "artifact"
    job: str
    sample: int = Field(description="Index of the shape, among those of the job.")
    shape: str = Field(description="Id of the shape.")
    resolution: int = Field(description="Cells on each side of its grid.")
    final: bool = Field(
        description="True for the mesh that was asked for, at the `url` of the shape's mesh."
    )
    format: MeshFormat
    url: str
    bytes: int
    faces: int
    vertices: int


class JobList(Result):
    """A page of jobs."""

    jobs: tuple[Job, ...]
    next: str | None = Field(description="Value of `after` for the next page; null on the last.")


class LineageNode(Result):
    """A shape in a family tree; an expired one has only its id."""

    id: str
    expired: bool = False
    operation: OperationName | None = None
    seed: int | None = None
    category: str | None = None
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = Field(default=(), description="The newest 100, newest first.")
    children_count: int = 0


class Lineage(Result):
    """Ancestors and descendants of a shape."""

    id: str
    object: Literal["tree"] = "tree"
    parents: tuple[str, ...]
    children: tuple[str, ...] = Field(description="The newest 100, newest first.")
    children_count: int = Field(description="How many there are, of those that have not expired.")
    nodes: tuple[LineageNode, ...] = Field(
        description="The shape itself, its ancestors, its descendants; the 256 nearest."
    )
    truncated: bool = Field(
        description="True where the family is larger than what is shown, in shapes or in children."
    )


class Category(Result):
    """Something that can be generated."""

    name: str


class CategoryList(Result):
    """What this deployment can generate."""

    categories: tuple[Category, ...]


class Level(Result):
    """Size of one level of a model's latents."""

    level: int
    tokens: int
    channels: int


class SamplingDefaults(Result):
    """Values of parameters that a request leaves out."""

    resolution: int
    steps: int
    guidance: float


class Model(Result):
    """What workers say of their model."""

    name: str
    version: str
    licence: str
    weights_sha256: str
    levels: tuple[Level, ...]
    categories: tuple[str, ...]
    can: tuple[OperationName, ...]
    defaults: SamplingDefaults

    @property
    def ref(self) -> ModelRef:
        """The part that results carry."""
        return ModelRef(name=self.name, weights_sha256=self.weights_sha256, version=self.version)


class ModelList(Result):
    """The loaded models."""

    models: tuple[Model, ...]


class Health(Result):
    """A passed probe."""

    status: Literal["ok"] = "ok"


class Problem(Result):
    """RFC 9457 problem details: the body of every error (`application/problem+json`)."""

    type: str = Field(description="Names the kind of problem: one for each code.")
    title: str
    status: int
    detail: str = Field(description="The cause, for this very request.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="One of a closed set.", examples=["invalid_parameter"])
    suggestion: str | None = Field(description="What to do about it.")
    param: str | None = Field(description="The parameter, field or header at fault.")
    retryable: bool = Field(description="The very same request may succeed later.")
    request_id: str
    job: str | None = Field(description="The job that failed, where there is one.")
