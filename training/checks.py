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

KEYS = {name: tuple(FEATURES[dataset].keys) for name, dataset in DATASETS.items() if dataset in FEATURES} | {
    "items": ("item_id",),
    "users": ("user_key",),
    "candidates": ("user_key", "item_id"),
}


class BadTrainingDataError(ValueError):
    """A cut-off holds what training must not learn from; the message names every problem found, and what to do."""


def check_cutoff(
    cutoff: date, tables: dict[str, pl.DataFrame], events: pl.DataFrame, window_days: int, min_item_purchases: int
) -> None:
    """Look at the tables of a cut-off (`data.load`) and at the events of its label window.

    Raises:
        BadTrainingDataError: something is wrong with them.
    """
    problems = [
        *(problem for name, table in tables.items() for problem in _of_table(name, table)),
        *_strangers(tables),
        *_of_histories(tables["sequences"], cutoff),
        *_of_catalogue(tables["item"], min_item_purchases),
        *_of_window(events, tables["sequences"], cutoff, window_days),
    ]
    if problems:
        told = "".join(f"\n- {problem}" for problem in problems)
        raise BadTrainingDataError(
            f"cut-off {cutoff} cannot be trained on:{told}\nTo build its features and candidates again, run"
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
    """Items that are bought or recommended, but not in the catalogue."""
    known = tables["items"]["item_id"]
    bought = tables["sequences"].select(item_id=pl.col("item_ids").explode())
    for name, table in (("sequences", bought), ("candidates", tables["candidates"])):
        unknown = table.select("item_id").drop_nulls().unique().filter(~pl.col("item_id").is_in(known.implode())).sort("item_id")
        if len(unknown):
            yield f"{DATASETS[name]}: {len(unknown)} items are not in `items`, first {unknown['item_id'][0]}"


def _of_histories(sequences: pl.DataFrame, cutoff: date) -> Iterator[str]:
    """No purchases at all, or some that nobody could have known of."""
    lengths = sequences["item_ids"].list.len().fill_null(0)
    if lengths.sum() == 0:
        yield f"features/sequences: none of its {len(sequences)} users has a purchase"
    late = sequences.filter(pl.col("event_ts").list.max() >= _end_of(cutoff))
    if len(late):
        first = _named(late, ("user_key",))
        yield f"features/sequences.event_ts: {len(late)} users have purchases after the cut-off, first {first}"


def _of_catalogue(item: pl.DataFrame, minimum: int) -> Iterator[str]:
    most = item["purchases"].fill_nan(None).max()
    if most is None or most < minimum:  # type: ignore[operator]  # a number
        yield (
            f"features/item.purchases: no item was bought {minimum} times, the most is {most or 0:g}, so none may be recommended:"
            " lower CARTWHEEL_MIN_ITEM_PURCHASES, or train when there are more events"
        )


def _of_window(events: pl.DataFrame, sequences: pl.DataFrame, cutoff: date, days: int) -> Iterator[str]:
    """Events after the label window, or no purchases in it.

    Files may bring events of earlier days, and the last day may end half a day later where the shop is.
    """
    window = f"label window {cutoff + timedelta(days=1)} to {cutoff + timedelta(days=days)}"
    late = events.filter(pl.col("event_ts") >= _end_of(cutoff + timedelta(days=days + 1)))
    if len(late):
        yield f"interactions: {len(late)} events lie after the {window}, the last at {late['event_ts'].max()}"
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
