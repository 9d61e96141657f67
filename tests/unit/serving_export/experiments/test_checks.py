"""Definitions that are sound each by itself, and cannot be applied."""

from datetime import date
from typing import Any

import pytest

from serving_export.experiments.checks import refuse_conflicts
from serving_export.experiments.definitions import DefinitionError

DIVERSE, NOVEL = ({"rerank": {name: 0.1}} for name in ("diversity_weight", "novelty_weight"))


def row(experiment: str, uses: dict[str, Any], first: int, last: int, variant: str = "new") -> dict[str, Any]:
    days = {"starts_on": date(2017, 12, first), "ends_on": date(2017, 12, last)}
    return {"experiment": experiment, "variant": variant, "uses": uses} | days


@pytest.mark.parametrize("uses", [{"list": "discover"}, {"model_version": "7"}, DIVERSE])
def test_two_may_not_set_the_same_on_the_same_day(uses):
    with pytest.raises(DefinitionError, match=r"one \(new\) and two \(new\) would both set .* from 2017-12-10 to 2017-12-10"):
        refuse_conflicts([row("one", uses, 1, 10), row("two", uses, 10, 20)])


def test_they_may_run_one_after_the_other_and_set_different_things_side_by_side():
    refuse_conflicts([row("one", DIVERSE, 1, 10), row("two", DIVERSE, 11, 20)])
    refuse_conflicts([row("one", DIVERSE, 1, 10), row("two", NOVEL, 1, 10), row("three", {"list": "discover"}, 1, 10)])
    refuse_conflicts([row("one", {}, 1, 10), row("two", {}, 1, 10)])


def test_the_variants_of_one_experiment_have_users_of_their_own():
    refuse_conflicts([row("one", DIVERSE, 1, 10), row("one", DIVERSE, 1, 10, "other")])
