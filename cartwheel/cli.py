"""The command line `cartwheel`.

Commands of the other packages (recommend, releases, rollback) join through the entry point group
`cartwheel.commands`, so that this package imports none of them.
"""

import json
from datetime import date
from importlib.metadata import entry_points
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cartwheel.contracts import parse_partition_key
from cartwheel.shop import commands as shop

app = typer.Typer(
    help="Cartwheel: the daily recommendation platform for online shops.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
console = Console(highlight=False)


def fail(message: str, code: int = 1) -> typer.Exit:
    """One line on stderr; raise what it returns. Codes: 1 it failed, 2 it was asked wrongly."""
    typer.echo(f"cartwheel: {message}", err=True)
    return typer.Exit(code)


def _day(text: str) -> date:
    try:
        return parse_partition_key(text)
    except ValueError as error:
        raise fail(str(error), code=2) from None


@app.command()
def up(stores: Annotated[bool, typer.Option("--stores", help="Only PostgreSQL, Valkey and S3.")] = False) -> None:
    """Start the embedded services that do not run yet, and wait until all are healthy."""
    from cartwheel.local import lifecycle

    lifecycle.up(console, stores_only=stores)


@app.command()
def down() -> None:
    """Stop the embedded services, and nothing else; the data stays."""
    from cartwheel.local import lifecycle

    lifecycle.down(console)


@app.command()
def migrate() -> None:
    """Lay out the warehouse on your own PostgreSQL (`cartwheel up` does it on the embedded one)."""
    from cartwheel import warehouse

    warehouse.migrate()
    console.print("The warehouse's schemas, tables and views are up to date.")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """Show each service's state; exit code 1 if one is not healthy."""
    from cartwheel.local import lifecycle

    rows = lifecycle.status()
    if as_json:
        print(json.dumps([dict(zip(("service", "state", "healthy", "url"), row, strict=True)) for row in rows]))
    else:
        table = Table("service", "state", "healthy", "address")
        for name, state, healthy, url in rows:
            table.add_row(name, state, "[green]yes[/]" if healthy else "[red]no[/]", url)
        console.print(table)
    if not all(healthy for _, _, healthy, _ in rows):
        raise typer.Exit(1)


@app.command()
def env() -> None:
    """Print the endpoints as KEY=VALUE lines (they hold passwords)."""
    from cartwheel.settings import get_settings

    settings = get_settings()
    values = {
        "POSTGRES_DSN": settings.postgres_dsn,
        "REDIS_URL": settings.redis_url,
        "S3_ENDPOINT_URL": settings.s3_endpoint_url or "",
        "AWS_ACCESS_KEY_ID": settings.s3_access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_access_key or "",
        "AIRFLOW_URL": settings.airflow_url,
        "AIRFLOW_USER": settings.airflow_user,
        "AIRFLOW_PASSWORD": settings.airflow_password,
        "MLFLOW_URL": settings.mlflow_url,
        "API_URL": settings.api_url,
        "API_KEY": settings.api_key,
        "EXPLORER_URL": f"{settings.api_url}/explorer",
        "EXPLORER_KEY": settings.explorer_key,
    }
    for key, value in values.items():
        print(f"{key}={value}")


@app.command()
def run(day: Annotated[str, typer.Argument(metavar="DATE", help="The business date, YYYY-MM-DD.")]) -> None:
    """Run the chain for a date through Airflow, from ingest to release, and follow it."""
    from cartwheel import airflow_client, follow

    business_date = _day(day)
    try:
        with airflow_client.connect() as client:
            report = follow.run_chain(client, business_date, console.print)
    except (airflow_client.AirflowError, follow.ChainError) as error:
        raise fail(str(error)) from None
    console.print(f"Release {business_date} is served after {report.seconds:.0f} s.")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="ARGUMENTS…",
)
def airflow(context: typer.Context) -> None:
    """Run Airflow's own command line on this platform's Airflow: `cartwheel airflow backfill create …`."""
    from cartwheel.local.services import run_airflow

    raise typer.Exit(run_airflow(context.args))


@app.command()
def doctor() -> None:
    """Say what is wrong with this machine or set-up, and what to do; exit code 1 if anything is."""
    from cartwheel.local.doctor import checks

    problems = 0
    for name, problem in checks():
        problems += problem is not None
        console.print(f"[green]✓[/] {name}" if problem is None else f"[red]✗[/] {name}: {problem}")
    if problems:
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Run the whole chain on a real shop's data: a first release, the next day's run, and what came of it."""
    from cartwheel.airflow_client import AirflowError
    from cartwheel.demo.story import tell
    from cartwheel.follow import ChainError

    try:
        tell(console)
    except (AirflowError, ChainError) as error:
        raise fail(str(error)) from None


app.command("init-shop")(shop.init_shop)
app.command("check-shop")(shop.check_shop)
app.command()(shop.land)


def _add_commands() -> None:
    for entry in sorted(entry_points(group="cartwheel.commands"), key=lambda entry: entry.name):
        app.command(entry.name)(entry.load())


_add_commands()


if __name__ == "__main__":
    app()
