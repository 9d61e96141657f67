"""What a suite consists of: checks, each a table and what is expected of it.

A suite is a function from a business date to checks, and knows nothing of how they are run or judged.
"""

from dataclasses import dataclass

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.metadata_types import FailureSeverity

WARNING = FailureSeverity.WARNING


@dataclass(frozen=True)
class Check:
    """Expectations on one table: a query on the warehouse, or a frame in memory. `name` is what people read."""

    name: str
    data: str | pd.DataFrame
    expectations: list[gxe.Expectation]


def unique_together(name: str, table: str, columns: tuple[str, ...], where: str) -> Check:
    """The columns together identify a row of the table; nulls count as equal."""
    names = ", ".join(columns)
    repeated = f"select {names} from {table} where {where} group by {names} having count(*) > 1"
    return Check(name, repeated, [gxe.ExpectTableRowCountToEqual(value=0, description=f"rows that repeat {names}")])


def always(column: str, value: float) -> gxe.Expectation:
    """The column holds nothing but the value: for columns that count something wrong, or something right."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[value])


def none_of(column: str) -> gxe.Expectation:
    """The column, which describes a problem where there is one, is always null."""
    return gxe.ExpectColumnValuesToBeNull(column=column)
