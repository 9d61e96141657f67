"""Which releases are loaded, and which is served."""

import asyncio

import psycopg
import structlog
from fastapi import APIRouter, Depends, HTTPException

from serving_export.api.access import REFUSED, Allow
from serving_export.api.errors import NO_RELEASE
from serving_export.api.models import Release
from serving_export.api.stores import Stores, TheStores

log = structlog.get_logger()
router = APIRouter(prefix="/v1/releases", tags=["releases"], responses=REFUSED, dependencies=[Depends(Allow("recommend"))])


@router.get("")
async def get_releases(stores: TheStores) -> list[Release]:
    """Every loaded release, latest first."""
    return await _releases(stores)


@router.get("/current")
async def get_current_release(stores: TheStores) -> Release:
    """The release that is served."""
    for release in await _releases(stores):
        if release.status == "serving":
            return release
    raise HTTPException(503, NO_RELEASE)


async def _releases(stores: Stores) -> list[Release]:
    try:
        return [Release(**row) for row in await asyncio.to_thread(stores.warehouse.releases)]
    except psycopg.Error as error:
        log.warning("store failed", store=stores.warehouse.name, error=type(error).__name__)
        raise HTTPException(503, "PostgreSQL cannot be reached") from None
