"""The whole chain through the Airflow scheduler, on a slice of the real data: every third household, from June on.

The tests of this file build on one another, in their order: a first release with training, new lists within the next day, a bad
delivery that a gate stops, the daily run by backfill, a rollback and a clean-up from Airflow's forms, and later events that must
not change what was built before them.
"""

import gzip
import hashlib
import subprocess
import sys
import time
from datetime import date, timedelta

import httpx
import polars as pl
import pytest
from typer.testing import CliRunner

from cartwheel import airflow_client, follow, ingest, lake, warehouse
from cartwheel.cli import app
from cartwheel.dbt import run_dbt
from cartwheel.demo import shop
from cartwheel.export import export
from cartwheel.features import FEATURES
from cartwheel.local.services import run_airflow
from cartwheel.settings import PROJECT_ROOT, get_settings

START, FIRST = date(2017, 6, 1), date(2017, 11, 30)
NEXT, BAD = FIRST + timedelta(1), FIRST + timedelta(2)

pytestmark = pytest.mark.usefixtures("services")


def put(key: str, frame: pl.DataFrame) -> None:
    body = gzip.compress(frame.write_csv().encode(), mtime=0)
    lake.s3_client().put_object(Bucket=get_settings().landing_bucket, Key=key, Body=body)


def land(first: date, last: date) -> None:
    """The slice's files for these dates."""
    chosen = shop.interactions().filter(pl.col("user_id").cast(pl.Int64) % 3 == 0, pl.col("date").is_between(first, last))
    for (day,), frame in chosen.partition_by("date", as_dict=True, include_key=False).items():
        put(f"interactions/{day}.csv.gz", frame)


def run_chain(day: date) -> None:
    with airflow_client.connect() as client:
        follow.run_chain(client, day, print)


def served() -> str:
    return sql("select distinct release_id from serving.current_recommendations")[0][0]


def sql(query: str, *parameters) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(query, parameters).fetchall()


def fingerprint(*datasets: str, day: date) -> dict[str, str]:
    """What lake partitions hold, row for row, whatever their files are called."""
    prints = {}
    for dataset in datasets:
        frame = pl.DataFrame(lake.read(dataset, day))
        frame = frame.select(sorted(set(frame.columns) - {"model_version"}))
        sortable = [name for name, kind in frame.schema.items() if not kind.is_nested()]
        rows = frame.sort(sortable).write_ndjson().encode()
        prints[dataset] = hashlib.sha256(rows).hexdigest()
    return prints


def marts_fingerprint(day: date) -> list[tuple]:
    tables = ("fct_interactions", "fct_daily_item_sales", "fct_user_days", "daily_kpis")
    query = "select count(*), md5(string_agg(t::text, '|' order by t::text)) from marts.{} as t where event_date = %s"
    return [(table, *sql(query.format(table), day)[0]) for table in tables]


BUILT = (*FEATURES, "candidates/union", "scores", "explanations", "release")


def test_from_raw_files_to_a_served_release():
    put(f"items/{START}.csv.gz", shop.items())
    put(f"users/{START}.csv.gz", shop.users())
    land(START, FIRST)
    run_chain(FIRST)

    assert served() == str(FIRST)
    accounts = "select sum(rows_read), sum(accepted), sum(rejected) from ops.loaded_files where business_date between %s and %s"
    read, accepted, rejected = sql(accounts, START, FIRST)[0]
    assert read == accepted + rejected and rejected > 0
    lists = sql("select list, count(distinct user_id), max(rank) from serving.current_recommendations group by 1 order by 1")
    assert [name for name, _, _ in lists] == ["buy_again", "discover", "for_you"]
    assert all(users > 700 and longest == 50 for _, users, longest in lists)
    repeated = sql("""
        select count(*) from serving.current_recommendations as r
        join intermediate.int_user_keys as k using (user_id)
        where r.list = 'discover' and exists (
            select from marts.fct_interactions as f
            where f.user_key = k.user_key and f.item_id = r.item_id and f.event_date <= %s)
    """, FIRST)  # fmt: skip
    assert repeated == [(0,)], "discover names products the user has bought before"
    known = sql("select count(*) from serving.found_by where array_to_string(sources, '') <> ''")
    assert known == sql("select count(distinct user_id) from serving.current_recommendations")


def test_the_shop_reads_it_through_the_api_and_the_command_line():
    user = sql("select min(user_id) from serving.current_recommendations")[0][0]
    answer = httpx.get(
        f"{get_settings().api_url}/v1/users/{user}/recommendations", params={"list": "for_you", "limit": 10}
    ).json()
    assert (answer["release"], answer["source"], len(answer["items"])) == (str(FIRST), "redis", 10)
    expected = sql("select item_id from serving.current_recommendations where user_id = %s and list = 'for_you'"
                   " and rank <= 10 order by rank", user)  # fmt: skip
    assert [item["item_id"] for item in answer["items"]] == [item_id for (item_id,) in expected]
    stranger = httpx.get(f"{get_settings().api_url}/v1/users/nobody-knows/recommendations").json()
    assert stranger["source"] == "popular" and stranger["items"]

    result = CliRunner().invoke(app, ["recommend", user, "--json"])
    assert result.exit_code == 0 and str(FIRST) in result.stdout
    missing = CliRunner().invoke(app, ["rollback", "1999-01-01"])
    assert missing.exit_code != 0 and len(missing.stderr.strip().splitlines()) == 1


def by_hand(dag_id: str, **form: object) -> str:
    """Trigger a DAG with what a person fills in; the logs of its tasks, once it has succeeded."""
    with airflow_client.connect() as client:
        path = f"/api/v2/dags/{dag_id}/dagRuns"
        started = client._http.post(path, json={"logical_date": None, "conf": form}).raise_for_status().json()
        path = f"{path}/{started['dag_run_id']}"
        while (run := client._http.get(path).json())["state"] in airflow_client.UNFINISHED:
            time.sleep(1)
        tasks = client._http.get(f"{path}/taskInstances").json()["task_instances"]
        logs = "".join(client._http.get(f"{path}/taskInstances/{task['task_id']}/logs/1").text for task in tasks)
    assert run["state"] == "success", logs
    return logs


def test_who_buys_something_the_next_day_gets_new_lists_within_it():
    lists = "select user_id, array_agg((list, item_id, reason)::text order by list, rank) from serving.current_recommendations"
    before = dict(sql(f"{lists} group by 1"))
    land(NEXT, NEXT)
    by_hand("refresh_recommendations")  # or the run of the quarter of an hour, if that was first
    after = dict(sql(f"{lists} group by 1"))
    buyers = {user for (user,) in sql("select user_id from raw.interactions where business_date = %s", NEXT)}
    changed = {user for user in before if after[user] != before[user]}
    assert after.keys() == before.keys() and changed <= buyers
    assert len(changed) > max(20, 0.8 * len(buyers & before.keys()))
    user = min(changed)
    answer = httpx.get(f"{get_settings().api_url}/v1/users/{user}/recommendations", params={"limit": 50}).json()
    assert (answer["release"], answer["source"]) == (str(FIRST), "redis")
    for_you = [shown.split(",")[1] for shown in after[user] if shown.startswith("(for_you,")]
    assert [item["item_id"] for item in answer["items"]] == for_you
    assert sql("select event from serving.release_events order by event_id desc limit 1") == [("refreshed",)]
    by_hand("refresh_recommendations")
    assert dict(sql(f"{lists} group by 1")) == after, "nobody has bought anything since"


def behind_button(name: str, dag_id: str, task_id: str, day: date) -> str:
    """The page behind a task's button, which nobody sees who is not signed in to Airflow."""
    with airflow_client.connect() as client:
        run = client.runs(dag_id, day)[0]
        for _ in range(30):  # Airflow notes a task's links after its state
            links = client._http.get(f"/api/v2/dags/{dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}/links").json()
            if url := links["extra_links"][name]:
                break
            time.sleep(1)
        assert httpx.get(url, trust_env=False).status_code == 401
        return client._http.get(url).raise_for_status().text


def test_the_first_model_has_its_report():
    page = behind_button("Evaluation report", "train_ranker", "report", FIRST)
    version = sql("select max(model_version) from serving.releases")[0][0]
    assert f"Ranker version {version} of {FIRST}" in page and "passed" in page
    for section in ("lists", "change", "segments", "scores", "calibration", "learning"):
        assert f'<h2 id="{section}">' in page
    assert "GROCERY" in page and page.count("<svg") >= 8


def test_a_bad_delivery_stops_at_the_gate_and_the_old_release_goes_on():
    day = shop.interactions().filter(pl.col("date") == BAD)
    broken = day.with_columns(quantity=pl.when(pl.int_range(pl.len()) % 3 == 0).then(-1).otherwise("quantity"))
    put(f"interactions/{BAD}.csv.gz", broken)
    with pytest.raises(follow.ChainError, match=rf"build_warehouse.gate_raw failed for {BAD}"):
        run_chain(BAD)
    named = sql("select observed from ops.gate_results where gate = 'raw' and business_date = %s and not success", BAD)
    assert any(f"interactions/{BAD}.csv.gz" in (observed or "") for (observed,) in named)
    page = behind_button("Data Docs", "build_warehouse", "gate_raw", BAD)
    assert f"Gate raw on {BAD}: failed" in page and f"interactions/{BAD}.csv.gz" in page
    assert served() == str(FIRST)
    # The shop takes it back.
    lake.s3_client().delete_object(Bucket=get_settings().landing_bucket, Key=f"interactions/{BAD}.csv.gz")
    for table in (
        "raw.interactions",
        "raw.interaction_ids",
        "raw.rejected_rows",
        "raw.duplicate_rows",
        "ops.loaded_files",
        "ops.loaded_dates",
    ):
        sql(f"delete from {table} where business_date = %s returning 1", BAD)


def test_the_daily_run_by_backfill_leaves_what_a_run_by_hand_leaves():
    before = sql("select version from (select max(model_version) as version from serving.releases) as r")
    code = run_airflow(["backfill", "create", "--dag-id", "ingest_events", "--from-date", str(NEXT), "--to-date", str(NEXT)])
    assert code == 0
    deadline = time.monotonic() + 900
    while served() != str(NEXT):
        with airflow_client.connect() as client:
            failed = [run for dag_id in airflow_client.CHAIN for run in client.runs(dag_id, NEXT) if run.state == "failed"]
        assert not failed and time.monotonic() < deadline, failed
        time.sleep(2)
    assert sql("select max(model_version) from serving.releases") == before, "the daily run trained"
    assert sql("select release_id from serving.releases order by 1") == [(str(FIRST),), (str(NEXT),)]

    by_backfill = marts_fingerprint(NEXT), fingerprint("interactions", "items", "users", day=NEXT)
    assert by_backfill[0][0][1] > 0
    ingest.ingest(NEXT)
    run_dbt("build", "--vars", f'{{"partition_date": "{NEXT}"}}', capture=True)
    export(NEXT)
    assert (marts_fingerprint(NEXT), fingerprint("interactions", "items", "users", day=NEXT)) == by_backfill


def test_going_back_and_forth_between_releases():
    for release in (str(FIRST), str(NEXT)):
        assert CliRunner().invoke(app, ["rollback", release]).exit_code == 0
        assert served() == release
        user = sql("select min(user_id) from serving.current_recommendations")[0][0]
        answer = httpx.get(f"{get_settings().api_url}/v1/users/{user}/recommendations").json()
        assert (answer["release"], answer["source"]) == (release, "redis")


def test_a_rollback_from_airflow_takes_readers_back_and_says_who_and_why():
    form = {"release": str(FIRST), "reason": "the same tomatoes on every list"}
    log = by_hand("rollback_release", **form, dry_run=True)
    assert "only looked" in log and served() == str(NEXT)
    by_hand("rollback_release", **form, dry_run=False)
    assert served() == str(FIRST)
    user = sql("select min(user_id) from serving.current_recommendations")[0][0]
    answer = httpx.get(f"{get_settings().api_url}/v1/users/{user}/recommendations").json()
    assert (answer["release"], answer["source"]) == (str(FIRST), "redis")
    last = sql("select event, release_id, requested_by, reason from serving.release_events order by event_id desc limit 1")
    assert last == [("rolled_back", str(FIRST), get_settings().airflow_user, form["reason"])]
    by_hand("rollback_release", release=str(NEXT), reason="the tomatoes were right", dry_run=False)
    assert served() == str(NEXT)


def test_a_clean_up_from_airflow_removes_what_a_crashed_run_has_left_and_no_release():
    left = f"{FIRST}.0"
    sql("insert into serving.builds (build_id, release_id, partition_date, model_version, status, created_at)"
        " values (%s, %s, %s, '1', 'loading', now() - interval '3 days') returning 1", left, str(FIRST), FIRST)  # fmt: skip
    builds = "select build_id from serving.builds where base_build_id is null order by 1"
    before = sql(builds)
    assert left in by_hand("prune_releases", dry_run=True) and sql(builds) == before
    by_hand("prune_releases", dry_run=False)
    assert sql(builds) == [(build,) for (build,) in before if build != left]
    assert sql("select event, build_id from serving.release_events order by event_id desc limit 1") == [("removed", left)]
    assert [served(), *sql("select release_id from serving.releases order by 1")] == [str(NEXT), (str(FIRST),), (str(NEXT),)]


def test_later_events_change_no_row_of_what_was_built_before_them():
    before = fingerprint(*BUILT, day=FIRST)
    made_up = shop.interactions().filter(pl.col("date") == FIRST).with_columns(
        event_id=pl.format("made-up-{}", "event_id"), event_ts=pl.lit("2017-12-02T12:00:00Z"), quantity=pl.lit(9),
    )  # fmt: skip
    made_up = (
        pl.concat([made_up.drop("date")] * 3).with_row_index().with_columns(event_id=pl.format("{}-{}", "event_id", "index"))
    )
    put("interactions/2017-12-02.csv.gz", made_up.drop("index"))
    ingest.ingest(BAD)
    run_dbt("build", "--vars", f'{{"partition_date": "{BAD}"}}', capture=True)
    export(BAD)
    assert sql("select count(*) from marts.fct_interactions where event_date = %s", BAD)[0][0] == len(made_up)

    def program(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", *arguments], cwd=PROJECT_ROOT, check=True, capture_output=True)

    export(FIRST)
    program("spark_jobs", "--date", str(FIRST))  # the training cut-offs lie months earlier: their labels are what could change
    program("training.train", "--date", str(FIRST), "--register")
    client = pytest.importorskip("mlflow").MlflowClient(get_settings().mlflow_url)
    champion = client.get_model_version_by_alias("ranker", "champion").version
    challenger = max(int(version.version) for version in client.search_model_versions("name='ranker'"))
    assert challenger > int(champion)
    client.set_registered_model_alias("ranker", "champion", str(challenger))
    try:
        program("serving_export.lists.score", "--date", str(FIRST))
        program("serving_export.lists.explain", "--date", str(FIRST))
        program("serving_export.lists.build_lists", "--date", str(FIRST))
    finally:
        client.set_registered_model_alias("ranker", "champion", champion)
    assert fingerprint(*BUILT, day=FIRST) == before
