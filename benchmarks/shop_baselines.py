"""The lists of a shop's release and of its rivals, measured on what was bought afterwards: one part of `benchmarks.baselines`.

Reads the lake's release, scores, features/* and candidates/* of the date and of the champion's training cut-offs. The rivals
of public files learn from features/sequences (up to 512 purchases a household, the last two of which are left to validation)
and rank all items with enough purchases; what is new to a household is what it has never bought.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch

from benchmarks.leave_one_out import USERS_PER_BATCH, K, Scorer, Split
from benchmarks.rivals import SEED, boosting, console, fitted
from cartwheel.champion import champion_for, trained_for
from cartwheel.settings import get_settings
from training import baselines, data, evaluate, metrics, registry
from training.cutoffs import cutoffs_in_lake

VIEWS = {"all": "All products", "new": "Products new to the household"}
Lists = dict[str, pl.DataFrame]  # by view: user_key, item_id, rank


def measure(day: date, purchases: Path | None, names: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """By view and method, the release first: NDCG@10 of every user of the truth.

    Raises:
        cartwheel.lake.MissingPartitionError: the release or what it was made from is not in the lake.
    """
    tables = data.load(day)
    own = tables["user_item"].select("user_key", "item_id")
    bought = bought_after(day, purchases)
    minimum = get_settings().min_item_purchases
    truths = {
        "all": metrics.truth(bought, tables["item"], minimum=minimum),
        "new": metrics.truth(bought, tables["item"], own, minimum),
    }
    found: dict[str, dict[str, np.ndarray]] = {view: {} for view in VIEWS}
    for name, lists in rivals(day, tables, truths["all"].catalogue, own, names):
        for view, ranked in lists.items():
            found[view][name] = metrics.per_user(ranked, truths[view], K)["ndcg"].to_numpy()
        console.print(name, {view: round(float(found[view][name].mean()), 4) for view in lists})
    return found


def bought_after(day: date, purchases: Path | None) -> pl.DataFrame:
    """Purchases after a date (user_key, item_id), of a Parquet file or of the lake."""
    after = datetime.combine(day + timedelta(days=1), time(), UTC)
    rows = pl.read_parquet(purchases) if purchases else evaluate.purchases_after(day, date.max)
    return rows.filter(pl.col("event_ts") >= after).select("user_key", "item_id")


def rivals(
    day: date, tables: dict[str, pl.DataFrame], catalogue: pl.DataFrame, own: pl.DataFrame, names: list[str]
) -> Iterator[tuple[str, Lists]]:
    """Each method's lists. Rules that only repeat purchases have none of new items."""
    release, als, item_cf = (data.read(name, day) for name in ("release", "candidates/als", "candidates/item_cf"))
    yield "release", {view: release.filter(pl.col("list") == name) for view, name in (("all", "for_you"), ("new", "discover"))}
    yield "scorer", both(data.read("scores", day))  # before anything is re-ranked
    yield "lightgbm", both(boosted(day, tables))
    of_all, of_new = baselines.all_items(tables, als), baselines.new_items(tables, als)
    for name in ("popularity", "buy_again_recency", "buy_again_visits"):
        yield name, {"all": of_all[name]} | ({"new": of_new[name]} if name in of_new else {})
    yield "als_candidates", {"all": als, "new": als}
    yield "item_cf_candidates", {"all": item_cf, "new": item_cf}
    split = split_of(tables["sequences"], catalogue)
    for name, scorer, _ in fitted([name for name in names if name != "popularity"], split):
        yield name, lists_of(scorer, split, own)


def both(scores: pl.DataFrame) -> Lists:
    """Scores (user_key, item_id, bought, score) as lists."""
    return {"all": baselines.ranked(scores, K), "new": baselines.ranked(scores.filter(~pl.col("bought")), K)}


def boosted(day: date, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Scores of LightGBM, trained on what the champion of the date was trained on.

    Raises:
        SystemExit: the date has no champion.
    """
    version = champion_for(day)
    if version is None:
        raise SystemExit(f"there is no champion for {day}: run `make demo` first")
    ranker, trained = registry.load(str(version.version)), trained_for(version)
    cutoffs = cutoffs_in_lake(trained).training
    past = {cutoff: data.load(cutoff, known_on=trained) for cutoff in cutoffs}
    events = {cutoff: data.window_events(cutoff, trained, ranker.config["label_window_days"]) for cutoff in cutoffs}
    return boosting.scores(boosting.fit(ranker, past, events, SEED, torch.get_num_threads()), ranker, tables)


def split_of(sequences: pl.DataFrame, catalogue: pl.DataFrame) -> Split:
    """Histories of catalogue items, oldest first, as a split of the public harness; the catalogue in the order of its ids."""
    items = catalogue["item_id"].sort().to_list()
    codes = pl.col("item_ids").list.eval(
        pl.element().replace_strict(items, range(len(items)), default=None, return_dtype=pl.Int32).drop_nulls()
    )
    histories = sequences.select("user_key", codes.alias("codes"))
    return Split(histories["user_key"].to_list(), items, [own.to_numpy() for own in histories["codes"]])


def lists_of(scorer: Scorer, split: Split, own: pl.DataFrame) -> Lists:
    """The K best items of each user by a scorer, of all and of those that the user has never bought (user_key, item_id)."""
    items = pl.Series("item_id", split.items)
    codes = own.join(pl.DataFrame({"item_id": items}).with_row_index("item"), on="item_id").join(
        pl.DataFrame({"user_key": split.users}).with_row_index("user"), on="user_key"
    )
    user, item = codes["user"].to_numpy(), codes["item"].to_numpy()
    parts: dict[str, list[pl.DataFrame]] = {view: [] for view in VIEWS}
    for start in range(0, len(split.users), USERS_PER_BATCH):
        keys = split.users[start : start + USERS_PER_BATCH]
        scores = np.array(scorer(split.sequences[start : start + USERS_PER_BATCH]))
        here = (user >= start) & (user < start + len(keys))
        for view in VIEWS:
            if view == "new":
                scores[user[here] - start, item[here]] = -np.inf
            best = np.argpartition(-scores, K, axis=1)[:, :K]
            found = {
                "user_key": np.repeat(keys, K),
                "item_id": items[best.ravel()],
                "score": np.take_along_axis(scores, best, 1).ravel(),
            }
            parts[view].append(pl.DataFrame(found))
    return {view: baselines.ranked(pl.concat(found), K) for view, found in parts.items()}
