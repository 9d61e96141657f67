"""What the experiments change, and for whom: asked wherever the lists of a release are made.

A release is served on the day after its date, so the experiments that run on that day count. Reads the definitions that
`cartwheel experiments --apply` has written to `ops.experiment_variants`, so a release that is built again comes out the same,
whatever the file says by then. Which variant a user is in is computed (`assignment.bucket`) and stored nowhere.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

from cartwheel import warehouse
from serving_export.experiments.assignment import bucket
from serving_export.experiments.definitions import Uses, stored_uses

Thing = Literal["model_version", "rerank", "list"]
RUNNING = """
    select experiment, variant, first_bucket, until_bucket, uses
    from ops.experiment_variants
    where %s between starts_on and ends_on and uses <> '{}'
    order by experiment, not is_control, first_bucket
"""


@dataclass(frozen=True)
class Treatment:
    """A variant whose users get something else, and the buckets they are in."""

    experiment: str
    variant: str
    first_bucket: int
    until_bucket: int
    uses: Uses


@dataclass(frozen=True)
class Treatments:
    """All treatments of a day, those of one experiment side by side."""

    all: tuple[Treatment, ...] = ()

    def by_version(self) -> dict[str, Treatment]:
        """The first treatment that names each version of the ranker."""
        found: dict[str, Treatment] = {}
        for each in self.all:
            if each.uses.model_version is not None:
                found.setdefault(each.uses.model_version, each)
        return found

    def largest(self, setting: str, default: float) -> float:
        """The largest value that a setting of the re-ranker has for anybody."""
        values = (getattr(each.uses.rerank, setting) for each in self.all if each.uses.rerank is not None)
        return max([default, *(value for value in values if value is not None)])

    def groups(self, users: pl.Series, thing: Thing) -> list[tuple[Uses, pl.Series]]:
        """Users (user_key) by what they get of one thing, in the order given. `Uses()` is what is served to everyone."""
        acting = [each for each in self.all if getattr(each.uses, thing) is not None]
        if not acting:
            return [(Uses(), users)]
        names = {each.experiment for each in acting}
        by_treatments: dict[tuple[Treatment, ...], list[str]] = defaultdict(list)
        for user in users:
            own = {name: bucket(name, user) for name in names}
            found = tuple(each for each in acting if each.first_bucket <= own[each.experiment] < each.until_bucket)
            by_treatments[found].append(user)
        return [
            (together(each.uses for each in found), pl.Series("user_key", members, pl.String))
            for found, members in by_treatments.items()
        ]


def together(all_uses: Iterable[Uses]) -> Uses:
    """What a user gets of several experiments at once. They set different things (`checks.refuse_conflicts`)."""
    merged: dict[str, object] = {}
    rerank: dict[str, float] = {}
    for uses in all_uses:
        named = uses.model_dump(exclude_none=True)
        rerank |= named.pop("rerank", {})
        merged |= named
    return Uses.model_validate(merged | ({"rerank": rerank} if rerank else {}))


def read_treatments(day: date) -> Treatments:
    """The treatments of the experiments that run when the release of a date is served.

    Raises:
        DefinitionError: the warehouse holds a definition that this version of the platform does not understand.
    """
    with warehouse.connect() as connection:
        rows = connection.execute(RUNNING, (day + timedelta(days=1),)).fetchall()
    return Treatments(
        tuple(
            Treatment(experiment, variant, first, until, stored_uses(experiment, variant, uses))
            for experiment, variant, first, until, uses in rows
        )
    )
