"""The definitions in the warehouse: `ops.experiment_variants`, from which dbt and the lists know the variants.

Applying replaces the table in one transaction. What is known of an experiment that has started stays as it is, but for its
last day: other shares would move users who have seen one variant into another. The lists that are served on a day are made
when the day before it has been built: from then on the day counts as begun.
"""

import json
from datetime import timedelta
from typing import Any

import psycopg

from cartwheel import warehouse
from serving_export.experiments.checks import refuse_conflicts, refuse_unknown_versions
from serving_export.experiments.definitions import Experiment

COLUMNS = (
    "experiment", "variant", "is_control", "share", "first_bucket", "until_bucket", "starts_on", "ends_on", "surface", "uses",
)  # fmt: skip


class AlteredExperimentError(ValueError):
    """A definition contradicts what users have already been assigned by, or what lists have already been made by."""


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
        DefinitionError: a version of the ranker is unknown, or two would set the same thing for a user; nothing is written.
    """
    with warehouse.connect() as connection, connection.transaction():
        connection.execute("lock table ops.experiment_variants in share row exclusive mode")
        refuse_unknown_versions(each for each in experiments.values() if not is_applied(connection, each))
        for experiment in experiments.values():
            _refuse_change(connection, experiment)
            connection.execute("delete from ops.experiment_variants where experiment = %s", (experiment.name,))
            connection.cursor().executemany(
                f"insert into ops.experiment_variants ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})",  # noqa: S608
                [[json.dumps(row[name]) if name == "uses" else row[name] for name in COLUMNS] for row in rows(experiment)],
            )
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        query = f"select {', '.join(COLUMNS)} from ops.experiment_variants order by experiment, first_bucket"  # noqa: S608
        refuse_conflicts(cursor.execute(query.encode()))


def is_applied(connection: psycopg.Connection, experiment: Experiment) -> bool:
    """Whether the warehouse knows the experiment as it is defined."""
    return _known(connection, experiment.name) == _by_variant(rows(experiment))


def _refuse_change(connection: psycopg.Connection, experiment: Experiment) -> None:
    known, new = _known(connection, experiment.name), _by_variant(rows(experiment))
    (built_until,) = connection.execute("select max(business_date) from ops.built_dates").fetchone() or (None,)
    if built_until is None:
        return
    begun = built_until + timedelta(days=1)
    started = any(row["starts_on"] <= begun for row in known.values())
    acts = any(row["uses"] for row in (*known.values(), *new.values()))
    last_days = {row["ends_on"] for row in (*known.values(), *new.values())}
    if not started and any(row["uses"] and row["starts_on"] <= begun for row in new.values()):
        raise AlteredExperimentError(
            f"{experiment.name} is applied too late: the lists that are served on {begun} may be made by now."
            f" Let it start on {begun + timedelta(days=1)} or later"
        )
    if acts and len(last_days) > 1 and min(last_days) < begun:
        raise AlteredExperimentError(
            f"{experiment.name}: its last day cannot move between {min(last_days)} and {max(last_days)}: the lists that are"
            f" served up to {begun} may be made by now, and have to come out the same if they are made again"
        )
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
