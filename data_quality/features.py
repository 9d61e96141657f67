"""The gate on the features: can candidates and ranker rely on them?

Reads the `features/*` datasets of the lake; writes their daily profiles. Which columns there are, and of which type, is
said by the feature catalogue, `cartwheel/features/`; their limits follow from its units, windows of counts from the names.
"""

import re
from collections.abc import Iterable
from datetime import date

import great_expectations.expectations as gxe
import polars as pl
import pyarrow as pa

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.features import FEATURES, NEVER, UNITS, Feature
from data_quality import drift
from data_quality.checks import Check, Rule, none_of
from data_quality.profiles import profile_frame

KEYS = {dataset: tuple(features.keys) for dataset, features in FEATURES.items()}
# Of a shop whose items have no hierarchy, or whose purchases all look alike.
MAY_BE_EMPTY = {"features/user_subcategory", "features/user_category", "features/context_item"}
CALENDAR = {"features/context"}  # the days ahead: what they are changes every day
TOLERANCE = 1e-5  # of the limits of a unit: features are 32-bit floats
MOVING = {"age_days"}  # a day older every day
SEQUENCE_LENGTH = 512
PROBLEMS = ("columns", "key", "unit", "null", "window", "lists", "user")
ADVICE = "run build_features for the date again; if it stays, the Spark job of the dataset in spark_jobs/ is at fault"


def rules() -> dict[str, Rule]:
    """What is expected, by check."""
    problems = [none_of(problem_column(problem)) for problem in PROBLEMS]
    some_rows = gxe.ExpectColumnValuesToBeBetween(column="rows", min_value=1)
    found = {dataset: Rule(problems if dataset in MAY_BE_EMPTY else [some_rows, *problems], ADVICE) for dataset in KEYS}
    return found | {drift_name(dataset): drift.rule(dataset, measured(dataset))
                    for dataset in KEYS if drifting(dataset)}  # fmt: skip


def checks(day: date) -> list[Check]:
    """The suite for the features of `day`: one dataset in memory at a time."""
    known, suite = rules(), []
    users = pl.DataFrame(lake.read("features/user", day, columns=["user_key"]))["user_key"]
    for dataset in KEYS:
        table = lake.read(dataset, day)
        frame = pl.DataFrame(table)
        suite.append(Check(dataset, summary(dataset, table.schema, frame, users).to_pandas(), known[dataset]))
        if columns := drifting(dataset):
            today = profile_frame(frame.select(columns))
            measurements = drift.measure_and_save(dataset, day, today, measured(dataset))
            suite.append(drift.check(drift_name(dataset), known[drift_name(dataset)], measurements))
    return suite


def drift_name(dataset: str) -> str:
    return f"{dataset}, drift"


def problem_column(problem: str) -> str:
    return f"{problem}_problem"


def numbers(dataset: str) -> list[str]:
    """The columns of a dataset that are features."""
    return [field.name for field in LAKE_SCHEMAS[dataset] if pa.types.is_floating(field.type)]


def drifting(dataset: str) -> list[str]:
    """The columns of a dataset whose profiles are kept."""
    return [] if dataset in CALENDAR else numbers(dataset)


def measured(dataset: str) -> list[tuple[str, str]]:
    """What is compared with the weeks before: every feature but those that move by themselves."""
    columns = drifting(dataset)
    return drift.pairs([column for column in columns if column not in MOVING], nulls=columns)


def summary(dataset: str, schema: pa.Schema, frame: pl.DataFrame, users: pl.Series) -> pl.DataFrame:
    """One row: the number of rows, and by kind of problem the first one found, or null."""
    promised = LAKE_SCHEMAS[dataset]
    found = {"columns": columns_problem(promised, schema)}
    if found["columns"] is None:
        features = FEATURES[dataset].features
        counts = [feature.name for feature in features if feature.unit == "count"]
        found["key"] = key_problem(frame, KEYS[dataset])
        found["unit"] = first(unit_problem(frame, feature) for feature in features if feature.unit != "list")
        found["null"] = first(null_problem(frame, feature) for feature in features if feature.null == NEVER)
        found["window"] = first(window_problem(frame, short, long) for short, long in windows(counts))
        found["lists"] = lists_problem(frame, [field.name for field in promised if pa.types.is_list(field.type)])
        if "user_key" in frame.columns:
            strangers = frame.filter(~pl.col("user_key").is_in(users.implode())).height
            found["user"] = f"{strangers} rows of users who are not in features/user" if strangers else None
    row = {"rows": [len(frame)]} | {problem_column(problem): [found.get(problem)] for problem in PROBLEMS}
    return pl.DataFrame(row, schema_overrides={problem_column(problem): pl.String for problem in PROBLEMS})


def first(problems: Iterable[str | None]) -> str | None:
    return next((problem for problem in problems if problem), None)


def columns_problem(promised: pa.Schema, schema: pa.Schema) -> str | None:
    """Names and types, in any order, as the contract has them."""
    held = {field.name: field.type for field in schema}
    for field in promised:
        if field.name not in held:
            return f"{field.name} is missing"
        if not same_kind(held[field.name], field.type):
            return f"{field.name} is {held[field.name]}, promised is {field.type}"
    extra = sorted(held.keys() - set(promised.names))
    return f"{', '.join(extra)} not promised" if extra else None


def same_kind(held: pa.DataType, promised: pa.DataType) -> bool:
    """Equal types; a list's name for its elements and the size of its offsets do not count."""
    if pa.types.is_list(promised):
        return pa.types.is_list(held) and same_kind(held.value_type, promised.value_type)
    return held == promised


def key_problem(frame: pl.DataFrame, key: tuple[str, ...]) -> str | None:
    """A key is never null and names one row."""
    if nulls := frame.filter(pl.any_horizontal(pl.col(key).is_null())).height:
        return f"{nulls} rows without {' or '.join(key)}"
    repeats = len(frame) - frame.select(key).unique().height
    return f"{repeats} rows repeat {', '.join(key)}" if repeats else None


def unit_problem(frame: pl.DataFrame, feature: Feature) -> str | None:
    """A feature is null or a finite number within the limits of its unit."""
    value, (low, high) = pl.col(feature.name), UNITS[feature.unit]
    limits = [(~value.is_finite(), "not finite")]
    if low is not None:
        limits.append((value < low - TOLERANCE, f"below {low:g} ({feature.unit})"))
    if high is not None:
        limits.append((value > high + TOLERANCE, f"above {high:g} ({feature.unit})"))
    for wrong, told in limits:
        if rows := frame.filter(wrong).height:
            return f"{feature.name}: {rows} of {len(frame)} values are {told}"
    return None


def null_problem(frame: pl.DataFrame, feature: Feature) -> str | None:
    rows = frame[feature.name].null_count()
    return f"{feature.name}: {rows} of {len(frame)} values are null, promised is none" if rows else None


def windows(columns: list[str]) -> list[tuple[str, str]]:
    """Counts over windows that lie in one another, such as (purchases_28, purchases_90): the shorter cannot hold more."""
    found = []
    for short in columns:
        for long in columns:
            a, b = re.fullmatch(r"(\w+?)_(\d+)", short), re.fullmatch(r"(\w+?)(?:_(\d+))?", long)
            if a and b and a[1] == b[1] and int(a[2]) < int(b[2] or 10**6):
                found.append((short, long))
    return found


def window_problem(frame: pl.DataFrame, short: str, long: str) -> str | None:
    rows = frame.filter(pl.col(short) > pl.col(long)).height
    return f"{short}: {rows} of {len(frame)} values are above {long}" if rows else None


def lists_problem(frame: pl.DataFrame, columns: list[str]) -> str | None:
    """Lists of a row are equally long, not empty, and no longer than the contract says."""
    if not columns:
        return None
    lengths = [pl.col(column).list.len().fill_null(0) for column in columns]
    wrong = pl.any_horizontal([length != lengths[0] for length in lengths]) | ~lengths[0].is_between(1, SEQUENCE_LENGTH)
    rows = frame.filter(wrong).height
    return f"{rows} rows whose lists differ in length, or are not 1 to {SEQUENCE_LENGTH} long" if rows else None
