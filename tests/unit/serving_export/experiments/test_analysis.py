"""The analysis on a small replayed shop: it finds what was planted, nothing where nothing is, and says when not to be trusted."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.experiments import METRICS, TREATMENT, assigned, experiment, log, rates, repeated
from cartwheel.demo.shopfront import Shopfront
from serving_export.experiments import report
from serving_export.experiments.analysis import NoDataError, analyse
from serving_export.experiments.definitions import Experiment
from serving_export.experiments.ratio import Interval

START, DAYS, USERS, PLACES = date(2017, 12, 1), 4, 1500, 5
KEYS = [f"u{user:04}" for user in range(USERS)]
LISTS = pl.DataFrame(
    {
        "user_key": np.repeat(KEYS, PLACES),
        "item_id": np.tile([f"i{item}" for item in range(PLACES)], USERS),
        "rank": np.tile(np.arange(1, PLACES + 1), USERS),
    }
)
WANTED = LISTS.filter(pl.col("item_id").is_in(["i0", "i3"])).select("user_key", "item_id")
EXPERIMENT = experiment("planted", START, DAYS)


@pytest.fixture(scope="module")
def logs():
    better = replace(TREATMENT, click_uplift=1.3)
    return tuple(log(LISTS, WANTED, front, START, DAYS, seed) for seed, front in enumerate((Shopfront(), better)))


@pytest.fixture(scope="module")
def found(logs):
    return analyse(EXPERIMENT, assigned(EXPERIMENT, *logs))


def test_rates_by_hand():
    """Users a to d, two a side: clicks over impressions until each day. With so few clicks there is a rate and no interval."""
    user_days = pl.DataFrame(
        [
            (START, "a", "control", 10, 1, 0), (START, "b", "control", 10, 1, 0), (START, "c", "treatment", 5, 2, 1),
            (date(2017, 12, 2), "d", "treatment", 5, 1, 0), (date(2017, 12, 2), "a", "control", 20, 2, 1),
        ],
        schema=["event_date", "user_key", "variant", "impressions", "clicks", "conversions"], orient="row",
    )  # fmt: skip
    analysis = analyse(EXPERIMENT, user_days)
    clicks, conversions = analysis.comparisons
    assert analysis.users == {"control": 2, "treatment": 2} and analysis.sample_ratio_p == 1
    assert (clicks.control_rate, clicks.rate) == (4 / 40, 3 / 10)
    assert (conversions.control_rate, conversions.rate) == (1 / 40, 1 / 10)
    assert clicks.days == [START, date(2017, 12, 2)] and np.isnan(clicks.uplift.value)
    assert clicks.always_valid_p == 1 and analysis.verdict(clicks) == "undecided"
    with pytest.raises(NoDataError, match="treatment has fewer than two users"):
        analyse(EXPERIMENT, user_days.head(3))


def test_it_finds_what_was_planted(found):
    clicks = found.comparisons[0]
    assert found.is_trustworthy and found.verdict(clicks) == "better"
    assert clicks.uplift.covers(0.3) and clicks.uplift.low > 0
    assert clicks.sequence.low < clicks.uplift.low and clicks.sequence.high > clicks.uplift.high
    assert clicks.p_by_day == sorted(clicks.p_by_day, reverse=True)


def test_the_verdict_is_that_of_the_evidence_and_not_of_the_last_day():
    """Far better on the first day, a little worse in sum after the second: nothing ever spoke for worse."""
    users = np.arange(1000)
    clicks = {
        ("control", 0): users % 2,
        ("treatment", 0): users % 8 < 5,
        ("control", 1): users % 4 < 2,
        ("treatment", 1): users < 355,
    }
    user_days = pl.concat(
        pl.DataFrame(
            {"event_date": START + timedelta(day), "user_key": [f"{name} {user}" for user in users], "variant": name}
        ).with_columns(impressions=10, clicks=pl.Series(each.astype(int)), conversions=0)
        for (name, day), each in clicks.items()
    )
    analysis = analyse(EXPERIMENT, user_days)
    found = analysis.comparisons[0]
    first, last = found.by_day
    assert found.p_by_day[0] < 0.001 and first.low > 0 and last.value < 0
    assert last.low == first.low > last.high and analysis.verdict(found) == "undecided", "the days contradict"
    assert analysis.verdict(replace(found, sequence=Interval(-0.02, 0.01, 0.09))) == "better"


def test_several_treatments_share_the_level(logs):
    """An interval for one of two treatments is that of 97.5 %: it excludes zero just when its p-value is below 2.5 %."""
    user_days = assigned(EXPERIMENT, *logs)
    third = (pl.col("variant") == "treatment") & (pl.col("user_key") < "u0500")
    three = user_days.with_columns(variant=pl.when(third).then(pl.lit("third")).otherwise("variant"))
    alone = analyse(EXPERIMENT, user_days.filter(~third)).comparisons[0].by_day[0]
    shared = analyse(altered(0.5, 0.4, 0.1), three).comparisons[0].by_day[0]
    assert shared.value == alone.value and shared.low < alone.low and shared.high > alone.high


def test_it_finds_nothing_where_nothing_is(logs):
    """100 assignments of one log: 5 % false alarms are 5; 13 or more would come once in a thousand times."""
    control, _ = logs
    analyses = repeated((control, control), 100, START, DAYS, "aa")
    alarms = rates(analyses, dict.fromkeys(METRICS, 0.0))
    for metric in METRICS:
        assert 0 < alarms[metric]["fixed"] < 0.13 and alarms[metric]["sequential"] <= 0.05
        assert alarms[metric]["covers always"] >= 0.95


def test_cuped_narrows_the_interval(logs, found):
    """A covariate that tells nothing changes nothing; the clicks themselves would explain nearly all."""
    user_days = assigned(EXPERIMENT, *logs)
    same = analyse(EXPERIMENT, user_days, covariates=pl.DataFrame(schema={"user_key": pl.String, "covariate": pl.Float64}))
    assert same.comparisons[0].uplift.value == pytest.approx(found.comparisons[0].uplift.value)
    clicks = user_days.group_by("user_key").agg(covariate=pl.col("clicks").sum().cast(pl.Float64))
    less = analyse(EXPERIMENT, user_days, covariates=clicks)
    width = [each.comparisons[0].uplift.high - each.comparisons[0].uplift.low for each in (less, found)]
    assert width[0] < 0.5 * width[1]


def test_lost_users_make_it_untrustworthy(logs):
    whole = assigned(EXPERIMENT, *logs)
    lost = whole.filter((pl.col("variant") == "control") | (pl.col("conversions") > 0))  # the treatment logs buyers alone
    analysis = analyse(EXPERIMENT, lost)
    assert analysis.sample_ratio_p < 0.001 and not analysis.is_trustworthy
    assert {analysis.verdict(each) for each in analysis.comparisons} == {"untrustworthy"}
    assert any("not split as defined" in line for line in report.summary(analysis))


def test_users_by_whole_buckets_are_split_as_defined():
    """With little traffic, 0.85 and 0.15 are 8 buckets and 1: 8,000 and 1,000 users are just what assignment gives."""
    narrow = altered(0.85, 0.15, traffic=0.001)
    seen = np.repeat(["control", "treatment"], [8000, 1000])
    user_days = pl.DataFrame({"event_date": START, "user_key": [f"u{n}" for n in range(9000)], "variant": seen}).with_columns(
        impressions=1, clicks=0, conversions=0
    )
    assert analyse(narrow, user_days).sample_ratio_p == 1


def test_users_needed_are_of_the_shares_as_they_are(logs):
    """1/0.9 + 1/0.1 is 2.78 times 1/0.5 + 1/0.5; of several treatments, the one that needs most counts."""
    user_days = assigned(EXPERIMENT, *logs)
    halves, uneven = (analyse(each, user_days).required_users["click_rate"] for each in (EXPERIMENT, altered(0.9, 0.1)))
    assert uneven == pytest.approx(halves * (1 / 0.9 + 1 / 0.1) / 4, abs=3)
    third = (pl.col("variant") == "treatment") & (pl.col("user_key") < "u0500")
    three = user_days.with_columns(variant=pl.when(third).then(pl.lit("third")).otherwise("variant"))
    several = analyse(altered(0.5, 0.4, 0.1), three).required_users["click_rate"]
    assert several == pytest.approx(halves * (2 + 0.1 / 0.5 + 0.5 / 0.1) / 4, abs=3)


def altered(*shares: float, traffic: float = 1.0) -> Experiment:
    """The experiment with other shares."""
    variants = {name: {"share": share} for name, share in zip(["control", "treatment", "third"], shares, strict=False)}
    return Experiment.model_validate(EXPERIMENT.model_dump() | {"variants": variants, "traffic": traffic})


def test_users_who_saw_another_variant_make_it_untrustworthy(logs):
    analysis = analyse(EXPERIMENT, assigned(EXPERIMENT, *logs), mislabelled=1)
    assert analysis.verdict(analysis.comparisons[0]) == "untrustworthy"
    assert "1 users were shown another variant" in report.summary(analysis)[2]


def test_the_page_has_the_table_and_a_plot_of_each_comparison(found):
    page = report.page(found)
    assert page.count("<svg") == len(found.comparisons) == 2 and page == report.page(found)
    for row in report.table(found):
        assert all(cell in page.replace("&#43;", "+") for cell in row)
