"""What a suite consists of: rules, each what is expected of one table, and checks, each a rule with its data.

A suite is a module with two functions: `rules()` says what is expected, from the contracts and the settings alone, and
`checks(day)` puts the data of a business date to the rules. It knows nothing of how they are run or judged.
"""

from dataclasses import dataclass, field

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.metadata_types import FailureSeverity

CRITICAL, WARNING = FailureSeverity.CRITICAL, FailureSeverity.WARNING


@dataclass(frozen=True)
class Rule:
    """What is expected of one table, and what to do when it is not so."""

    expectations: list[gxe.Expectation]
    advice: str


@dataclass(frozen=True)
class Check:
    """One table and its rule: a query on the warehouse, or a frame in memory. `name` is what people read.

    `said` holds, by column, in words what was observed; else what Great Expectations observed is told.
    """

    name: str
    data: str | pd.DataFrame
    rule: Rule
    said: dict[str, str] = field(default_factory=dict)


def unique_together(table: str, columns: tuple[str, ...], where: str) -> str:
    """The query for the values that the columns together hold more than once; nulls count as equal."""
    names = ", ".join(columns)
    return f"select {names} from {table} where {where} group by {names} having count(*) > 1"


def no_rows(description: str) -> gxe.Expectation:
    """The query, which finds a problem in each of its rows, finds none."""
    return gxe.ExpectTableRowCountToEqual(value=0, description=description)


def always(column: str, value: float) -> gxe.Expectation:
    """The column holds nothing but the value: for columns that count something wrong, or something right."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[value])


def none_of(column: str) -> gxe.Expectation:
    """The column, which describes a problem where there is one, is always null."""
    return gxe.ExpectColumnValuesToBeNull(column=column)
