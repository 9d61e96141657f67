"""The champion gate: a new version serves only if it is better than what serves and than the simple rules.

    python -m training.gate --version 3

On the window that ends with the version's partition date, which it was not trained on, the challenger must beat
popularity, both buy-again rules, ALS and the current champion in NDCG@10 on all items, and ALS and popularity on items
new to the user: the 95 % interval of the difference, a paired bootstrap over users, lies above zero. A shop's first
model has no champion to beat, and a small shop's windows rarely prove much: it must only be no worse than each rule, the
interval not below zero. The verdict and its figures become tags of the version. A refused challenger changes nothing
else: the old champion goes on serving.
"""

import argparse
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import structlog

from cartwheel import champion as champions
from training import baselines, data, metrics, registry
from training.cutoffs import cutoffs_for
from training.model import TABLES, Ranker

log = structlog.get_logger()

K = 10


@dataclass(frozen=True)
class Comparison:
    """The challenger against one rival: mean NDCG@10 of both, and the difference with its interval."""

    view: str  # all or new
    rival: str
    challenger: float
    other: float
    difference: metrics.Estimate

    @property
    def won(self) -> bool:
        return self.difference.low > 0

    @property
    def lost(self) -> bool:
        return self.difference.high < 0

    def __str__(self) -> str:
        interval = f"[{self.difference.low:+.4f}, {self.difference.high:+.4f}]"
        return f"{self.view} items: {self.challenger:.4f} against {self.rival} {self.other:.4f}, difference {interval}"


@dataclass(frozen=True)
class Verdict:
    """Whether a challenger became champion, every comparison, and in words why."""

    promoted: bool
    comparisons: tuple[Comparison, ...]
    reason: str


def compare(view: str, challenger: pl.DataFrame, rivals: dict[str, pl.DataFrame], truth: metrics.Truth) -> list[Comparison]:
    """Compare ranked lists (user_key, item_id, rank) on the same users, resampled alike."""
    own = metrics.per_user(challenger, truth, K)["ndcg"].to_numpy()
    weights = metrics.resample_weights(len(own))
    others = {name: metrics.per_user(ranked, truth, K)["ndcg"].to_numpy() for name, ranked in rivals.items()}
    return [
        Comparison(view, name, float(own.mean()), float(other.mean()), metrics.interval(own - other, weights))
        for name, other in others.items()
    ]


def decide(comparisons: list[Comparison], is_first: bool = False) -> Verdict:
    """Promoted if every comparison is won, or for a shop's first model if none is lost; the reason names the others."""
    if not comparisons or any(np.isnan(comparison.difference.low) for comparison in comparisons):
        return Verdict(False, tuple(comparisons), "the gate's window holds no purchases to compare by")
    in_its_way = [str(comparison) for comparison in comparisons if (comparison.lost if is_first else not comparison.won)]
    passed = "the first, no worse than any rule" if is_first else "better than every rival"
    return Verdict(not in_its_way, tuple(comparisons), "; ".join(in_its_way) or passed)


def judge(
    challenger: pl.DataFrame,
    champion: pl.DataFrame | None,
    tables: dict[str, pl.DataFrame],
    als: pl.DataFrame,
    purchases: pl.DataFrame,
    min_item_purchases: int = 5,
) -> Verdict:
    """Decide from scores (what `Ranker.score` returns) of the gate's cut-off and the purchases of its window."""
    bought = tables["user_item"].select("user_key", "item_id")
    of_all = metrics.truth(purchases, tables["item"], minimum=min_item_purchases)
    of_new = metrics.truth(purchases, tables["item"], bought, min_item_purchases)
    rivals = baselines.all_items(tables, als) | ({} if champion is None else {"champion": baselines.ranked(champion)})
    fresh = challenger.filter(~pl.col("bought"))
    return decide(
        compare("all", baselines.ranked(challenger), rivals, of_all)
        + compare("new", baselines.ranked(fresh), baselines.new_items(tables, als), of_new),
        is_first=champion is None,
    )


def promote_if_better(version: str) -> Verdict:
    """Judge a registered version, tag it with the verdict, and give it the alias `champion` if it won."""
    client = champions.registry_client()
    day = champions.trained_for(client.get_model_version(champions.MODEL, version))
    cutoff = cutoffs_for(day).gate
    tables, challenger, current = data.load(cutoff, known_on=day), registry.load(version), champions.champion_for(day)
    purchases = data.window_events(cutoff, known_on=day).filter(pl.col("event_type") == "purchase")
    champion = registry.load(str(current.version)) if current is not None and str(current.version) != version else None
    minimum = challenger.config["min_item_purchases"]
    verdict = judge(
        scores(challenger, tables),
        None if champion is None else scores(champion, tables),
        tables,
        data.with_consent(data.read("candidates/als", cutoff), day),
        purchases,
        minimum,
    )
    for key, value in _tags(verdict, cutoff).items():
        client.set_model_version_tag(champions.MODEL, version, key, value)
    for comparison in verdict.comparisons:
        log.info("gate", version=version, won=comparison.won, comparison=str(comparison))
    if verdict.promoted:
        serving_now = champions.current_champion()
        if serving_now is None or champions.trained_for(serving_now) <= day:  # a backfill does not replace a later champion
            client.set_registered_model_alias(champions.MODEL, champions.ALIAS, version)
        log.info("promoted", version=version, date=str(day), reason=verdict.reason)
    else:
        serving = f"version {current.version}" if current else "none"
        log.warning("refused", version=version, date=str(day), champion=serving, reason=verdict.reason)
    return verdict


def scores(ranker: Ranker, tables: dict[str, pl.DataFrame], users_per_batch: int = 1000) -> pl.DataFrame:
    """Everything `ranker` scores for the users of `tables`, a batch of users at a time."""
    users = tables["sequences"].select("user_key")
    parts = []
    for start in range(0, len(users), users_per_batch):
        batch = users[start : start + users_per_batch]
        own = {
            name: table.join(batch, on="user_key", how="semi", maintain_order="left") if "user_key" in table.columns else table
            for name, table in tables.items()
        }
        parts.append(pl.DataFrame(ranker.score(**{name: own[name].to_arrow() for name in TABLES})))
    return pl.concat(parts)


def _tags(verdict: Verdict, cutoff: date) -> dict[str, str]:
    tags = {
        champions.GATE_TAG: champions.PASSED if verdict.promoted else "refused",
        "gate_reason": verdict.reason[:4000],
        "gate_cutoff": str(cutoff),
    }
    for comparison in verdict.comparisons:
        tags[f"gate_{comparison.view}_{comparison.rival}"] = str(comparison)
    return tags


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", required=True)
    promote_if_better(parser.parse_args().version)
