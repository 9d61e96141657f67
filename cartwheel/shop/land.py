"""Uploading a folder of a shop's files to the landing bucket, as `cartwheel land DIR`."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from cartwheel import lake
from cartwheel.settings import get_settings
from cartwheel.shop.keys import files_below

log = structlog.get_logger()


@dataclass
class Landed:
    """What was done."""

    uploaded: int = 0
    unchanged: int = 0
    bytes: int = 0


def land_folder(directory: Path) -> Landed:
    """Upload every file that is not in the bucket with the same content, under its name below the folder."""
    bucket, client = get_settings().landing_bucket, lake.s3_client()
    there = {item["Key"]: item for item in lake.list_objects(bucket)}
    paths = [directory / name for name in files_below(directory)]
    total, result, started = sum(path.stat().st_size for path in paths), Landed(), time.monotonic()
    seen = 0
    for number, path in enumerate(paths, start=1):
        key, size = path.relative_to(directory).as_posix(), path.stat().st_size
        known = there.get(key)
        if known and known["Size"] == size and known["ETag"].strip('"') == _md5(path):
            result.unchanged += 1
        else:
            with path.open("rb") as body:
                client.put_object(Bucket=bucket, Key=key, Body=body)
            result.uploaded += 1
            result.bytes += size
        seen += size
        elapsed = time.monotonic() - started
        log.info(
            "land",
            file=key,
            files=f"{number}/{len(paths)}",
            mb=round(seen / 1e6, 1),
            remaining_s=round(elapsed * (total - seen) / max(seen, 1)),
        )
    return result


def _md5(path: Path) -> str:
    """The ETag of an object uploaded whole."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
