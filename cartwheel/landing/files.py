"""Listing the landing bucket, and fetching a file of it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cartwheel import lake
from cartwheel.settings import get_settings


@dataclass(frozen=True)
class LandedFile:
    """A file of the landing zone; key and ETag together identify what was delivered."""

    key: str
    etag: str
    bytes: int


def list_landed_files() -> list[LandedFile]:
    """Every file of the landing zone, by key."""
    objects = lake.list_objects(get_settings().landing_bucket)
    return [LandedFile(item["Key"], item["ETag"].strip('"'), item["Size"]) for item in objects]


@contextmanager
def fetched(key: str) -> Iterator[tuple[LandedFile, Path]]:
    """A copy of the file on disk, for as long as it is needed, and what was fetched: it may be newer than the listing."""
    answer = lake.s3_client().get_object(Bucket=get_settings().landing_bucket, Key=key)
    with tempfile.NamedTemporaryFile(prefix="cartwheel-landed-") as copy:
        shutil.copyfileobj(answer["Body"], copy, 1 << 20)
        copy.flush()
        yield LandedFile(key, answer["ETag"].strip('"'), answer["ContentLength"]), Path(copy.name)
