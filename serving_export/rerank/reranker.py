"""The lists of a date, some users at a time, by the settings and the experiments: what all users share is read once."""

from dataclasses import replace
from datetime import date

import polars as pl
import structlog

from cartwheel import lake
from cartwheel.settings import PROJECT_ROOT, Settings, get_settings
from serving_export.experiments.treatments import read_treatments
from serving_export.rerank.effects import Effects
from serving_export.rerank.facts import Facts, read_items, taste
from serving_export.rerank.greedy import Weights
from serving_export.rerank.lists import make_lists
from serving_export.rerank.repeats import read_shown, repeats
from serving_export.rerank.rules import read_rules

log = structlog.get_logger()


class Reranker:
    """Makes the lists of any users of a date.

    Reads features/item of the date. Only where their weights are set, it reads a sample of features/user and
    features/user_item, and the first places of the releases before it, which it holds for all users; only for rules that name
    segments, `users`, of which it holds who is in them. A user whom a running experiment gives other settings, or another list
    as `for_you`, gets the lists so made.

    Raises:
        cartwheel.lake.MissingPartitionError: the features of that date are missing.
        serving_export.rerank.rules.RulesError: the rules file cannot be used.
    """

    def __init__(self, day: date, items: pl.DataFrame, of_items: Facts | None = None, with_effects: bool = False) -> None:
        """`items` is the lake's dataset of the date; `of_items` what `read_items` finds for it, where that is known already.

        `with_effects`: also see what it changes, for `log_effects`; every list is made twice for that.
        """
        self.settings = settings = get_settings()
        self.treatments = read_treatments(day)
        self.day, self.items, self.size = day, items, settings.list_size
        self.shared = of_items or read_items(day, with_vectors=self._largest("diversity_weight") > 0)
        self.shown = read_shown(day, int(self._largest("repeats_days"))) if self._largest("repeats_weight") else None
        users = lake.batches("users", day, ["user_key", "age_band", "income_band"])
        path = PROJECT_ROOT / settings.rules_file if settings.rules_file else None
        self.rules = read_rules(path, day, items, users)
        self.effects = Effects(items, self.size) if with_effects else None

    def lists(self, scores: pl.DataFrame, user_item: pl.DataFrame, user_category: pl.DataFrame) -> pl.DataFrame:
        """The lists of some users: see `make_lists`. All tables are the date's, of the same users."""
        if not self.treatments.all:
            return self._lists(self.settings, scores, user_item, user_category)
        users, made = scores["user_key"].unique(maintain_order=True), []
        for uses, own in self.treatments.groups(users, "rerank"):
            settings = self.settings.model_copy(update=uses.rerank.model_dump(exclude_none=True) if uses.rerank else {})
            made.append(self._lists(settings, *(_of(table, own) for table in (scores, user_item, user_category))))
        lists = pl.concat(made)
        shown = [
            _of(lists, own) if uses.list is None else instead_of_for_you(_of(lists, own), uses.list)
            for uses, own in self.treatments.groups(users, "list")
        ]
        return pl.concat(shown).sort("user_key", "list", "rank")

    def _lists(
        self, settings: Settings, scores: pl.DataFrame, user_item: pl.DataFrame, user_category: pl.DataFrame
    ) -> pl.DataFrame:
        """The lists of some users by the same settings of the re-ranker."""
        facts = replace(self.shared, taste=taste(user_category))
        if self.shown is not None and settings.repeats_weight:
            shown = self.shown.filter(pl.col("ago") <= settings.repeats_days)
            shown = shown.join(scores.select("user_key").unique(), on="user_key", how="semi")
            facts = replace(facts, repeats=repeats(shown, settings.repeats_days, user_item))
        rules = replace(self.rules, owned=user_item.select("user_key", "item_id"))
        lists = make_lists(scores, self.items, self.size, Weights.of(settings), facts, rules)
        if self.effects:
            self.effects.add(lists, make_lists(scores, self.items, self.size), facts)
        return lists

    def _largest(self, setting: str) -> float:
        return self.treatments.largest(setting, getattr(self.settings, setting))

    def log_effects(self) -> None:
        """What re-ranking has changed in the lists made so far."""
        for name, figures in (self.effects.figures() if self.effects else {}).items():
            log.info("re-ranked", date=str(self.day), list=name, **figures)


def instead_of_for_you(lists: pl.DataFrame, name: str) -> pl.DataFrame:
    """The lists with the list of that name also in the place of `for_you`; who has no such list keeps `for_you`."""
    other = lists.filter(list=name)
    replaced = (pl.col("list") == "for_you") & pl.col("user_key").is_in(other["user_key"].implode())
    return pl.concat([lists.filter(~replaced), other.with_columns(list=pl.lit("for_you"))]).sort("user_key", "list", "rank")


def _of(table: pl.DataFrame, users: pl.Series) -> pl.DataFrame:
    return table.join(users.to_frame("user_key"), on="user_key", how="semi", maintain_order="left")
