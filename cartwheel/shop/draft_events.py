"""A draft of interactions from a group of files with users, items and times."""

import json
import re
from datetime import timedelta

import polars as pl

from cartwheel.shop import names, times
from cartwheel.shop.draft_catalogue import describe
from cartwheel.shop.drafts import Draft, currency, id_field, price_field
from cartwheel.shop.groups import Group
from cartwheel.shop.kinds import Kind, kind_of
from cartwheel.shop.yaml_text import column_text, numbered, plain, quoted, timed

MAX_VALUES = 30
ONLY_PURCHASES = "what is recommended follows from purchases: in a shop without any, write purchase"


def interactions(group: Group, kinds: dict[str, Kind], item: str, user: str, time: str | None, is_visit: bool) -> list[Draft]:
    draft = Draft(group.label, "interactions", group, doubts=list(group.first.doubts))
    columns, taken = list(kinds), {item, user}
    draft.fields["event_id"] = _event_id(kinds)
    taken |= {draft.fields["event_id"][0]}
    draft.fields["user_id"] = id_field(
        user, kinds[user], "this is a visit, not a user: nobody is known beyond one visit" if is_visit else None
    )
    draft.fields["item_id"] = id_field(item, kinds[item], None)
    if kinds[user].empty:
        share = kinds[user].empty / (kinds[user].empty + kinds[user].values)
        draft.where.append(
            (f"{column_text(user)} is not None", f"{share:.0%} of the sample's rows have no {user}; they are left out")
        )
    _event_time(draft, kinds, time)
    taken |= {time or ""}
    event_type = _event_type(draft, kinds, taken)
    taken |= {event_type or ""}
    _amounts(draft, kinds, taken)
    session = names.find(names.SESSION, columns, taken - {user if is_visit else ""})
    if session:
        draft.fields["session_id"] = (plain(session), None)
        taken.add(session)
    for name, wanted in (("region", names.REGION), ("device", names.DEVICE), ("surface", names.SURFACE)):
        column = names.find(wanted, columns, taken)
        if column and kinds[column].name != "empty":
            draft.fields[name] = (plain(column), None)
            taken.add(column)
    clock = _clock_column(kinds, group) if time and not kinds[time].has_clock else None
    taken |= {clock or ""}
    catalogue = _items_of_events(draft, kinds, item, time)
    taken |= _columns_of(catalogue)
    draft.left_out = [column for column in columns if names.is_personal(column) and column not in taken]
    rest = [column for column in columns if column not in taken and column not in draft.left_out and kinds[column].length < 100]
    if rest:
        draft.fields["context"] = (f"{{columns: [{', '.join(map(quoted, rest[:20]))}]}}", None)
    return [draft, *([catalogue] if catalogue else [])]


def _event_id(kinds: dict[str, Kind]) -> tuple[str, str | None]:
    column = names.find(names.EVENT_ID, [name for name, kind in kinds.items() if kind.is_unique and not kind.empty])
    if column and "." not in column:
        return plain(column), None
    return '"{file}:{line}"', "each row is an event of its own; the same rows delivered in a second file would count twice"


def _event_time(draft: Draft, kinds: dict[str, Kind], time: str | None) -> None:
    group = draft.group
    if time is None:
        draft.fields["event_ts"] = ('"{file_date}"', "the rows have no time: the date in the file's name, at midnight")
        draft.first = group.first_date
        return
    kind = kinds[time]
    _settle_by_name(kind, group, time)
    last = kind_of(group.last.columns[time]) if group.last is not group.first else kind
    clock = None if kind.has_clock else _clock_column(kinds, group)
    doubt = "; ".join(kind.doubts) or None
    if clock:
        spelled = f"{'%Y-%m-%d' if kind.format == 'iso' else kind.format} %H:%M"
        seconds = (group.first.columns[clock][0] or "").count(":") == 2
        joined = f'concat({column_text(time)}, " ", {column_text(clock)})'
        text = f"{{expression: {quoted(joined)}, format: {quoted(spelled + (':%S' if seconds else ''))}}}"
        draft.fields["event_ts"] = (text, doubt)
    else:
        if not kind.has_clock:
            doubt = doubt or "only the day is known: midnight, and no order within a day"
        draft.fields["event_ts"] = (timed(time, kind), doubt)
    draft.needs_zone = not kind.has_offset and (kind.has_clock or clock is not None)
    days = [day for day in (kind.first, kind.last, *((last.first, last.last) if last.format == kind.format else ())) if day]
    draft.first, draft.first_is_sure = min(days, default=None), group.first.whole
    if group.date_format and group.first_date and kind.first and kind.last:
        draft.undated = kind.last > group.first_date or kind.first < group.first_date - timedelta(days=3)
        if draft.undated:
            draft.doubts.append("the date in the name is not the date of the rows; each row is dated by its time")


def _settle_by_name(kind: Kind, group: Group, time: str) -> None:
    """Where day and month may be meant either way, the date in the file's name decides."""
    if kind.other is None or group.first_date is None:
        return
    for spelling in (kind.format, kind.other):
        read = times.parse(pl.col("t"), [spelling or ""], "UTC").at.dt.date()
        days = set(pl.DataFrame({"t": group.first.columns[time]}, schema={"t": pl.String}).select(read)["t"].drop_nulls())
        if days == {group.first_date}:
            kind.format, kind.other, kind.doubts, kind.first, kind.last = spelling, None, [], group.first_date, group.first_date
            return


def _clock_column(kinds: dict[str, Kind], group: Group) -> str | None:
    """A column of times of day, beside one of dates."""
    for name in kinds:
        values = [value for value in group.first.columns[name][:50] if value]
        if values and all(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", value) for value in values):
            return name
    return None


def _event_type(draft: Draft, kinds: dict[str, Kind], taken: set[str]) -> str | None:
    """Fills event_type, and value for ratings; returns the column it comes from."""
    columns = list(kinds)
    column = names.find(names.EVENT_TYPE, columns, taken)
    if column and 0 < kinds[column].distinct <= MAX_VALUES:
        values = sorted({value for value in draft.group.first.columns[column] if value})
        known = {value: names.EVENT_TYPES.get(names.joined(value)) for value in values}
        if any(known.values()):
            _mapped_types(draft, column, known)
            return column
        if kinds[column].is_numeric:
            pairs = ", ".join(f"{quoted(value)}: view" for value in values)
            draft.fields["event_type"] = (
                f"{{column: {quoted(column)}, map: {{{pairs}}}}}",
                "codes: say what each of them means",
            )
            return column
    rating = names.find(names.RATING, [name for name in columns if kinds[name].is_numeric], taken)
    by_file = file_type(draft.group)
    if rating and by_file not in ("purchase",) and kinds[rating].high <= 100:
        draft.fields["event_type"] = ("{value: rating}", ONLY_PURCHASES)
        draft.fields["value"] = (plain(rating), None)
        return rating
    if by_file:
        draft.fields["event_type"] = (f"{{value: {by_file}}}", "guessed from the file's name")
    elif names.find(f"{names.QUANTITY} {names.PRICE} {names.TOTAL}", columns, taken):
        draft.fields["event_type"] = ("{value: purchase}", "guessed: there are prices or quantities")
    else:
        draft.fields["event_type"] = ("{value: view}", f"nothing says what the users did; {ONLY_PURCHASES}")
    return None


def _mapped_types(draft: Draft, column: str, known: dict[str, str | None]) -> None:
    pairs = ", ".join(f"{quoted(value)}: {kind}" for value, kind in known.items() if kind)
    draft.fields["event_type"] = (f"{{column: {quoted(column)}, map: {{{pairs}}}}}", None)
    unknown = [value for value, kind in known.items() if kind is None]
    if unknown:
        listed = ", ".join(json.dumps(value, ensure_ascii=False) for value in unknown)
        draft.where.append((f"{column_text(column)} not in [{listed}]", "no event type is like these; they are left out"))


def file_type(group: Group) -> str | None:
    name = group.glob.lower()
    return next((kind for kind, word in names.FILE_WORDS if word in name), None)


def _amounts(draft: Draft, kinds: dict[str, Kind], taken: set[str]) -> None:
    """Quantity, price and line total."""
    numeric = [name for name, kind in kinds.items() if kind.is_numeric and kind.name != "epoch"]
    quantity = names.find(names.QUANTITY, numeric, taken)
    if quantity and kinds[quantity].name == "number" and "price" not in names.joined("".join(numeric)):
        quantity = quantity if names.joined(quantity) not in ("amount",) else None
    if quantity:
        draft.fields["quantity"] = (numbered(quantity, kinds[quantity]), None)
        taken.add(quantity)
        if kinds[quantity].low <= 0:
            draft.where.append(
                (f"{column_text(quantity)} > 0", "quantities of zero or less are returns or corrections; they are left out")
            )
    money = [*numeric, *(name for name, kind in kinds.items() if kind.name == "text" and currency(draft.group, name))]
    price = names.find(names.PRICE, money, taken)
    if price:
        draft.fields["price"] = price_field(draft.group, price, kinds[price])
        taken.add(price)
    if "value" not in draft.fields:
        total = names.find(names.TOTAL, numeric, taken)
        if total:
            draft.fields["value"] = (numbered(total, kinds[total]), f"taken as the line's total, not the price of one ({total})")
            taken.add(total)


def _items_of_events(events: Draft, kinds: dict[str, Kind], item: str, time: str | None) -> Draft | None:
    """A catalogue from the titles and categories that stand in the events."""
    draft = Draft(
        f"{events.name}_items", "items", events.group, undated=events.undated, needs_zone=events.needs_zone, of_events=True
    )
    used = {column for column, _ in events.fields.values()} | {item}
    describe(draft, kinds, used, names.TITLE, with_price=False)
    if not draft.fields:
        return None
    draft.fields = {"item_id": events.fields["item_id"], **draft.fields}
    if time and (draft.group.date_format is None or draft.undated):
        kind = kinds[time]
        spelled = "" if kind.format == "iso" else f", format: {quoted(kind.format or '')}"
        draft.dated = (f"{{column: {quoted(time)}{spelled}}}", None)
    draft.where = [pair for pair in events.where if "> 0" in pair[0]]
    draft.where = [(condition, "as of the events") for condition, _ in draft.where]
    title = next((column for column in kinds if draft.fields.get("title", ("",))[0] == plain(column)), None)
    if title and kinds[title].empty:
        draft.where.append((f"{column_text(title)} is not None", "rows without a title say nothing of an item"))
    draft.doubts = ["of an item's rows of one day the first counts; the others are reported as duplicates"]
    return draft


def _columns_of(draft: Draft | None) -> set[str]:
    """The columns that a catalogue uses as they are, or inside an expression."""
    if draft is None:
        return set()
    texts = [text for text, _ in draft.fields.values()]
    return {
        column for column in draft.group.first.columns if any(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", t) for t in texts)
    }
