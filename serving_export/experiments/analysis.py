"""What an experiment proves: uplift with intervals, day by day, and whether it can be trusted at all.

Reads `marts.fct_experiment_user_days`, `marts.fct_experiment_exposures` and, for CUPED, `marts.fct_user_days`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
import polars as pl

from cartwheel import warehouse
from serving_export.experiments import planning, ratio, registry, sequential
from serving_export.experiments.definitions import Experiment
from serving_export.experiments.ratio import Interval, Ratio

METRICS = {"click_rate": "clicks", "conversion_rate": "conversions"}  # each over impressions
EVENTS = ["impressions", "clicks", "conversions"]
MINIMUM_SUCCESSES = 30  # of both variants, before a day's estimate counts as normal
COVARIATE_DAYS = 28
ALPHA = 0.05
Verdict = Literal["untrustworthy", "better", "worse", "undecided"]


class NoDataError(LookupError):
    """The marts hold nothing of the experiment yet."""


@dataclass(frozen=True)
class Comparison:
    """One variant against the control on one metric, at the last day; and the days until then.

    `p` and `uplift` hold if the last day was fixed before; `always_valid_p` and `sequence` hold whenever one looks. `uplift`,
    `sequence` and `by_day` are relative: 0.18 is 18 % more. They are nan until both variants have enough to count. The
    latter two are what all days until then agree on, for all treatments together; their value is the day's own estimate.
    """

    metric: str
    variant: str
    control_rate: float
    rate: float
    difference: Interval
    uplift: Interval
    p: float
    sequence: Interval
    always_valid_p: float
    days: list[date]
    by_day: list[Interval]
    p_by_day: list[float]


@dataclass(frozen=True)
class Analysis:
    experiment: Experiment
    users: dict[str, int]
    sample_ratio_p: float
    mislabelled: int  # users whom the shop says it showed another variant
    comparisons: list[Comparison]
    required_users: dict[str, int]  # by metric, of control and the treatment that needs most, for the minimum effect

    @property
    def is_trustworthy(self) -> bool:
        return self.sample_ratio_p >= planning.MISMATCH and not self.mislabelled

    def verdict(self, comparison: Comparison) -> Verdict:
        """By the confidence sequence: whether all of it is above or below zero; undecided as well if its days contradict."""
        if not self.is_trustworthy:
            return "untrustworthy"
        low, high = comparison.sequence.low, comparison.sequence.high
        if 0 < low <= high:
            return "better"
        return "worse" if low <= high < 0 else "undecided"


def read(experiment: Experiment, until: date | None = None) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """An experiment's user days, how many users were shown another variant than theirs, and the covariate.

    Up to its last day, or `until` an earlier one.

    Raises:
        NoDataError: the warehouse does not know the experiment as it is defined, or has seen nobody in it.
    """
    user_days = "select event_date, user_key, variant, impressions, clicks, conversions"
    user_days += " from marts.fct_experiment_user_days where experiment = %s and event_date <= %s order by event_date, user_key"
    mislabelled = "select count(*) from marts.fct_experiment_exposures"
    mislabelled += " where experiment = %s and exposed_on <= %s and logged_variant <> variant"
    before = "select user_key, sum(purchases)::double precision from marts.fct_user_days"
    before += " where event_date >= %s and event_date < %s group by user_key order by user_key"
    with warehouse.connect() as connection:
        if not registry.is_applied(connection, experiment):
            raise NoDataError(f"the warehouse does not know {experiment.name} as it is defined: `cartwheel experiments --apply`")
        given = (experiment.name, until or experiment.ends_on)
        rows = connection.execute(user_days.encode(), given).fetchall()
        ((shown_other,),) = connection.execute(mislabelled.encode(), given).fetchall()
        since = experiment.starts_on - timedelta(days=COVARIATE_DAYS)
        purchases = connection.execute(before.encode(), (since, experiment.starts_on)).fetchall()
    if not rows:
        raise NoDataError(f"nobody has been seen in {experiment.name} yet (first day: {experiment.starts_on})")
    schema = {"event_date": pl.Date, "user_key": pl.String, "variant": pl.String} | dict.fromkeys(EVENTS, pl.Int64)
    return (
        pl.DataFrame(rows, schema=schema, orient="row"),
        shown_other,
        pl.DataFrame(purchases, schema={"user_key": pl.String, "covariate": pl.Float64}, orient="row"),
    )


def analyse(
    experiment: Experiment, user_days: pl.DataFrame, mislabelled: int = 0, covariates: pl.DataFrame | None = None
) -> Analysis:
    """All variants against the control.

    Args:
        user_days: event_date, user_key, variant, impressions, clicks, conversions; one row per user and date.
        mislabelled: users whom the shop showed another variant than theirs.
        covariates: user_key, covariate, known before the experiment; users without one have 0. None: no CUPED.

    Raises:
        NoDataError: a variant has fewer than two users.
    """
    users = user_days.select("user_key", "variant").unique().sort("user_key")
    place = users.with_row_index("place").select("user_key", "place")
    user_days = user_days.join(place, on="user_key").sort("event_date", "place")
    sides = {name: (users["variant"] == name).to_numpy() for name in experiment.variants}
    counts = {name: int(side.sum()) for name, side in sides.items()}
    if small := [name for name, count in counts.items() if count < 2]:
        raise NoDataError(f"{experiment.name}: {', '.join(small)} has fewer than two users")
    covariate = None
    if covariates is not None:
        covariate = (
            users.join(covariates, on="user_key", how="left", maintain_order="left")["covariate"].fill_null(0.0).to_numpy()
        )
    looks = _looks(user_days, sides, covariate)
    days = user_days["event_date"].unique().sort().to_list()
    tau = float(np.log1p(experiment.minimum_effect))
    level = 1 - ALPHA / (len(counts) - 1)  # shared out among the treatments (Bonferroni)
    return Analysis(
        experiment,
        counts,
        planning.sample_ratio_p(np.array(list(counts.values())), np.array(list(experiment.shares.values()))),
        mislabelled,
        [
            _compare(metric, name, days, [look[metric] for look in looks], experiment.control, tau, level)
            for metric in METRICS
            for name in list(experiment.variants)[1:]
        ],
        {
            metric: _required_users(experiment, looks[-1][metric][experiment.control])
            for metric in METRICS
            if looks[-1][metric][experiment.control].variance > 0  # else too little has been seen
        },
    )


def _required_users(experiment: Experiment, baseline: Ratio) -> int:
    control, *treatments = experiment.shares.values()
    pairs = [(control / (control + treatment), treatment / (control + treatment)) for treatment in treatments]
    return max(planning.required_users(baseline, experiment.minimum_effect, pair) for pair in pairs)


def _looks(
    user_days: pl.DataFrame, sides: dict[str, np.ndarray], covariate: np.ndarray | None
) -> list[dict[str, dict[str, Ratio]]]:
    """By day, metric and variant, the ratio of all that has happened until then."""
    totals = np.zeros((len(next(iter(sides.values()))), len(EVENTS)))
    looks = []
    for day in user_days.partition_by("event_date", maintain_order=True):
        totals[day["place"].to_numpy()] += day.select(EVENTS).to_numpy()
        seen = {name: side & (totals[:, 0] > 0) for name, side in sides.items()}
        looks.append({metric: _ratios(totals, EVENTS.index(events), seen, covariate) for metric, events in METRICS.items()})
    return looks


def _ratios(totals: np.ndarray, event: int, seen: dict[str, np.ndarray], covariate: np.ndarray | None) -> dict[str, Ratio]:
    if any(totals[side, event].sum() < MINIMUM_SUCCESSES for side in seen.values()):
        return {name: _unknown(totals[side], event) for name, side in seen.items()}
    if covariate is None:
        return {name: ratio.ratio(totals[side, event], totals[side, 0]) for name, side in seen.items()}
    pairs = [(totals[side, event], totals[side, 0]) for side in seen.values()]
    return dict(zip(seen, ratio.adjusted(pairs, [covariate[side] for side in seen.values()]), strict=True))


def _unknown(totals: np.ndarray, event: int) -> Ratio:
    """A rate of which too little has been seen to know its variance."""
    shown = totals[:, 0].sum()
    return Ratio(totals[:, event].sum() / shown if shown else np.nan, np.nan, len(totals))


def _compare(
    metric: str, variant: str, days: list[date], looks: list[dict[str, Ratio]], control: str, tau: float, level: float
) -> Comparison:
    estimates = [_log_uplift(look[variant], look[control]) for look in looks]
    effects, variances = np.array(estimates).T
    ends = sequential.confidence_sequence(effects, variances, tau, level)
    by_day = [Interval(*row) for row in np.expm1(np.column_stack([effects, ends])).tolist()]
    p_by_day = sequential.p_values(effects, variances, tau).tolist()
    last = looks[-1]
    return Comparison(
        metric,
        variant,
        last[control].value,
        last[variant].value,
        ratio.absolute(last[variant], last[control]),
        ratio.relative(effects[-1], ratio.margin(variances[-1])),
        ratio.two_sided(effects[-1], variances[-1]),
        by_day[-1],
        p_by_day[-1],
        days,
        by_day,
        p_by_day,
    )


def _log_uplift(treatment: Ratio, control: Ratio) -> tuple[float, float]:
    return (np.nan, np.nan) if np.isnan(treatment.variance + control.variance) else ratio.log_uplift(treatment, control)
