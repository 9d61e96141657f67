"""The commands `recommend`, `releases` and `rollback` of the command line `cartwheel`. They read PostgreSQL."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from serving_export.releases.postgres_store import PostgresStore


class ListName(StrEnum):
    """`contracts.LISTS`, as choices."""

    for_you = "for_you"
    buy_again = "buy_again"
    discover = "discover"


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def recommend(
    user: Annotated[str, typer.Argument(help="The shop's id of the user.")],
    list: Annotated[ListName, typer.Option(help="Which list.")] = ListName.for_you,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Items at most.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show what a user is recommended by the release that is served."""
    import psycopg

    from serving_export.releases import lookup

    try:
        answer = lookup.recommend(_store(), user, list.value, limit)
    except (psycopg.Error, lookup.IncompleteBuildError) as error:
        _fail(_first_line(error))
    if answer is None:
        _fail("no release has been published yet: run `cartwheel run DATE` first")
    items = [
        {"rank": rank, **item._asdict(), "title": answer.titles.get(item.item_id)}
        for rank, item in enumerate(answer.items, start=1)
    ]
    if as_json:
        document = {"release": answer.release, "user_id": user, "list": list.value, "segment": answer.segment, "items": items}
        typer.echo(json.dumps(document))
        return
    shown = f"popular in segment {answer.segment}, as the user is unknown" if answer.segment else list.value
    rows = [(str(item["rank"]), str(item["title"]), f"{item['score']:.4f}", str(item["reason"])) for item in items]
    _print_table(f"User {user}: {shown} (release {answer.release})", ("", "Product", "Score", "Reason"), rows)


def releases(as_json: AsJson = False) -> None:
    """List the releases that are loaded, latest first."""
    import psycopg

    try:
        found = _store().releases()
    except psycopg.Error as error:
        _fail(_first_line(error))
    if as_json:
        typer.echo(json.dumps(found, default=str))
        return
    names = ("release_id", "status", "model_version", "users", "rows", "created_at")
    rows = [tuple(str(row[name])[:19] for name in names) for row in found]
    _print_table("Releases", ("Release", "Status", "Model", "Users", "Rows", "Loaded (UTC)"), rows)


def rollback(
    release: Annotated[str, typer.Argument(help="A loaded release, for example 2017-11-30.")],
    reason: Annotated[str, typer.Option(help="Why, for the record in serving.release_events.")] = "",
) -> None:
    """Serve another release that is loaded, earlier or later."""
    import getpass

    import psycopg
    import redis

    from serving_export.releases import publish
    from serving_export.releases.catalog import PublishBusyError
    from serving_export.releases.release import RedisBehindError, UnknownReleaseError, VerificationError

    try:
        publish.rollback(release, getpass.getuser(), reason)
    except (UnknownReleaseError, VerificationError, RedisBehindError, PublishBusyError, psycopg.Error, redis.RedisError) as error:
        _fail(_first_line(error))
    typer.echo(f"Serving release {release}.")


def _store() -> "PostgresStore":
    from serving_export.releases.postgres_store import PostgresStore

    return PostgresStore()


def _fail(message: str) -> NoReturn:
    typer.echo(f"cartwheel: {message}", err=True)
    raise typer.Exit(1)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
