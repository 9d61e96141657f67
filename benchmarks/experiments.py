"""Whether the analysis of experiments finds what was planted, and nothing where nothing is (after `make demo`).

    python -m benchmarks.experiments --purchases FILE

Reads the lists of the demo's release and what the households bought next. The shop is taken `--copies` times, and each user is
shown the first places of `for_you` on every day of the experiment by a replayed shopfront (`cartwheel.demo.shopfront`), once as
the control and once as a treatment with 18 % more clicks and 12 % more conversions. Then:

    found           one experiment: users get what their variant's log holds; the analysis against the truth of the replay
    again           the same log under other names, hence other assignments: power, and how often the interval covers the truth
    nothing         the control's log alone, under other names (A/A): false alarms on the last day, and with a look every day
    off-policy      a day's log of lists that are shuffled for half of the users, against the truth of another ranking

Prints tables and ends with one line of JSON.
"""

import argparse
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import binomtest

from benchmarks.off_policy_log import shuffled_log
from cartwheel import lake
from cartwheel.contracts import parse_partition_key
from cartwheel.demo.shopfront import Shopfront, replay
from serving_export.experiments import off_policy
from serving_export.experiments.analysis import METRICS, Analysis, analyse
from serving_export.experiments.assignment import variant_of
from serving_export.experiments.commands import show
from serving_export.experiments.definitions import Experiment
from serving_export.experiments.ratio import Interval
from serving_export.experiments.report import plot

CLICK_UPLIFT, CONVERSION_UPLIFT = 1.18, 1.12
CONTROL = Shopfront()
TREATMENT = Shopfront(click_uplift=CLICK_UPLIFT, purchase_uplift=CONVERSION_UPLIFT / CLICK_UPLIFT)
PLACES = 10
console = Console(width=170)


def experiment(name: str, start: date, days: int, minimum_effect: float = 0.1) -> Experiment:
    """Halves."""
    return Experiment(
        name=name,
        starts_on=start,
        ends_on=start + timedelta(days=days - 1),
        primary_metric="click_rate",
        minimum_effect=minimum_effect,
        variants={"control": {"share": 0.5}, "treatment": {"share": 0.5}},  # type: ignore[dict-item]
    )


def copied(table: pl.DataFrame, copies: int) -> pl.DataFrame:
    """The rows once for each copy of the shop, whose users have keys of their own."""
    return pl.concat([table.with_columns(user_key=pl.concat_str("user_key", pl.lit(f"-{each}"))) for each in range(copies)])


def log(lists: pl.DataFrame, purchases: pl.DataFrame, shopfront: Shopfront, start: date, days: int, seed: int) -> pl.DataFrame:
    """Every user's days at one shopfront, as `marts.fct_experiment_user_days` has them, without the variant."""
    parts = []
    for number in track(range(days), "Replaying", console=console, transient=True):
        day = start + timedelta(days=number)
        events, _ = replay(lists, purchases, day, shopfront, 1000 * seed + number)
        kinds = {"impression": "impressions", "click": "clicks", "purchase": "conversions"}
        counts = [(pl.col("event_type") == kind).sum().cast(pl.Int64).alias(name) for kind, name in kinds.items()]
        parts.append(events.group_by("user_id").agg(counts).with_columns(event_date=pl.lit(day)).rename({"user_id": "user_key"}))
    return pl.concat(parts)


def true_uplifts(lists: pl.DataFrame, purchases: pl.DataFrame) -> dict[str, float]:
    """By metric, the uplift of the chances themselves, summed over everything that is shown."""
    expected = []
    for shopfront in (CONTROL, TREATMENT):
        _, truth = replay(lists, purchases, date(2017, 12, 1), shopfront, seed=0)
        clicks = truth["examination"] * truth["click"]
        expected.append({"click_rate": clicks.sum(), "conversion_rate": (clicks * truth["purchase"]).sum()})
    return {metric: expected[1][metric] / expected[0][metric] - 1 for metric in METRICS}


def assigned(experiment: Experiment, control: pl.DataFrame, treatment: pl.DataFrame) -> pl.DataFrame:
    """Each user's days from the log of the user's variant."""
    users = control["user_key"].unique().sort()
    variants = pl.DataFrame({"user_key": users, "variant": [variant_of(experiment, user) for user in users]})
    sides = {"control": control, "treatment": treatment}
    return pl.concat([side.join(variants.filter(pl.col("variant") == name), on="user_key") for name, side in sides.items()])


def repeated(logs: tuple[pl.DataFrame, pl.DataFrame], times: int, start: date, days: int, name: str) -> list[Analysis]:
    """The analysis under as many assignments."""
    names = track([f"{name}_{number}" for number in range(times)], f"Repeating {name}", console=console, transient=True)
    return [analyse(own, assigned(own, *logs)) for own in (experiment(each, start, days) for each in names)]


def rates(analyses: list[Analysis], truth: dict[str, float]) -> dict[str, dict[str, float]]:
    """By metric, the share of analyses that find something, on the last day and with a look every day; and that cover `truth`."""
    found = {}
    for metric in METRICS:
        compared = [each for analysis in analyses for each in analysis.comparisons if each.metric == metric]
        found[metric] = {
            "fixed": float(np.mean([each.p <= 0.05 for each in compared])),
            "sequential": float(np.mean([each.always_valid_p <= 0.05 for each in compared])),
            "covers": float(np.mean([each.uplift.covers(truth[metric]) for each in compared])),
            "covers always": float(np.mean([all(day.covers(truth[metric]) for day in seen(each.by_day)) for each in compared])),
        }
    return found


def seen(days: list[Interval]) -> list[Interval]:
    """The days with an estimate."""
    return [day for day in days if not np.isnan(day.value)]


def off_policy_table(lists: pl.DataFrame, purchases: pl.DataFrame) -> dict[str, tuple[Interval, float, float]]:
    """By estimator, its answer about the list turned round, the truth, and what the shown lists earned; all clicks per list."""
    full = lists.filter(pl.len().over("user_key") == PLACES)
    turned = full.with_columns(rank=PLACES + 1 - pl.col("rank"))
    _, truth = replay(turned, purchases, date(2017, 12, 1), CONTROL, seed=0)
    worth = (truth["examination"] * truth["click"]).sum() / full["user_key"].n_unique()
    shown = shuffled_log(full, purchases, turned, CONTROL, seed=1)
    earned = float(shown.reward.sum()) / full["user_key"].n_unique()
    estimators = {"IPS": off_policy.ips, "SNIPS": off_policy.snips, "doubly robust": off_policy.doubly_robust}
    return {name: (estimate(shown), worth, earned) for name, estimate in estimators.items()}


def with_interval(share: float, times: int) -> str:
    between = binomtest(round(share * times), times).proportion_ci(method="wilson")
    return f"{share:.1%} ({between.low:.1%} to {between.high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", type=parse_partition_key, default=date(2017, 11, 30), help="of the release")
    parser.add_argument("--purchases", type=Path, required=True, help="what the households bought after it")
    parser.add_argument("--copies", type=int, default=4, help="of the shop's users")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--plot", type=Path, help="where to draw the click rate's confidence sequence, as SVG")
    arguments = parser.parse_args()
    released = pl.DataFrame(pl.from_arrow(lake.read("release", arguments.date)))
    lists = released.filter(pl.col("list") == "for_you", pl.col("rank") <= PLACES).select("user_key", "item_id", "rank")
    lists = copied(lists, arguments.copies)
    purchases = copied(pl.read_parquet(arguments.purchases).select("user_key", "item_id").unique(), arguments.copies)
    start, times = arguments.date + timedelta(days=1), arguments.repetitions
    truth = true_uplifts(lists, purchases)
    control = log(lists, purchases, CONTROL, start, arguments.days, seed=1)
    treatment = log(lists, purchases, TREATMENT, start, arguments.days, seed=2)
    own = experiment("planted_uplift", start, arguments.days)
    found = analyse(own, assigned(own, control, treatment))
    show(found)
    if arguments.plot is not None:
        arguments.plot.write_text(plot(found.comparisons[0]))
    again = rates(repeated((control, treatment), times, start, arguments.days, "again"), truth)
    nothing = rates(repeated((control, control), times, start, arguments.days, "nothing"), dict.fromkeys(METRICS, 0.0))
    table = Table(title=f"{times} assignments of {sum(found.users.values()):,} users over {arguments.days} days")
    for column in ("", "metric", "found, last day", "found, look every day", "interval covers", "all days' intervals cover"):
        table.add_column(column)
    for kind, measured in (("planted", again), ("nothing (A/A)", nothing)):
        for metric, figures in measured.items():
            table.add_row(kind, f"{metric} {truth[metric]:+.1%}" if measured is again else metric, *(
                with_interval(figures[name], times) for name in ("fixed", "sequential", "covers", "covers always")
            ))  # fmt: skip
    console.print(table)
    estimates = off_policy_table(lists, purchases)
    for name, (estimate, worth, earned) in estimates.items():
        console.print(
            f"{name}: {estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f}) clicks per list; truth {worth:.4f}, "
            f"shown lists {earned:.4f}"
        )
    compared = {each.metric: each for each in found.comparisons}
    print(
        json.dumps(
            {
                metric: {
                    "truth": round(truth[metric], 4),
                    "uplift": [round(each, 4) for each in vars(compared[metric].uplift).values()],
                    "sequence": [round(each, 4) for each in vars(compared[metric].sequence).values()],
                    "power": again[metric],
                    "false_alarms": nothing[metric],
                }
                for metric in METRICS
            }
            | {"off_policy_covers": {name: bool(each.covers(worth)) for name, (each, worth, _) in estimates.items()}}
        )
    )


if __name__ == "__main__":
    main()
