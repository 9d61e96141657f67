"""`cartwheel demo`: from a shop's raw files to two served releases, told as it happens.

Every step looks first whether it is done, so an interrupted demo is just run again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta

import psycopg
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from cartwheel import airflow_client, follow, warehouse
from cartwheel.contracts import LISTS
from cartwheel.demo import purchases, shop
from cartwheel.local import lifecycle
from cartwheel.settings import LOCAL_DIR, PROJECT_ROOT, get_settings

FIRST_RELEASE = date(2017, 11, 30)
NEXT_RELEASE = FIRST_RELEASE + timedelta(days=1)


def tell(console: Console) -> None:
    """Run the demo and print its story.

    Raises:
        AirflowError, ChainError: a run failed; the message says which task and why.
    """
    begun, walls = time.monotonic(), Table("step", "wall time", title="Wall time of each step")

    def timed(label: str, work: Callable[[], object]) -> None:
        console.rule(f"[bold]{label}")
        started = time.monotonic()
        work()
        walls.add_row(label, f"{time.monotonic() - started:.1f} s")

    def chain(day: date) -> None:
        if is_released(day):
            console.print(f"Release {day} is there already.")
            return
        started = time.monotonic()

        def say(line: str) -> None:
            console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {line}")

        with airflow_client.connect() as client:
            report = follow.run_chain(client, day, say)
        for dag_id, seconds in report.dag_seconds.items():
            walls.add_row(f"  {dag_id} {day}", f"{seconds:.1f} s")

    timed("Start the services", lambda: lifecycle.up(console))
    timed(f"The shop delivers {shop.FIRST_DAY} to {FIRST_RELEASE}", lambda: _land(shop.FIRST_DAY, FIRST_RELEASE))
    timed(f"First run: {FIRST_RELEASE}, with training", lambda: chain(FIRST_RELEASE))
    timed(f"The shop delivers {NEXT_RELEASE}", lambda: _land(NEXT_RELEASE, NEXT_RELEASE))
    timed(f"Daily run: {NEXT_RELEASE}", lambda: chain(NEXT_RELEASE))
    timed(f"Release {FIRST_RELEASE} against December's purchases", lambda: _evaluate(console))
    console.rule("[bold]A household, and what it is recommended")
    _show_household(console)
    console.rule("[bold]Done")
    walls.add_section()
    walls.add_row("all", f"{time.monotonic() - begun:.1f} s")
    console.print(walls)
    _show_releases(console)
    _show_addresses(console)


def is_released(day: date) -> bool:
    """Whether a release of that date is loaded in the warehouse."""
    with warehouse.connect() as connection:
        query = "select exists (select from serving.recommendations where release_id = %s)"
        row = connection.execute(query, (day.isoformat(),)).fetchone()
    return bool(row and row[0])


def _land(first: date, last: date) -> None:
    """A program of its own: to read the shop's data takes two gigabytes, which nothing needs afterwards."""
    command = [sys.executable, "-m", "cartwheel.demo.shop", "--from", str(first), "--to", str(last)]
    if subprocess.run(command, cwd=PROJECT_ROOT).returncode:
        raise follow.ChainError(f"no files were landed: `{' '.join(command)}` shows why")


def _evaluate(console: Console) -> None:
    """The evaluation is a program of its own; its table is kept and shown again next time."""
    kept = LOCAL_DIR / "demo/evaluation.txt"
    if not kept.exists():
        truth = purchases.write_purchases_after(FIRST_RELEASE)
        command = [sys.executable, "-m", "training.evaluate", "--release-date", str(FIRST_RELEASE), "--purchases", str(truth)]
        wide = os.environ | {"COLUMNS": "130"}
        result = subprocess.run(command, cwd=PROJECT_ROOT, env=wide, stdout=subprocess.PIPE, text=True)
        if result.returncode:
            raise follow.ChainError(f"the evaluation failed: `{' '.join(command)}` shows why")
        kept.write_text(result.stdout)
    tables = kept.read_text().rstrip().rpartition("\n")[0]  # the last line is for machines
    console.print(tables, soft_wrap=True)
    console.print("`make bench-quality` prints these figures again, with a line of JSON.")


def _show_household(console: Console) -> None:
    with warehouse.connect() as connection:
        user_id = _a_household(connection)
        bought = connection.execute(
            """
            select fct_interactions.event_date, dim_items.title
            from marts.fct_interactions
            join marts.dim_items using (item_id)
            where dim_items.is_current and fct_interactions.user_key = ops.user_key(%s) and fct_interactions.event_date <= %s
            order by fct_interactions.event_ts desc, fct_interactions.event_id
            limit 30
            """,
            (user_id, NEXT_RELEASE),
        ).fetchall()
        recommended = connection.execute(
            """
            select recommendation.list, recommendation.rank, dim_items.title, recommendation.score, recommendation.reason
            from serving.current_recommendations as recommendation
            join marts.dim_items using (item_id)
            where dim_items.is_current and recommendation.user_id = %s and recommendation.rank <= 10
            order by recommendation.list, recommendation.rank
            """,
            (user_id,),
        ).fetchall()
    history = Table("date", "product", title=f"Household {user_id}: last purchases")
    for day, title in bought:
        history.add_row(str(day), title)
    lists = Table("#", "product", "score", "why", title="Ten best of each list")
    for name in LISTS:
        lists.add_row("", f"[bold]{name}", "", "")
        for _, rank, title, score, reason in (row for row in recommended if row[0] == name):
            lists.add_row(str(rank), title, f"{score:.3f}", reason)
        lists.add_section()
    console.print(Columns([history, lists]))


def _a_household(connection: psycopg.Connection) -> str:
    """The household with the median number of purchases among those that shopped on the last day."""
    row = connection.execute(
        """
        with active as (
            select int_user_keys.user_id, count(*) as purchases
            from marts.fct_interactions
            join intermediate.int_user_keys using (user_key)
            group by int_user_keys.user_id
            having max(fct_interactions.event_date) = %s
        )
        select user_id from active order by purchases, user_id offset (select count(*) / 2 from active) limit 1
        """,
        (NEXT_RELEASE,),
    ).fetchone()
    if row is None:
        raise follow.ChainError(f"no household bought anything on {NEXT_RELEASE}: is the warehouse empty?")
    return row[0]


def _show_releases(console: Console) -> None:
    table = Table("release", "users", "recommendations", "served", title="Releases")
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select release_id, count(distinct user_id), count(*),
                release_id = (select release_id from serving.current_recommendations limit 1)
            from serving.recommendations group by release_id order by release_id
            """
        ).fetchall()
    for release_id, users, count, served in rows:
        table.add_row(release_id, f"{users:,}", f"{count:,}", "now" if served else "")
    console.print(table)


def _show_addresses(console: Console) -> None:
    settings = get_settings()
    console.print(f"Airflow  {settings.airflow_url}  (user {settings.airflow_user}, password: `cartwheel env`)")
    console.print(f"MLflow   {settings.mlflow_url}")
    console.print(f"API      {settings.api_url}/docs")
