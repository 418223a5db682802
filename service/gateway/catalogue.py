"""What the workers' model can do, and the checks of requests against it."""

from collections.abc import Mapping

from model.latentfile import LatentFile
from service.contract import Model, OperationName
from service.errors import (
    CapabilityMissing,
    InvalidLatents,
    InvalidParameter,
    NoWorker,
    WeightsMismatch,
)
from service.jobqueue.queue import JobQueue

_RETRY_AFTER_S = 5


class ModelCatalogue:
    """The models that workers announced; read anew for every request, since workers come and go."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def models(self) -> tuple[Model, ...]:
        """The models of the workers that are alive; without any, those last seen."""
        alive = {worker.model["name"]: worker.model for worker in await self._queue.workers()}
        announced = list(alive.values()) or await self._queue.models()
        return tuple(Model.model_validate(info) for info in announced)

    async def loaded_model(self) -> Model:
        """The first of ``models``.

        Raises:
            NoWorker: no worker has announced a model yet.
        """
        models = await self.models()
        if not models:
            raise _no_model()
        return models[0]

    async def categories(self) -> tuple[str, ...]:
        """What this deployment can generate."""
        names = (name for model in await self.models() for name in model.categories)
        return tuple(dict.fromkeys(names))

    async def model_for(self, operation: OperationName) -> Model:
        """A model that can do ``operation``.

        Raises:
            NoWorker: no worker has announced a model yet.
            CapabilityMissing: no announced model can do this.
        """
        models = await self.models()
        if not models:
            raise _no_model()
        for model in models:
            if operation in model.can:
                return model
        names = ", ".join(repr(model.name) for model in models)
        able = sorted({name for model in models for name in model.can})
        raise CapabilityMissing(
            f"The loaded model cannot {operation}: {names} has no diffusion cascade.",
            suggestion=f"It can {', '.join(able)}; load weights with a cascade to {operation}.",
        )


def _no_model() -> NoWorker:
    return NoWorker(
        "No worker has announced a model yet.",
        suggestion="Wait until a worker has started: GET /readyz tells.",
        retry_after=_RETRY_AFTER_S,
    )


def check_category(model: Model, category: str | None) -> None:
    """Raise ``InvalidParameter`` where the model does not know the category."""
    if category is None or category in model.categories:
        return
    raise InvalidParameter(
        f"The category {category!r} is unknown.",
        suggestion=f"Use one of: {', '.join(model.categories)}."
        if model.categories
        else "The loaded model has no categories: leave the parameter out.",
        param="category",
    )


def check_keep_level(model: Model, keep_level: int) -> None:
    """Raise ``InvalidParameter`` where keeping this level leaves nothing to keep or to make."""
    levels = sorted(level.level for level in model.levels)
    if keep_level not in levels[1:]:
        raise InvalidParameter(
            f"The loaded model cannot keep level {keep_level}: its levels are {levels}.",
            suggestion=f"Use one of: {levels[1:]}.",
            param="keep_level",
        )


def check_weights(model: Model, weights_sha256: str | None) -> None:
    """Raise ``WeightsMismatch`` where latents were not made by the model's weights.

    Args:
        model: the loaded one.
        weights_sha256: the hash that the latents carry; None where they carry none.
    """
    if weights_sha256 == model.weights_sha256:
        return
    cause = (
        "The latents do not say which weights made them (weights_sha256 in their metadata)."
        if weights_sha256 is None
        else f"The latents were made by the weights {weights_sha256[:12]}..., and the loaded ones"
        f" are {model.weights_sha256[:12]}...."
    )
    raise WeightsMismatch(
        cause, suggestion="Use any_weights=true if you know that they fit.", param="any_weights"
    )


def check_sizes(model: Model, latents: LatentFile) -> None:
    """Raise ``InvalidLatents`` where the levels are not those of the model."""
    expected = {level.level: (level.tokens, level.channels) for level in model.levels}
    found: Mapping[int, tuple[int, ...]] = {
        level: vectors.shape for level, vectors in latents.levels.items()
    }
    if found == expected:
        return
    raise InvalidLatents(
        f"The latents have the sizes {_listing(found)}.",
        suggestion=f"The loaded model takes {_listing(expected)}.",
    )


def _listing(sizes: Mapping[int, tuple[int, ...]]) -> str:
    return ", ".join(f"level{level} {sizes[level]}" for level in sorted(sizes, reverse=True))
