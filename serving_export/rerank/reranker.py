"""The lists of a date, some users at a time, by the settings: what all users share is read once."""

from dataclasses import replace
from datetime import date

import polars as pl
import structlog

from cartwheel import lake
from cartwheel.settings import PROJECT_ROOT, get_settings
from serving_export.rerank.effects import Effects
from serving_export.rerank.facts import read_items, taste
from serving_export.rerank.greedy import Weights
from serving_export.rerank.lists import make_lists
from serving_export.rerank.repeats import read_shown, repeats
from serving_export.rerank.rules import read_rules

log = structlog.get_logger()


class Reranker:
    """Makes the lists of any users of a date.

    Reads `users`, features/item and features/user of the date, and only where their weights are set a sample of
    features/user_item and the first places of the releases before it, which it holds for all users.

    Raises:
        cartwheel.lake.MissingPartitionError: the features of that date are missing.
        serving_export.rerank.rules.RulesError: the rules file cannot be used.
    """

    def __init__(self, day: date, items: pl.DataFrame) -> None:
        """`items` is the lake's dataset of the date."""
        settings = get_settings()
        self.day, self.items, self.size, self.days = day, items, settings.list_size, settings.repeats_days
        self.weights = Weights.of(settings)
        self.shared = read_items(day, with_vectors=self.weights.diversity > 0)
        self.shown = read_shown(day, self.days) if self.weights.repeats else None
        users = pl.DataFrame(lake.read("users", day, ["user_key", "age_band", "income_band"]))
        path = PROJECT_ROOT / settings.rules_file if settings.rules_file else None
        self.rules = read_rules(path, day, items, users)
        self.effects = Effects(items, self.size)

    def lists(self, scores: pl.DataFrame, user_item: pl.DataFrame, user_category: pl.DataFrame) -> pl.DataFrame:
        """The lists of some users: see `make_lists`. All tables are the date's, of the same users."""
        facts = replace(self.shared, taste=taste(user_category))
        if self.shown is not None:
            shown = self.shown.join(scores.select("user_key").unique(), on="user_key", how="semi")
            facts = replace(facts, repeats=repeats(shown, self.days, user_item))
        rules = replace(self.rules, owned=user_item.select("user_key", "item_id"))
        lists = make_lists(scores, self.items, self.size, self.weights, facts, rules)
        self.effects.add(lists, make_lists(scores, self.items, self.size), facts)
        return lists

    def log_effects(self) -> None:
        """What re-ranking has changed in the lists made so far."""
        for name, figures in self.effects.figures().items():
            log.info("re-ranked", date=str(self.day), list=name, **figures)
