"""A replayed shopfront: ranked lists and what users really bought next, made into impressions, clicks and purchases.

The demo's data knows what households bought and nothing of what they were shown. A replay shows every user one list and
draws what follows, item by item, by chances that are known:

    examined      rank ^ -examination_decay
    clicked       once examined: `click_wanted` if the user does buy the item next, else `click_other` × the item's appeal
    purchased     once clicked: `purchase_wanted` if the user does buy the item next, else never

So every purchase of the replay is a real one, some real ones are missed, and what stands higher is clicked more. Users
who want something are also those who click it: clicked rows are no fair sample of what was shown.
"""

import zlib
from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
import polars as pl
from scipy.special import ndtri

EVENTS = pl.Schema(
    {
        "event_id": pl.String(),
        "event_type": pl.String(),
        "user_id": pl.String(),
        "item_id": pl.String(),
        "event_ts": pl.Datetime("us", "UTC"),
        "quantity": pl.Float64(),
        "session_id": pl.String(),
        "surface": pl.String(),
        "request_id": pl.String(),
        "rank": pl.Int64(),
    }
)


@dataclass(frozen=True)
class Shopfront:
    """The chances of a replay. With the demo's lists, about one impression in fifty is clicked and one click in thirty buys."""

    surface: str = "home"
    examination_decay: float = 0.7
    click_wanted: float = 0.4
    click_other: float = 0.08
    appeal_spread: float = 0.7  # of the logarithm, between items; the mean appeal is 1
    purchase_wanted: float = 0.3
    click_uplift: float = 1.0  # factors of the users of one variant of an experiment
    purchase_uplift: float = 1.0


def replay(
    lists: pl.DataFrame, purchases: pl.DataFrame, day: date, shopfront: Shopfront, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Show each user's list once on `day`.

    Args:
        lists: user_key, item_id, rank from 1; one list a user.
        purchases: user_key, item_id of what the users buy next.

    Returns:
        Events in the contract's form (the columns of `EVENTS`, in order of time; `user_id` is the key that was given), and
        the truth in the order of user and rank: user_key, item_id, rank, wanted, and the chances `examination`, `click`
        (once examined) and `purchase` (once clicked).

    Raises:
        ValueError: a user has two items at one rank.
    """
    shown = lists.select("user_key", "item_id", pl.col("rank").cast(pl.Int64)).sort("user_key", "rank")
    if shown.select("user_key", "rank").is_duplicated().any():
        raise ValueError("a list has two items at one rank")
    wanted = purchases.select("user_key", "item_id").unique().with_columns(wanted=pl.lit(True))
    shown = shown.join(wanted, on=["user_key", "item_id"], how="left", maintain_order="left")
    items = shown.select(pl.col("item_id").unique().sort())
    appeals = items.with_columns(appeal=pl.Series(appeal(items["item_id"].to_list(), shopfront.appeal_spread), dtype=pl.Float64))
    shown = shown.join(appeals, on="item_id", how="left", maintain_order="left").with_columns(pl.col("wanted").fill_null(False))
    click = pl.when("wanted").then(shopfront.click_wanted).otherwise(shopfront.click_other * pl.col("appeal"))
    purchase = pl.when("wanted").then(shopfront.purchase_wanted).otherwise(0.0)
    truth = shown.select(
        "user_key",
        "item_id",
        "rank",
        "wanted",
        examination=pl.col("rank").cast(pl.Float64) ** -shopfront.examination_decay,
        click=(click * shopfront.click_uplift).clip(upper_bound=1.0),
        purchase=(purchase * shopfront.purchase_uplift).clip(upper_bound=1.0),
    )
    return _draw(truth, day, shopfront.surface, np.random.default_rng(seed)), truth


def appeal(items: list[str], spread: float) -> np.ndarray:
    """How much an item draws the eye, log-normal with mean 1; the same item has the same appeal in every replay."""
    uniform = np.array([zlib.crc32(item.encode()) + 0.5 for item in items]) / 2**32
    return np.exp(spread * ndtri(uniform) - spread**2 / 2)


def _draw(truth: pl.DataFrame, day: date, surface: str, random: np.random.Generator) -> pl.DataFrame:
    chances = truth.select("examination", "click", "purchase").to_numpy()
    _, clicked, purchased = np.logical_and.accumulate(random.random(chances.shape) < chances, axis=1).T
    visit = truth["user_key"].rle_id().to_numpy()
    hours = random.uniform(6, 22, size=len(truth))[visit]  # one moment a user, the same for all of the list
    pause = random.uniform(1, 60, size=(2, len(truth)))
    seconds = hours * 3600
    clicked_at = seconds + 5 * truth["rank"].to_numpy() + pause[0]
    request = pl.concat_str(pl.lit(f"{day}-{surface}"), "user_key", separator="-")
    parts = [
        truth.with_columns(event_type=pl.lit(kind), seconds=pl.Series(at, dtype=pl.Float64)).filter(pl.Series(happened))
        for kind, at, happened in (
            ("impression", seconds, np.ones(len(truth), bool)),
            ("click", clicked_at, clicked),
            ("purchase", clicked_at + 60 * pause[1], purchased),
        )
    ]
    return (
        pl.concat(parts)
        .with_columns(request_id=request, user_id="user_key", surface=pl.lit(surface))
        .with_columns(
            event_id=pl.concat_str("request_id", "rank", "event_type", separator="-"),
            event_ts=pl.lit(datetime.combine(day, time())).dt.replace_time_zone("UTC")
            + pl.duration(microseconds=(pl.col("seconds") * 1e6).cast(pl.Int64)),
            quantity=pl.when(pl.col("event_type") == "purchase").then(1.0),
            session_id="request_id",
        )
        .select(EVENTS.names())
        .cast(EVENTS)
        .sort("event_ts", "event_id")
    )
