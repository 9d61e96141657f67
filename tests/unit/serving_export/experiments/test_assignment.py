"""The assignment: the same for ever, as often as the shares say, and independent between experiments."""

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from serving_export.experiments.assignment import bucket, running, variant_of
from serving_export.experiments.definitions import BUCKETS, Experiment

USERS = [f"user-{number}" for number in range(20_000)]


def experiment(shares: list[float], traffic: float = 1.0, name: str = "e") -> Experiment:
    variants = {f"v{place}": {"share": share} for place, share in enumerate(shares)}
    return Experiment(
        name=name, starts_on=date(2017, 12, 1), ends_on=date(2017, 12, 28), traffic=traffic, primary_metric="click_rate",
        variants=variants,
    )  # fmt: skip


shares = st.lists(st.integers(1, 50), min_size=2, max_size=5).map(lambda parts: [part / sum(parts) for part in parts])


def test_buckets_stay_what_they_are():
    """Written out: another hash would move the users of every experiment."""
    assert [bucket("e", user) for user in ("a", "b", "c")] == [6769, 3190, 2661]


@given(shares, st.floats(0.05, 1), st.text())
def test_ranges_do_not_overlap_and_with_all_traffic_leave_nobody_out(shares, traffic, user):
    part, whole = experiment(shares, traffic), experiment(shares)
    ends = [end for each in part.ranges.values() for end in each]
    assert ends == sorted(ends) and ends[0] == 0 and ends[-1] <= BUCKETS
    whole_ends = [end for each in whole.ranges.values() for end in each]
    assert whole_ends[1:-1:2] == whole_ends[2::2] and (whole_ends[0], whole_ends[-1]) == (0, BUCKETS)
    assert variant_of(whole, user) == variant_of(whole, user) in whole.variants


@given(shares, st.floats(0.05, 1), st.floats(0.05, 1), st.text())
def test_with_more_traffic_users_join_and_nobody_changes_sides(shares, one, other, user):
    less, more = (variant_of(experiment(shares, traffic), user) for traffic in sorted((one, other)))
    assert less in (None, more)


@given(shares, st.floats(0.1, 0.9), st.text())
def test_a_variant_keeps_its_users_when_those_below_it_share_anew(shares, moved, user):
    *first, last = shares
    before, after = experiment(shares), experiment([*first, last * moved, last * (1 - moved)])
    names = list(before.variants)[:-1]
    if variant_of(before, user) in names:
        assert variant_of(after, user) == variant_of(before, user)


def test_users_are_spread_evenly():
    counts = np.bincount([bucket("spread", user) // 500 for user in USERS], minlength=20)
    assert chisquare(counts).pvalue > 0.001
    split = experiment([0.2, 0.3, 0.5], traffic=0.5)
    found = [variant_of(split, user) for user in USERS]
    expected = np.array([0.1, 0.15, 0.25, 0.5]) * len(USERS)
    assert chisquare([found.count(name) for name in (*split.variants, None)], expected).pvalue > 0.001


def test_experiments_are_independent_of_one_another():
    pairs = [tuple(variant_of(experiment([0.5, 0.5], name=name), user) for name in ("one", "two")) for user in USERS]
    table = [[pairs.count((first, second)) for second in ("v0", "v1")] for first in ("v0", "v1")]
    assert chi2_contingency(table).pvalue > 0.001


def test_an_experiment_runs_from_its_first_day_to_its_last():
    known = {"e": experiment([0.5, 0.5])}
    days = [date(2017, 11, 30), date(2017, 12, 1), date(2017, 12, 28), date(2017, 12, 29)]
    assert [len(running(known, day)) for day in days] == [0, 1, 1, 0]
