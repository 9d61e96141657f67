"""The plots of docs/analysts.md: each takes the rows of its query and gives a figure and a text that stands for it."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Color = str | list[str]
BLUE, ORANGE, GREY = "#3b6ea5", "#d1793b", "#9aa3ab"


def new(width: float = 7.2, height: float = 3.6) -> tuple[Figure, Axes]:
    """An empty plot without a frame."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    return figure, axes


def column(rows: list[dict], name: str) -> list[float]:
    """A column's numbers; nothing is 0."""
    return [float(row[name] or 0) for row in rows]


def bars(axes: Axes, labels: list[str], values: list[float], errors: list[float] | None = None, color: Color = BLUE) -> None:
    """Bars that lie, the first on top."""
    axes.barh(labels, values, xerr=errors, color=color, height=0.7, error_kw={"ecolor": "#444", "elinewidth": 1})
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def concentration(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new()
    tenths, cumulative = column(rows, "tenth"), column(rows, "cumulative_pct")
    axes.bar(tenths, column(rows, "share_pct"), color=BLUE)
    axes.set_xticks(tenths)
    axes.plot(tenths, cumulative, color=ORANGE, marker="o", markersize=4)
    label = min(3, len(rows) - 1)
    axes.annotate("cumulative", (tenths[label], cumulative[label]), (0, 7), textcoords="offset points", color=ORANGE, ha="right")
    axes.set_xlabel("tenth of the households, by revenue")
    axes.set_ylabel("share of revenue, %")
    return figure, "Share of revenue by tenth of the households, and cumulative"


def lapsing(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=5.2)
    ends = rows if len(rows) <= 20 else rows[:10] + rows[-10:]
    for place, row in enumerate(ends):
        low, high = float(row["others_left_pct"]), float(row["lapsing_left_pct"])
        axes.plot([low, high], [place, place], color="#ccd2d8", linewidth=2, zorder=1)
    places = range(len(ends))
    axes.scatter(column(ends, "others_left_pct"), places, color=GREY, label="others")
    axes.errorbar(column(ends, "lapsing_left_pct"), list(places), xerr=column(ends, "plus_minus"),
                  fmt="o", color=ORANGE, elinewidth=0.8, label="lapsing households")  # fmt: skip
    axes.set_yticks(list(places), [row["category"].title() for row in ends])
    if len(rows) > 20:
        axes.axhline(9.5, color="#dddddd", linewidth=1, linestyle=":")
    axes.invert_yaxis()
    axes.set_xlabel("buyers who left the category in the eight weeks before the last, %")
    axes.set_xlim(0, 100)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9)
    return figure, "The ten categories that lapsing households leave most before others, and the ten they leave least"


def front_page(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new()
    rows = [row for row in rows if row["item_weeks"] >= 500]
    labels = [f"{row['promotion']}, {row['stores']} stores" for row in rows]
    colors = [ORANGE if row["promotion"] == "front page" else BLUE for row in rows]
    bars(axes, labels, column(rows, "lift"), column(rows, "plus_minus"), colors)
    axes.axvline(1, color="#444", linewidth=1, linestyle=":")
    axes.set_xlim(left=0)
    axes.set_xlabel("units, 1 = as in weeks without promotion; 95 % interval")
    return figure, "Units sold under each placement against weeks without promotion"


def stocking_up(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=2.8)
    bars(axes, [row["household_size"] for row in rows], column(rows, "more_pct"),
         column(rows, "plus_minus"))  # fmt: skip
    axes.set_ylabel("persons in the household")
    axes.set_xlabel("units more per purchase in mailer weeks, % of the item's usual quantity, 95 % interval")
    return figure, "How much more households take of an item in weeks when it is in the mailer"


def retention(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new()
    months = sorted(int(column.removeprefix("month_")) for column in rows[0] if column.startswith("month_"))
    large = [row for row in rows if row["households"] >= 40]
    for place, row in enumerate(large):
        points = [(month, float(row[f"month_{month}"])) for month in months if row[f"month_{month}"] is not None]
        shade = 0.25 + 0.6 * place / max(len(large) - 1, 1)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=(0.95 * shade, 0.42, 0.75 * (1 - shade)),
                  label=f"{row['first_bought']} ({row['households']:,})")  # fmt: skip
    axes.set_ylim(0, 100)
    axes.set_xlabel("months since the first purchase")
    axes.set_ylabel("households that bought, %")
    axes.legend(frameon=False, title="first bought (households)", fontsize=9, title_fontsize=9, loc="lower right", ncols=2)
    return figure, "Share of each cohort that bought again, by months since its first purchase"


def repeat_gap(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=4)
    bars(axes, [row["title"] for row in rows], column(rows, "median_gap_days"))
    axes.set_xlabel("median days between purchases, of those who came back")
    return figure, "The fifteen items with the shortest gaps between purchases"


def weekday_and_hour(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=2.9)
    counts = [[0] * 24 for _ in range(7)]
    for row in rows:
        counts[row["weekday"] - 1][row["hour"]] = row["baskets"]
    image = axes.imshow(counts, cmap="Blues", aspect="auto")
    axes.set_yticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    axes.set_xticks(range(0, 24, 2))
    axes.set_xlabel("hour of the day (New York time)")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="baskets")
    return figure, "Baskets by weekday and hour"


def growing_categories(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=4)
    changes = column(rows, "change")
    labels = [f"{row['category'].title().replace('  ', ' ')} ({row['department'].title()})" for row in rows]
    bars(axes, labels, changes, color=[BLUE if change > 0 else ORANGE for change in changes])
    axes.axvline(0, color="#444", linewidth=0.8)
    axes.set_xlabel("revenue of the last four weeks, against the twelve before")
    return figure, "The categories whose revenue grew and shrank most"


def new_items(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=2.6)
    labels = [f"{row['first_week_buyers']}  ({row['items']:,} items)" for row in rows]
    bars(axes, labels, column(rows, "sold_in_weeks_10_to_13_pct"), column(rows, "plus_minus"))
    axes.set_ylabel("buyers in the first week")
    axes.set_xlim(0, 100)
    axes.set_xlabel("items still sold in weeks 10 to 13, %, 95 % interval")
    return figure, "Share of new items still sold in weeks 10 to 13, by buyers in their first week"


def price_points(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=2.6)
    values = [100 * (float(row["response"]) - 1) for row in rows]
    bars(axes, [row["price"][3:] for row in rows], values, color=[BLUE if value > 0 else ORANGE for value in values])
    axes.axvline(0, color="#444", linewidth=0.8)
    axes.set_ylabel("price against the usual")
    axes.set_xlabel("units against the usual, %")
    return figure, "Units sold against the usual, by price against the usual"


def income_mix(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=4)
    ratios = column(rows, "high_to_low")
    bars(axes, [row["department"].title() for row in rows], ratios, color=[BLUE if ratio > 1 else ORANGE for ratio in ratios])
    axes.axvline(1, color="#444", linewidth=1, linestyle=":")
    axes.set_xlabel("share of spending, households of 75K and more over those under 35K (1 = the same)")
    return figure, "Share of spending by department, high over low income"


def overdue(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new(height=2.8)
    places = range(len(rows))
    axes.barh([place - 0.19 for place in places], column(rows, "share_pct"), height=0.36, color=BLUE, label="households")
    axes.barh([place + 0.19 for place in places], column(rows, "revenue_pct"), height=0.36, color=GREY, label="revenue")
    axes.set_yticks(list(places), [row["state"][3:] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("share, %")
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    return figure, "Households and their revenue, by how long they have been silent"


def recommendation_hits(rows: list[dict]) -> tuple[Figure, str]:
    figure, axes = new()
    for name, color in (("for_you", BLUE), ("buy_again", GREY), ("discover", ORANGE)):
        places = [row for row in rows if row["list"] == name]
        axes.errorbar([row["rank_band"] for row in places], column(places, "hit_pct"),
                      yerr=column(places, "plus_minus"), marker="o", color=color, capsize=3, label=name,
                      linestyle="--" if name == "buy_again" else "-")  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlabel("place in the list")
    axes.set_ylabel(f"bought within {min(rows[0]['days_observed'], 7)} days, %")
    axes.legend(frameon=False)
    return figure, "Share of recommended items that were bought, by list and place"


PLOTS: dict[str, Callable[[list[dict]], tuple[Figure, str]]] = {
    "01_concentration": concentration,
    "02_lapsing": lapsing,
    "03_front_page": front_page,
    "04_stocking_up": stocking_up,
    "05_retention": retention,
    "06_repeat_gap": repeat_gap,
    "07_weekday_and_hour": weekday_and_hour,
    "08_growing_categories": growing_categories,
    "09_new_items": new_items,
    "10_price_points": price_points,
    "11_income_mix": income_mix,
    "12_overdue": overdue,
    "13_recommendation_hits": recommendation_hits,
}
