"""An experiment from its file through dbt to the command line, on a small shop in a warehouse of its own."""

from datetime import date

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_warehouse import SECRET, own_warehouse
from small_warehouse import build, checksums, load, query
from typer.testing import CliRunner

from cartwheel import lake, warehouse
from cartwheel.cli import app
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.settings import get_settings
from serving_export.experiments import analysis, logged, off_policy, registry, results
from serving_export.experiments.assignment import bucket, variant_of
from serving_export.experiments.definitions import Experiment, load_experiments

FIRST, SECOND = date(1999, 1, 1), date(1999, 1, 2)
USERS = [f"user-{number}" for number in range(60)]
KEYS = {user: warehouse.user_key(SECRET.encode(), user) for user in USERS}
DEFINITION = """
experiments:
  small:
    starts_on: 1999-01-01
    ends_on: 1999-01-05
    surface: home
    traffic: 0.8
    primary_metric: click_rate
    variants:
      old: {share: 0.5}
      new: {share: 0.5, uses: {list: discover}}
"""
MODELS = ("--select", "+experiment_performance", "+fct_user_days", "experiment_results")
MARTS = ("fct_experiment_exposures", "fct_experiment_user_days", "experiment_performance")
SEEN = [("impression", 1, 0), ("impression", 2, 0), ("impression", 3, 0), ("click", 1, 1), ("purchase", 1, 2)]


def load_events(day: date, users: list[str]) -> None:
    """Three impressions a user, of which the first is clicked and bought."""
    rows = [
        (kind, f"{day} 10:0{minute}+00", f"{day}-{user}-{rank}-{kind}", user, f"i{rank}", rank, "home", f"{day}-{user}")
        for user in users
        for kind, rank, minute in SEEN
    ]
    half = '{"propensity": 0.5}'
    drawn = [(*row, None) for row in rows] + [
        (kind, f"{day} 11:00+00", f"{day}-{user}-{kind}-{rank}", user, item, rank, "drawn", f"{day}-{user}-drawn", chance)
        for user, items in zip(users[:2], (("i1", "i2"), ("i2", "i1")), strict=True)
        for kind, item, rank, chance in (
            ("impression", items[0], 1, half), ("impression", items[1], 2, half), ("click", items[1], 2, None),
        )
    ]  # fmt: skip
    load("interactions", day, "event_type, event_ts, event_id, user_id, item_id, rank, surface, request_id, context", drawn)


@pytest.fixture(scope="module")
def small(stores, tmp_path_factory):
    """The experiment is applied, and two dates are built one after the other."""
    folder = tmp_path_factory.mktemp("experiments")
    path = folder / "experiments.yaml"
    path.write_text(DEFINITION)
    patch = pytest.MonkeyPatch()
    patch.setenv("CARTWHEEL_EXPERIMENTS_FILE", str(path))
    with own_warehouse(stores, "cartwheel_test_experiments", folder):
        assert run("experiments", "--apply") == 0
        load_events(FIRST, USERS[:40])
        build(FIRST, *MODELS)
        load_events(SECOND, USERS[20:])
        build(SECOND, *MODELS)
        yield load_experiments()["small"]
    patch.undo()
    get_settings.cache_clear()


def run(*arguments: str) -> int:
    return CliRunner().invoke(app, [*arguments]).exit_code


def output(*arguments: str) -> str:
    return CliRunner().invoke(app, [*arguments]).output


def test_the_database_assigns_as_python_does(small):
    found = dict(query("select user_key, variant from marts.fct_experiment_exposures"))
    expected = {key: variant_of(small, key) for key in KEYS.values()}
    assert found == {key: variant for key, variant in expected.items() if variant} and {*found.values()} == {"old", "new"}
    assert 0 < len(found) < len(USERS)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))), st.text("0123456789abcdef", max_size=32))
def test_the_database_hashes_as_python_does(small, name, user_key):
    assert query("select ops.experiment_bucket(%s, %s)", name, user_key) == [(bucket(name, user_key),)]


def test_days_are_counted_from_the_exposure_on(small):
    taking_part = [user for user in USERS if variant_of(small, KEYS[user])]
    days = query("select event_date, sum(users), sum(impressions), sum(clicks), sum(conversions)"
                 " from marts.experiment_performance group by 1 order by 1")  # fmt: skip
    counts = [len({*taking_part} & {*users}) for users in (USERS[:40], USERS[20:])]
    assert days == [(day, n, 3 * n, n, n) for day, n in zip((FIRST, SECOND), counts, strict=True)]
    assert query("select count(*) from marts.fct_experiment_exposures where exposed_on = %s", FIRST) == [(counts[0],)]


def test_a_late_file_and_a_build_from_scratch_agree(small):
    load_events(FIRST, USERS[10:40])
    build(SECOND, *MODELS)
    late = {mart: checksums()[mart] for mart in MARTS}
    gone = [KEYS[user] for user in USERS[:10]]
    assert query("select count(*) from marts.fct_experiment_exposures where user_key = any(%s)", gone) == [(0,)]
    build(SECOND, *MODELS, "--full-refresh")
    assert {mart: checksums()[mart] for mart in MARTS} == late


def test_what_was_proven_by_the_end_of_each_date_is_kept(small):
    for day in (FIRST, SECOND, SECOND, date(1999, 1, 6)):  # the last is after the experiment
        results.keep_results(day)
    first, second = query("select event_date, users + control_users, is_primary, rate, uplift, verdict"
                          " from marts.experiment_results where metric = 'click_rate' order by 1")  # fmt: skip
    assert (first[0], second[0]) == (FIRST, SECOND) and first[1] < second[1]
    assert first[2:] == second[2:] == (True, pytest.approx(1 / 3), None, "undecided"), "too few clicks for an interval"


def test_results_are_those_of_the_analysis(small):
    users = [user for user in KEYS.values() if variant_of(small, user)]
    user_days = pl.DataFrame(
        {
            "event_date": FIRST,
            "user_key": users,
            "variant": [variant_of(small, user) for user in users],
            "impressions": 30,
            "clicks": [3 + number % 4 for number in range(len(users))],
            "conversions": [number % 2 for number in range(len(users))],
        }
    )
    found = analysis.analyse(small, user_days)
    clicks, conversions = results.rows(FIRST, found)
    compared, _ = found.comparisons
    assert (clicks["uplift"], clicks["uplift_low"], clicks["p"]) == (compared.uplift.value, compared.uplift.low, compared.p)
    assert (clicks["uplift_high_whenever"], clicks["p_whenever"]) == (compared.sequence.high, compared.always_valid_p)
    assert (clicks["required_users"], conversions["uplift"]) == (found.required_users["click_rate"], None)


def test_lists_that_were_shown_with_known_chances_are_weighed_against_a_release(small, monkeypatch):
    shown = logged.read_shown(SECOND, SECOND, surface="drawn")
    keys = [KEYS[user] for user in USERS[20:22]]
    assert shown.select("user_key", "rank", "propensity", "clicked").rows() == [
        row for key in sorted(keys) for row in ((key, 1, 0.5, False), (key, 2, 0.5, True))
    ]
    assert logged.read_shown(SECOND, SECOND).equals(shown) and logged.read_shown(SECOND, SECOND, surface="home").is_empty()
    asked = ("off-policy", str(SECOND), "--first", str(SECOND), "--last", str(SECOND), "--places", "2")
    assert "1999-01-02" in output(*asked), "there is no such release"
    monkeypatch.setattr(off_policy, "MINIMUM_EFFECTIVE_ROWS", 1)
    rows = [(key, "for_you", rank, f"i{rank}", 0.5, "a reason") for key in keys for rank in (1, 2)]
    lake.write("release", SECOND, pl.DataFrame(rows, schema=LAKE_SCHEMAS["release"].names, orient="row").to_arrow())
    text = output(*asked)
    assert "2 lists of 2 places, shown to 2 users" in text and "doubly robust" in text and "1.0000" in text


def test_analysts_read_the_marts(small, stores):
    with psycopg.connect(stores.postgres_dsn("analyst", "cartwheel_test_experiments", "analyst")) as connection:
        for mart in MARTS:
            assert connection.execute(f"select count(*) from marts.{mart}").fetchone() > (0,)
    closed = "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind in ('r', 'v')"
    assert query(f"{closed} and not has_table_privilege('cartwheel_explorer', oid, 'select')") == [], "dbt has built them twice"


def test_the_commands_list_and_show_it_and_write_a_page(small, tmp_path):
    assert "small" in output("experiments")
    text = output("experiment", "small", "--page", str(tmp_path / "small.html"))
    assert "click_rate decides" in text and "33.333%" in text and "undecided" in text
    assert "<svg" in (tmp_path / "small.html").read_text()
    assert "uplift" in output("experiment", "small", "--cuped").lower()
    assert "there are: small" in output("experiment", "smal") and run("experiment", "smal") == 2


def test_what_has_started_keeps_its_users(small):
    with warehouse.connect() as connection:
        connection.execute("insert into ops.built_dates (business_date, last_file_id) values (%s, 1)", (SECOND,))
    with pytest.raises(registry.AlteredExperimentError, match=r"small has started, and new\.first_bucket, .*would change"):
        registry.apply({"small": altered(small, variants={"old": {"share": 0.6}, "new": {"share": 0.4}})})
    longer = altered(small, ends_on=date(1999, 1, 6))
    with pytest.raises(analysis.NoDataError, match="does not know small as it is defined"):
        analysis.read(longer)
    registry.apply({"small": longer})
    assert analysis.read(longer)[0].height > 0
    registry.apply({"small": small})


def altered(experiment: Experiment, **changes) -> Experiment:
    return Experiment.model_validate(experiment.model_dump() | changes)


def test_an_experiment_that_nobody_has_seen_says_so(small):
    later = altered(small, name="later", starts_on=date(1999, 2, 1), ends_on=date(1999, 2, 2))
    registry.apply({"later": later})
    with pytest.raises(analysis.NoDataError, match=r"nobody has been seen in later yet \(first day: 1999-02-01\)"):
        analysis.read(later)
