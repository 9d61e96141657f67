"""The commands `init-shop`, `check-shop` and `land`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)


def _log_to_stderr() -> None:
    """Progress goes beside the results, not among them."""
    import structlog

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def _fail(message: str, code: int = 1) -> typer.Exit:
    typer.echo(f"cartwheel: {message}", err=True)
    return typer.Exit(code)


def init_shop(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with the shop's files as they are.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it; by default it is printed.")] = None,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Look at a shop's files and write a first mapping, with the doubts as comments."""
    from cartwheel.shop.init_shop import NothingToMapError, propose

    if not directory.is_dir():
        raise _fail(f"{directory} is no folder", code=2)
    if out is not None and out.exists() and not force:
        raise _fail(f"{out} is there already; --force writes over it", code=2)
    try:
        text = propose(directory)
    except NothingToMapError as error:
        raise _fail(str(error)) from None
    if out is None:
        print(text)
        return
    out.write_text(text)
    doubts = text.count("# doubt:")
    console.print(f"{out} is written, with {doubts} doubts. Read them, then: cartwheel check-shop {directory} --shop {out}")


def check_shop(
    directory: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A folder; by default the landing bucket.")] = None,
    shop: Annotated[Path | None, typer.Option(help="The mapping; by default that of the setting `shop_file`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Try the mapping on the files before anything is loaded; exit code 1 if something would fail the gate."""
    from cartwheel.shop import check_shop as checks
    from cartwheel.shop.mapping import MappingError, load_mapping, read_mapping

    if directory is not None and not directory.is_dir():
        raise _fail(f"{directory} is no folder", code=2)
    try:
        mapping = read_mapping(shop) if shop else load_mapping()
    except MappingError as error:
        raise _fail(str(error), code=2) from None
    _log_to_stderr()
    result = checks.check_folder(directory, mapping) if directory else checks.check_landing_bucket(mapping)
    if as_json:
        print(json.dumps(result.as_dict(), default=str, ensure_ascii=False))
    else:
        from cartwheel.shop.report import show

        show(result, console)
    if result.failures:
        raise typer.Exit(1)


def land(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with the shop's files as they are.")],
) -> None:
    """Upload a folder's files to the landing bucket under the same names, leaving out those that are there unchanged."""
    from cartwheel.shop.land import land_folder

    if not directory.is_dir():
        raise _fail(f"{directory} is no folder", code=2)
    _log_to_stderr()
    landed = land_folder(directory)
    console.print(f"{landed.uploaded} files landed ({landed.bytes / 1e6:,.1f} MB), {landed.unchanged} were there unchanged.")
