"""The deployment itself: models, categories, probes, metrics."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.contract import Category, CategoryList, Health, ModelList
from service.gateway.readiness import check_ready
from service.gateway.state import GatewayOf

router = APIRouter(tags=["system"])


@router.get("/categories")
async def list_categories(gateway: GatewayOf) -> CategoryList:
    """What this deployment can generate."""
    names = await gateway.catalogue.categories()
    return CategoryList(categories=tuple(Category(name=name) for name in names))


@router.get("/models")
async def list_models(gateway: GatewayOf) -> ModelList:
    """The loaded model: levels, weights, licence, what it can do, defaults of parameters."""
    return ModelList(models=await gateway.catalogue.models())


@router.get("/livez")
async def alive() -> Health:
    """The process answers. Asks nothing of anybody else."""
    return Health()


@router.get("/readyz")
async def ready(gateway: GatewayOf) -> Health:
    """The queue can be reached and a worker is alive; 503 otherwise."""
    await check_ready(gateway.queue)
    return Health()


@router.get("/metrics", response_class=Response)
async def metrics(gateway: GatewayOf) -> Response:
    """Prometheus metrics of this gateway."""
    return Response(generate_latest(gateway.metrics.registry), media_type=CONTENT_TYPE_LATEST)
