"""The command `cartwheel erase-user`."""

import getpass
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cartwheel.privacy.erase import Report
    from cartwheel.privacy.person import Places

SHOWN_FILES = 20


def erase_user(
    user: Annotated[str, typer.Argument(metavar="ID", help="The shop's id of the user.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    alias: Annotated[
        list[str] | None, typer.Option(help="Another writing of the id in the shop's files, for original texts. Repeat for more.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; needs --dry-run or --yes.")] = False,
) -> None:
    """Remove a person from raw, marts, lake and stores, for good, and prove it by searching; exit code 1 if any is left."""
    import psycopg
    import structlog

    from cartwheel.privacy import erase

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # programs read what it prints

    if as_json and not (dry_run or yes):
        _fail("--json needs --dry-run or --yes", code=2)
    try:
        if dry_run or not yes:
            report = erase.preview(user, alias or ())
            _show(report, as_json)
            if dry_run:
                return
            typer.confirm("Remove all of this, for good?", abort=True)
        report = erase.erase(user, getpass.getuser(), alias or ())
    except (ValueError, erase.NotInstalledError, psycopg.Error) as error:
        _fail(str(error).strip().partition("\n")[0])
    _show(report, as_json)
    if not report.is_gone:
        raise typer.Exit(1)


def _show(report: "Report", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(report), sort_keys=True))
        return
    _print_places("Found" if report.dry_run else "Removed", report.found)
    if report.landed_files:
        files = sorted(report.landed_files.items())
        typer.echo(f"The shop's own files stay. {len(files)} of them hold rows of the user, which a later load rejects:")
        for key, rows in files[:SHOWN_FILES]:
            typer.echo(f"  {key}: {rows}")
        if len(files) > SHOWN_FILES:
            typer.echo(f"  … and {len(files) - SHOWN_FILES} more (--json, or landed_files in ops.erasures, has them all)")
    if report.dry_run:
        return
    if report.is_gone:
        typer.echo(f"Searched everywhere: nothing is left. The user's key is {report.user_key}.")
    else:
        _print_places("Still found", report.remaining)
        typer.echo("Run it again. If the same places remain, see docs/privacy.md.", err=True)


def _print_places(title: str, places: "Places") -> None:
    from rich.console import Console
    from rich.table import Table

    if not places:
        typer.echo(f"{title}: nothing.")
        return
    table = Table("Place", "Rows", title=title, title_justify="left")
    for place, rows in sorted(places.items()):
        table.add_row(place, f"{rows:,}")
    Console(highlight=False).print(table)


def _fail(message: str, code: int = 1) -> None:
    typer.echo(f"cartwheel: {message}", err=True)
    raise typer.Exit(code)
