"""How far a job is, as one number that only grows."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from model.config import SamplingDefaults
from service.jobs import Operation, Stage

_SURFACE = {Stage.DECODE: 0.80, Stage.MESH: 0.12, Stage.EXPORT: 0.08}
"""Shares of the work on one sample's surface, once its latents are there."""

_LATENTS: Mapping[Operation, Mapping[Stage, float]] = MappingProxyType(
    {
        Operation.ENCODE: {Stage.ENCODE: 0.15},
        Operation.DECODE: {},
        Operation.GENERATE: {
            Stage.DENOISE_L3: 0.18,
            Stage.DENOISE_L2: 0.25,
            Stage.DENOISE_L1: 0.45,
        },
        Operation.RESAMPLE: {Stage.DENOISE_L2: 0.30, Stage.DENOISE_L1: 0.55},
    }
)
"""Shares of the whole job that go into making latents, estimated from the default parameters."""

_DEFAULTS = SamplingDefaults()
_GROWTH = 1.7
"""Power of the resolution that a surface's time grows with: 128 to 512 in decision 16's table."""

_EXHAUSTIVE = 6.0
"""Time of a surface that is asked for at every sample, in units of one that is followed: 128."""


def surface_work(params: Mapping[str, Any]) -> float:
    """Time of a job's surfaces beside that of its latents, 1 with the default parameters."""
    scale = params["resolution"] / _DEFAULTS.resolution
    surface = _EXHAUSTIVE * scale**3 if params.get("exhaustive") else scale**_GROWTH
    return float(surface * _DEFAULTS.steps / params.get("steps", _DEFAULTS.steps))


class ProgressMeter:
    """Turns the fraction done of each stage into the progress of one job.

    Args:
        samples: shapes the job makes; their surfaces are worked on one after the other.
        surfaces: see ``surface_work``.
    """

    def __init__(self, operation: Operation, samples: int, surfaces: float = 1.0) -> None:
        shares = _LATENTS[operation]
        made = sum(shares.values())
        whole = made + (1 - made) * surfaces
        self._latents = {stage: share / whole for stage, share in shares.items()}
        self._samples = samples
        self._value = 0.0

    def skip_latents(self) -> None:
        """All latents are there already: what is left to do are surfaces, and counts as all."""
        self._latents = {}

    def at(self, stage: Stage, fraction: float, sample: int = 0) -> float:
        """Progress of the job, 0 to 1; never less than it was before.

        Args:
            stage: what goes on.
            fraction: how much of the stage is done, 0 to 1.
            sample: index of the shape whose surface is worked on; of no meaning for its latents.
        """
        made = sum(self._latents.values())
        if stage in _SURFACE:
            within = _before(_SURFACE, stage) + _SURFACE[stage] * fraction
            value = made + (1 - made) * (sample + within) / self._samples
        else:
            value = _before(self._latents, stage) + self._latents.get(stage, 0.0) * fraction
        self._value = max(self._value, min(value, 1.0))
        return self._value


def _before(shares: Mapping[Stage, float], stage: Stage) -> float:
    order = list(Stage)
    return sum(share for each, share in shares.items() if order.index(each) < order.index(stage))
