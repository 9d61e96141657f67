"""Every setting of the platform, in one place.

A setting is read from the environment (`CARTWHEEL_<NAME>`), else from `.local/cartwheel.env`, which
`cartwheel up` writes on first start for the embedded services. To use your own PostgreSQL, Redis, S3 or
Spark, set its variable: nothing else changes.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
LOCAL_DIR = Path(os.environ.get("CARTWHEEL_LOCAL_DIR", PROJECT_ROOT / ".local")).resolve()
LOCAL_ENV_FILE = LOCAL_DIR / "cartwheel.env"
RankerVariant = Literal["full", "int8", "pruned", "student"]


class Settings(BaseSettings):
    """Endpoints first, then what the pipeline does; units are in the names."""

    model_config = SettingsConfigDict(env_prefix="CARTWHEEL_", env_file=LOCAL_ENV_FILE, extra="ignore")

    # Where the parts are
    postgres_dsn: str = Field(description="Warehouse and releases, as the owner of the schemas.")
    api_postgres_dsn: str = Field(description="The same database as the API's role: reads `serving` only.")
    explorer_postgres_dsn: str = Field("", description="The same database as the explorer's role; empty: there is no explorer.")
    explorer_key: str = Field("", description="What opens the explorer, 20 characters or more; empty: there is no explorer.")
    user_key_secret: str = Field(description="Key of the hash that stands for a user in marts and lake; kept for good.")
    redis_url: str = Field(description="Online store: Redis or Valkey.")
    s3_endpoint_url: str | None = Field(None, description="Empty for Amazon S3.")
    s3_access_key_id: str | None = Field(None, description="Empty to use the machine's own AWS credentials.")
    s3_secret_access_key: str | None = None
    s3_region: str = "us-east-1"
    landing_bucket: str = Field("landing", description="Where the shop drops its files.")
    lake_bucket: str = Field("lake", description="Parquet, partitioned by date.")
    lake_uri: str = Field(description="The lake as Spark sees it: file:///… or s3a://bucket.")
    spark_master: str = Field("local[*]", description="local[*], spark://host:7077, yarn or k8s://host:443 (docs/spark.md).")
    spark_deploy_mode: Literal["client", "cluster"] = Field("client", description="Where the DAG's driver runs.")
    spark_driver_memory: str = "3g"
    spark_executor_memory: str = Field("", description="Of each executor on a cluster; empty: Spark's own default, 1g.")
    spark_packages: str = Field("", description="Maven coordinates that Spark fetches, with commas.")
    spark_jars: str = Field("", description="Jars that Spark loads, with commas.")
    spark_conf: dict[str, str] = Field(default_factory=dict, description="Further Spark options, as JSON; no secrets.")
    airflow_url: str
    airflow_user: str = "admin"
    airflow_password: str
    mlflow_url: str
    api_url: str
    api_key: str = Field("", description="A key of the API for programs and people here; `cartwheel make-api-key` makes more.")
    api_open_recommendations: bool = Field(False, description="Recommendations without a key, for callers on the API's machine.")
    api_requests_per_s: float = Field(1000, gt=0, description="Of a caller whose key says nothing else; twice as many at once.")
    api_journal_dir: Path = Field(LOCAL_DIR / "api-journal", description="Events and impressions until they are uploaded.")
    api_oldest_event_days: int = Field(30, ge=1, description="How old an event sent to the API may be: its date is built again.")
    api_upload_every_s: float = Field(60, gt=0, description="How often the journal goes to the landing bucket.")

    # What the pipeline does
    shop_file: str = Field("", description="YAML that says how the shop's files are read; empty: they are in contract form.")
    daily_cron: str = Field("0 0 * * *", description="When `ingest_events` runs for the day that has ended (UTC).")
    max_rejected_share: float = Field(0.05, description="A file with a larger share of rejected rows fails the gate.")
    holidays: str = Field("us", description="Public holidays: us, none, or dates such as 2017-12-24=Christmas Eve, with commas.")
    history_days: int = Field(365, ge=1, description="Features and candidates are built from the purchases of so many days.")
    min_item_purchases: int = Field(5, description="Items bought less often so far are not candidates.")
    train_every_days: int = Field(7, description="Days after a training at which `train_ranker` trains again.")
    label_window_days: int = Field(28, description="Length of the windows that training labels come from.")
    ranker_variant: RankerVariant = Field("full", description="Which ranker is trained and served (docs/smaller-models.md).")
    training_dir: Path = Field(LOCAL_DIR / "training", description="Checkpoints of a training until its model is logged.")
    list_size: int = Field(50, description="Items per list of a release.")
    releases_kept: int = Field(3, description="Releases that stay loaded in both stores.")
    raw_retention_days: int | None = Field(None, ge=1, description="Age at which raw events are dropped; empty: never.")
    lake_retention_days: int | None = Field(
        None, ge=1, description="Age at which features, candidates and scores are dropped; empty: never."
    )
    experiments_file: str = Field("", description="YAML that defines the experiments (docs/experiments.md); empty: none.")
    # Re-ranking (docs/reranking.md); a weight of 1 counts as much as the user's whole range of scores.
    diversity_weight: float = Field(0.1, ge=0, description="Against items like those above them in the list.")
    novelty_weight: float = Field(0.0, ge=0, description="For items that few know.")
    calibration_weight: float = Field(0.0, ge=0, description="For a list with the user's own mix of categories.")
    repeats_weight: float = Field(0.0, ge=0, description="Against items shown on all days before and not bought since.")
    repeats_days: int = Field(7, ge=1, description="Days before the release that count for that.")
    kept_places: int = Field(10, ge=0, description="First places of a list that only scores and repeats decide.")
    rules_file: str = Field("", description="YAML of pinned and blocked items and of caps; empty: none.")

    @field_validator("explorer_key")
    @classmethod
    def _too_long_to_guess(cls, value: str) -> str:
        if 0 < len(value) < 20:
            raise ValueError("must have 20 characters or more, or be empty")
        return value

    @field_validator("raw_retention_days", "lake_retention_days", mode="before")
    @classmethod
    def _empty_means_none(cls, value: object) -> object:
        return None if value == "" else value


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SystemExit: a required setting is missing; the message names it and says what to do.
    """
    from pydantic import ValidationError

    try:
        return Settings()  # type: ignore[call-arg]  # the environment has them
    except ValidationError as error:
        problems = "; ".join(
            f"CARTWHEEL_{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg'].lower()}"
            for problem in error.errors()
        )
        raise SystemExit(
            f"cartwheel: {problems}. Run `cartwheel up` for the embedded services, or set it in the environment."
        ) from None
