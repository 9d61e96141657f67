"""The commands, on a release of their own."""

import getpass
import json
from collections.abc import Iterator
from datetime import date

import made_up_releases as made_up
import pytest
import typer
from typer.testing import CliRunner

from cartwheel import warehouse
from cartwheel.local.config import LocalConfig
from serving_export.releases import commands, postgres_store, publish

app = typer.Typer()
for command in (commands.recommend, commands.releases, commands.rollback):
    app.command()(command)


@pytest.fixture
def run(stores: LocalConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """On the schema and prefix of the tests, with two releases."""
    made_up.make_schema()
    monkeypatch.setattr(publish, "releases", made_up.releases)
    monkeypatch.setattr(commands, "_store", lambda: postgres_store.PostgresStore(schema=made_up.SCHEMA))
    monkeypatch.setenv("COLUMNS", "160")
    yield CliRunner()
    made_up.drop_schema()


def test_before_the_first_release(run: CliRunner) -> None:
    result = run.invoke(app, ["recommend", "user 1"])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["cartwheel: no release has been published yet: run `cartwheel run DATE` first"]


def test_recommend_releases_and_rollback(run: CliRunner) -> None:
    for day in (1, 2):
        made_up.publish(made_up.releases(), date(1999, 6, day))
    document = json.loads(run.invoke(app, ["recommend", "user 1", "--list", "discover", "--limit", "2", "--json"]).stdout)
    assert document["release"] == "1999-06-02"
    assert [item["item_id"] for item in document["items"]] == ["discover 1", "discover 2"]
    table = run.invoke(app, ["recommend", "user 1"]).stdout
    assert "release 1999-06-02" in table
    assert 'The "for_you 1", large' in table
    assert "as the user is unknown" in run.invoke(app, ["recommend", "stranger"]).stdout

    listed = json.loads(run.invoke(app, ["releases", "--json"]).stdout)
    assert [(each["release_id"], each["status"]) for each in listed] == [("1999-06-02", "serving"), ("1999-06-01", "loaded")]
    assert publish.look("1999-06-01") == tuple(made_up.releases().catalog.builds()[n].build_id for n in (1, 0))
    assert run.invoke(app, ["rollback", "1999-06-01", "--reason", "too many eggs"]).exit_code == 0
    with warehouse.connect() as connection:
        record = f"select requested_by, reason from {made_up.SCHEMA}.release_events where event = 'rolled_back'"
        assert connection.execute(record).fetchall() == [(getpass.getuser(), "too many eggs")]
    assert json.loads(run.invoke(app, ["recommend", "user 1", "--json"]).stdout)["release"] == "1999-06-01"


def test_errors_are_one_line(run: CliRunner) -> None:
    made_up.publish(made_up.releases(), date(1999, 6, 1))
    result = run.invoke(app, ["rollback", "1999-06-09"])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["cartwheel: release '1999-06-09' is not loaded; loaded are: 1999-06-01"]
    assert run.invoke(app, ["recommend", "user 1", "--list", "worst"]).exit_code == 2
