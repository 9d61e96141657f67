"""Which version of the ranker scores whom: the champion of the date, but for users whom an experiment gives another one.

Reads the MLflow registry (`cartwheel.champion`: each version is a self-contained model) and the experiments that run when the
date's release is served.
"""

from collections.abc import Iterator
from datetime import date
from typing import Protocol

import polars as pl
import pyarrow as pa

from cartwheel import champion as champions
from cartwheel import lake
from serving_export.experiments.definitions import Uses
from serving_export.experiments.treatments import Treatments, read_treatments


class Ranker(Protocol):
    """What the champion offers, for the users in `candidates`. Early versions have no `explain`."""

    def score(self, **tables: pa.Table) -> pa.Table:
        """The columns of `score.SCORES`."""

    def explain(self, pairs: pa.Table, **tables: pa.Table) -> pa.Table:
        """The columns of `explanations` for some pairs of `user_key` and `item_id`."""


class VersionGoneError(LookupError):
    """A version that an experiment uses cannot be loaded any more."""


def load_champion(day: date) -> tuple[Ranker, str]:
    """The model that serves a date, and its version.

    Raises:
        NoChampionError: no version may serve the date.
    """
    version = champions.champion_version(day)
    return load_version(version), version


def load_version(version: str) -> Ranker:
    """A registered version, ready to score."""
    return champions.load_version(version)


def load_for_experiments(treatments: Treatments) -> dict[str, Ranker]:
    """The versions that the experiments of a day use.

    Raises:
        VersionGoneError: one cannot be loaded; the message names the experiment. Its users never silently get the champion.
    """
    from mlflow.exceptions import MlflowException

    rankers = {}
    for version, used_by in treatments.by_version().items():
        try:
            rankers[version] = load_version(version)
        except (MlflowException, OSError) as error:
            raise VersionGoneError(
                f"experiment {used_by.experiment}, variant {used_by.variant}: version {version!r} of {champions.MODEL!r} cannot"
                f" be loaded: {error}. Restore it in the registry, or end the experiment"
            ) from error
    return rankers


def by_version(tables: dict[str, pa.Table], treatments: Treatments, champion: str) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """The version of the ranker that scores some users, and the tables it takes for them."""
    if not treatments.by_version():
        yield champion, tables
        return
    users = pl.Series("user_key", tables["candidates"]["user_key"]).unique(maintain_order=True)
    for uses, members in treatments.groups(users, "model_version"):
        yield uses.model_version or champion, _of(tables, members)


def _of(tables: dict[str, pa.Table], users: pl.Series) -> dict[str, pa.Table]:
    """Tables as a ranker takes them, with the rows of some users; those of items stay whole."""
    own = users.to_frame("user_key")
    return {
        name: pl.DataFrame(table).join(own, on="user_key", how="semi", maintain_order="left").to_arrow()
        if "user_key" in table.column_names else table
        for name, table in tables.items()
    }  # fmt: skip


def champion_of(day: date) -> str:
    """The version that scored a date's users, but for those whom an experiment gives another one.

    If experiments give every user a version, it is the one of the control.
    """
    treatments = read_treatments(day)
    named = treatments.by_version()
    if not named:
        return next(lake.batches("scores", day, ["model_version"], rows=1))["model_version"][0].as_py()
    for table in lake.batches("scores", day, ["user_key", "model_version"]):
        firsts = pl.DataFrame(table).unique("user_key", keep="first", maintain_order=True)
        by_uses = dict(treatments.groups(firsts["user_key"], "model_version"))
        untreated = by_uses.get(Uses())
        if untreated is not None:
            return firsts.filter(user_key=untreated[0])["model_version"][0]
    return next(iter(named))
