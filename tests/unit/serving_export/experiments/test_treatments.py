"""Who gets what of several experiments at once. The buckets of a, b and c in `e` are 6769, 3190 and 2661."""

import polars as pl

from serving_export.experiments.definitions import Rerank, Uses
from serving_export.experiments.treatments import Thing, Treatment, Treatments, together

SHOWN = Uses(list="discover")
DIVERSE, KEPT = Uses(rerank=Rerank(diversity_weight=0.2)), Uses(rerank=Rerank(kept_places=0))
EVERYONE = Treatment("f", "all", 0, 10_000, DIVERSE)


USERS = pl.Series("user_key", ["a", "b", "c"])


def groups(thing: Thing, *treatments: Treatment) -> dict[Uses, list[str]]:
    return {uses: users.to_list() for uses, users in Treatments(treatments).groups(USERS, thing)}


def test_a_variant_has_the_users_of_its_buckets():
    assert groups("list", Treatment("e", "v", 2661, 3190, SHOWN)) == {Uses(): ["a", "b"], SHOWN: ["c"]}
    assert groups("list", Treatment("e", "v", 2661, 3191, SHOWN)) == {Uses(): ["a"], SHOWN: ["b", "c"]}


def test_variants_of_one_experiment_share_its_hash():
    found = groups("rerank", Treatment("e", "v", 0, 3000, KEPT), Treatment("e", "w", 3000, 5000, DIVERSE))
    assert found == {Uses(): ["a"], DIVERSE: ["b"], KEPT: ["c"]}


def test_a_user_of_two_experiments_gets_what_both_set():
    both = Uses(rerank=Rerank(diversity_weight=0.2, kept_places=0))
    assert groups("rerank", Treatment("e", "v", 2661, 3190, KEPT), EVERYONE) == {DIVERSE: ["a", "b"], both: ["c"]}


def test_only_what_is_asked_for_tells_users_apart():
    treatments = (Treatment("e", "v", 2661, 3190, SHOWN), EVERYONE)
    assert groups("list", *treatments) == {Uses(): ["a", "b"], SHOWN: ["c"]}
    assert groups("model_version", *treatments) == {Uses(): ["a", "b", "c"]}


def test_settings_of_the_re_ranker_come_together_in_any_order():
    both = Uses(rerank=Rerank(diversity_weight=0.2, kept_places=0))
    assert together([DIVERSE, KEPT]) == together([KEPT, DIVERSE]) == both
    assert together([]) == Uses()


def test_what_is_asked_of_all_treatments():
    first, second = (Treatment("e", name, 0, 1, Uses(model_version="7")) for name in ("v", "w"))
    every = Treatments((first, second, EVERYONE))
    assert every.by_version() == {"7": first}
    assert [every.largest("diversity_weight", default) for default in (0.05, 0.5)] == [0.2, 0.5]
    assert every.largest("repeats_days", 7) == 7


def test_without_treatments_everyone_is_one_group():
    assert groups("rerank") == {Uses(): ["a", "b", "c"]}
