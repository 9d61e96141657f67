"""What cannot be applied though each definition alone is sound: versions that nobody has, and experiments in each other's way.

Reads the registry of the rankers, only if a definition names a version.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import combinations
from typing import Any

from cartwheel.champion import DATE_TAG, MODEL, registered_versions, trained_for
from cartwheel.settings import get_settings
from serving_export.experiments.definitions import DefinitionError, Experiment, stored_uses


def refuse_unknown_versions(experiments: Iterable[Experiment]) -> None:
    """Every version that a variant uses must be registered, and trained before the experiment's first day.

    Raises:
        DefinitionError: one is not, or the registry cannot be asked.
    """
    wanted = [
        (f"{each.name}.variants.{name}.uses.model_version", variant.uses.model_version, each.starts_on)
        for each in experiments for name, variant in each.variants.items() if variant.uses.model_version is not None
    ]  # fmt: skip
    if not wanted:
        return
    trained = _training_dates()
    for place, version, starts_on in wanted:
        if version not in trained:
            known = ", ".join(sorted(trained, key=int)) or "none"
            raise DefinitionError(f"{place}: there is no version {version!r} of {MODEL!r}; there are: {known}")
        if trained[version] >= starts_on:
            raise DefinitionError(
                f"{place}: version {version!r} was trained for {trained[version]}; the first lists of the experiment are of"
                f" {starts_on - timedelta(days=1)}, and would know their future"
            )


def _training_dates() -> dict[str, date]:
    from mlflow.exceptions import MlflowException

    try:
        return {str(each.version): trained_for(each) for each in registered_versions() if DATE_TAG in each.tags}
    except MlflowException as error:
        raise DefinitionError(f"the registry at {get_settings().mlflow_url} cannot be asked for versions: {error}") from error


def refuse_conflicts(rows: Iterable[dict[str, Any]]) -> None:
    """Two experiments that run on the same day may not set the same thing: by their hashes, some user is in both.

    Args:
        rows: the rows of `ops.experiment_variants`: experiment, variant, starts_on, ends_on, uses.

    Raises:
        DefinitionError: two do; the message names both.
    """
    known = [(row, stored_uses(row["experiment"], row["variant"], row["uses"]).things) for row in rows]
    for (one, ones), (other, others) in combinations(known, 2):
        first, last = max(one["starts_on"], other["starts_on"]), min(one["ends_on"], other["ends_on"])
        if one["experiment"] != other["experiment"] and ones & others and first <= last:
            raise DefinitionError(
                f"{one['experiment']} ({one['variant']}) and {other['experiment']} ({other['variant']}) would both set"
                f" {', '.join(sorted(ones & others))} for the same users from {first} to {last}:"
                " let one end before the other starts"
            )
