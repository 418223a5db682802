"""Latents to send: from a file, from arrays, or as the id of a shape the server has."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.latentfile import LatentFile
from service.client.results import Result, Results
from service.contract import Shape

ShapeRef = str | Shape | Result | Results
"""A shape on the server: its id, or anything that has one."""

ShapeSource = ShapeRef | Path | bytes | Mapping[int, np.ndarray]
"""What can be resampled or decoded: a shape, a latents file, or level to array."""

_SHAPE_PREFIX = "shp_"


@dataclass(frozen=True, slots=True)
class LatentsInput:
    """Where latents come from: ``shape`` names them, or ``data`` is their file.

    Attributes:
        anonymous: nothing is known of the weights that made them.
    """

    shape: str | None = None
    data: bytes | None = None
    anonymous: bool = False


def shape_id_of(shape: ShapeRef) -> str:
    """The id of a shape.

    Raises:
        TypeError: it has none.
    """
    match shape:
        case str():
            return shape
        case Result() | Results():
            return shape.shape_id
        case Shape():
            return shape.id
    raise TypeError(f"shape must be an id, a shape or a result, not {type(shape).__name__}")


def latents_input(source: ShapeSource) -> LatentsInput:
    """What a source means; a text is the id of a shape where it begins as one, else a path.

    Raises:
        OSError: the file cannot be read.
        TypeError, LatentFileError: the source is no latents.
    """
    match source:
        case str() if source.startswith(_SHAPE_PREFIX) and not Path(source).exists():
            return LatentsInput(shape=source)
        case str() | Path():
            return LatentsInput(data=Path(source).read_bytes())
        case bytes() | bytearray() | memoryview():
            return LatentsInput(data=bytes(source))
        case Mapping():
            levels = {level: np.asarray(array, np.float32) for level, array in source.items()}
            return LatentsInput(data=LatentFile(levels).to_safetensors(), anonymous=True)
        case Result() | Results() | Shape():
            return LatentsInput(shape=shape_id_of(source))
    raise TypeError(
        f"source must be a shape, its id, a latents file, its bytes, or a dict of level to array,"
        f" not {type(source).__name__}"
    )
