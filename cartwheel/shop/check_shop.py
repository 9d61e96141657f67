"""A trial of a shop's mapping on its files, before anything is loaded: every row by its outcome, with examples.

    cartwheel check-shop DIR --shop shop.yaml       a folder
    cartwheel check-shop                            the landing bucket, with the mapping of the settings

Reads with the readers and checks of the load, so the figures are those that `ops.loaded_files` will show.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from cartwheel import landing
from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.shop.judge import judge, setting
from cartwheel.shop.keys import files_below
from cartwheel.shop.mapping import Mapping, Source
from cartwheel.shop.results import FileCheck, Reason, ShopCheck

log = structlog.get_logger()
EXAMPLES, SHOWN_LENGTH = 3, 300


@contextmanager
def _at(path: Path) -> Iterator[Path]:
    yield path


def check_folder(directory: Path, mapping: Mapping) -> ShopCheck:
    """The trial on a folder: names below it count as names below the landing bucket."""
    return _check(files_below(directory), lambda key: _at(directory / key), mapping)


def check_landing_bucket(mapping: Mapping) -> ShopCheck:
    """The trial on what has landed."""

    @contextmanager
    def fetched(key: str) -> Iterator[Path]:
        with landing.fetched(key) as (_, path):
            yield path

    return _check([file.key for file in landing.list_landed_files()], fetched, mapping)


def _check(keys: list[str], opened: Any, mapping: Mapping) -> ShopCheck:
    result, trial = ShopCheck(mapping.name), _Trial()
    for number, key in enumerate(keys, start=1):
        sources = mapping.sources_of(key)
        if not sources:
            result.unread.append(key)
            continue
        with opened(key) as path:
            for source in sources:
                trial.read(source, key, path)
        log.info("check-shop", file=key, files=f"{number}/{len(keys)}", rows=sum(check.rows_read for check in trial.files))
    trial.find_duplicates()
    trial.report(result)
    judge(result, trial.days, trial.midnights)
    return result


class _Trial:
    """Reads files and keeps what the report needs: counts, examples, and a hash of each row's key."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.files: list[FileCheck] = []
        self.reasons: dict[tuple[str, str], Reason] = {}
        self.keys: dict[str, list[pl.DataFrame]] = {name: [] for name in LANDING_CONTRACTS}
        self.days: Counter[date] = Counter()
        self.types: Counter[str] = Counter()
        self.midnights = 0
        self.people: dict[str, list[pl.Series]] = {"users": [], "items": [], "interactions": []}
        self.used: pl.DataFrame | None = None  # item_id, events, purchases

    def read(self, source: Source, key: str, path: Path) -> None:
        """One file by one source."""
        check = FileCheck(key, source.name, source.contract.name)
        self.files.append(check)
        file_date = source.file_date(key)
        try:
            form = source.format_of(key)
            for number, chunk in enumerate(landing.read_chunks(path, form)):
                if number == 0 and form.type != "jsonl":
                    missing = source.missing_columns(chunk.frame.columns)
                    if missing:
                        has = ", ".join(name for name in chunk.frame.columns if name != "line")
                        raise landing.BadFileError(f"lacks the column(s) {', '.join(missing)}; it has {has}")
                self.add(source, check, landing.check(chunk, source, key, file_date, self.now))
        except (landing.BadFileError, ValueError) as error:
            check.error = str(error)

    def add(self, source: Source, check: FileCheck, outcome: landing.Outcome) -> None:
        good, rejected = outcome.good, outcome.rejected
        check.accepted += len(good)
        check.rejected += len(rejected)
        check.rows_read += len(good) + len(rejected)
        check.filtered += outcome.filtered
        for reason, rows in rejected["reason"].value_counts().iter_rows():
            entry = self.reasons.setdefault((source.name, reason), Reason(source.name, reason))
            entry.rows += rows
            wanted = EXAMPLES - len(entry.examples)
            for row in rejected.filter(pl.col("reason") == reason).head(max(wanted, 0)).iter_rows(named=True):
                entry.examples.append({"file": check.file, "line": row["line"], "original": row["original"][:SHOWN_LENGTH]})
        if not len(good):
            return
        first, last = good["business_date"].min(), good["business_date"].max()
        check.first_date = min(filter(None, (check.first_date, first)))  # type: ignore[type-var,assignment]
        check.last_date = max(filter(None, (check.last_date, last)))  # type: ignore[type-var,assignment]
        # An event's id is unique over all dates, any other key within its date.
        parts = [*source.contract.key] if check.dataset == "interactions" else ["business_date", *source.contract.key]
        self.keys[check.dataset].append(
            good.select(
                hash=pl.struct(parts).hash(seed=0), business_date="business_date", file=pl.lit(len(self.files) - 1, pl.Int32)
            )
        )
        if check.dataset == "interactions":
            self.add_events(good)
        elif check.dataset in self.people:
            self.people[check.dataset].append(good[source.contract.key[0]].unique())

    def add_events(self, good: pl.DataFrame) -> None:
        self.days.update(dict(good["business_date"].value_counts().iter_rows()))
        self.types.update(dict(good["event_type"].value_counts().iter_rows()))
        self.midnights += int((good["event_ts"].dt.time() == datetime.min.time()).sum())
        self.people["interactions"].append(good["user_id"].unique())
        used = good.group_by("item_id").agg(events=pl.len(), purchases=(pl.col("event_type") == "purchase").sum())
        both = used if self.used is None else pl.concat([self.used, used])
        self.used = both.group_by("item_id").agg(pl.col("events", "purchases").sum())

    def find_duplicates(self) -> None:
        """In a file the first row of a key counts; of several files that of the lowest date, then of the lowest name."""
        for frames in self.keys.values():
            if not frames:
                continue
            rows = pl.concat(frames)
            firsts = rows.unique(["file", "hash"], keep="first", maintain_order=True)
            order = sorted(range(len(self.files)), key=lambda number: (self.files[number].file, number))
            rank = pl.DataFrame({"file": order, "rank": range(len(order))}, schema={"file": pl.Int32, "rank": pl.Int32})
            owned = firsts.join(rank, on="file").sort("business_date", "rank").unique("hash", keep="first", maintain_order=True)
            accepted = dict(owned["file"].value_counts().iter_rows())
            for number in rows["file"].unique():
                check = self.files[number]
                check.duplicates = check.accepted - accepted.get(number, 0)
                check.accepted -= check.duplicates

    def report(self, result: ShopCheck) -> None:
        result.files = self.files
        result.reasons = sorted(self.reasons.values(), key=lambda reason: (reason.source, -reason.rows, reason.reason))
        result.events_by_type = dict(sorted(self.types.items()))
        result.first_date, result.last_date = min(self.days, default=None), max(self.days, default=None)
        result.dates = len(self.days)
        distinct = {
            name: pl.concat(parts).unique() if parts else pl.Series([], dtype=pl.String) for name, parts in self.people.items()
        }
        result.users = len(distinct["interactions"])
        result.known_users = int(distinct["interactions"].is_in(distinct["users"].implode()).sum())
        result.catalogue_items = len(distinct["items"])
        if self.used is not None:
            used = self.used.filter(pl.col("item_id").is_not_null())
            result.items = len(used)
            result.items_bought_enough = int((used["purchases"] >= setting("min_item_purchases")).sum())
            if result.catalogue_items and len(used):
                listed = used.filter(pl.col("item_id").is_in(distinct["items"].implode()))
                result.share_in_catalogue = round(int(listed["events"].sum()) / int(used["events"].sum()), 4)
