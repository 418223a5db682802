"""The public contract: requests with their ranges and defaults, results, errors. No I/O.

REST and gRPC accept and answer exactly this, and the client speaks it. Ranges are nowhere else.
None as the default of a request's field means: chosen by the service (``seed``), or the default of
the loaded model (``resolution``, ``steps``, ``guidance``).
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SEED_MODULUS = 2**64
"""Sample ``i`` of a job has the seed ``(seed + i) % SEED_MODULUS``."""

MOST_EXHAUSTIVE_CELLS = 512**3
"""Cells that a request may have asked at every sample, all of its shapes together."""

MAX_WAIT_S = 60
"""Longest time that ``Prefer: wait=N`` may ask for."""

IDEMPOTENCY_KEY_LENGTH = 255
"""Most characters of an idempotency key."""

MeshFormat = Literal["glb", "obj", "ply", "stl"]
LatentsFormat = Literal["safetensors", "npz"]
Space = Literal["input", "normalized"]
StateName = Literal["queued", "running", "succeeded", "failed", "canceled"]
OperationName = Literal["encode", "generate", "resample", "decode"]
LARGEST_COORDINATE = 1e30
"""Of a user's frame; beyond it, single precision overflows."""

Vector = tuple[float, float, float]
_Coordinate = Annotated[float, Field(ge=-LARGEST_COORDINATE, le=LARGEST_COORDINATE)]

_ShapeId = Annotated[str, Field(min_length=1, max_length=64, examples=["shp_01k9x0c2v7..."])]

# Requests


class Request(BaseModel):
    """Base of all requests: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MeshRequest(Request):
    """How the mesh of a result is made."""

    resolution: int | None = Field(
        default=None,
        ge=32,
        le=512,
        description="Cells on each side of the extraction grid; default: the model's.",
    )
    format: MeshFormat = Field(default="glb", description="File format of the mesh.")
    target_faces: int | None = Field(
        default=None,
        ge=4,
        le=10_000_000,
        description="Simplify the mesh to about this many faces; default: the mesh as extracted.",
    )
    exhaustive: bool = Field(
        default=False,
        description="Ask the field at every sample of the grid, so that no loose part is missed;"
        " the time grows with the cube of the resolution, so that one shape at 512 is the most, or"
        " eight at 256. Default: along the surface alone.",
    )


class PlacedMeshRequest(MeshRequest):
    """A mesh of a shape that may have come from an upload, so that it has a place to return to."""

    space: Space = Field(
        default="input",
        description="`input`: the result lies over the upload that the shape comes from;"
        " `normalized`: in the unit sphere.",
    )


class SamplingRequest(Request):
    """How latents are drawn by diffusion."""

    category: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="What to make, one of `GET /categories`; default: the parent's category"
        " when resampling, else no condition.",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=SEED_MODULUS,
        description="Same request and seed, same shape. Sample i has seed + i (modulo 2^64)."
        " Default: chosen at random and told in the answer.",
    )
    n: int = Field(default=1, ge=1, le=16, description="How many shapes to make.")
    steps: int | None = Field(
        default=None, ge=2, le=128, description="Denoising steps of each level."
    )
    guidance: float | None = Field(
        default=None,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Strength of classifier-free guidance: 1 is none, more follows the category"
        " more closely.",
    )


class LatentsRequest(Request):
    """Where latents come from: a shape of this deployment, or the body of the request."""

    shape: _ShapeId | None = Field(
        default=None, description="The shape to start from; without it, latents are the body."
    )
    any_weights: bool = Field(
        default=False,
        description="Accept latents that other weights made, as long as their sizes fit.",
    )


class EncodeRequest(PlacedMeshRequest):
    """Mesh to shape."""

    filename: str | None = Field(
        default=None,
        max_length=255,
        description="The upload's name: decides between formats where its bytes do not.",
    )


class GenerateRequest(SamplingRequest, MeshRequest):
    """New shapes."""


class ResampleRequest(LatentsRequest, SamplingRequest, PlacedMeshRequest):
    """Variants of a shape: the coarse levels stay, the finer ones are made anew."""

    keep_level: int = Field(
        default=3, ge=2, le=3, description="Keep the levels from this one upwards."
    )


class DecodeRequest(LatentsRequest, PlacedMeshRequest):
    """Latents to mesh, without diffusion."""

    level3: _ShapeId | None = Field(
        default=None, description="Experimental: take level 3 (main structure) from this shape."
    )
    level2: _ShapeId | None = Field(
        default=None, description="Experimental: take level 2 (major details) from this shape."
    )
    level1: _ShapeId | None = Field(
        default=None, description="Experimental: take level 1 (minor details) from this shape."
    )

    @property
    def mix(self) -> dict[int, str]:
        """The shapes named for single levels, by level."""
        named = {3: self.level3, 2: self.level2, 1: self.level1}
        return {level: shape for level, shape in named.items() if shape is not None}


class LatentsFileRequest(Request):
    """A shape's latents as a file."""

    format: LatentsFormat = Field(default="safetensors", description="Container of the latents.")


class JobsRequest(Request):
    """A page of jobs."""

    after: str | None = Field(
        default=None,
        pattern=r"^job_[0-9a-z]{26}$",
        description="Continue behind this job: the page's `next`.",
    )
    limit: int = Field(default=20, ge=1, le=100, description="Most jobs on the page.")
    order: Literal["asc", "desc"] = Field(default="desc", description="`desc`: newest first.")
    state: StateName | None = Field(default=None, description="Only jobs in this state.")


# Results


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
        description="The same request had made this shape before: nothing was computed anew but,"
        " where needed, its mesh.",
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
    error: ErrorInfo | None


class Artifact(Result):
    """A mesh to look at while a job goes on: coarser than the result that it makes way for."""

    object: Literal["artifact"] = "artifact"
    job: str
    sample: int = Field(description="Index of the shape, among those of the job.")
    resolution: int = Field(description="Cells on each side of its grid.")
    format: Literal["glb"] = "glb"
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
