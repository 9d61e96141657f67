"""Why an item is recommended, in words a shop can show; and by rule, for champions that cannot explain themselves."""

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
            .then(bought_before())
            .when(pl.col("source") == "popular")
            .then(popular_in(pl.col("department")))
            .otherwise(because(pl.coalesce("subcategory_anchor", "category_anchor")).fill_null(NO_ANCHOR))
        )
        .select(*lists.columns, "reason")
        .sort("user_key", "list", "rank")
    )


def popular_in(department: pl.Expr) -> pl.Expr:
    """The reason of a popular item."""
    name = readable(department)
    return pl.when(name.is_null()).then(pl.lit("Popular this month")).otherwise(pl.lit("Popular this month in ") + name)


def readable(name: pl.Expr) -> pl.Expr:
    """A name, in small letters if it is written in capitals only."""
    return pl.when(name == name.str.to_uppercase()).then(name.str.to_titlecase()).otherwise(name)


def because(title: pl.Expr) -> pl.Expr:
    """Names what else the user bought; null without a title."""
    return pl.lit("Because you bought ") + title


def bought_before() -> pl.Expr:
    """How often and when last, from the columns `purchases` and `recency_days` of features/user_item."""
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


def _anchors(owned: pl.DataFrame, level: str) -> pl.DataFrame:
    """Per user and group of that level: the title of what the user buys most. `owned` is sorted so."""
    return (
        owned.filter(pl.col(level).is_not_null() & pl.col("title").is_not_null())
        .unique(["user_key", level], keep="first", maintain_order=True)
        .select("user_key", level, pl.col("title").alias(f"{level}_anchor"))
    )
