"""What a release holds, read from the lake some users at a time, and its checksum.

Both stores hold the same entries: a key and its bytes. The checksum is the sum of the entries' hashes, so it does
not depend on the order in which a store gives them back.

    for_you|buy_again|discover:<user_id>   a packed list (see packing); every user has all three, empty ones too
    segment:<segment>                      a packed list
    member:<user_id>                       the segment of a known user without lists
    title:<item_id>                        the title of a recommended item
    similar|context:<item_id>              see `beside`
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from cartwheel import lake
from cartwheel.contracts import LISTS
from serving_export.lists.user_keys import Ascending, user_keys
from serving_export.releases.beside import SCHEMA as BESIDE
from serving_export.releases.beside import beside
from serving_export.releases.binary_columns import buffer_of, joined, offsets, repeated
from serving_export.releases.packing import pack_all
from serving_export.segments import ALL, member_segment

_TEXT, _RANKED = (
    pa.string(),
    [("item_ids", pa.list_(pa.string())), ("scores", pa.list_(pa.float32())), ("reasons", pa.list_(pa.string()))],
)
SCHEMAS = {
    "lists": pa.schema([("user_id", _TEXT), ("list", _TEXT), *_RANKED]),
    "segments": pa.schema([("segment", _TEXT), *_RANKED]),
    "members": pa.schema([("user_id", _TEXT), ("segment", _TEXT)]),
    "titles": pa.schema([("item_id", _TEXT), ("title", _TEXT)]),
    "beside": BESIDE,
}  # fmt: skip
RELEASE_COLUMNS = ["user_key", "list", "rank", "item_id", "score", "reason"]


class BadContentError(ValueError):
    """The lake's release cannot be published; the message says why."""


@dataclass(frozen=True)
class Part:
    """Some of a release, in the layout of `SCHEMAS`: a row per user and list, per segment, per member, per item.

    Every list of a user is in one part, best item first. The popular lists and all of the items are in the last one.
    """

    lists: pa.Table = field(default_factory=SCHEMAS["lists"].empty_table)
    segments: pa.Table = field(default_factory=SCHEMAS["segments"].empty_table)
    members: pa.Table = field(default_factory=SCHEMAS["members"].empty_table)
    titles: pa.Table = field(default_factory=SCHEMAS["titles"].empty_table)
    beside: pa.Table = field(default_factory=SCHEMAS["beside"].empty_table)


Content = Iterable[Part]  # can be gone through more than once


@dataclass(frozen=True)
class Checksum:
    """What a store, or the lake, holds of a build."""

    entries: int
    digest: str


@dataclass(frozen=True)
class ReleaseInTheLake:
    """The release of a date, read anew each time it is gone through, with user ids in place of user keys.

    Memory does not grow with the number of users: the release, the users and their keys are read side by side in the
    order of `user_key`. Going through it raises

        cartwheel.lake.MissingPartitionError: the lists of that date have not been built.
        BadContentError: it is empty, out of order, its ranks have gaps, or a user key is unknown.
    """

    day: date
    keys: Iterable[pl.DataFrame] | None = None

    def __iter__(self) -> Iterator[Part]:
        popular = pl.DataFrame(lake.read("release_segments", self.day)).sort("segment", "rank")
        known, shown = set(popular["segment"].unique()), set(popular["item_id"])
        keys = Ascending(user_keys() if self.keys is None else self.keys)
        users = Ascending(map(pl.DataFrame, lake.batches("users", self.day, ["user_key", "age_band", "income_band"])))
        last = None
        for rows in lake.whole_users(lake.batches("release", self.day, RELEASE_COLUMNS)):
            before, last = last, rows["user_key"][-1].as_py()
            ids, nearby = keys.up_to(last), users.up_to(last)
            own, lists = lists_of_users(rows, ids, self.day, before)
            shown.update(items_shown(lists))
            yield Part(lists, members=_members(nearby.join(own, on="user_key", how="anti"), ids, known))
        if last is None or ALL not in known:
            raise BadContentError(f"the release of {self.day} holds no lists: build them again")
        yield Part(
            segments=_popular(popular, self.day),
            members=_members(users.rest(), keys.rest(), known),
            titles=titles_of(shown, self.day),
            beside=beside(shown, self.day),
        )


def read_content(day: date, keys: Iterable[pl.DataFrame] | None = None) -> Content:
    """The release of a date: see `ReleaseInTheLake`. `keys` is what `user_keys` gives, the warehouse's by default."""
    return ReleaseInTheLake(day, keys)


def lists_of_users(rows: pa.Table, ids: pl.DataFrame, day: date, after: str | None = None) -> tuple[pl.DataFrame, pa.Table]:
    """The users of some rows of a release (`user_key`), and their lists in the layout of `SCHEMAS`.

    Args:
        rows: `RELEASE_COLUMNS`, in the order of user_key, list and rank. ids: user_key, user_id of these users and others.
        after: a key that all of these users come after.

    Raises:
        BadContentError: see `ReleaseInTheLake`.
    """
    own, lists = _grouped(rows, day, after)
    known_by_id = own.join(ids, on="user_key", how="left", maintain_order="left")["user_id"]
    if known_by_id.null_count():
        raise BadContentError(
            f"the release of {day} has {known_by_id.null_count()} users the warehouse does not know: run dbt again"
        )
    user_ids = known_by_id.to_arrow().cast(_TEXT).take(pa.array(np.arange(len(lists)) // len(LISTS)))
    return own, lists.add_column(0, "user_id", user_ids)


def items_shown(lists: pa.Table) -> list[str]:
    """The items of some lists in the layout of `SCHEMAS`, each once."""
    return pc.unique(lists["item_ids"].combine_chunks().flatten()).to_pylist()


def _grouped(rows: pa.Table, day: date, after: str | None) -> tuple[pl.DataFrame, pa.Table]:
    """The users of some rows (`user_key`), and for each its lists in the order of their names."""
    rows = rows.combine_chunks()
    user_keys, names = rows["user_key"].combine_chunks(), pa.array(sorted(LISTS))
    starts = np.concatenate([[True], pc.not_equal(user_keys[1:], user_keys[:-1]).to_numpy(zero_copy_only=False)])
    users = pl.DataFrame({"user_key": pl.Series(user_keys.filter(pa.array(starts)))})
    kind = pc.index_in(rows["list"], names).combine_chunks().fill_null(-1).to_numpy()
    place = (np.cumsum(starts) - 1) * len(names) + kind
    ends = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(users) * len(names)))])
    if not users["user_key"].is_sorted() or (after is not None and users["user_key"][0] <= after) or (np.diff(place) < 0).any():
        raise BadContentError(f"the release of {day} is not in the order of user_key, list and rank: build it again")
    gaps = (rows["rank"].to_numpy() != np.arange(len(rows)) - ends[place] + 1) | (kind < 0)
    if gaps.any():
        raise BadContentError(f"the release of {day} has {gaps.sum()} rows whose ranks do not run 1, 2, 3 …: build it again")
    return users, _in_lists(rows, ends).add_column(0, "list", pa.array(sorted(LISTS) * len(users)))


def _popular(popular: pl.DataFrame, day: date) -> pa.Table:
    by_segment = popular.group_by("segment", maintain_order=True).agg(
        pl.len(), first=pl.col("rank").eq(pl.int_range(1, pl.len() + 1)).all()
    )
    if not by_segment["first"].all():
        raise BadContentError(f"the popular lists of {day} have ranks that do not run 1, 2, 3 …: build them again")
    ends = np.concatenate([[0], np.cumsum(by_segment["len"].to_numpy())])
    rows = popular.to_arrow(compat_level=pl.CompatLevel.oldest())
    return _in_lists(rows, ends).add_column(0, "segment", by_segment["segment"].to_arrow().cast(_TEXT)).cast(SCHEMAS["segments"])


def _in_lists(rows: pa.Table, ends: np.ndarray) -> pa.Table:
    """item_ids, scores and reasons: rows from one end to the next make one list."""
    columns = {}
    for (name, kind), source in zip(_RANKED, ("item_id", "score", "reason"), strict=True):
        values = rows[source].combine_chunks().cast(kind.value_type)
        columns[name] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)
    return pa.table(columns)


def _members(cold: pl.DataFrame, ids: pl.DataFrame, known: set[str]) -> pa.Table:
    """The closest segment of each user, unless it is everyone's."""
    named = cold.join(ids, on="user_key", maintain_order="left")
    segment_of = [member_segment(row["age_band"], row["income_band"], known) for row in named.iter_rows(named=True)]
    members = named.select("user_id", segment=pl.Series(segment_of, dtype=pl.String)).filter(pl.col("segment") != ALL)
    return members.to_arrow().cast(SCHEMAS["members"])


def titles_of(shown: set[str], day: date) -> pa.Table:
    """The titles of items, in the layout of `SCHEMAS`; an item without one is called by its id."""
    items = pl.DataFrame(lake.read("items", day, columns=["item_id", "title"]))
    titled = pl.DataFrame({"item_id": sorted(shown)}).join(items, on="item_id", how="left", maintain_order="left")
    return titled.select("item_id", title=pl.coalesce("title", "item_id")).to_arrow().cast(SCHEMAS["titles"])


def entries(part: Part) -> tuple[pa.BinaryArray, pa.BinaryArray]:
    """Every key (without prefix and build) and its bytes."""
    lists, segments, members, titles, items = map(_columns, (part.lists, part.segments, part.members, part.titles, part.beside))
    keys = [
        joined(lists["list"], repeated(b":", len(part.lists)), lists["user_id"]),
        joined(repeated(b"segment:", len(part.segments)), segments["segment"]),
        joined(repeated(b"member:", len(part.members)), members["user_id"]),
        joined(repeated(b"title:", len(part.titles)), titles["item_id"]),
        joined(items["kind"], repeated(b":", len(part.beside)), items["name"]),
    ]
    packed = [pack_all(*(columns[name] for name, _ in _RANKED)) for columns in (lists, segments)]
    texts = [members["segment"].cast(pa.binary()), titles["title"].cast(pa.binary()), items["payload"]]
    return pa.concat_arrays(keys), pa.concat_arrays(packed + texts)


def _columns(table: pa.Table) -> dict[str, pa.Array]:
    return {name: table[name].combine_chunks() for name in table.column_names}


def measure(content: Content) -> tuple[int, int, Checksum]:
    """Its users with lists, its recommendations, and the checksum of all its entries."""
    counts = {"lists": 0, "rows": 0}

    def counted() -> Iterator[tuple[pa.BinaryArray, pa.BinaryArray]]:
        for part in content:
            counts["lists"] += len(part.lists)
            counts["rows"] += pc.sum(pc.list_value_length(part.lists["item_ids"])).as_py() or 0
            yield entries(part)

    found = sum_of(counted())
    return counts["lists"] // len(LISTS), counts["rows"], found  # every user has all lists


def checksum(content: Content) -> Checksum:
    """Of all entries: see `sum_of`."""
    return sum_of(entries(part) for part in content)


def sum_of(pairs: Iterable[tuple[pa.BinaryArray, pa.BinaryArray]]) -> Checksum:
    """The number of entries and the sum of their 128-bit BLAKE2b hashes, in hex."""
    count, total = 0, 0
    for keys, values in pairs:
        hashed = joined(keys, repeated(b"\0", len(keys)), values)
        data, ends = buffer_of(hashed), (offsets(hashed) - offsets(hashed)[0]).tolist()
        for start, end in pairwise(ends):
            total += int.from_bytes(hashlib.blake2b(data[start:end], digest_size=16).digest())
        count += len(keys)
    return Checksum(count, f"{total % 2**128:032x}")
