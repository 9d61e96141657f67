"""What `experiments.yaml` may say, and reading it.

The setting `experiments_file` names the file; a relative path starts at the project's root. Unknown keys are errors. A
variant's users are a range of the buckets that `assignment.bucket` puts users into; `ranges` lays the ranges out.
"""

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cartwheel.contracts import LISTS
from cartwheel.settings import PROJECT_ROOT, get_settings

BUCKETS = 10_000
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Metric = Literal["click_rate", "conversion_rate"]


class DefinitionError(ValueError):
    """The file is missing or has mistakes; the message has a line for each, with its place."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rerank(_Strict):
    """Settings of the re-ranker, named and meant as in cartwheel/settings.py; those left out stay what they are."""

    diversity_weight: float | None = Field(None, ge=0)
    novelty_weight: float | None = Field(None, ge=0)
    calibration_weight: float | None = Field(None, ge=0)
    repeats_weight: float | None = Field(None, ge=0)
    repeats_days: int | None = Field(None, ge=1)
    kept_places: int | None = Field(None, ge=0)


class Uses(_Strict):
    """What users get instead of what is served to everyone. A variant names at most one of the three."""

    model_version: str | None = Field(None, description="A version of the ranker.")
    rerank: Rerank | None = Field(None, description="Settings of the re-ranker, such as diversity_weight.")
    list: str | None = Field(None, description="The list that stands in the place of for_you: " + ", ".join(LISTS) + ".")

    @model_validator(mode="after")
    def _known_list(self) -> "Uses":
        if self.list is not None and self.list not in LISTS:
            raise ValueError(f"there is no list {self.list!r}; the lists are {', '.join(LISTS)}")
        return self

    @property
    def things(self) -> frozenset[str]:
        """What is set, each setting of the re-ranker by itself: no two experiments may set one for the same user."""
        named = self.model_dump(exclude_none=True)
        return frozenset({*named.keys() - {"rerank"}, *(f"rerank.{name}" for name in named.get("rerank", {}))})


def stored_uses(experiment: str, variant: str, stored: dict[str, Any]) -> Uses:
    """What `ops.experiment_variants` holds in `uses`.

    Raises:
        DefinitionError: it was written by a version of the platform that knew other settings.
    """
    try:
        return Uses.model_validate(stored)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise DefinitionError(f"{experiment}.variants.{variant}.uses, as the warehouse has it: {problems}") from None


class Variant(_Strict):
    share: float = Field(gt=0, lt=1, description="Of the experiment's users; the shares of all variants make 1.")
    uses: Uses = Field(Uses(), description="Empty: what is served to everyone.")

    @model_validator(mode="after")
    def _one_thing(self) -> "Variant":
        if len(self.uses.model_dump(exclude_none=True)) > 1:
            raise ValueError("uses names more than one of model_version, rerank and list")
        return self


class Experiment(_Strict):
    """One experiment. The first variant is the control; the name salts the assignment."""

    name: Name
    unit: Literal["user"] = "user"
    starts_on: date
    ends_on: date = Field(description="The last day.")
    surface: str | None = Field(None, description="Only impressions here count; empty: everywhere.")
    traffic: float = Field(1.0, gt=0, le=1, description="Share of all users who take part.")
    primary_metric: Metric
    minimum_effect: float = Field(0.05, gt=0, le=1, description="The smallest relative change worth knowing of.")
    variants: dict[Name, Variant] = Field(min_length=2)

    @model_validator(mode="after")
    def _whole(self) -> "Experiment":
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on lies before starts_on")
        total = sum(variant.share for variant in self.variants.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares of the variants make {total:g}, not 1")
        if empty := [name for name, (first, until) in self.ranges.items() if first == until]:
            raise ValueError(f"{', '.join(empty)}: share × traffic is less than 1 in {BUCKETS:,}")
        return self

    @property
    def control(self) -> str:
        return next(iter(self.variants))

    @property
    def shares(self) -> dict[str, float]:
        """The share of each variant in the users who take part. Whole buckets are handed out, so little traffic rounds it."""
        widths = {name: until - first for name, (first, until) in self.ranges.items()}
        return {name: width / sum(widths.values()) for name, width in widths.items()}

    @cached_property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """The buckets of each variant, first and one past the last.

        Each variant owns a slice as wide as its share and takes the first `traffic` of it: with more traffic, users join
        and nobody changes sides. Slices lie in the file's order: a variant's stays as long as its share and those above do.
        """
        ranges, below = {}, 0.0
        for name, variant in self.variants.items():
            first = round(below * BUCKETS)
            ranges[name] = (first, first + int((round((below + variant.share) * BUCKETS) - first) * self.traffic + 1e-9))
            below += variant.share
        return ranges


def load_experiments() -> dict[str, Experiment]:
    """The experiments of the file that the settings name, in its order; none without a file.

    Raises:
        DefinitionError: the file is missing or has mistakes.
    """
    name = get_settings().experiments_file
    return read_experiments(PROJECT_ROOT / name) if name else {}


def read_experiments(path: Path) -> dict[str, Experiment]:
    """The experiments of a file, by name. See `load_experiments`."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DefinitionError(f"{path}: cannot be read (setting CARTWHEEL_EXPERIMENTS_FILE): {error}") from None
    if not isinstance(content, dict) or list(content) != ["experiments"] or not isinstance(content["experiments"], dict):
        raise DefinitionError(f"{path}: needs one key, `experiments`, with the experiments by name")
    found, problems = {}, []
    for name, body in content["experiments"].items():
        try:
            found[name] = Experiment.model_validate({"name": name, **_mapping(body)})
        except ValidationError as error:
            problems += [f"{path}: {'.'.join(map(str, (name, *each['loc'])))}: {each['msg']}" for each in error.errors()]
    if problems:
        raise DefinitionError("\n".join(problems))
    return found


def _mapping(body: Any) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}
