"""What a release holds, read from the lake, and its checksum.

Both stores hold the same entries: a key and its bytes. The checksum is the sum of the entries' hashes, so it does
not depend on the order in which a store gives them back.

    for_you|buy_again|discover:<user_id>   a packed list (see packing); every user has all three, empty ones too
    segment:<segment>                      a packed list
    member:<user_id>                       the segment of a known user without lists
    title:<item_id>                        the title of a recommended item
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from cartwheel import lake, warehouse
from cartwheel.contracts import LISTS
from serving_export.packing import pack
from serving_export.segments import ALL, member_segment

LIST_COLUMNS = ["user_id", "list", "rank", "item_id", "score", "reason"]
SEGMENT_COLUMNS = ["segment", "rank", "item_id", "score", "reason"]
USER_KEYS_QUERY = "select user_key, user_id from intermediate.int_user_keys"


class BadContentError(ValueError):
    """The lake's release cannot be published; the message says why."""


@dataclass(frozen=True)
class Content:
    """A release's rows: `lists` by user, list and rank; `segments` by segment and rank; `members`; `titles`."""

    lists: pl.DataFrame  # LIST_COLUMNS
    segments: pl.DataFrame  # SEGMENT_COLUMNS
    members: pl.DataFrame  # user_id, segment
    titles: pl.DataFrame  # item_id, title


@dataclass(frozen=True)
class Checksum:
    """What a store, or the lake, holds of a build."""

    entries: int
    digest: str


def user_keys() -> pl.DataFrame:
    """user_key and user_id of every user of the warehouse."""
    with warehouse.connect() as connection:
        rows = connection.execute(USER_KEYS_QUERY).fetchall()
    return pl.DataFrame(rows, schema={"user_key": pl.String, "user_id": pl.String}, orient="row")


def read_content(day: date, keys: pl.DataFrame | None = None) -> Content:
    """The release of a date from the lake, with user ids in place of user keys (`keys`: the warehouse's by default).

    Raises:
        cartwheel.lake.MissingPartitionError: the lists of that date have not been built.
        BadContentError: it is empty, its ranks have gaps, or a user key is unknown.
    """
    keys = user_keys() if keys is None else keys
    release = pl.DataFrame(lake.read("release", day))
    segments = pl.DataFrame(lake.read("release_segments", day)).select(SEGMENT_COLUMNS).sort("segment", "rank")
    lists = release.join(keys, on="user_key", how="left").select(LIST_COLUMNS).sort("user_id", "list", "rank")
    _check(lists, segments, day)

    cold = pl.DataFrame(lake.read("users", day)).join(release, on="user_key", how="anti").join(keys, on="user_key")
    known = set(segments["segment"].unique())
    segment_of = [member_segment(row["age_band"], row["income_band"], known) for row in cold.to_dicts()]
    members = cold.select("user_id").with_columns(segment=pl.Series(segment_of, dtype=pl.String)).filter(pl.col("segment") != ALL)

    shown = pl.concat([lists["item_id"], segments["item_id"]]).unique().to_frame()
    items = pl.DataFrame(lake.read("items", day, columns=["item_id", "title"]))
    titles = shown.join(items, on="item_id", how="left").select("item_id", pl.coalesce("title", "item_id")).sort("item_id")
    return Content(lists, segments, members.sort("user_id"), titles)


def _check(lists: pl.DataFrame, segments: pl.DataFrame, day: date) -> None:
    if lists.is_empty() or ALL not in segments["segment"]:
        raise BadContentError(f"the release of {day} holds no lists: build them again")
    unknown = lists["user_id"].null_count()
    if unknown:
        raise BadContentError(f"the release of {day} has {unknown} rows of users the warehouse does not know: run dbt again")
    for frame, by in ((lists, ["user_id", "list"]), (segments, ["segment"])):
        gaps = frame.filter(pl.col("rank") != pl.int_range(1, pl.len() + 1).over(by))
        if len(gaps):
            raise BadContentError(f"the release of {day} has {len(gaps)} rows whose ranks do not run 1, 2, 3 …: build it again")


def entries(content: Content) -> Iterator[tuple[str, bytes]]:
    """Every key (without prefix and build) and its bytes."""
    users = content.lists.select(pl.col("user_id").unique(maintain_order=True))
    wanted = users.join(pl.DataFrame({"list": LISTS}), how="cross")
    packed = content.lists.group_by("user_id", "list", maintain_order=True).agg("item_id", "score", "reason")
    full = wanted.join(packed, on=["user_id", "list"], how="left", maintain_order="left")
    for user_id, name, ids, scores, reasons in full.iter_rows():
        yield f"{name}:{user_id}", pack(ids or [], scores or [], reasons or [])
    for segment, ids, scores, reasons in (
        content.segments.group_by("segment", maintain_order=True).agg("item_id", "score", "reason").iter_rows()
    ):
        yield f"segment:{segment}", pack(ids, scores, reasons)
    for user_id, segment in content.members.iter_rows():
        yield f"member:{user_id}", segment.encode()
    for item_id, title in content.titles.iter_rows():
        yield f"title:{item_id}", title.encode()


def checksum(pairs: Iterable[tuple[str, bytes]]) -> Checksum:
    """The number of entries and the sum of their 128-bit BLAKE2b hashes, in hex."""
    count, total = 0, 0
    for key, value in pairs:
        hashed = hashlib.blake2b(key.encode() + b"\0" + value, digest_size=16).digest()
        count, total = count + 1, (total + int.from_bytes(hashed)) % 2**128
    return Checksum(count, f"{total:032x}")
