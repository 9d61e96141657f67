"""The lake's datasets of users side by side, some users at a time, whatever order their files are in.

Spark writes its datasets in files that are each sorted, but not among themselves. So every dataset is first split, file by
file, into ranges of `user_key` on the local disk; then a range at a time is read, sorted and cut. In memory there are one
file of the lake, compressed, and one range of users.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa

from cartwheel import lake

ROWS_PER_RANGE = 2_000_000  # of the largest dataset
SAMPLE = 10_000


def user_batches(
    datasets: Mapping[str, str], day: date, by: str, users: int, columns: Mapping[str, list[str]] | None = None
) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataFrame]]]:
    """The users of the dataset `by`, so many at a time in the order of `user_key`, with their rows of all datasets.

    Args:
        datasets: the lake's dataset for each name. by: one of the names, the largest dataset. columns: by name, all unless given.

    Raises:
        cartwheel.lake.MissingPartitionError: a dataset of that date is missing.
    """
    with tempfile.TemporaryDirectory(prefix="cartwheel-users-") as folder:
        bounds = _bounds(lake.batches(datasets[by], day, ["user_key"]))
        for name, dataset in datasets.items():
            _split(lake.batches(dataset, day, (columns or {}).get(name)), bounds, Path(folder) / name)
        held: dict[str, pl.DataFrame] = {}
        for number in range(len(bounds) + 1):
            tables = {name: _range(Path(folder) / name, number, held.get(name)) for name in datasets}
            keys = tables[by].select(pl.col("user_key").unique().sort())
            # What does not fill a batch waits for the next range, so that batches do not depend on where ranges end.
            taken = len(keys) if number == len(bounds) else len(keys) // users * users
            for start in range(0, taken, users):
                batch = keys[start : min(start + users, taken)]
                yield batch, {name: _of(table, batch) for name, table in tables.items()}
            held = {name: _of(table, keys[taken:]) for name, table in tables.items()}


def _bounds(tables: Iterable[pa.Table]) -> list[str]:
    """The keys that end each range but the last, so that ranges are about equally large."""
    rows, sampled = 0, pl.Series("user_key", [], pl.String)
    for table in tables:
        rows += len(table)
        keys = pl.concat([sampled, pl.Series("user_key", table["user_key"])]).unique()
        sampled = keys.gather(keys.hash().arg_sort()[:SAMPLE])  # those of the lowest hashes: the same whatever order they come in
    sampled = sampled.sort()
    ranges = rows // ROWS_PER_RANGE + 1
    return [sampled[len(sampled) * number // ranges] for number in range(1, ranges)] if len(sampled) else []


def _split(tables: Iterable[pa.Table], bounds: list[str], folder: Path) -> None:
    """Write the rows of each range to files of its own; the number of the range stands first in their names."""
    for part, table in enumerate(tables):
        frame = pl.DataFrame(table)
        place = pl.Series(bounds, dtype=pl.String).search_sorted(frame["user_key"], side="left")
        for (number,), rows in frame.with_columns(_place=place).partition_by("_place", as_dict=True, maintain_order=True).items():
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
            rows.drop("_place").write_ipc(folder / str(number) / f"{part}.arrow")
        if part == 0:
            (folder / "empty").mkdir(parents=True)
            frame.clear().write_ipc(folder / "empty/0.arrow")


def _range(folder: Path, number: int, held: pl.DataFrame | None) -> pl.DataFrame:
    files = sorted((folder / str(number)).glob("*.arrow"), key=lambda path: int(path.stem)) or [folder / "empty/0.arrow"]
    frames = [pl.read_ipc(path) for path in files]
    return pl.concat([*([] if held is None else [held]), *frames]).sort("user_key", maintain_order=True)


def _of(table: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    return table.join(users, on="user_key", how="semi", maintain_order="left")
