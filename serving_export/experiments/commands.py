"""The commands `experiments`, `experiment` and `off-policy` of the command line `cartwheel`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serving_export.experiments.analysis import Analysis


def experiments(apply: Annotated[bool, typer.Option("--apply", help="Write the definitions to the warehouse.")] = False) -> None:
    """List the experiments that are defined, and whether the warehouse knows them."""
    import psycopg
    from rich.console import Console
    from rich.table import Table

    from cartwheel import warehouse
    from cartwheel.cli import fail
    from serving_export.experiments import registry
    from serving_export.experiments.definitions import DefinitionError, load_experiments

    try:
        defined = load_experiments()
        if apply:
            registry.apply(defined)
        with warehouse.connect() as connection:
            applied = {name: registry.is_applied(connection, each) for name, each in defined.items()}
    except (DefinitionError, registry.AlteredExperimentError, psycopg.Error) as error:
        raise fail(str(error)) from None
    table = Table("Experiment", "First day", "Last day", "Variants", "Traffic", "Decides", "Applied")
    for name, each in defined.items():
        variants = ", ".join(f"{variant} {own.share:.0%}" for variant, own in each.variants.items())
        state = "yes" if applied[name] else "no"
        table.add_row(name, str(each.starts_on), str(each.ends_on), variants, f"{each.traffic:.0%}", each.primary_metric, state)
    Console().print(table)


def experiment(
    name: Annotated[str, typer.Argument(help="A name of the experiments file.")],
    page: Annotated[Path | None, typer.Option(help="Also write an HTML page with the plots here.")] = None,
    cuped: Annotated[bool, typer.Option("--cuped", help="Take out what users bought in the four weeks before.")] = False,
) -> None:
    """Show what an experiment has proven so far; look as often as you like."""
    import psycopg

    from cartwheel.cli import fail
    from serving_export.experiments import analysis, report
    from serving_export.experiments.definitions import DefinitionError, load_experiments

    try:
        defined = load_experiments()
        if name not in defined:
            raise fail(f"there is no experiment {name!r}; there are: {', '.join(defined) or 'none'}", code=2)
        user_days, mislabelled, covariates = analysis.read(defined[name])
        found = analysis.analyse(defined[name], user_days, mislabelled, covariates if cuped else None)
    except (DefinitionError, analysis.NoDataError, psycopg.Error) as error:
        raise fail(str(error)) from None
    show(found)
    if page is not None:
        page.write_text(report.page(found), "utf-8")
        typer.echo(f"Written: {page}")


def show(found: "Analysis") -> None:
    """The analysis on the terminal."""
    from rich.console import Console
    from rich.table import Table

    from serving_export.experiments import report

    console = Console()
    for line in report.summary(found):
        console.print(line, soft_wrap=True, highlight=False)
    for row in report.table(found):
        table = Table(show_header=False)
        for column, cell in zip(report.COLUMNS, row, strict=True):
            table.add_row(column, cell)
        console.print(table)


def off_policy(
    release: Annotated[str, typer.Argument(help="Date of a release in the lake; it need not be served.")],
    first: Annotated[str, typer.Option(help="First day of the log.")],
    last: Annotated[str, typer.Option(help="Last day of the log.")],
    list: Annotated[str, typer.Option(help="Which of its lists.")] = "for_you",
    places: Annotated[int, typer.Option(min=1, help="Only shown lists of at least so many places, and only these places.")] = 10,
    surface: Annotated[str | None, typer.Option(help="Only lists that were shown here.")] = None,
) -> None:
    """What a release's lists would have earned where others were shown with known chances (docs/experiments.md)."""
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from cartwheel import lake
    from cartwheel.cli import fail
    from cartwheel.contracts import parse_partition_key
    from serving_export.experiments import logged
    from serving_export.experiments.off_policy import doubly_robust, ips, snips

    try:
        day, since, until = (parse_partition_key(text) for text in (release, first, last))
        new = pl.DataFrame(lake.read("release", day, columns=["user_key", "list", "item_id", "rank"])).filter(list=list)
        log = logged.log_of(logged.read_shown(since, until, surface), new, places)
        table = Table("Estimate", "Clicks a list", "95 %")
        table.add_row("as shown", f"{log.reward.sum() / (log.request.max() + 1):.4f}", "")
        for name, found in (("IPS", ips(log)), ("SNIPS", snips(log)), ("doubly robust", doubly_robust(log))):
            table.add_row(name, f"{found.value:.4f}", f"{found.low:.4f} to {found.high:.4f}")
    except (ValueError, logged.NothingLoggedError, lake.MissingPartitionError) as error:
        raise fail(str(error), code=1) from None
    typer.echo(f"{log.request.max() + 1:,} lists of {log.list_size} places, shown to {log.user.max() + 1:,} users.")
    Console().print(table)
