"""What training refuses to learn from, found before it starts, and told all at once.

The gates of `data_quality` hold every partition to the same promises on the day it is built. Cut-offs are older than the
day, may have been built by an earlier version or mended by hand, and go into a model that serves for a week: so they are
looked at once more.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from cartwheel.features import FEATURES, NEVER
from training.data import DATASETS
from training.encoder import MAX_HISTORY

KEYS = {name: tuple(FEATURES[dataset].keys) for name, dataset in DATASETS.items() if dataset in FEATURES} | {
    "items": ("item_id",),
    "users": ("user_key",),
    "candidates": ("user_key", "item_id"),
}


KNOWN_BY = (  # every key of a table, and the table that has to know it
    ("sequences", "item_id", "items"),
    ("item", "item_id", "items"),
    ("user_item", "item_id", "items"),
    ("candidates", "item_id", "items"),
    ("sequences", "user_key", "user"),
    ("user", "user_key", "sequences"),
    ("user_item", "user_key", "sequences"),
    ("user_subcategory", "user_key", "sequences"),
    ("user_category", "user_key", "sequences"),
    ("candidates", "user_key", "sequences"),
)


class BadTrainingDataError(ValueError):
    """A cut-off holds what training must not learn from; the message names every problem found, and what to do."""


def check_cutoff(
    cutoff: date, tables: dict[str, pl.DataFrame], events: pl.DataFrame, window_days: int, min_item_purchases: int
) -> None:
    """Look at the tables of a cut-off (`data.load`) and at the events of its label window.

    Raises:
        BadTrainingDataError: something is wrong with them.
    """
    _refuse(
        cutoff,
        [
            *_of_tables(tables, cutoff),
            *_of_catalogue(tables["item"], min_item_purchases),
            *_of_window(events, tables["sequences"], cutoff, window_days),
        ],
    )


def check_tables(cutoff: date, tables: dict[str, pl.DataFrame]) -> None:
    """Look at the tables of a cut-off alone, which models are to be judged by.

    Raises:
        BadTrainingDataError: something is wrong with them.
    """
    _refuse(cutoff, list(_of_tables(tables, cutoff)))


def _refuse(cutoff: date, problems: list[str]) -> None:
    if problems:
        told = "".join(f"\n- {problem}" for problem in problems)
        raise BadTrainingDataError(
            f"cut-off {cutoff} cannot be used:{told}\nTo build its features and candidates again, run"
            f" `python -m spark_jobs --date {cutoff}`; if the problem stays, its source is the warehouse or the job's code."
        )


def check_examples(labels: np.ndarray, weights: np.ndarray) -> None:
    """Look at the scorer's labels [rows, objectives], the purchase first, and their weights [rows].

    Raises:
        BadTrainingDataError: one is no number, or nothing that was bought is among the candidates.
    """
    for name, values in (("labels", labels), ("weights", weights)):
        if wrong := np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)).tolist():
            raise BadTrainingDataError(
                f"{name} of {len(wrong)} of {len(values)} examples are not finite, first in row {wrong[0]}"
            )
    if not (labels[:, 0] > 0).any():
        raise BadTrainingDataError(
            f"none of the {len(labels)} examples was bought: what users bought in the label windows is not among their"
            " candidates. A shop this small needs more events, or a lower CARTWHEEL_MIN_ITEM_PURCHASES."
        )


def _of_tables(tables: dict[str, pl.DataFrame], cutoff: date) -> Iterator[str]:
    for name, table in tables.items():
        yield from _of_table(name, table)
    yield from _strangers(tables)
    yield from _of_histories(tables["sequences"], cutoff)


def _of_table(name: str, table: pl.DataFrame) -> Iterator[str]:
    """Keys that are missing or repeated, features that are no numbers."""
    dataset, keys = DATASETS[name], KEYS[name]
    if len(without := table.filter(pl.any_horizontal(pl.col(keys).is_null()))):
        yield f"{dataset}: {len(without)} rows without {' or '.join(keys)}"
    repeated = table.filter(pl.struct(keys).is_duplicated())
    if len(repeated):
        yield f"{dataset}: {len(repeated)} rows share their key with another, first {_named(repeated, keys)}"
    features = FEATURES[dataset].features if dataset in FEATURES else ()
    never_null = {feature.name for feature in features if feature.null == NEVER}
    for column, kind in table.schema.items():
        value = pl.col(column)
        if kind.is_float():
            good = value.is_finite().fill_null(column not in never_null)
        else:
            good = value.is_not_null() if column in never_null else pl.lit(True)
        broken = table.filter(~good)
        if len(broken):
            wrong = "null, NaN or infinite" if column in never_null else "NaN or infinite"
            yield f"{dataset}.{column}: {len(broken)} of {len(table)} values are {wrong}, first of {_named(broken, keys)}"


def _strangers(tables: dict[str, pl.DataFrame]) -> Iterator[str]:
    """Items that are not in the catalogue, users without a history or features: all of a cut-off is built from one history."""
    bought = tables["sequences"].select(item_id=pl.col("item_ids").explode())
    for name, key, knows in KNOWN_BY:
        table = bought if (name, key) == ("sequences", "item_id") else tables[name]
        unknown = table.select(key).drop_nulls().unique().join(tables[knows], on=key, how="anti").sort(key)
        if len(unknown):
            things = "items" if key == "item_id" else "users"
            yield f"{DATASETS[name]}: {len(unknown)} {things} are not in `{DATASETS[knows]}`, first {unknown[key][0]}"


def _of_histories(sequences: pl.DataFrame, cutoff: date) -> Iterator[str]:
    """Histories without purchases, with lists that do not fit together, out of order, or of what nobody could have known."""
    items, *others = (pl.col(name).list.len().fill_null(0) for name in ("item_ids", "event_ts", "session_ids"))
    is_even = pl.all_horizontal(length == items for length in others)
    for column, problem, wrong in (
        ("item_ids", "no purchases", sequences.filter(items == 0)),
        ("item_ids", "lists of unequal lengths", sequences.filter(~is_even)),
        *((name, "nulls in their lists", sequences.filter(_has_null(name))) for name in ("item_ids", "event_ts", "session_ids")),
        ("event_ts", "times that go backwards", _backwards(sequences.filter(is_even))),
        ("event_ts", "purchases after the cut-off", sequences.filter(pl.col("event_ts").list.max() >= _end_of(cutoff))),
    ):
        if len(wrong):
            yield f"features/sequences.{column}: {len(wrong)} users have {problem}, first {_named(wrong, ('user_key',))}"


def _has_null(lists: str) -> pl.Expr:
    return pl.col(lists).list.eval(pl.element().is_null()).list.any()


def _backwards(sequences: pl.DataFrame) -> pl.DataFrame:
    """The users with a purchase before the one above it in the same visit, or a visit that began before the one above it.

    Visits may overlap. Where the list is full, the beginning of its first visit may be cut off.
    """

    def before(column: str) -> pl.Expr:
        return pl.col(column).shift(1).over("user_key")

    purchases = (
        sequences.select("user_key", "event_ts", "session_ids", is_full=pl.col("event_ts").list.len() >= MAX_HISTORY)
        .explode("event_ts", "session_ids")
        .with_columns(visit=(pl.col("session_ids") != before("session_ids")).fill_null(False).cum_sum().over("user_key"))
        .with_columns(begun=pl.col("event_ts").first().over("user_key", "visit"))
    )
    in_visit = (pl.col("visit") == before("visit")) & (pl.col("event_ts") < before("event_ts"))
    of_visits = (pl.col("begun") < before("begun")) & ~(pl.col("is_full") & (before("visit") == 0))
    return purchases.filter(in_visit | of_visits).select("user_key").unique()


def _of_catalogue(item: pl.DataFrame, minimum: int) -> Iterator[str]:
    most = item.select(pl.col("purchases").fill_nan(None).max().fill_null(0)).item()
    if most < minimum:
        yield (
            f"features/item.purchases: no item was bought {minimum} times, the most is {most:g}, so none may be recommended:"
            " lower CARTWHEEL_MIN_ITEM_PURCHASES, or train when there are more events"
        )


def _of_window(events: pl.DataFrame, sequences: pl.DataFrame, cutoff: date, days: int) -> Iterator[str]:
    """Events after the label window, or no purchases in it.

    Files may bring events of earlier days, and the last day may end half a day later where the shop is.
    """
    window = f"label window {cutoff + timedelta(days=1)} to {cutoff + timedelta(days=days)}"
    late = events.filter(pl.col("event_ts") >= _end_of(cutoff + timedelta(days=days + 1)))
    if len(late):
        yield f"interactions: {len(late)} events lie after the {window}, the last at {late['event_ts'].max()!s}"
    bought = events.filter(pl.col("event_type") == "purchase").join(sequences, on="user_key", how="semi")
    if bought.is_empty():
        yield (
            f"interactions: no user with a history bought anything in the {window}: land the events of these dates, or train"
            " for a later date"
        )


def _named(rows: pl.DataFrame, keys: tuple[str, ...]) -> str:
    """The first row by its keys, as `user_key=u1, item_id=i1`."""
    first = rows.sort(keys).row(0, named=True)
    return ", ".join(f"{key}={first[key]}" for key in keys)


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)
