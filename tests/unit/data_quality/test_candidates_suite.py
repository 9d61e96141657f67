"""What the candidates gate counts, on lists small enough to check by hand."""

import polars as pl

from cartwheel.contracts import CANDIDATE_SOURCES
from data_quality.candidates import rank_problems, source_profiles, union_summary


def test_rank_problems_counts_gaps_repeats_and_bad_scores():
    rows = pl.DataFrame(
        {
            "user_key": ["good", "good", "gap", "gap", "twice", "twice"],
            "item_id": ["a", "b", "a", "b", "a", "a"],
            "rank": [1, 2, 1, 3, 1, 1],
            "score": [0.5, 0.4, 0.5, float("inf"), 0.5, None],
        }
    )
    found = {row["user_key"]: row for row in rank_problems(rows).to_dicts()}
    assert found["good"] == {
        "user_key": "good", "rows": 2, "last_rank": 2, "distinct_ranks": 2, "distinct_items": 2, "scores_not_finite": 0,
    }  # fmt: skip
    assert (found["gap"]["last_rank"], found["gap"]["scores_not_finite"]) == (3, 1)
    assert (found["twice"]["distinct_ranks"], found["twice"]["distinct_items"], found["twice"]["scores_not_finite"]) == (1, 1, 1)


def test_union_summary_counts_repeats_and_uncovered_users():
    rows = pl.DataFrame({"user_key": ["a", "a", "b"], "item_id": ["x", "x", None]})
    users = pl.DataFrame({"user_key": ["a", "b", "c", "d"]})
    assert union_summary(rows, users).to_dicts() == [{"rows": 3, "distinct_rows": 2, "rows_without_key": 1, "users_covered": 0.5}]


def test_the_share_of_a_source_counts_the_candidates_it_named():
    ranks = {"buy_again": [1, None, None], "als": [1, 2, None], "popular": [None, 1, 2]}
    columns = {f"{source}_rank": ranks.get(source, [None] * 3) for source in CANDIDATE_SOURCES}
    union = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int32))
    profiles = source_profiles(union)
    assert profiles["rows"].rows == 3
    assert profiles["source"].counts == dict.fromkeys(CANDIDATE_SOURCES, 0) | {"buy_again": 1, "als": 2, "popular": 2}
    assert profiles["source"].rows == 5
