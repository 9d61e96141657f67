"""How far a day may differ from the weeks before it: every threshold of the drift checks, in one table.

Each measure has a level that warns and one that fails; None never does. They are set so that ordinary days of a
real shop pass, holidays warn, and a broken delivery fails (`python -m data_quality.replay` shows what they would have said).
"""

from dataclasses import dataclass

TRAILING_DAYS = 28  # what distributions and null shares are compared with
WEEKDAY_DAYS = 56  # what volumes are compared with: eight of each weekday
MIN_DAYS = 14  # days of history below which there is no verdict
MIN_SAME_WEEKDAYS = 3
MIN_ROWS = 100  # rows of the day below which its distributions say nothing

VOLUME, FRESHNESS, LATENESS = "volume", "freshness", "lateness"
DISTRIBUTION, MISSING, NULLS = "distribution", "missing values", "null share"


@dataclass(frozen=True)
class Levels:
    """From where a measure warns, and from where it fails."""

    warn: float
    fail: float | None


# How each measure is told, and its levels where no line of EXCEPTIONS says otherwise.
MEASURES: dict[str, tuple[str, Levels]] = {
    VOLUME: ("robust z-score of the amount against the same weekdays, either way", Levels(5, 12)),
    FRESHNESS: ("robust z-score of the age of the newest event at the end of the date, if older", Levels(4, 12)),
    LATENESS: (
        "robust z-score of the hours from the end of the date until its last file was loaded, if later",
        Levels(4, None),
    ),
    DISTRIBUTION: ("PSI against the trailing days, less their own median PSI", Levels(0.25, 1.0)),
    MISSING: ("trailing days' share of rows with a value that the day lacks, less the median of those days", Levels(0.2, 0.35)),
    NULLS: ("difference from the median share of nulls of the trailing days, either way", Levels(0.1, 0.5)),
}

# (dataset, column, measure), each with its reason.
EXCEPTIONS: dict[tuple[str, str, str], Levels] = {
    # Opening hours change on holidays: 1.8 on Thanksgiving, below 0.25 on any other day of the demo.
    ("raw.interactions", "hour", DISTRIBUTION): Levels(0.5, 4.0),
}


def levels(dataset: str, column: str, measure: str) -> Levels:
    """The levels for one measure of one column."""
    return EXCEPTIONS.get((dataset, column, measure), MEASURES[measure][1])
