"""Why an item is recommended, in words a shop can show."""

import polars as pl

NO_ANCHOR = "Shoppers like you buy this"


def add_reasons(lists: pl.DataFrame, user_item: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """The lists with a column `reason`, never null.

    - bought before: how often and when last;
    - named by `popular` alone: the department in which it is popular;
    - else: the item that the user buys most (by decayed_visits) of the same subcategory, else of the same category.

    Args:
        lists: user_key, list, rank, item_id, score, source, bought.
        user_item: the lake's features/user_item. items: the lake's `items`.
    """
    about = items.select("item_id", "title", "department", "category", "subcategory")
    history = user_item.select("user_key", "item_id", "purchases", "recency_days", "decayed_visits")
    owned = history.join(about, on="item_id").sort("user_key", "decayed_visits", "item_id", descending=[False, True, False])
    return (
        lists.join(about, on="item_id", how="left")
        .join(history, on=["user_key", "item_id"], how="left")
        .join(_anchors(owned, "subcategory"), on=["user_key", "subcategory"], how="left")
        .join(_anchors(owned, "category"), on=["user_key", "category"], how="left")
        .with_columns(
            reason=pl.when("bought")
            .then(_bought())
            .when(pl.col("source") == "popular")
            .then(popular_in(pl.col("department")))
            .otherwise(_because(pl.coalesce("subcategory_anchor", "category_anchor")))
        )
        .select(*lists.columns, "reason")
        .sort("user_key", "list", "rank")
    )


def popular_in(department: pl.Expr) -> pl.Expr:
    """The reason of a popular item; departments written in capitals only are set in small letters."""
    name = pl.when(department == department.str.to_uppercase()).then(department.str.to_titlecase()).otherwise(department)
    return pl.when(name.is_null()).then(pl.lit("Popular this month")).otherwise(pl.lit("Popular this month in ") + name)


def _anchors(owned: pl.DataFrame, level: str) -> pl.DataFrame:
    """Per user and group of that level: the title of what the user buys most. `owned` is sorted so."""
    return (
        owned.filter(pl.col(level).is_not_null() & pl.col("title").is_not_null())
        .unique(["user_key", level], keep="first", maintain_order=True)
        .select("user_key", level, pl.col("title").alias(f"{level}_anchor"))
    )


def _because(title: pl.Expr) -> pl.Expr:
    return pl.when(title.is_null()).then(pl.lit(NO_ANCHOR)).otherwise(pl.lit("Because you bought ") + title)


def _bought() -> pl.Expr:
    days = pl.col("recency_days").floor().cast(pl.Int64)
    ago = pl.format("{} days ago", days)
    when = pl.when(days < 1).then(pl.lit("today")).when(days < 2).then(pl.lit("yesterday")).otherwise(ago)
    times = pl.col("purchases").round().cast(pl.Int64)
    return (
        pl.when(times.is_null() | days.is_null())
        .then(pl.lit("Buy again: you bought it before"))
        .when(times <= 1)
        .then(pl.format("Buy again: you bought it once, {}", when))
        .otherwise(pl.format("Buy again: you bought it {} times, last {}", times, when))
    )
