"""Answers the questions of docs/analysts.md anew: runs each query as the role `analyst`, and draws the plots.

Reads docs/analysts/queries/*.sql and the marts; writes docs/analysts/plots/*.svg and, in docs/analysts.md, what stands
between `<!-- NAME -->` and `<!-- end -->`: the query, its result (`<!-- NAME 12 -->` shows the first 12 rows) and its
plot. What is written around them stays, and is to be read again, for new answers may say something else.

By hand: `make analysts-guide`, or `python docs/analysts/build.py [DSN]`; without a DSN, the embedded PostgreSQL is asked.
"""

import re
import sys
import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import matplotlib as mpl
import psycopg
import structlog
from plots import PLOTS

HERE = Path(__file__).resolve().parent
GUIDE = HERE.parent / "analysts.md"
BLOCK = re.compile(r"<!-- (\d\d_\w+)(?: (\d+))? -->\n.*?<!-- end -->", re.DOTALL)
log = structlog.get_logger()


@dataclass(frozen=True)
class Answer:
    """What a query returned."""

    columns: list[str]
    rows: list[tuple]

    def records(self) -> list[dict]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def analyst_dsn() -> str:
    """The embedded PostgreSQL, as the role `analyst`."""
    from cartwheel.local.config import load_config

    config = load_config()
    if config is None:
        raise SystemExit("There is no embedded PostgreSQL yet: start it with `make up`, or give the DSN of yours.")
    return config.postgres_dsn("analyst", "cartwheel")


def ask(connection: psycopg.Connection, query: str) -> Answer:
    """The answer to a query."""
    cursor = connection.execute(query.encode())
    return Answer([column.name for column in cursor.description or ()], cursor.fetchall())


def as_text(value: object) -> str:
    """A value as the guide shows it."""
    match value:
        case None:
            return ""
        case bool() | str() | date():
            return str(value).replace("|", "\\|")
        case int() | Decimal():
            return f"{value:,}"
        case float():
            return f"{value:,}".removesuffix(".0")
        case _:
            raise TypeError(f"A query of the guide returned {value!r}: cast it to text, a number or a date.")


def as_table(answer: Answer, limit: int | None) -> str:
    """A Markdown table, numbers to the right, of the first rows; the last line says how many there are."""
    shown = answer.rows[:limit]
    places = range(len(answer.columns))
    is_number = [any(isinstance(row[place], int | float | Decimal) for row in answer.rows) for place in places]
    lines = [answer.columns, ["---:" if right else "---" for right in is_number], *(map(as_text, row) for row in shown)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    rest = len(answer.rows) - len(shown)
    return table + (f"\n\n*The first {len(shown)} of {len(answer.rows)} rows.*" if rest else "")


def draw(name: str, answer: Answer) -> str:
    """Write the query's plot, if there is anything to draw; the line of the guide that shows it."""
    if name not in PLOTS or not answer.rows:
        return ""
    figure, alternative = PLOTS[name](answer.records())
    (HERE / "plots").mkdir(exist_ok=True)
    figure.savefig(HERE / "plots" / f"{name}.svg", metadata={"Date": None})
    return f"\n![{alternative}](analysts/plots/{name}.svg)\n"


def block(connection: psycopg.Connection, name: str, limit: str | None) -> str:
    """A question's query, result and plot, as they stand in the guide."""
    query = (HERE / "queries" / f"{name}.sql").read_text()
    begun = time.monotonic()
    answer = ask(connection, query)
    log.info("asked", query=name, rows=len(answer.rows), seconds=round(time.monotonic() - begun, 2))
    heading = f"<!-- {name}{' ' + limit if limit else ''} -->"
    table = as_table(answer, int(limit) if limit else None)
    return f"{heading}\n```sql\n{query}```\n\n{table}\n{draw(name, answer)}<!-- end -->"


def build(dsn: str) -> None:
    """Write every block of the guide anew."""
    mpl.rcParams["svg.hashsalt"] = "cartwheel"  # the same rows give the same file,
    mpl.rcParams["svg.fonttype"] = "none"  # and its words stay words
    with psycopg.connect(dsn, autocommit=True) as connection:
        GUIDE.write_text(BLOCK.sub(lambda match: block(connection, match[1], match[2]), GUIDE.read_text()))


if __name__ == "__main__":
    build(sys.argv[1] if len(sys.argv) > 1 else analyst_dsn())
