"""Names for the columns of a file without a header, by what they look like."""

import re

from cartwheel.shop import names
from cartwheel.shop.draft_events import file_type
from cartwheel.shop.groups import Group
from cartwheel.shop.kinds import Kind


def named(group: Group, kinds: dict[str, Kind]) -> dict[str, Kind]:
    """Columns without a header, called by what they look like."""
    lists = list(kinds.values())
    times = [number for number, kind in enumerate(lists) if kind.is_time and (kind.name == "time" or number > 1)]
    found: dict[int, str] = {times[0]: "time"} if times else {}
    values = list(group.first.columns.values())
    for number, kind in enumerate(lists):
        seen = {value for value in values[number] if value} if kind.distinct <= 20 else set()
        if seen and sum(names.joined(value) in names.EVENT_TYPES for value in seen) >= len(seen) / 2:
            found[number] = "event"
    ids = [n for n, kind in enumerate(lists) if n not in found and (kind.name in ("integer", "epoch", "flag") or kind.length > 0)]
    is_buying = file_type(group) == "purchase"
    if times or not lists[0].is_unique:
        wanted = ["user", "item", *(["price", "quantity"] if is_buying else [])]
        for number in ids:
            kind = lists[number]
            if (
                "rating" not in found.values()
                and kind.is_numeric
                and kind.high <= 10
                and kind.distinct <= 11
                and len(wanted) == 0
            ):
                found[number] = "rating" if not is_buying else f"column_{number + 1}"
            elif wanted:
                found[number] = wanted.pop(0)
            elif kind.name == "text" and _names_the(found, number, group) and "title" not in found.values():
                found[number] = "title"
            elif kind.name == "text" and kind.distinct < kind.values and "category" not in found.values():
                found[number] = "category"
    else:
        is_user = bool(re.search(r"user|customer|member|visitor", group.glob.lower()))
        found[ids[0]] = "user" if is_user else "item"
        texts = [n for n in ids[1:] if lists[n].name == "text"]
        for number, name in zip(texts, [] if is_user else ["title", "category"], strict=False):
            found[number] = name
    if found and found.get(ids[0] if ids else -1) == "user":
        found = _with_category(found, lists, values)
    columns = [found.get(number, f"column_{number + 1}") for number in range(len(lists))]
    for sample in {id(group.first): group.first, id(group.last): group.last}.values():
        sample.columns = dict(zip(columns, sample.columns.values(), strict=True))
    return dict(zip(columns, lists, strict=True))


def _with_category(found: dict[int, str], lists: list[Kind], values: list[list[str | None]]) -> dict[int, str]:
    """Ids that are the same for all rows of an item, and fewer than the items, are its category."""
    item = next((number for number, name in found.items() if name == "item"), None)
    if item is None or "category" in found.values():
        return found
    for number, kind in enumerate(lists):
        if number not in found and kind.name == "integer" and 1 < kind.distinct < lists[item].distinct:
            pairs = set(zip(values[item], values[number], strict=True))
            if len(pairs) <= 1.05 * lists[item].distinct:
                return {**found, number: "category"}
    return found


def _names_the(found: dict[int, str], number: int, group: Group) -> bool:
    """Whether a column without a name has one value for each item, and they differ: the items' titles."""
    columns = list(group.first.columns.values())
    item = next(at for at, name in found.items() if name == "item")
    pairs = {pair for pair in zip(columns[item], columns[number], strict=True) if None not in pair}
    items, titles = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return len(pairs) == len(items) and len(titles) > 0.8 * len(items) > 1
