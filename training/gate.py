"""The champion gate: a new version serves only if it is better than what serves and than the simple rules.

    python -m training.gate --version 3

On the window that ends with the version's partition date, which it was not trained on, the challenger must beat
popularity, both buy-again rules, ALS and the current champion in NDCG@10 on all items, and ALS and popularity on items
new to the user: the 95 % interval of the difference, a paired bootstrap over at least `FEWEST_USERS` users, lies above zero.
A shop's first model has no champion to beat, and a small shop's windows rarely prove much: it must only be no worse than each
rule, the interval not below zero. Nor may it break a guardrail (`training.guardrails`): coverage, and every large segment.

Window and catalogue are those of the versions, whatever the settings are now: the window is as long as the challenger's label
windows, and all lists are of items bought as often as the less strict of challenger and champion asks for.

The verdict stays with the version, with its figures and the reason (`training.verdicts`; `cartwheel models` lists them).
A refused challenger changes nothing else: the old champion goes on serving.
"""

import argparse
from dataclasses import dataclass

import polars as pl
import structlog

from cartwheel import champion as champions
from training import baselines, checks, data, guardrails, metrics, registry, verdicts
from training.cutoffs import cutoffs_for
from training.guardrails import Guardrail, K, View
from training.model import TABLES, Ranker
from training.segments import user_segments

log = structlog.get_logger()

FEWEST_USERS = 30  # whose difference can be proven: of fewer, all may gain a place by chance


@dataclass(frozen=True)
class Comparison:
    """The challenger against one rival: mean NDCG@10 of both, and the difference with its interval."""

    view: str  # all or new
    rival: str
    challenger: float
    other: float
    difference: metrics.Estimate
    users: int

    @property
    def won(self) -> bool:
        return self.difference.low > 0 and self.users >= FEWEST_USERS

    @property
    def lost(self) -> bool:
        return self.difference.high < 0

    @property
    def shortfall(self) -> str:
        """Why it is not won, in a word or two."""
        if self.lost:
            return "worse"
        return "not proven better" if self.users >= FEWEST_USERS else f"too few users, {self.users} of at least {FEWEST_USERS}"

    def __str__(self) -> str:
        interval = f"[{self.difference.low:+.4f}, {self.difference.high:+.4f}]"
        return f"{self.view} items: {self.challenger:.4f} against {self.rival} {self.other:.4f}, difference {interval}"


@dataclass(frozen=True)
class Verdict:
    """Whether a challenger became champion and in words why, with all that was looked at."""

    promoted: bool
    reason: str
    comparisons: tuple[Comparison, ...]
    guardrails: tuple[Guardrail, ...] = ()
    figures: tuple[verdicts.Figures, ...] = ()  # the challenger's own, one of each view


def compare(view: str, challenger: pl.DataFrame, rivals: dict[str, pl.DataFrame], truth: metrics.Truth) -> list[Comparison]:
    """Compare ranked lists (user_key, item_id, rank) on the same users, resampled alike."""
    own = metrics.per_user(challenger, truth, K)["ndcg"].to_numpy()
    weights = metrics.resample_weights(len(own))
    others = {name: metrics.per_user(ranked, truth, K)["ndcg"].to_numpy() for name, ranked in rivals.items()}
    return [
        Comparison(view, name, float(own.mean()), float(other.mean()), metrics.interval(own - other, weights), len(own))
        for name, other in others.items()
    ]


def decide(comparisons: list[Comparison], rails: list[Guardrail], is_first: bool = False) -> tuple[bool, str]:
    """Promoted if every comparison is won (for a shop's first model: none is lost) and no guardrail is broken.

    The reason names what stands in its way.
    """
    if not comparisons:
        return False, "the gate's window holds no purchases to compare by"
    obstacles = [
        f"{comparison.shortfall}, {comparison}"
        for comparison in comparisons
        if (comparison.lost if is_first else not comparison.won)
    ]
    obstacles += [f"guardrail, {rail}" for rail in rails if rail.broken]
    passed = "the first, no worse than any rule" if is_first else "better than every rival"
    return not obstacles, "; ".join(obstacles) or passed


def judge(
    challenger: pl.DataFrame,
    champion: pl.DataFrame | None,
    tables: dict[str, pl.DataFrame],
    als: pl.DataFrame,
    purchases: pl.DataFrame,
    min_item_purchases: int = 5,
) -> Verdict:
    """Decide from scores (what `Ranker.score` returns) of the gate's cut-off and the purchases of its window."""
    tables, als = in_catalogue(tables, als, min_item_purchases)
    bought = tables["user_item"].select("user_key", "item_id")
    comparisons: list[Comparison] = []
    views: list[View] = []
    for view, known, rules in (
        ("all", None, baselines.all_items(tables, als)),
        ("new", bought, baselines.new_items(tables, als)),
    ):
        truth = metrics.truth(purchases, tables["item"], known, min_item_purchases)
        if truth.pairs.is_empty():
            continue
        own = _lists(challenger, view)
        against = compare(view, own, rules, truth)
        if champion is None:
            best = max(against, key=lambda comparison: comparison.other).rival
            views.append(View(view, own, rules[best], best, truth))
        else:
            views.append(View(view, own, _lists(champion, view), guardrails.CHAMPION, truth))
            if view == "all":
                against += compare(view, own, {guardrails.CHAMPION: views[-1].reference}, truth)
        comparisons += against
    rails = guardrails.check(views, user_segments(tables), tables["items"])
    promoted, reason = decide(comparisons, rails, is_first=champion is None)
    return Verdict(promoted, reason, tuple(comparisons), tuple(rails), tuple(_figures(view) for view in views))


def in_catalogue(
    tables: dict[str, pl.DataFrame], als: pl.DataFrame, min_item_purchases: int
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """What the rules make their lists from, the tables and the ALS candidates, without items bought less often than that."""
    item = tables["item"].filter(pl.col("purchases") >= min_item_purchases)
    of_user, als = (table.join(item, on="item_id", how="semi", maintain_order="left") for table in (tables["user_item"], als))
    als = als.with_columns(pl.col("rank").rank("ordinal").over("user_key"))  # the places of what went are taken
    return tables | {"item": item, "user_item": of_user}, als


def fewest_purchases(*rankers: Ranker | None) -> int:
    """How often an item was bought that one of the versions may list."""
    return min(ranker.config["min_item_purchases"] for ranker in rankers if ranker is not None)


def promote_if_better(version: str) -> Verdict:
    """Judge a registered version, keep the verdict with it, and give it the alias `champion` if it won.

    A version that has passed and serves its date is not judged again: it has no champion before it to be compared with.

    Raises:
        cartwheel.lake.MissingPartitionError: the gate's cut-off is not in the lake.
        training.checks.BadTrainingDataError: nobody can be judged by what it holds. Whatever is raised is kept with the
            version, which stays without a verdict.
    """
    client = champions.registry_client()
    with verdicts.errors_kept(client, version):
        found = client.get_model_version(champions.MODEL, version)
        day = champions.trained_for(found)
        current = champions.champion_for(day)
        if current is not None and str(current.version) == version:
            if found.tags.get(champions.GATE_TAG) == champions.PASSED:
                reason = found.tags.get("gate_reason", "")
                log.info("serves already", version=version, date=str(day), reason=reason)
                return Verdict(True, reason, ())
            current = registry.champion_before(found)  # somebody gave it the alias by hand
        challenger = registry.load(version)
        champion = None if current is None else registry.load(str(current.version))
        cutoffs = cutoffs_for(day, challenger.config["label_window_days"])
        cutoff = cutoffs.gate
        tables = data.load(cutoff, known_on=day)
        checks.check_tables(cutoff, tables)
        events = data.window_events(cutoff, known_on=day, days=cutoffs.window_days)
        verdict = judge(
            scores(challenger, tables),
            None if champion is None else scores(champion, tables),
            tables,
            data.with_consent(data.read("candidates/als", cutoff), day),
            events.filter(pl.col("event_type") == "purchase"),
            fewest_purchases(challenger, champion),
        )
    for comparison in verdict.comparisons:
        log.info("gate", version=version, won=comparison.won, comparison=str(comparison))
    for rail in (rail for rail in verdict.guardrails if rail.broken):
        log.warning("guardrail broken", version=version, guardrail=str(rail), of=len(verdict.guardrails))
    details = {
        "comparisons": {f"{each.view}_{each.rival}": str(each) for each in verdict.comparisons},
        "guardrails": [{"broken": rail.broken, "guardrail": str(rail)} for rail in verdict.guardrails],
    }
    rival = None if current is None else str(current.version)
    verdicts.keep(client, version, verdict.promoted, verdict.reason, cutoff, rival, verdict.figures, details)
    if verdict.promoted:
        serving_now = champions.current_champion()
        if serving_now is None or champions.trained_for(serving_now) <= day:  # a backfill does not replace a later champion
            client.set_registered_model_alias(champions.MODEL, champions.ALIAS, version)
        log.info("promoted", version=version, date=str(day), reason=verdict.reason)
    else:
        log.warning("refused", version=version, date=str(day), champion=rival or "none", reason=verdict.reason)
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


def _lists(scored: pl.DataFrame, view: str) -> pl.DataFrame:
    return baselines.ranked(scored if view == "all" else scored.filter(~pl.col("bought")))


def _figures(view: View) -> verdicts.Figures:
    ndcg = metrics.interval(metrics.per_user(view.challenger, view.truth, K)["ndcg"].to_numpy())
    return verdicts.Figures(view.name, ndcg, metrics.coverage(view.challenger, view.truth, K))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", required=True)
    promote_if_better(parser.parse_args().version)
