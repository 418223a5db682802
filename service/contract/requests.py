"""What may be asked for: parameters with their ranges and defaults.

None as a field's default means: chosen by the service (``seed``), or the default of the loaded
model (``resolution``, ``steps``, ``guidance``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, LiteralString, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.contract.words import SEED_MODULUS, LatentsFormat, MeshFormat, Space, StateName

_ShapeId = Annotated[str, Field(min_length=1, max_length=64, examples=["shp_01k9x0c2v7..."])]


@dataclass(frozen=True, slots=True)
class _Number:
    name: LiteralString
    pattern: re.Pattern[str]


_NUMBERS: Mapping[type, _Number] = {
    int: _Number("a whole number in plain digits", re.compile(r"-?[0-9]+")),
    float: _Number(
        "a number in plain digits", re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
    ),
}


class Request(BaseModel):
    """Base of all requests: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _plain_digits(cls, value: object, info: ValidationInfo) -> object:
        """Text is a number as everyone writes it: ``1_0`` and `` 1 `` are slips, and not Python."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        for kind in get_args(annotation) or (annotation,):
            number = _NUMBERS.get(kind)
            if number and isinstance(value, str) and not number.pattern.fullmatch(value):
                raise PydanticCustomError("number_parsing", "Input should be " + number.name)
        return value


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
        description="Simplify the mesh to about this many faces, or to more where so few would tear"
        " the surface: twice as many each time, until it is sound. `mesh.faces` tells how many"
        " there are. Default: the mesh as extracted.",
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
