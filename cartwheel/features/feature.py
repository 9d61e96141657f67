"""What an entry of the feature catalogue says, and the units that the gates derive their limits from."""

from dataclasses import dataclass

import pyarrow as pa

# A unit with the least and the most a value of it may be; None is no limit.
UNITS: dict[str, tuple[float | None, float | None]] = {
    "count": (0, None),
    "decayed count": (0, None),
    "days": (0, None),
    "money": (0, None),
    "balance": (None, None),  # money, below zero where returns outweigh
    "share": (0, 1),
    "ratio": (0, None),
    "rank": (1, None),
    "number": (0, None),
    "change": (None, None),  # a difference or the logarithm of a ratio: below zero where it fell
    "log lift": (None, None),  # logarithm of a share over the usual share: 0 is as usual
    "coordinate": (-1, 1),
    "list": (None, None),
}
HISTORY = "history"  # all purchases that features are built from: see docs/features.md
NEVER = "never null"
TEXTS = ("name", "meaning", "window", "source", "unit", "null")


@dataclass(frozen=True)
class Feature:
    """One column. `window` is the time it looks at, `source` what it is built from, `null` what a null means."""

    name: str
    meaning: str
    window: str
    source: str
    unit: str
    null: str = NEVER
    type: pa.DataType = pa.float32()  # noqa: RUF009  (a type never changes)


@dataclass(frozen=True)
class FeatureSet:
    """One dataset of the lake: what a row is, its keys with their types, and its features."""

    rows: str
    keys: dict[str, pa.DataType]
    features: tuple[Feature, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.keys.items(), *((feature.name, feature.type) for feature in self.features)])
