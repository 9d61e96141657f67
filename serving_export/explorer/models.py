"""The versions of the ranker with the gate's verdicts, from MLflow's registry.

Over its REST API: MLflow's own client takes seconds and 200 MB to import. What the tags mean is in `training/verdicts.py`.
"""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from cartwheel.champion import ALIAS, DATE_TAG, GATE_TAG, MODEL
from cartwheel.settings import get_settings

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Quality:
    """A version's figures at the gate on one view (`all` items, or those `new` to the user), with a 95 % interval."""

    view: str
    ndcg: float
    low: float
    high: float
    coverage: float


@dataclass(frozen=True)
class ModelVersion:
    version: int
    trained_for: str | None
    verdict: str  # champion, passed, refused or pending
    reason: str
    quality: dict[str, Quality]  # by view; none before it was judged


def registered_versions() -> list[ModelVersion]:
    """Every version in the registry, newest first; none before the first training.

    Raises:
        httpx.HTTPError: MLflow cannot be reached, or refuses.
    """
    with httpx.Client(base_url=f"{get_settings().mlflow_url}/api/2.0/mlflow", timeout=TIMEOUT_S, trust_env=False) as mlflow:
        answer = mlflow.get("/registered-models/get", params={"name": MODEL})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        aliases = answer.raise_for_status().json()["registered_model"].get("aliases", [])
        query: dict[str, str | int] = {"filter": f"name = '{MODEL}'", "max_results": 1000}
        found = mlflow.get("/model-versions/search", params=query).raise_for_status().json().get("model_versions", [])
    champion = next((each["version"] for each in aliases if each["alias"] == ALIAS), None)
    return sorted((_version(each, champion) for each in found), key=lambda each: each.version, reverse=True)


def _version(found: dict[str, Any], champion: str | None) -> ModelVersion:
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
    figures = json.loads(tags.get("gate_figures", "[]"))
    return ModelVersion(
        version=int(found["version"]),
        trained_for=tags.get(DATE_TAG),
        verdict="champion" if found["version"] == champion else tags.get(GATE_TAG, "pending"),
        reason=tags.get("gate_reason") or tags.get("gate_error") or "the gate has not judged it",
        quality={
            each["view"]: Quality(
                each["view"], each["ndcg"]["value"], each["ndcg"]["low"], each["ndcg"]["high"], each["coverage"]
            )
            for each in figures
        },
    )
