"""The champion's tables, cut into files of some users each, so that a few users can be read without all the others.

    refresh/<table>/<where it begins>.parquet    tables of `serving_export.lists.score.PER_USER`
    refresh/item_facts/                          see `item_facts`
    refresh/build                                the build they belong to, written last

A file begins at the shortest text that lies between the users of the file before and its own, so that no name is a person's.
They are a copy of a date's features and candidates, in the lake, of the build that is served and of no other: `cut` makes it
once for a build, in time that grows with all users, and `read` takes time that grows with the users it is asked for. Nothing
else reads them.
"""

import io
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

import botocore.exceptions
import polars as pl
import pyarrow.parquet as pq
import structlog

from cartwheel import lake
from cartwheel.settings import get_settings
from cartwheel.user_batches import user_batches
from serving_export.lists.score import PER_USER
from serving_export.refresh import item_facts
from serving_export.releases.catalog import Build

log = structlog.get_logger()

FOLDER, MARK = "refresh/", "refresh/build"
USERS_PER_FILE = 200


def cut(build: Build) -> None:
    """Cut the tables of a build's date, unless they are cut already.

    Raises:
        cartwheel.lake.MissingPartitionError: the features or candidates of that date are missing.
    """
    bucket, client = get_settings().lake_bucket, lake.s3_client()
    if _cut_for(bucket) == build.build_id:
        return
    remove()
    done, last = 0, ""
    for users, tables in user_batches(PER_USER, build.partition_date, "candidates", USERS_PER_FILE):
        start = between(last, users["user_key"][0])
        for name, table in tables.items():
            buffer = io.BytesIO()
            pq.write_table(table.to_arrow(), buffer, compression="zstd")
            client.put_object(Bucket=bucket, Key=f"{FOLDER}{name}/{start}.parquet", Body=buffer.getvalue())
        last = users["user_key"][-1]
        done += len(users)
        log.info("tables cut", build=build.build_id, users=done)
    item_facts.keep(build.partition_date, FOLDER)
    client.put_object(Bucket=bucket, Key=MARK, Body=build.build_id.encode())


def read(users: Iterable[str], names: Iterable[str] = PER_USER) -> dict[str, pl.DataFrame]:
    """The rows of those of the users who have candidates, for tables of `PER_USER`, in the order of user_key."""
    bucket = get_settings().lake_bucket
    folder = f"{FOLDER}candidates/"
    starts = [item["Key"].removeprefix(folder).removesuffix(".parquet") for item in lake.list_objects(bucket, folder)]
    of_file: dict[str, list[str]] = defaultdict(list)
    for user in sorted(users):
        of_file[starts[max(bisect_right(starts, user) - 1, 0)]].append(user)

    def rows(name: str, start: str) -> pl.DataFrame:
        table = pl.read_parquet(io.BytesIO(lake.get_bytes(bucket, f"{FOLDER}{name}/{start}.parquet")))
        return table.filter(pl.col("user_key").is_in(of_file[start]))

    return {name: pl.concat(rows(name, start) for start in of_file) for name in names}


def between(before: str, after: str) -> str:
    """The shortest beginning of `after` that comes after `before`."""
    same = next((place for place, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), len(before))
    return after[: same + 1]


def remove() -> None:
    """Remove the copy, its mark first."""
    bucket = get_settings().lake_bucket
    keys = [item["Key"] for item in lake.list_objects(bucket, FOLDER)]
    for key in sorted(keys, key=lambda key: key != MARK):
        lake.s3_client().delete_object(Bucket=bucket, Key=key)


def _cut_for(bucket: str) -> str | None:
    try:
        return lake.get_bytes(bucket, MARK).decode()
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
