"""The report of `check-shop` for people."""

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cartwheel.shop.results import ShopCheck

MAX_FILES, MAX_REASONS = 40, 25


def show(result: ShopCheck, console: Console) -> None:
    """Print it: files, reasons with examples, what the events are, warnings and failures."""
    table = Table(Column("file", overflow="fold"), Column("source", overflow="fold"), box=None, pad_edge=False)
    for name in ("read", "accepted", "rejected", "duplicates", "left out"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("dates")
    for check in result.files[:MAX_FILES]:
        counts = (check.rows_read, check.accepted, check.rejected, check.duplicates, check.filtered)
        dates = " to ".join(dict.fromkeys(str(day) for day in (check.first_date, check.last_date) if day))
        table.add_row(
            escape(check.file), check.source, *(f"{count:,}" for count in counts), "[red]unreadable[/]" if check.error else dates
        )
    console.print(table)
    if result.files[MAX_FILES:]:
        console.print(f"… and {len(result.files) - MAX_FILES} more files")
    for reason in result.reasons[:MAX_REASONS]:
        console.print(f"\n{reason.rows:,} rows of {reason.source} rejected: [bold]{escape(reason.reason)}[/]")
        for example in reason.examples:
            console.print(
                f"  {escape(example['file'])}, line {example['line']}: {escape(example['original'])}", overflow="ellipsis"
            )
    if result.reasons[MAX_REASONS:]:
        console.print(f"… and {len(result.reasons) - MAX_REASONS} more reasons")
    if result.events_by_type:
        events = ", ".join(f"{count:,} {name}" for name, count in result.events_by_type.items())
        console.print(f"\nEvents: {events}; {result.dates} dates from {result.first_date} to {result.last_date}")
        console.print(
            f"Users: {result.users:,}, of them {result.known_users:,} with attributes. Items: {result.items:,} in events,"
        )
        listed = "" if result.share_in_catalogue is None else f"; {result.share_in_catalogue:.1%} of events are of its items"
        console.print(f"{result.catalogue_items:,} in the catalogue{listed}.")
    for warning in result.warnings:
        console.print(f"[yellow]warning[/] {escape(warning)}")
    for failure in result.failures:
        console.print(f"[red]would fail[/] {escape(failure)}")
    if not result.failures:
        console.print("[green]Nothing here would fail the gate.[/]")
