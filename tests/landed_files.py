"""Reading made-up landed files as ingest does."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cartwheel.landing import read_outcomes
from cartwheel.shop.mapping import Mapping, built_in_mapping

DAY = date(2017, 11, 30)
NOW = datetime(2018, 1, 1, tzinfo=UTC)
KEY = "interactions/2017-11-30.csv"


@dataclass(frozen=True)
class Read:
    """A whole file's outcome."""

    accepted: pl.DataFrame
    rejected: list[tuple[int, str, str]]  # line, reason, original
    filtered: int

    @property
    def rows(self) -> int:
        return len(self.accepted) + len(self.rejected) + self.filtered

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(line, reason) for line, reason, _ in self.rejected]


def read(payload: bytes, key: str = KEY, mapping: Mapping | None = None, now: datetime = NOW) -> Read:
    """The first source's outcome of a file with these bytes."""
    source = (mapping or built_in_mapping()).sources_of(key)[0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "landed"
        path.write_bytes(payload)
        outcomes = list(read_outcomes(path, key, source, now))
    rejected = pl.concat([outcome.rejected for outcome in outcomes])
    return Read(
        pl.concat([outcome.good for outcome in outcomes]),
        rejected.select("line", "reason", "original").rows(),
        sum(outcome.filtered for outcome in outcomes),
    )
