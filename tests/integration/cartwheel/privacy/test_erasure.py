"""A person is erased from every place, and nobody else is touched."""

import json

import people
import pyarrow as pa
import pytest
from people import DATES, FIRST, SECOND, dump, key_of, places_with
from typer.testing import CliRunner

from cartwheel import lake, warehouse
from cartwheel.cli import app
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.privacy import erase
from cartwheel.settings import get_settings
from serving_export.releases import publish
from serving_export.releases.content import checksum, read_content
from serving_export.releases.found_by import load_found_by
from serving_export.releases.lookup import recommend

USERS = people.make_ids(seed=11, size=12)
WILD = USERS[:10]


@pytest.fixture(scope="module", autouse=True)
def shop(stores, tmp_path_factory):
    from own_warehouse import own_warehouse

    with own_warehouse(stores, "cartwheel_test_erasure", tmp_path_factory.mktemp("logs")):
        people.fill(USERS)
        yield


def query(statement: str, *parameters) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(statement, parameters).fetchall()


def test_looking_finds_every_place_and_changes_nothing():
    before = dump()
    report = erase.preview(USERS[0])
    assert dump() == before
    assert report.dry_run and report.user_key == key_of(USERS[0])
    assert {place: rows for place, rows in report.found.items() if not place.startswith("lake")} == {
        "raw.interactions": 4, "raw.users": 2, "raw.rejected_rows": 4, "raw.duplicate_rows": 2, "raw.interaction_ids": 4,
        "intermediate.int_user_keys": 1, "marts.fct_interactions": 2, "marts.release_lists": 2,
        "serving.user_lists": 6, "serving.found_by": 2, "redis": 6,
    }  # fmt: skip
    assert report.found["lake features/user"] == 4
    assert report.found["lake release"] == 12
    assert report.landed_files == {
        f"{kind}{day}.csv": rows
        for kind, rows in {"interactions/": 2, "users/": 1, "interactions/bad ": 2, "interactions/again ": 1}.items()
        for day in DATES
    }  # fmt: skip


@pytest.mark.parametrize("user", [USERS[1], USERS[2], USERS[-1]], ids=["wild", "another", "without lists"])
def test_erased_from_everywhere_and_nobody_else_touched(user):
    before, expected = dump(), erase.preview(user)
    report = erase.erase(user, "the test")
    assert report.is_gone and report.remaining == {}
    assert report.found == expected.found
    assert places_with(key_of(user)) == []
    if user in WILD:
        assert places_with(user) == []
    after = dump()
    assert after.keys() == before.keys()
    changed = {place for place in before if before[place] != after[place]}
    for place in changed - {
        "redis",
        "raw.rejected_rows",
        "ops.loaded_dates",
        "ops.built_dates",
        "serving.builds",
        "serving.items",
        "serving.beside",
    }:
        left = set(before[place]) - set(after[place])
        assert set(after[place]) <= set(before[place]), place
        own = {row for row in before[place] if key_of(user) in row or any(each in row for each in people.writings(user))}
        assert left == own or (user == "77" and left <= own), place
    ((record,),) = query("select to_jsonb(e) from ops.erasures as e where user_key = %s", key_of(user))
    assert record["requested_by"] == "the test" and record["rows"] == report.found and record["remaining"] == {}
    assert user not in WILD or user not in str(record)


def test_rejected_rows_stay_without_their_text():
    user = WILD[3]
    rows = query("select count(*), count(original) from raw.rejected_rows")
    erase.erase(user, "the test")
    (count, texts), ((count_before, texts_before),) = query("select count(*), count(original) from raw.rejected_rows")[0], rows
    assert (count, texts) == (count_before, texts_before - 4)


def test_an_id_that_is_a_number_takes_no_other_number_with_it():
    assert query("select count(*) from raw.interactions where item_id = '7'")[0][0] > 0
    events = query("select count(*) from raw.interactions where user_id <> '7'")
    texts = query("""select count(original) from raw.rejected_rows where original like '%%"77"%%'""")
    report = erase.erase("7", "the test")
    assert report.is_gone
    assert query("select count(*) from raw.interactions where user_id <> '7'") == events
    assert query("""select count(original) from raw.rejected_rows where original like '%%"77"%%'""") == texts


def test_the_accounts_say_what_lies_in_raw_and_the_dates_wait_to_be_built():
    user = WILD[4]
    with warehouse.connect() as connection:
        connection.execute(
            "update ops.built_dates as b set last_file_id ="
            " (select max(file_id) from ops.loaded_dates as d where d.business_date = b.business_date)"
        )
    assert query("select business_date from ops.pending_dates") == []
    erase.erase(user, "the test")
    assert query("select business_date from ops.pending_dates order by 1") == [(day,) for day in DATES]
    accounts = query("select business_date, rows from ops.loaded_dates where dataset = 'interactions' order by 1")
    assert accounts == query("select business_date, count(*) from raw.interactions group by 1 order by 1")


def test_loaded_releases_agree_with_their_books_and_with_the_lake():
    user = WILD[5]
    target = publish.releases()
    served = recommend(target.redis, user, "for_you", 5)
    assert served and served.segment is None
    erase.erase(user, "the test")
    for build in target.catalog.builds():
        content = read_content(build.partition_date)
        expected = checksum(content)
        ((users, rows, digest),) = query("select users, rows, checksum from serving.builds where build_id = %s", build.build_id)
        assert target.postgres.checksum(build.build_id, content) == target.redis.checksum(build.build_id, content) == expected
        assert digest == expected.digest
        assert [(users, rows)] == query(
            "select count(distinct user_id), count(*) from serving.lists where build_id = %s", build.build_id
        )
    for store in (target.redis, target.postgres):
        answer = recommend(store, user, "for_you", 5)
        assert answer and answer.segment == "all" and answer.release == str(SECOND)


def test_once_more_finds_nothing_and_changes_nothing():
    user = WILD[6]
    erase.erase(user, "the test")
    before = dump()
    again = erase.erase(user, "the test")
    assert (again.found, again.landed_files, again.is_gone) == ({}, {}, True)
    assert dump() == before
    assert query("select count(*) from ops.erasures where user_key = %s", key_of(user)) == [(2,)]


def test_pages_that_name_the_person_go_and_others_stay():
    bucket = get_settings().lake_bucket
    pages = {"named": "<td>ann-page</td>", "by key": f"<td>{key_of('ann-page')}</td>", "other": "<td>joann-page, ann</td>"}
    for name, page in pages.items():
        lake.s3_client().put_object(Bucket=bucket, Key=f"data_docs/{name}.html", Body=page.encode())
    assert erase.erase("ann-page", "the test").found == {"lake data_docs": 2}
    assert [item["Key"] for item in lake.list_objects(bucket, "data_docs/")] == ["data_docs/other.html"]


def test_what_a_place_keeps_is_reported():
    """A table that no eraser knows keeps the person: the search finds it, and the erasure is not finished."""
    user = USERS[0]
    with warehouse.connect() as connection:
        connection.execute("create schema other")
        connection.execute("create table other.notes (note text, extra jsonb)")
        connection.execute(
            "insert into other.notes values (%s, '{}'), ('', %s)", (f"seen {key_of(user)} today", f'["{key_of(user)}"]')
        )
    report = erase.erase(user, "the test")
    assert not report.is_gone and report.remaining == {"other.notes": 2}
    assert query("select finished_at, remaining from ops.erasures where user_key = %s", key_of(user)) == [
        (None, {"other.notes": 2})
    ]
    with warehouse.connect() as connection:
        connection.execute("drop schema other cascade")
    assert erase.erase(user, "the test").found["raw.interactions"] == 4  # of the first run
    assert query("select finished_at is null from ops.erasures where user_key = %s", key_of(user)) == [(False,)]


def test_the_command_asks_removes_and_proves():
    user = WILD[7]
    runner = CliRunner()
    before = dump()
    looked = runner.invoke(app, ["erase-user", user, "--dry-run", "--json"])
    assert looked.exit_code == 0 and json.loads(looked.stdout)["found"]["raw.interactions"] == 4
    assert runner.invoke(app, ["erase-user", user], input="n\n").exit_code == 1
    assert dump() == before
    done = runner.invoke(app, ["erase-user", user], input="y\n")
    assert done.exit_code == 0 and "nothing is left" in done.stdout
    assert places_with(user) == []
    assert runner.invoke(app, ["erase-user", "", "--yes"]).exit_code == 1
    assert runner.invoke(app, ["erase-user", user, "--json"]).exit_code == 2


def test_an_id_written_otherwise_in_files_is_withheld_by_its_alias():
    with warehouse.connect() as connection:
        connection.execute("insert into raw.rejected_rows values (%s, 'interactions', 'odd', 1, 'bad', 'x;0042;y')", (SECOND,))
        connection.execute("insert into raw.rejected_rows values (%s, 'interactions', 'odd', 2, 'bad', 'x;00421;y')", (SECOND,))
    assert erase.erase("42", "the test", ["0042"]).found == {"raw.rejected_rows": 1}
    assert query("select line, original from raw.rejected_rows where key = 'odd' order by line") == [(1, None), (2, "x;00421;y")]


def test_users_who_withdraw_their_consent_leave_the_releases_that_stay_loaded():
    user, other = WILD[8], WILD[9]
    table = pa.Table.from_pylist([{"user_key": key_of(user)}], LAKE_SCHEMAS["no_consent"])
    lake.write("no_consent", SECOND, table)
    publish.prune()
    target = publish.releases()
    for build in target.catalog.builds():
        assert [store.user_list(build.build_id, user, "for_you") for store in (target.redis, target.postgres)] == [None, None]
        assert target.postgres.user_list(build.build_id, other, "for_you")
        ((digest,),) = query("select checksum from serving.builds where build_id = %s", build.build_id)
        answers = [recommend(store, user, "for_you", 5) for store in (target.redis, target.postgres)]
        assert [answer and answer.segment for answer in answers] == ["all", "all"]
        held = target.postgres.read(build.build_id)
        in_both = [store.checksum(build.build_id, held).digest for store in (target.postgres, target.redis)]
        assert in_both == [digest, digest]
    assert query("select count(*) from raw.interactions where user_id = %s", user) == [(4,)]  # consent is not erasure
    # The earlier date, on which the user did consent, is published again.
    publish.load(FIRST)
    publish.verify(FIRST)
    publish.switch(FIRST)
    load_found_by(FIRST)
    for table in ("user_lists", "found_by"):
        assert query(f"select count(*) from serving.{table} where user_id = %s", user) == [(0,)]
        assert query(f"select count(*) from serving.{table} where user_id = %s", other) > [(0,)]
