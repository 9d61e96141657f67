"""The commands of the API's keys, on the real table."""

import pytest
import typer
from typer.testing import CliRunner

from cartwheel import warehouse
from cartwheel.api_keys import parts_of
from cartwheel.local.config import LocalConfig
from serving_export.api import commands

app = typer.Typer()
for command in (commands.make_api_key, commands.list_api_keys, commands.revoke_api_key):
    app.command()(command)


def test_keys_are_made_listed_and_revoked(stores: LocalConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    run = CliRunner()
    made = [
        run.invoke(app, ["make-api-key", name, "--scope", "events", "--requests-per-s", "2.5"]).stdout.strip()
        for name in ("revoked shop", "web shop")
    ]
    revoked, kept = (parts[0] for token in made if (parts := parts_of(token)))
    try:
        assert run.invoke(app, ["revoke-api-key", revoked]).exit_code == 0
        assert run.invoke(app, ["revoke-api-key", revoked]).exit_code == 1
        listed = run.invoke(app, ["list-api-keys"])
        assert listed.exit_code == 0
        of_kept, of_revoked = (next(line for line in listed.stdout.splitlines() if key in line) for key in (kept, revoked))
        assert all(part in of_kept for part in ("web shop", "events", "2.5"))
        assert listed.stdout.index(of_kept) < listed.stdout.index(of_revoked)  # those in force come first
    finally:
        with warehouse.connect() as connection:
            connection.execute("delete from serving.api_keys where key_id = any(%s)", ([revoked, kept],))
