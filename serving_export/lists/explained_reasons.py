"""The reason of each recommendation, from the champion's own explanation of its score.

A reason is a sentence about the group of features that adds most to the score, among the groups of which a true sentence
can be said: nobody is told of a purchase that was not made or of an offer that does not run. See docs/reasons.md.
"""

from dataclasses import dataclass

import polars as pl

from cartwheel.contracts import REASON_GROUPS
from serving_export.lists.reasons import NO_ANCHOR, because, bought_before, popular_in, readable

LEVELS = ("subcategory", "category", "brand")  # what a user has an affinity to; the first that is bought often is named
OFTEN = 3  # purchases from one of them
POPULAR_SHARE = 0.1  # of the items of a department that sold in 28 days: those that sold best
CONTENT_ONLY = "Similar to what you buy"
NOTHING_TO_SAY = "Picked for you"
PAIR = ["user_key", "item_id"]
LIKE_OTHERS = ("als_rank", "ease_rank", "item_cf_rank", "co_purchase_rank")


@dataclass(frozen=True)
class Facts:
    """What sentences are checked against: the lake's datasets of one date."""

    user_item: pl.DataFrame  # features/user_item: user_key, item_id, purchases, recency_days
    items: pl.DataFrame  # items: item_id, title, department, category, subcategory, brand
    sales: pl.DataFrame  # features/item: item_id, purchases_28, mailer_regions, display_regions
    sources: pl.DataFrame  # candidates/union: user_key, item_id and the ranks of LIKE_OTHERS and content_rank


def add_explained_reasons(lists: pl.DataFrame, explanations: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """The lists with `reason` (never null), `group` (what it speaks of; null for none) and `top_group` (the model's first).

    Args:
        lists: user_key, list, rank, item_id, bought. explanations: the lake's dataset, a row for every listed pair.
    """
    about = facts.items.select("item_id", "department", *LEVELS)
    known = (
        explanations.select(*PAIR, *(pl.col(name).alias(f"{name}_effect") for name in REASON_GROUPS))
        .join(facts.user_item.select(*PAIR, "purchases", "recency_days"), on=PAIR, how="left")
        .join(facts.sources.select(*PAIR, *LIKE_OTHERS, "content_rank"), on=PAIR, how="left")
        .join(about, on="item_id", how="left")
        .join(_selling(facts), on="item_id", how="left")
        .join(_moved_by(explanations, facts), on=PAIR, how="left")
    )
    for level in LEVELS:
        known = known.join(_often(facts, level), on=["user_key", level], how="left")
    rows = lists.join(known, on=PAIR, how="left").with_columns(_sentences())
    effects = {name: pl.col(f"{name}_effect") for name in REASON_GROUPS}
    sayable: dict[str, pl.Expr] = {
        name: pl.when(pl.col(f"{name}_sentence").is_not_null()).then(effect) for name, effect in effects.items()
    }
    return (
        rows.with_columns(group=_largest(sayable), top_group=_largest(effects))
        .with_columns(reason=pl.coalesce(*(pl.when(group=name).then(f"{name}_sentence") for name in REASON_GROUPS)))
        .with_columns(pl.col("reason").fill_null(NOTHING_TO_SAY))
        .select(*lists.columns, "reason", "group", "top_group")
        .sort("user_key", "list", "rank")
    )


def _sentences() -> list[pl.Expr]:
    """For each group `<group>_sentence`: what can truly be said of it, else null."""
    again = pl.when("bought").then(bought_before())
    often = pl.coalesce(*(pl.when(f"often_{level}").then(readable(pl.col(level))) for level in LEVELS))
    like_others = pl.any_horizontal(pl.col(LIKE_OTHERS).is_not_null())
    alike = pl.col("content_rank").is_not_null()
    sentences = {
        "own": again,
        "affinity": pl.lit("Because you often buy ") + often,
        "similar": pl.when(like_others).then(pl.lit(NO_ANCHOR)).when(alike).then(pl.lit(CONTENT_ONLY)),
        "price": pl.when("on_offer").then(pl.lit("On offer this week")),
        "item": pl.when("popular").then(popular_in(pl.col("department"))),
        "sequence": pl.when(pl.col("mover") == pl.col("item_id")).then(again).otherwise(because(pl.col("mover_title"))),
    }
    return [sentences[name].alias(f"{name}_sentence") for name in REASON_GROUPS]


def _largest(effects: dict[str, pl.Expr]) -> pl.Expr:
    """The name of the largest effect, the first of several; null if all are null."""
    most = pl.max_horizontal(*effects.values())
    return pl.coalesce(*(pl.when(effect == most).then(pl.lit(name)) for name, effect in effects.items()))


def _selling(facts: Facts) -> pl.DataFrame:
    """Per item: whether it is on offer, and whether it is among its department's best sellers of the last 28 days."""
    sold = pl.col("purchases_28") > 0
    place = pl.col("purchases_28").rank("min", descending=True).over("department")
    return facts.sales.join(facts.items.select("item_id", "department"), on="item_id", how="left").select(
        "item_id",
        on_offer=(pl.col("mailer_regions") > 0) | (pl.col("display_regions") > 0),
        popular=sold & (place <= (POPULAR_SHARE * sold.sum().over("department")).ceil()),
    )


def _often(facts: Facts, level: str) -> pl.DataFrame:
    """The users and groups of that level of which they bought often: user_key, the level, often_<level>."""
    bought = facts.user_item.join(facts.items.select("item_id", level).drop_nulls(), on="item_id")
    counts = bought.group_by("user_key", level).agg(pl.col("purchases").sum())
    return counts.filter(pl.col("purchases") >= OFTEN).select("user_key", level, pl.lit(True).alias(f"often_{level}"))


def _moved_by(explanations: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Per pair: `mover`, what moved the score most of the items that the user bought and that have a title, and that title."""
    titles = facts.items.select(mover="item_id", mover_title="title").drop_nulls()
    return (
        explanations.select(*PAIR, mover="moved_by")
        .explode("mover")
        .join(facts.user_item.select("user_key", mover="item_id"), on=["user_key", "mover"], how="semi", maintain_order="left")
        .join(titles, on="mover", maintain_order="left")
        .unique(PAIR, keep="first", maintain_order=True)
    )
