"""A source that `init-shop` proposes, and what drafts of all datasets share."""

import json
import re
from dataclasses import dataclass, field
from datetime import date

from cartwheel.shop import names
from cartwheel.shop.groups import Group
from cartwheel.shop.kinds import Kind
from cartwheel.shop.yaml_text import column_text, numbered, plain


@dataclass
class Draft:
    """A source to be written. `fields` maps a contract field to its YAML and the doubt about it."""

    name: str
    dataset: str
    group: Group
    fields: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    where: list[tuple[str, str]] = field(default_factory=list)
    dated: tuple[str, str | None] | None = None
    doubts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    of_events: bool = False  # a catalogue from titles that stand in the events
    undated: bool = False  # the date in the name is not the rows' date
    needs_zone: bool = False
    first: date | None = None
    first_is_sure: bool = True


def id_field(column: str, kind: Kind, doubt: str | None) -> tuple[str, str | None]:
    if kind.name == "number" and kind.low == int(kind.low) and kind.high == int(kind.high):
        return f'= remove_suffix({column_text(column)}, ".0")', doubt or "the numbers end in .0, which is cut off"
    return plain(column), doubt


def time_column(kinds: dict[str, Kind], item: str | None, user: str | None) -> str | None:
    timed = [name for name, kind in kinds.items() if kind.is_time and name not in (item, user)]
    by_name = names.find(names.TIME, timed)
    return by_name or next((name for name in timed if kinds[name].name == "time"), None)


def price_field(group: Group, column: str, kind: Kind) -> tuple[str, str | None]:
    sign = currency(group, column)
    if sign:
        return f'= replace({column_text(column)}, {json.dumps(sign, ensure_ascii=False)}, "")', None
    doubt = None
    if kind.name == "integer" and kind.high >= 1000:
        doubt = "whole numbers: if these are cents, add divide_by: 100"
    return numbered(column, kind), doubt


def currency(group: Group, column: str) -> str | None:
    """The currency sign before all amounts of a column."""
    values = [value for value in group.first.columns[column][:200] if value]
    signs = {value[0] for value in values}
    return signs.pop() if len(signs) == 1 and signs <= set("$€£") and all(re.search(r"\d", value) for value in values) else None
