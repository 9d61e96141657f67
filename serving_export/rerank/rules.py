"""The shop's rules for a date: what is pinned to a place, what is blocked, how many items of a category a list may hold.

The setting `rules_file` names a YAML file of `pinned`, `blocked` and `caps`; empty means no rules. See docs/reranking.md.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving_export.rerank.greedy import NO_CAP
from serving_export.segments import ALL, memberships, of_whom

PINNED = "pinned"  # source of an item that the ranker did not score
PINS = {"list": pl.String, "place": pl.Int32, "item_id": pl.String, "segment": pl.String}
BLOCKS = {"list": pl.String, "item_id": pl.String, "segment": pl.String}
CAPS = {"list": pl.String, "category": pl.String, "most": pl.Int32}
MEMBERS = {"user_key": pl.String, "segment": pl.String}
OWNED = {"user_key": pl.String, "item_id": pl.String}
ListName = Literal["for_you", "buy_again", "discover"]


class RulesError(ValueError):
    """A rules file that cannot be used; the message names the file, the entry and what to do."""


class _Entry(BaseModel):
    """Counts from the day `from` to the day `until`; without them, always. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    since: datetime.date | None = Field(None, alias="from")
    until: datetime.date | None = None

    def counts(self, day: datetime.date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


class Pin(_Entry):
    """Show an item at a place of the lists. `buy_again` has no pins: it is what the user buys."""

    item: str
    place: int = Field(ge=1)
    lists: list[Literal["for_you", "discover"]] = ["for_you"]
    segments: list[str] = [ALL]


class Block(_Entry):
    """Never show an item in the lists."""

    item: str
    lists: list[ListName] = ["for_you", "buy_again", "discover"]
    segments: list[str] = [ALL]


class Cap(_Entry):
    """At most so many items of a category in a list; without a category, of each."""

    most: int = Field(ge=0)
    category: str | None = None
    lists: list[ListName] = ["for_you", "discover"]


class RulesFile(BaseModel):
    """All of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pinned: list[Pin] = []
    blocked: list[Block] = []
    caps: list[Cap] = []


@dataclass(frozen=True)
class Rules:
    """The rules that count on a date, one row per list (and segment), and who they are for."""

    pins: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PINS))
    blocks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BLOCKS))
    caps: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CAPS))  # category is null for each
    members: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MEMBERS))  # who is in the segments that are named
    owned: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OWNED))  # what the users at hand have bought

    def with_pinned(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Scored items (user_key, item_id, score, source, bought) and the users' pinned items that are not among them."""
        pinned = self._for_users(scored.select("user_key").unique(), self.pins).select("user_key", "item_id").unique()
        new = pinned.join(scored, on=["user_key", "item_id"], how="anti")
        bought = new.join(self.owned.with_columns(bought=True), on=["user_key", "item_id"], how="left")
        added = bought.with_columns(pl.col("bought").fill_null(False), score=pl.lit(0.0), source=pl.lit(PINNED))
        return pl.concat([scored, added.select(pl.col(name).cast(kind) for name, kind in scored.schema.items())])

    def apply(self, rows: pl.DataFrame, list_name: str) -> pl.DataFrame:
        """Candidates of a list (user_key, item_id, source, category) that may be in it, with `place` (0: free) and `cap`."""
        users = rows.select("user_key").unique()
        blocks, pins = (self._for_users(users, rules.filter(list=list_name)) for rules in (self.blocks, self.pins))
        places = pins.group_by("user_key", "item_id").agg(pl.col("place").min())
        caps = self.caps.filter(list=list_name)
        each = caps.filter(pl.col("category").is_null())["most"].min()
        named = caps.drop_nulls("category").group_by("category").agg(cap=pl.col("most").min())
        return (
            rows.join(blocks, on=["user_key", "item_id"], how="anti", maintain_order="left")
            .join(places, on=["user_key", "item_id"], how="left", maintain_order="left")
            .join(named, on="category", how="left", maintain_order="left")
            .with_columns(
                pl.col("place").fill_null(0),
                cap=pl.coalesce("cap", pl.when(pl.col("category").is_not_null()).then(pl.lit(each, pl.Int32))).fill_null(NO_CAP),
            )
            .filter((pl.col("source") != PINNED) | (pl.col("place") > 0))
        )

    def blocked_for(self, segments: Iterable[str]) -> pl.DataFrame:
        """What the popular lists of segments must not hold: segment, item_id.

        A popular list stands in for any list of a user, so it lacks what is blocked in any, for all users of the segment.
        """
        pairs = [(segment, each) for segment in segments for each in of_whom(segment)]
        belong = pl.DataFrame(pairs, {"segment": pl.String, "of": pl.String}, orient="row")
        return belong.join(self.blocks, left_on="of", right_on="segment").select("segment", "item_id").unique()

    def _for_users(self, users: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
        """The rules of each user's segments, by user_key."""
        everyone = users.join(rules.filter(segment=ALL), how="cross")
        some = users.join(self.members, on="user_key").join(rules.filter(pl.col("segment") != ALL), on="segment")
        return pl.concat([everyone, some.select(everyone.columns)])


def read_rules(path: Path | None, day: datetime.date, items: pl.DataFrame, users: Iterable[pa.Table]) -> Rules:
    """The rules of a file that count on a date.

    Args:
        items: item_id, category. users: user_key, age_band, income_band; only read for rules that name segments.

    Raises:
        RulesError: the file is missing or has mistakes, names an unknown item or category, or pins what it blocks.
    """
    if path is None:
        return Rules()
    file = parse_rules(path)
    _check_known(path, file, items)
    pins = [
        (name, pin.place, pin.item, segment)
        for pin in file.pinned if pin.counts(day) for name in pin.lists for segment in pin.segments
    ]  # fmt: skip
    blocks = [
        (name, block.item, segment)
        for block in file.blocked if block.counts(day) for name in block.lists for segment in block.segments
    ]  # fmt: skip
    caps = [(name, cap.category, cap.most) for cap in file.caps if cap.counts(day) for name in cap.lists]
    both = sorted({(name, item) for name, _, item, _ in pins} & {(name, item) for name, item, _ in blocks})
    if both:
        name, item = both[0]
        raise RulesError(f"{path}: item {item!r} is pinned and blocked in {name} on {day}: remove one of the two")
    named = ({segment for _, _, _, segment in pins} | {segment for _, _, segment in blocks}) - {ALL}
    return Rules(
        pl.DataFrame(pins, PINS, orient="row"),
        pl.DataFrame(blocks, BLOCKS, orient="row"),
        pl.DataFrame(caps, CAPS, orient="row"),
        _members(users, named) if named else pl.DataFrame(schema=MEMBERS),
    )


def _members(users: Iterable[pa.Table], segments: set[str]) -> pl.DataFrame:
    """Who is in the segments; in Arrow, because rows that polars keeps would hold all of the text around them."""
    found = (memberships(pl.DataFrame(table)).filter(pl.col("segment").is_in(segments)) for table in users)
    return pl.DataFrame(pa.concat_tables(members.to_arrow(compat_level=pl.CompatLevel.oldest()) for members in found))


def parse_rules(path: Path) -> RulesFile:
    """What a file says.

    Raises:
        RulesError: it is missing or has mistakes.
    """
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # ids and dates stay the text that was written
        return RulesFile.model_validate(content or {})
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error} (setting CARTWHEEL_RULES_FILE)") from None
    except yaml.YAMLError as error:
        raise RulesError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise RulesError("; ".join(f"{path}: {_at(each['loc'])}: {each['msg']}" for each in error.errors())) from None


def _at(location: tuple[int | str, ...]) -> str:
    """Where in the file, entries counted from 1."""
    return " ".join(str(part + 1) if isinstance(part, int) else part for part in location) or "the file"


def _check_known(path: Path, file: RulesFile, items: pl.DataFrame) -> None:
    for kind, values, known in (
        ("item", {pin.item for pin in file.pinned} | {block.item for block in file.blocked}, items["item_id"]),
        ("category", {cap.category for cap in file.caps if cap.category is not None}, items["category"]),
    ):
        unknown = sorted(values - set(known.filter(known.is_in(list(values)))))
        if unknown:
            raise RulesError(f"{path}: unknown {kind} {unknown[0]!r}: the catalogue has none of that name; correct or remove it")
