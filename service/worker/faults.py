"""What goes wrong in the model, as errors that a caller is told."""

from __future__ import annotations

import structlog
import torch

from model.geometry.tracking import NonFiniteField
from model.latentfile import LatentFileError
from service.errors import InternalError, InvalidLatents, OutOfMemory, ServiceError
from service.jobs import Job
from service.telemetry import LogField

_USUAL = "Start from latents that this model made, whose values are of the size of 1."


def typed(error: Exception, job: Job) -> ServiceError:
    """The error a caller is told; what has no type of its own is logged with its traceback."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, LatentFileError):
        return InvalidLatents(f"{error}.")
    if isinstance(error, NonFiniteField):
        return InvalidLatents(
            "The latents have no surface: their field has NaN or infinite values.",
            suggestion=_USUAL,
        )
    if _is_out_of_memory(error):
        free_memory()
        return OutOfMemory(
            "The device has too little memory for this job, even alone.",
            suggestion="Ask for a lower resolution or fewer samples.",
        )
    structlog.get_logger().error("job_failed", **{LogField.JOB_ID: job.id}, exc_info=error)
    return InternalError("The model failed on this job.")


def diverged(error: LatentFileError) -> InvalidLatents:
    """What to say of latents that a model made and that are no numbers."""
    return InvalidLatents(
        f"The model came to latents that are no numbers: {error}.", suggestion=_USUAL
    )


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
