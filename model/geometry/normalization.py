"""The similarity between the user's frame and the canonical frame of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class Normalization:
    """User frame to unit sphere and back: `canonical = (user - center) * scale`.

    The canonical frame has the bounding-box center at the origin and the farthest point at
    norm 1 (LaGeM, appendix B). There is no rotation: axes keep their meaning.

    Attributes:
        center: bounding-box center, in units of the user's frame.
        scale: canonical units for one user unit, positive and finite.
    """

    center: tuple[float, float, float]
    scale: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.center).all():
            raise ValueError(f"center must be finite, got {self.center}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive and finite, got {self.scale}")

    @classmethod
    def identity(cls) -> Normalization:
        """The user frame is the canonical frame already."""
        return cls(center=(0.0, 0.0, 0.0), scale=1.0)

    @classmethod
    def of_points(cls, points: Float[np.ndarray, "n 3"]) -> Normalization:
        """The frame in which `points` fill the unit sphere.

        Raises:
            ValueError: there are no points, they are not finite, or they all coincide.
        """
        if len(points) == 0:
            raise ValueError("points must hold at least one row")
        lower = points.min(axis=0).astype(np.float64)
        upper = points.max(axis=0).astype(np.float64)
        center = lower + (upper - lower) / 2
        radius = float(np.linalg.norm(points - center, axis=1).max())
        if not radius > 0:
            raise ValueError("points must not all coincide")
        x, y, z = center.tolist()
        return cls(center=(x, y, z), scale=1.0 / radius)

    def apply(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """User frame to canonical frame, computed and returned in float64."""
        return (points.astype(np.float64) - self.center) * self.scale

    def invert(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Canonical frame to user frame, computed and returned in float64."""
        return points.astype(np.float64) / self.scale + self.center
