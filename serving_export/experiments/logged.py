"""What was shown with known chances, from the warehouse: the log that `off_policy` weighs.

A shop that draws part of its lists' order by chance logs, with each impression, the chance with which that item came to that
rank: `{"propensity": 0.25}` in `context`, beside `rank` and `request_id`.
"""

from datetime import date

import numpy as np
import polars as pl

from cartwheel import warehouse
from serving_export.experiments.off_policy import Log

SHOWN = {
    "user_key": pl.String,
    "request_id": pl.String,
    "item_id": pl.String,
    "rank": pl.Int64,
    "propensity": pl.Float64,
    "clicked": pl.Boolean,
}
IMPRESSIONS = """
    select shown.user_key, shown.request_id, shown.item_id, shown.rank, (shown.context ->> 'propensity')::double precision,
        exists (
            select from marts.fct_interactions as clicks
            where clicks.event_type = 'click' and clicks.event_date between %(first)s and %(last)s
            and clicks.user_key = shown.user_key and clicks.request_id = shown.request_id and clicks.item_id = shown.item_id
        )
    from marts.fct_interactions as shown
    where shown.event_type = 'impression' and shown.event_date between %(first)s and %(last)s
    and jsonb_typeof(shown.context -> 'propensity') = 'number' and shown.request_id is not null and shown.rank is not null
    and (%(surface)s::text is null or shown.surface = %(surface)s)
    order by shown.user_key, shown.request_id, shown.rank
"""


class NothingLoggedError(LookupError):
    """No list was shown with known chances, or none to a user of the new ranking."""


def read_shown(first: date, last: date, surface: str | None = None) -> pl.DataFrame:
    """The items that were shown from day to day with a propensity, in the columns of `SHOWN`."""
    with warehouse.connect() as connection:
        rows = connection.execute(IMPRESSIONS, {"first": first, "last": last, "surface": surface}).fetchall()
    return pl.DataFrame(rows, SHOWN, orient="row")


def log_of(shown: pl.DataFrame, new: pl.DataFrame, places: int) -> Log:
    """The log for a new ranking's first places; a click is a reward of 1.

    Only whole lists count: those that showed one item at each of the `places`, of users whose new list is as long; what was
    logged twice counts once. The guesses are the rates of clicks by rank, for one half of the users from the other, so that no
    user's clicks take part in the guess that they correct.

    Args:
        shown: see `SHOWN`. new: user_key, item_id, rank of one list a user.

    Raises:
        NothingLoggedError: nothing is left.
    """
    request = ["user_key", "request_id"]
    long_enough = new.filter(rank=places).select("user_key")
    shown = shown.filter(pl.col("rank").is_between(1, places)).unique(
        [*request, "rank", "item_id"], keep="first", maintain_order=True
    )
    sizes = shown.group_by(request).agg(pl.len(), ranks=pl.col("rank").n_unique())
    whole = sizes.filter(len=places, ranks=places).join(long_enough, on="user_key", how="semi")
    rows = (
        shown.join(whole, on=request, how="semi")
        .join(new.select("user_key", "item_id", new_rank=pl.col("rank").cast(pl.Int64)), on=["user_key", "item_id"], how="left")
        .sort(*request, "rank")
        .with_columns(user=pl.col("user_key").rle_id(), request=pl.struct(request).rle_id())
        .with_columns(half=pl.col("user").cast(pl.Int64) % 2)
    )
    if rows["half"].n_unique() < 2:
        raise NothingLoggedError(
            f"of {sizes.height} lists that were shown with propensities, {whole.height} have {places} places and a user whose new"
            " list is as long; it takes those of two users or more"
        )
    rates = rows.group_by("rank", half=1 - pl.col("half")).agg(guess=pl.col("clicked").mean())
    of_list = rates.group_by("half").agg(of_target=pl.col("guess").sum())
    rows = rows.join(rates, on=["rank", "half"], maintain_order="left").join(of_list, on="half", maintain_order="left")
    of_requests = rows.unique("request", keep="first", maintain_order=True)
    return Log(
        rows["user"].to_numpy().astype(np.int64),
        rows["request"].to_numpy().astype(np.int64),
        rows["clicked"].to_numpy().astype(float),
        rows["propensity"].to_numpy(),
        (rows["rank"] == rows["new_rank"]).fill_null(False).to_numpy().astype(float),
        places,
        rows["guess"].to_numpy(),
        of_requests["of_target"].to_numpy(),
    )
