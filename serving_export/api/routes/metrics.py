"""Metrics for Prometheus."""

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving_export.api.access import REFUSED, Allow

router = APIRouter(tags=["health"], responses=REFUSED, dependencies=[Depends(Allow("metrics"))])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics() -> Response:
    """This process's counts, in the text format of Prometheus; needs a key with the scope `metrics`."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
