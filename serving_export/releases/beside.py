"""What a release holds beside its lists: of each item that it shows, the similar ones, and what a request's context is told.

    similar:<item_id>    a packed list, most alike first
    context:<item_id>    JSON: `category`, and `lifts`, how much more it is bought somewhere than usual: logarithms by
                         `<context>=<value>`, of part of day, device and region

Reads release_similar, features/context_item and items of the date. A date whose chain did not build one
of the first two yet has no entries of that kind.
"""

from datetime import date

import msgspec
import polars as pl
import pyarrow as pa

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS
from serving_export.releases.packing import pack_all

SCHEMA = pa.schema([("kind", pa.string()), ("name", pa.string()), ("payload", pa.binary())])
COLUMNS = ["context", "value", "item_id", "log_lift"]
CONTEXTS = ("part_of_day", "device", "region")
LEAST_LIFT = 0.1  # what is bought a tenth more or less somewhere is bought everywhere
REASON = "Bought by the same people"


def beside(shown: set[str], day: date) -> pa.Table:
    """The entries of all shown items, in the layout of `SCHEMA`."""
    items = pl.DataFrame(lake.read("items", day, columns=["item_id", "category"])).filter(pl.col("item_id").is_in(shown))
    tables = [_contexts(_lifts(shown, day), items)]
    if lake.exists("release_similar", day):
        similar = pl.DataFrame(lake.read("release_similar", day))  # of an earlier build of the lists, perhaps
        tables.append(_similar(similar.filter(pl.col("item_id").is_in(shown))))
    return pa.concat_tables(tables)


def _lifts(shown: set[str], day: date) -> pl.DataFrame:
    """context, value, item_id and log_lift of the shown items in the contexts that a request may name."""
    found = [pl.DataFrame(LAKE_SCHEMAS["features/context_item"].empty_table()).select(COLUMNS)]
    if lake.exists("features/context_item", day):
        for rows in lake.batches("features/context_item", day, COLUMNS):
            found.append(pl.DataFrame(rows).filter(pl.col("context").is_in(CONTEXTS), pl.col("item_id").is_in(shown)))
    return pl.concat(found, how="vertical_relaxed")


def _similar(similar: pl.DataFrame) -> pa.Table:
    grouped = (
        similar.sort("item_id", "rank")
        .group_by("item_id", maintain_order=True)
        .agg("similar_id", pl.col("score").cast(pl.Float32), reasons=pl.lit(REASON).repeat_by(pl.len()).first())
        .to_arrow(compat_level=pl.CompatLevel.oldest())
    )
    lists = [
        grouped[name].combine_chunks().cast(pa.list_(kind))
        for name, kind in (("similar_id", pa.string()), ("score", pa.float32()), ("reasons", pa.string()))
    ]
    return _table("similar", grouped["item_id"].combine_chunks().cast(pa.string()), pack_all(*lists))


def _contexts(lifts: pl.DataFrame, items: pl.DataFrame) -> pa.Table:
    of_item = (
        lifts.filter(pl.col("log_lift").abs() >= LEAST_LIFT)
        .sort("item_id", "context", "value")
        .group_by("item_id")
        .agg(places=pl.col("context") + "=" + pl.col("value"), lifts=pl.col("log_lift").cast(pl.Float64).round(3))
    )
    rows = items.join(of_item, on="item_id", how="left").sort("item_id")
    payloads = [
        msgspec.json.encode({"category": category, "lifts": dict(zip(places or [], lifts or [], strict=True))})
        for category, places, lifts in rows.select("category", "places", "lifts").iter_rows()
    ]
    return _table("context", pa.array(rows["item_id"].to_list(), pa.string()), pa.array(payloads, pa.binary()))


def _table(kind: str, names: pa.Array, payloads: pa.Array) -> pa.Table:
    return pa.table([pa.repeat(kind, len(names)), names, payloads], schema=SCHEMA)
