"""The command `models` of the command line `cartwheel`. It reads MLflow's registry and PostgreSQL."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from training.verdicts import Figures, Version


def models(as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False) -> None:
    """List the versions of the ranker, newest first: the gate's verdict, why, and which loaded releases they scored."""
    import psycopg
    from mlflow.exceptions import MlflowException

    from training import verdicts

    try:
        releases, versions = _releases(), verdicts.versions()
    except (MlflowException, psycopg.Error) as error:
        typer.echo(f"cartwheel: {str(error).strip().splitlines()[0]}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps([_plain(version, releases.get(str(version.version), [])) for version in versions]))
    else:
        _show(versions, releases)


def _releases() -> dict[str, list[str]]:
    """Loaded releases by the number of the version that scored them, latest first."""
    from cartwheel import warehouse

    with warehouse.connect() as connection:
        rows = connection.execute("select model_version, release_id from serving.releases order by release_id desc").fetchall()
    found: dict[str, list[str]] = {}
    for version, release in rows:
        found.setdefault(version, []).append(release)
    return found


def _plain(version: "Version", releases: list[str]) -> dict[str, Any]:
    figures = {each.view: {"ndcg_at_10": asdict(each.ndcg), "coverage_at_10": each.coverage} for each in version.figures}
    trained_for = None if version.trained_for is None else str(version.trained_for)
    return asdict(version) | {"trained_for": trained_for, "figures": figures, "releases": releases}


def _show(versions: "list[Version]", releases: dict[str, list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "Version", "Trained for", "Verdict", "NDCG@10, all", "NDCG@10, new", "Coverage", "Releases", "Why", title="Models"
    )
    for version in versions:
        of_view = {figures.view: figures for figures in version.figures}
        table.add_row(
            str(version.version),
            str(version.trained_for or "–"),
            version.verdict,
            _ndcg(of_view.get("all")),
            _ndcg(of_view.get("new")),
            f"{of_view['all'].coverage:.3f}" if "all" in of_view else "–",
            ", ".join(releases.get(str(version.version), [])) or "–",
            _short(version.reason),
            style="bold" if version.verdict == "champion" else "",
        )
    Console().print(table)


def _short(reason: str) -> str:
    first, *others = reason.split("; ")
    return f"{first} (and {len(others)} more)" if others else first


def _ndcg(figures: "Figures | None") -> str:
    return "–" if figures is None else f"{figures.ndcg.value:.3f} [{figures.ndcg.low:.3f}, {figures.ndcg.high:.3f}]"
