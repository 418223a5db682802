"""What goes wrong in the model, as errors that a caller is told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import structlog
import torch

from model.geometry.tracking import NonFiniteField
from model.latentfile import LatentFileError
from service.errors import (
    EmptySurface,
    InternalError,
    InvalidLatents,
    OutOfMemory,
    ServiceError,
)
from service.jobs import Job, Operation
from service.store.refs import INPUTS
from service.telemetry import LogField

_ADVICE: Mapping[Operation, str] = MappingProxyType(
    {
        Operation.ENCODE: "Send another mesh: the model can make nothing of this one.",
        Operation.GENERATE: "Try another seed, and guidance and steps near their defaults.",
        Operation.RESAMPLE: "Try another seed, and guidance and steps near their defaults.",
        Operation.DECODE: "Start from shapes that the loaded model made.",
    }
)
"""What to do where the model comes to what is no number, and no latents were sent."""


def typed(error: Exception, job: Job) -> ServiceError:
    """The error a caller is told; what has no type of its own is logged with its traceback."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, LatentFileError):
        return InvalidLatents(f"{error}.")
    if isinstance(error, NonFiniteField):
        return _no_number("The field of the latents has NaN or infinite values.", job)
    if _is_out_of_memory(error):
        free_memory()
        return OutOfMemory(
            "The device has too little memory for this job, even alone.",
            suggestion="Ask for a lower resolution or fewer samples.",
        )
    structlog.get_logger().error("job_failed", **{LogField.JOB_ID: job.id}, exc_info=error)
    return InternalError("The model failed on this job.")


def diverged(error: LatentFileError, job: Job) -> ServiceError:
    """What to say of latents that a model made and that are no numbers."""
    return _no_number(f"The model came to latents that are no numbers: {error}.", job)


def _no_number(detail: str, job: Job) -> ServiceError:
    """The fault of the latents where the caller sent some; else of what was asked for."""
    takes_latents = job.operation in (Operation.RESAMPLE, Operation.DECODE)
    if takes_latents and (job.input_ref or "").startswith(f"{INPUTS}/"):
        return InvalidLatents(
            detail,
            suggestion="Start from latents that this model made, with values of the size of 1.",
        )
    return EmptySurface(f"There is no surface. {detail}", suggestion=_ADVICE[job.operation])


def raise_if_fatal(error: Exception) -> None:
    """Let errors through after which the CUDA context refuses all further work."""
    if isinstance(error, torch.AcceleratorError):
        raise error


def free_memory() -> None:
    """Give the device's unused memory back."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _is_out_of_memory(error: Exception) -> bool:
    # The CPU allocator has no exception type of its own.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )
