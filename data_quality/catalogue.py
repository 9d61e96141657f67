"""All checks of all gates, from the suites themselves, as the tables of docs/operations.md.

python -m data_quality.catalogue
"""

import great_expectations.expectations as gxe

from data_quality.gate import SUITES
from data_quality.thresholds import MEASURES, Levels, levels

DRIFT = ", drift"
MOST_NAMED = 6


def tables() -> str:
    """Two tables in Markdown: what fails a gate, and where drift warns and fails."""
    return f"{checks()}\n\n{drifts()}\n"


def checks() -> str:
    """What fails each gate; tables of which the same is expected share a line."""
    lines = ["| gate | table | fails unless |", "|---|---|---|"]
    for gate, suite in SUITES.items():
        of_words: dict[str, list[str]] = {}
        for name, rule in suite.rules().items():
            if not name.endswith(DRIFT):
                of_words.setdefault("; ".join(map(expected, rule.expectations)), []).append(name)
        lines += [f"| `{gate}` | {'<br>'.join(names)} | {words} |" for words, names in of_words.items()]
    return "\n".join(lines)


def drifts() -> str:
    """Where each measure is taken, by its levels."""
    lines = ["| measure | of | warns above | fails above |", "|---|---|---|---|"]
    for measure, (told, _) in MEASURES.items():
        of_levels: dict[Levels, list[str]] = {}
        for dataset, columns in measured_columns(measure).items():
            for limits in dict.fromkeys(levels(dataset, column, measure) for column in columns):
                named = [column for column in columns if levels(dataset, column, measure) == limits]
                words = ", ".join(named) if len(named) <= MOST_NAMED else f"{len(named)} columns"
                of_levels.setdefault(limits, []).append(f"`{dataset}`: {words}")
        for limits, where in of_levels.items():
            fail = "never" if limits.fail is None else f"{limits.fail:g}"
            lines.append(f"| {measure}: {told} | {'<br>'.join(where)} | {limits.warn:g} | {fail} |")
    return "\n".join(lines)


def measured_columns(measure: str) -> dict[str, list[str]]:
    """The columns of which the measure is taken, by dataset."""
    found: dict[str, list[str]] = {}
    for suite in SUITES.values():
        for name, rule in suite.rules().items():
            if name.endswith(DRIFT):
                named = dict.fromkeys(str(expectation.configuration.kwargs["column"]) for expectation in rule.expectations)
                columns = [column.removesuffix(f": {measure}") for column in named if column.endswith(f": {measure}")]
                if columns:
                    found[name.removesuffix(DRIFT)] = columns
    return found


def expected(expectation: gxe.Expectation) -> str:
    """An expectation in a few words."""
    match expectation:
        case gxe.ExpectColumnValuesToNotBeNull():
            return f"{expectation.column} is never null"
        case gxe.ExpectColumnValuesToBeNull():
            return f"no {expectation.column.replace('_', ' ')}"
        case gxe.ExpectColumnValuesToBeInSet():
            return f"{expectation.column.replace('_', ' ')}: only {', '.join(map(str, expectation.value_set or []))}"
        case gxe.ExpectColumnValuesToBeBetween():
            low, high = expectation.min_value, expectation.max_value
            limits = [f"at least {low:g}"] if low is not None else []
            limits += [f"at most {high:g}"] if high is not None else []
            return f"{expectation.column.replace('_', ' ')} {' and '.join(limits)}"
        case gxe.ExpectColumnPairValuesToBeEqual():
            return f"{expectation.column_A.replace('_', ' ')} = {expectation.column_B.replace('_', ' ')}"
        case gxe.ExpectTableRowCountToEqual():
            return f"no {expectation.description}"
        case gxe.ExpectTableRowCountToBeBetween():
            return f"at least {expectation.min_value} row"
    raise TypeError(f"no words for {type(expectation).__name__}: add them to data_quality/catalogue.py")


if __name__ == "__main__":
    print(tables())
