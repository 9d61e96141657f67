"""What the experiments that run on a date have proven by its end, for analysts and their tools.

    python -m serving_export.experiments.results --date 2017-12-05

Reads the marts as `analysis` does, up to the date; writes `ops.experiment_results`, which analysts read as
`marts.experiment_results`. Written again, a date is replaced.
"""

import argparse
import math
from datetime import date
from typing import Any

import structlog

from cartwheel import warehouse
from cartwheel.contracts import parse_partition_key
from serving_export.experiments import analysis
from serving_export.experiments.analysis import Analysis
from serving_export.experiments.definitions import load_experiments

log = structlog.get_logger()


def keep_results(day: date) -> None:
    """Analyse every experiment that runs on a date, and keep what was found.

    Raises:
        DefinitionError: the experiments file is missing or has mistakes.
    """
    for experiment in load_experiments().values():
        if not experiment.starts_on <= day <= experiment.ends_on:
            continue
        try:
            user_days, mislabelled, _ = analysis.read(experiment, until=day)
            found = analysis.analyse(experiment, user_days, mislabelled)
        except analysis.NoDataError as error:
            log.info("nothing to analyse", experiment=experiment.name, date=str(day), why=str(error))
            continue
        _write(day, found)
        for each in found.comparisons:
            log.info(
                "analysed", experiment=experiment.name, metric=each.metric, variant=each.variant, verdict=found.verdict(each)
            )


def rows(day: date, found: Analysis) -> list[dict[str, Any]]:
    """The table's rows of one analysis; what is not known yet is None."""
    experiment = found.experiment
    named = [
        {
            "experiment": experiment.name,
            "event_date": day,
            "metric": each.metric,
            "variant": each.variant,
            "is_primary": each.metric == experiment.primary_metric,
            "control_users": found.users[experiment.control],
            "users": found.users[each.variant],
            "control_rate": each.control_rate,
            "rate": each.rate,
            "uplift": each.uplift.value,
            "uplift_low": each.uplift.low,
            "uplift_high": each.uplift.high,
            "p": each.p,
            "uplift_low_whenever": each.sequence.low,
            "uplift_high_whenever": each.sequence.high,
            "p_whenever": each.always_valid_p,
            "sample_ratio_p": found.sample_ratio_p,
            "mislabelled_users": found.mislabelled,
            "required_users": found.required_users.get(each.metric),
            "verdict": found.verdict(each),
        }
        for each in found.comparisons
    ]
    return [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()} for row in named
    ]


def _write(day: date, found: Analysis) -> None:
    new = rows(day, found)
    names = list(new[0])
    insert = f"insert into ops.experiment_results ({', '.join(names)}) values ({', '.join(f'%({name})s' for name in names)})"  # noqa: S608
    with warehouse.connect() as connection, connection.transaction():
        of_day = (found.experiment.name, day)
        connection.execute("delete from ops.experiment_results where experiment = %s and event_date = %s", of_day)
        connection.cursor().executemany(insert.encode(), new)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    keep_results(parser.parse_args().date)
