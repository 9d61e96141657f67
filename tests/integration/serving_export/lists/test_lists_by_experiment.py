"""Three experiments at once, from their file to the lists of a release, in a warehouse, a lake and a registry of its own."""

from datetime import date
from pathlib import Path

import mlflow
import polars as pl
import pyarrow as pa
import pytest
from mlflow.pyfunc import PythonModel
from own_warehouse import own_warehouse
from typer.testing import CliRunner

from cartwheel import champion, lake, warehouse
from cartwheel.cli import app
from cartwheel.contracts import LAKE_SCHEMAS, REASON_GROUPS
from cartwheel.settings import get_settings
from serving_export.experiments import registry
from serving_export.experiments.assignment import variant_of
from serving_export.experiments.definitions import DefinitionError, Experiment, load_experiments
from serving_export.experiments.treatments import read_treatments
from serving_export.lists.build_lists import build_lists
from serving_export.lists.explain import explain
from serving_export.lists.score import score
from serving_export.lists.versions import VersionGoneError, champion_of

DAY = date(1999, 4, 1)
USERS = [f"key-{number:02}" for number in range(80)]
ITEMS = {"apple": "fruit", "brie": "cheese", "cheddar": "cheese"}
DEFINITIONS = """
experiments:
  order:
    starts_on: 1999-04-02
    ends_on: 1999-04-10
    primary_metric: click_rate
    variants:
      best_first: {share: 0.5}
      worst_first: {share: 0.5, uses: {model_version: "1"}}
  mix:
    starts_on: 1999-04-02
    ends_on: 1999-04-10
    primary_metric: click_rate
    variants:
      plain: {share: 0.5}
      diverse: {share: 0.5, uses: {rerank: {diversity_weight: 5, kept_places: 0}}}
  place:
    starts_on: 1999-04-02
    ends_on: 1999-04-10
    traffic: 0.8
    primary_metric: click_rate
    variants:
      all: {share: 0.5}
      new: {share: 0.5, uses: {list: discover}}
"""


class Ranker(PythonModel):
    """Scores items by their purchases; the more the better, or the worse. Apples are what everyone has bought."""

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def predict(self, context, model_input, params=None):
        raise NotImplementedError

    def score(self, *, candidates: pa.Table, item: pa.Table, **_: pa.Table) -> pa.Table:
        pairs = pl.DataFrame(candidates).join(pl.DataFrame(item), on="item_id")
        columns = {"source": pl.lit("als"), "bought": pl.col("item_id") == "apple"}
        return pairs.select("user_key", "item_id", score=self.sign * pl.col("purchases"), **columns).to_arrow()


class ExplainingRanker(Ranker):
    """It says of every score that the item's sales did it."""

    def explain(self, pairs: pa.Table, **_: pa.Table) -> pa.Table:
        said = {name: float(name == "item") for name in REASON_GROUPS} | {"baseline": 0.0, "moved_by": [], "moved_by_effects": []}
        return pa.Table.from_pylist([row | said for row in pairs.to_pylist()])


CHAMPION = ExplainingRanker(1.0)


@pytest.fixture(scope="module")
def folder(stores, tmp_path_factory):
    """The warehouse knows the experiments, the registry a version 1, and the lake what lists are made of."""
    folder = tmp_path_factory.mktemp("by-experiment")
    path = folder / "experiments.yaml"
    path.write_text(DEFINITIONS)
    patch = pytest.MonkeyPatch()
    patch.setenv("CARTWHEEL_EXPERIMENTS_FILE", str(path))
    patch.setenv("CARTWHEEL_MLFLOW_URL", f"sqlite:///{folder}/mlflow.db")
    with own_warehouse(stores, "cartwheel_test_by_experiment", folder):
        register(folder, trained_for=DAY)
        fill_the_lake()
        yield folder
    patch.undo()
    get_settings.cache_clear()
    mlflow.set_tracking_uri(None)


def register(folder: Path, trained_for: date) -> str:
    client = champion.registry_client()
    if not champion.registered_versions():
        mlflow.create_experiment("rankers", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("rankers")
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(name="ranker", python_model=Ranker(-1.0), registered_model_name=champion.MODEL)
    version = str(logged.registered_model_version)
    client.set_model_version_tag(champion.MODEL, version, champion.DATE_TAG, trained_for.isoformat())
    return version


def fill_the_lake() -> None:
    rows: dict[str, list[dict]] = {
        "items": [{"item_id": item, "title": item, "category": kind, "department": "FOOD"} for item, kind in ITEMS.items()],
        "users": [{"user_key": key} for key in USERS],
        "features/item": [{"item_id": item, "purchases": n, "purchases_28": n} for n, item in enumerate(ITEMS, 1)],
        "features/user_item": [{"user_key": key, "item_id": "apple", "purchases": 2, "purchases_28": 2, "recency_days": 3.0}
                               for key in USERS],
        "candidates/union": [{"user_key": key, "item_id": item} for key in USERS for item in ITEMS],
        "features/sequences": [], "features/user": [], "features/user_subcategory": [], "features/user_category": [],
    }  # fmt: skip
    for dataset, content in rows.items():
        schema = LAKE_SCHEMAS[dataset]
        lake.write(dataset, DAY, pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in content], schema))


def make_lists(users_per_batch: int = 7) -> pl.DataFrame:
    score(DAY, CHAMPION, "7", users_per_batch)
    explain(DAY, CHAMPION, users_per_batch)
    build_lists(DAY)
    return pl.DataFrame(lake.read("release", DAY))


def command(*arguments: str) -> str:
    return " ".join(CliRunner().invoke(app, [*arguments]).output.split())


def clear() -> None:
    with warehouse.connect() as connection:
        connection.execute("delete from ops.experiment_variants")
        connection.execute("delete from ops.built_dates")


@pytest.fixture
def applied(folder):
    """The experiments, which run from the day on that the release is served."""
    clear()
    assert "order" in command("experiments", "--apply")
    yield load_experiments()
    clear()


def altered(experiment: Experiment, **changes) -> Experiment:
    return Experiment.model_validate(experiment.model_dump() | changes)


def expected(user: str, experiments: dict[str, Experiment]) -> dict[str, list[str]]:
    """The lists of a user, worked out by hand for each combination of variants."""
    order, mix, place = (variant_of(experiments[name], user) for name in ("order", "mix", "place"))
    for_you = {
        ("best_first", "plain"): ["cheddar", "brie", "apple"],
        ("best_first", "diverse"): ["cheddar", "apple", "brie"],  # two kinds of cheese never follow one another
        ("worst_first", "plain"): ["apple", "brie", "cheddar"],
        ("worst_first", "diverse"): ["apple", "brie", "cheddar"],
    }[order, mix]
    discover = ["cheddar", "brie"] if order == "best_first" else ["brie", "cheddar"]
    return {"for_you": discover if place == "new" else for_you, "buy_again": ["apple"], "discover": discover}


def lists_of(release: pl.DataFrame) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for user, name, items in release.sort("rank").group_by("user_key", "list").agg("item_id").iter_rows():
        found.setdefault(user, {})[name] = items
    return found


def test_every_user_gets_the_lists_of_their_variants(applied):
    release = make_lists()
    assert lists_of(release) == {user: expected(user, applied) for user in USERS}
    together = {tuple(variant_of(each, user) for each in applied.values()) for user in USERS}
    assert len(together) == 12, "not every combination has a user"
    versions = dict(pl.DataFrame(lake.read("scores", DAY)).select("user_key", "model_version").unique().iter_rows())
    assert versions == {user: "1" if variant_of(applied["order"], user) == "worst_first" else "7" for user in USERS}
    assert champion_of(DAY) == "7"


def test_reasons_go_by_rule_where_a_version_explains_nothing(applied):
    release = make_lists()
    reasons = dict(release.filter(list="discover", item_id="cheddar").select("user_key", "reason").iter_rows())
    explained, by_rule = "Popular this month in Food", "Shoppers like you buy this"
    best_first = {user for user in USERS if variant_of(applied["order"], user) == "best_first"}
    assert reasons == {user: explained if user in best_first else by_rule for user in USERS}


def test_lists_that_are_made_again_are_the_same_however_users_are_batched(applied):
    assert make_lists().equals(make_lists(users_per_batch=500))


def test_who_is_in_no_treatment_gets_what_everyone_gets_without_experiments(applied):
    with_experiments = make_lists()
    clear()
    without = make_lists()
    everyone = {"for_you": ["cheddar", "brie", "apple"], "buy_again": ["apple"], "discover": ["cheddar", "brie"]}
    assert lists_of(without) == dict.fromkeys(USERS, everyone)
    untreated = [user for user in USERS if all(variant_of(each, user) in (each.control, None) for each in applied.values())]
    mine = pl.col("user_key").is_in(untreated)
    assert untreated and with_experiments.filter(mine).equals(without.filter(mine))


def test_an_experiment_that_uses_nothing_or_does_not_run_leaves_the_same_bytes(applied):
    clear()
    make_lists()
    without = stored()
    same = altered(applied["mix"], variants={name: {"share": 0.5} for name in ("plain", "diverse")})
    ended = altered(applied["place"], name="ended", starts_on=date(1999, 3, 1), ends_on=DAY)
    later = altered(applied["place"], name="later", starts_on=date(1999, 4, 3))
    registry.apply({each.name: each for each in (same, ended, later)})
    assert read_treatments(DAY).all == ()
    make_lists()
    assert stored() == without


def stored() -> dict[str, bytes]:
    bucket = get_settings().lake_bucket
    prefixes = (lake.partition_prefix(dataset, DAY) for dataset in ("scores", "explanations", "release"))
    return {item["Key"]: lake.get_bytes(bucket, item["Key"]) for prefix in prefixes for item in lake.list_objects(bucket, prefix)}


def test_a_version_that_has_vanished_stops_the_scoring_and_names_the_experiment(folder, applied):
    make_lists()
    version = register(folder, trained_for=DAY)
    clear()
    uses = {"control": {"share": 0.5}, "new": {"share": 0.5, "uses": {"model_version": version}}}
    registry.apply({"vanished": altered(applied["order"], name="vanished", variants=uses)})
    champion.registry_client().delete_model_version(champion.MODEL, version)
    with pytest.raises(VersionGoneError, match=f"experiment vanished, variant new: version '{version}' of 'ranker' cannot be"):
        score(DAY, CHAMPION, "7")
    assert lake.exists("scores", DAY) and lake.exists("explanations", DAY), "what was there is gone"


def test_what_cannot_be_applied_is_refused_whole(applied):
    order = applied["order"]
    unknown = {"control": {"share": 0.5}, "new": {"share": 0.5, "uses": {"model_version": "99"}}}
    with pytest.raises(DefinitionError, match=r"other\.variants\.new\.uses\.model_version: there is no version '99' .* 1"):
        registry.apply({"other": altered(order, name="other", variants=unknown)})
    with pytest.raises(DefinitionError, match=r"version '1' was trained for 1999-04-01; the first lists .* are of 1999-03-31"):
        registry.apply({"order": altered(order, starts_on=DAY)})
    twice = altered(applied["place"], name="twice")
    with pytest.raises(DefinitionError, match=r"place \(new\) and twice \(new\) would both set list"):
        registry.apply({"place": altered(applied["place"], ends_on=date(1999, 4, 20)), "twice": twice})
    with warehouse.connect() as connection:
        assert registry.is_applied(connection, applied["place"]) and not registry.is_applied(connection, twice)


def test_lists_that_may_have_been_made_are_not_changed_afterwards(applied):
    with warehouse.connect() as connection:
        connection.execute("insert into ops.built_dates (business_date, last_file_id) values ('1999-04-03', 1)")
    late = altered(applied["place"], name="late", starts_on=date(1999, 4, 4))
    with pytest.raises(registry.AlteredExperimentError, match=r"late is applied too late: .* start on 1999-04-05 or later"):
        registry.apply({"late": late})
    with pytest.raises(registry.AlteredExperimentError, match="its last day cannot move between 1999-04-03 and 1999-04-10"):
        registry.apply({"place": altered(applied["place"], ends_on=date(1999, 4, 3))})
    registry.apply({"place": altered(applied["place"], ends_on=date(1999, 4, 4))})
    registry.apply({"late": altered(late, starts_on=date(1999, 4, 5))})
    assert [each.experiment for each in read_treatments(date(1999, 4, 3)).all] == ["mix", "order", "place"]
    assert [each.experiment for each in read_treatments(date(1999, 4, 4)).all] == ["late", "mix", "order"]


def test_an_experiment_does_not_move_to_days_whose_lists_may_have_been_made(applied):
    with warehouse.connect() as connection:
        connection.execute("insert into ops.built_dates (business_date, last_file_id) values ('1999-04-03', 1)")
    variants = {"plain": {"share": 0.5}, "novel": {"share": 0.5, "uses": {"rerank": {"novelty_weight": 1}}}}
    coming = altered(applied["mix"], name="coming", starts_on=date(1999, 4, 8), variants=variants)
    registry.apply({"coming": coming})
    for day in (date(1999, 4, 2), date(1999, 4, 4)):
        with pytest.raises(registry.AlteredExperimentError, match=r"coming is applied too late: .* start on 1999-04-05 or later"):
            registry.apply({"coming": altered(coming, starts_on=day)})
    assert [each.experiment for each in read_treatments(date(1999, 4, 3)).all] == ["mix", "order", "place"]
    registry.apply({"coming": altered(coming, starts_on=date(1999, 4, 5))})
    idle = altered(coming, name="idle", variants={name: {"share": 0.5} for name in variants})
    registry.apply({"idle": idle})
    registry.apply({"idle": altered(idle, starts_on=date(1999, 4, 2))})  # it uses nothing, so no list depends on it
