"""What the demo's households bought after a release: the truth it is measured against, never landed.

python -m cartwheel.demo.purchases --after 2017-11-30      prints the file it wrote
"""

import argparse
from datetime import date
from pathlib import Path

import polars as pl

from cartwheel import warehouse
from cartwheel.contracts import parse_partition_key
from cartwheel.demo import shop
from cartwheel.settings import LOCAL_DIR


def write_purchases_after(day: date) -> Path:
    """Write the purchases after `day` as Parquet: user_key, item_id, event_ts. Only users of the warehouse have a key."""
    with warehouse.connect() as connection:
        keys = connection.execute("select user_id, user_key from intermediate.int_user_keys").fetchall()
    path = LOCAL_DIR / f"demo/purchases-after-{day}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    (
        shop.interactions()
        .filter(pl.col("date") > day, pl.col("quantity") > 0)  # as the contract asks
        .join(pl.DataFrame(keys, schema=["user_id", "user_key"], orient="row"), on="user_id")
        .select("user_key", "item_id", pl.col("event_ts").str.to_datetime("%+", time_unit="us", time_zone="UTC"))
        .sort("event_ts", "user_key", "item_id")
        .write_parquet(path)
    )
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--after", required=True, type=parse_partition_key)
    print(write_purchases_after(parser.parse_args().after))


if __name__ == "__main__":
    main()
