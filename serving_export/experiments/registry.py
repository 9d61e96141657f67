"""The definitions in the warehouse: `ops.experiment_variants`, from which dbt knows the variants.

Applying replaces the table in one transaction. What is known of an experiment that has started stays as it is, but for its
last day: other shares would move users who have seen one variant into another.
"""

import json
from typing import Any

import psycopg

from cartwheel import warehouse
from serving_export.experiments.definitions import Experiment

COLUMNS = (
    "experiment", "variant", "is_control", "share", "first_bucket", "until_bucket", "starts_on", "ends_on", "surface", "uses",
)  # fmt: skip


class AlteredExperimentError(ValueError):
    """A definition contradicts what users have already been assigned by."""


def rows(experiment: Experiment) -> list[dict[str, Any]]:
    """The table's rows of an experiment, in the order of its variants."""
    ranges = experiment.ranges
    return [
        {
            "experiment": experiment.name,
            "variant": name,
            "is_control": name == experiment.control,
            "share": variant.share,
            "first_bucket": ranges[name][0],
            "until_bucket": ranges[name][1],
            "starts_on": experiment.starts_on,
            "ends_on": experiment.ends_on,
            "surface": experiment.surface,
            "uses": variant.uses.model_dump(exclude_none=True),
        }
        for name, variant in experiment.variants.items()
    ]


def apply(experiments: dict[str, Experiment]) -> None:
    """Write the definitions. Experiments that the file no longer has stay, with their results.

    Raises:
        AlteredExperimentError: one that has started would change; nothing is written.
    """
    with warehouse.connect() as connection, connection.transaction():
        connection.execute("lock table ops.experiment_variants in share row exclusive mode")
        for experiment in experiments.values():
            _refuse_change(connection, experiment)
            connection.execute("delete from ops.experiment_variants where experiment = %s", (experiment.name,))
            connection.cursor().executemany(
                f"insert into ops.experiment_variants ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})",  # noqa: S608
                [[json.dumps(row[name]) if name == "uses" else row[name] for name in COLUMNS] for row in rows(experiment)],
            )


def is_applied(connection: psycopg.Connection, experiment: Experiment) -> bool:
    """Whether the warehouse knows the experiment as it is defined."""
    return _known(connection, experiment.name) == _by_variant(rows(experiment))


def _refuse_change(connection: psycopg.Connection, experiment: Experiment) -> None:
    known, new = _known(connection, experiment.name), _by_variant(rows(experiment))
    if not known:
        return
    (built_until,) = connection.execute("select max(business_date) from ops.built_dates").fetchone() or (None,)
    started = built_until is not None and next(iter(known.values()))["starts_on"] <= built_until
    changed = {
        f"{variant}.{name}"
        for variant in known.keys() | new.keys()
        for name in COLUMNS
        if name != "ends_on" and known.get(variant, {}).get(name) != new.get(variant, {}).get(name)
    }
    if started and changed:
        raise AlteredExperimentError(
            f"{experiment.name} has started, and {', '.join(sorted(changed))} would change: users would change sides. "
            "End it, and define a new experiment under another name"
        )


def _known(connection: psycopg.Connection, name: str) -> dict[str, dict[str, Any]]:
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    query = f"select {', '.join(COLUMNS)} from ops.experiment_variants where experiment = %s"  # noqa: S608
    return _by_variant(cursor.execute(query.encode(), (name,)).fetchall())


def _by_variant(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["variant"]: row for row in rows}
