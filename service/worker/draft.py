"""One shape as the model leaves it, and what becomes of it: plain data for another process."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from model.geometry.blocks import Blocks
from model.geometry.normalization import Normalization
from service.jobs import ShapeRecord
from service.worker.results import MeshOptions, Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceLogits:
    """Logits around a surface, positive inside, in blocks of a grid in the canonical frame."""

    blocks: Blocks
    lower: float
    spacing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A shape whose latents and field are known; its mesh and files are still to be made.

    Attributes:
        logits: around its surface.
        levels: latents by level.
        points: what was encoded, canonical frame; None for other operations.
        parent: logits around the surface of the shape that this one is a variant of, if it is one.
        new: False where the shape exists already and only a mesh is wanted.
        reused: an equal request made the shape, before or in the same batch: the same bits.
    """

    logits: SurfaceLogits
    levels: dict[int, np.ndarray]
    provenance: Provenance
    options: MeshOptions
    points: Float32[np.ndarray, "n 3"] | None
    parent: SurfaceLogits | None
    new: bool
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The surface of a coarser grid, to be looked at while a finer one is asked.

    Attributes:
        logits: around the surface.
        normalization: the frame it is wanted in; None for the canonical one.
    """

    job_id: str
    shape_id: str
    attempt: int
    sample: int
    resolution: int
    logits: SurfaceLogits
    normalization: Normalization | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A shape whose files are stored.

    Attributes:
        shape: its object in the public contract.
        record: its lasting record where it is new.
        timings_ms: wall time by stage.
    """

    shape: dict[str, Any]
    record: ShapeRecord | None
    timings_ms: dict[str, float]
