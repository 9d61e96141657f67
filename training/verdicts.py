"""What the gate said of each version of the ranker, as MLflow keeps it: written by the gate, read by `cartwheel models`.

Tags of the version: `gate` (passed or refused), `gate_reason`, `gate_cutoff`, `gate_champion` (the version it was compared with,
or none), `gate_figures` (the challenger's NDCG@10 with its interval, and coverage@10, in JSON) and, if the last attempt to judge
it failed, `gate_error`. A version without `gate` is pending. The file `gate.json` of the version's run has every comparison and
guardrail, kept or broken.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cartwheel import champion as champions
from cartwheel.champion import GATE_TAG, MODEL, PASSED
from training import registry
from training.metrics import Estimate

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

REFUSED, PENDING = "refused", "pending"
RIVAL_TAG, NO_RIVAL = "gate_champion", "none"
LONGEST = 4000  # characters of a tag; gate.json has all


@dataclass(frozen=True)
class Figures:
    """A version's own figures at the gate, in one view."""

    view: str  # all or new
    ndcg: Estimate
    coverage: float


@dataclass(frozen=True)
class Version:
    """A version of the ranker as `cartwheel models` shows it."""

    version: int
    trained_for: date | None  # None until training has tagged it
    verdict: str  # champion, passed, refused or pending
    reason: str
    figures: tuple[Figures, ...]  # none before it was judged


def keep(
    client: "MlflowClient",
    version: str,
    promoted: bool,
    reason: str,
    cutoff: date,
    champion: str | None,
    figures: Sequence[Figures],
    details: dict[str, Any],
) -> None:
    """Write a verdict to the version and its run; an earlier one of the same version is replaced.

    `details` join the file `gate.json`, and have to be plain.
    """
    found = client.get_model_version(MODEL, version)
    verdict = PASSED if promoted else REFUSED
    own = [asdict(figure) for figure in figures]
    if found.run_id:  # a version may be registered without a run
        client.log_dict(found.run_id, {"verdict": verdict, "reason": reason, "figures": own} | details, "gate.json")
    tags = {
        "gate_reason": reason[:LONGEST],
        "gate_cutoff": str(cutoff),
        RIVAL_TAG: champion or NO_RIVAL,
        "gate_figures": json.dumps(own),
        GATE_TAG: verdict,
    }
    for key, value in tags.items():
        client.set_model_version_tag(MODEL, version, key, value)


def judged_against(version: "ModelVersion") -> str | None:
    """The champion that a version was compared with; of one without the tag, the champion before it. None: there was none."""
    if RIVAL_TAG in version.tags:
        return None if version.tags[RIVAL_TAG] == NO_RIVAL else version.tags[RIVAL_TAG]
    before = registry.champion_before(version)
    return None if before is None else str(before.version)


@contextmanager
def errors_kept(client: "MlflowClient", version: str) -> Iterator[None]:
    """Keep what is raised within as the version's `gate_error`, and let it go on."""
    try:
        yield
    except Exception as error:
        client.set_model_version_tag(MODEL, version, "gate_error", f"{type(error).__name__}: {error}"[:LONGEST])
        raise


def versions() -> list[Version]:
    """Every version in the registry, newest first."""
    current = champions.current_champion()
    serving = None if current is None else int(current.version)
    found = (_version(int(each.version), each.tags, serving) for each in champions.registered_versions())
    return sorted(found, key=lambda each: each.version, reverse=True)


def _version(number: int, tags: dict[str, str], serving: int | None) -> Version:
    verdict = tags.get(GATE_TAG, PENDING)
    if verdict == PENDING:
        reason = f"the gate failed: {tags['gate_error']}" if "gate_error" in tags else "the gate has not judged it"
    else:
        reason = tags.get("gate_reason", "")
    own = json.loads(tags.get("gate_figures", "[]"))
    trained = tags.get(champions.DATE_TAG)
    return Version(
        version=number,
        trained_for=None if trained is None else date.fromisoformat(trained),
        verdict="champion" if number == serving else verdict,
        reason=reason,
        figures=tuple(Figures(each["view"], Estimate(**each["ndcg"]), each["coverage"]) for each in own),
    )
