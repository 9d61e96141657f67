"""A first mapping, from a look at a shop's files: what is guessed is written down, with the doubts beside it.

cartwheel init-shop DIR --out shop.yaml
"""

import json
import keyword
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.shop import names
from cartwheel.shop.groups import Group, find_groups
from cartwheel.shop.kinds import Kind, kind_of
from cartwheel.shop.mapping import parse_mapping
from cartwheel.shop.source import TYPES

MAX_VALUES = 30


class NothingToMapError(ValueError):
    """A folder without a file that could be interactions, items, users or promotions."""


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
    undated: bool = False  # the date in the name is not the rows' date
    needs_zone: bool = False
    first: date | None = None
    first_is_sure: bool = True


def propose(directory: Path) -> str:
    """The YAML of a first mapping for a folder's files. It loads as it is.

    Raises:
        NothingToMapError: no file could be placed; the message says why for each.
    """
    groups, unplaced = find_groups(directory)
    drafts: list[Draft] = []
    for group in groups:
        found, why = _place(group)
        drafts += found
        if not found:
            unplaced += [(name, why) for name in group.names]
    if not drafts:
        reasons = "; ".join(f"{name}: {why}" for name, why in unplaced[:20])
        raise NothingToMapError(f"{directory}: no file could be placed. {reasons or 'It holds no files.'}")
    _drop_second_catalogues(drafts)
    _date_catalogues(drafts)
    _unique_names(drafts)
    text = _write(drafts, sorted(unplaced))
    parse_mapping(text, "the proposed mapping")
    return text


def _place(group: Group) -> tuple[list[Draft], str]:
    """The sources that a group of files gives, or why it gives none."""
    sample = group.first
    kinds = {name: kind_of(values) for name, values in sample.columns.items()}
    if not sample.header:
        kinds = _named(group, kinds)
    columns = list(kinds)
    item, user = names.find(names.ITEM, columns), names.find(names.USER, columns)
    if item is None and user is None and _looks_like_items(group, kinds):
        item = next((name for name in columns if names.joined(name) == "id" and kinds[name].is_unique), None)
    start = names.find(names.STARTS, [name for name in columns if kinds[name].is_time])
    end = names.find(names.ENDS, [name for name in columns if kinds[name].is_time])
    if item and start and end and not user:
        return [_promotions(group, kinds, item, start, end)], ""
    key_column = next((name for name in columns if names.joined(name) in ("property", "attribute", "feature")), None)
    if item and key_column and any(names.joined(name) in ("value", "val") for name in columns) and not user:
        return [_long_form(group, kinds, item, key_column)], ""
    time = _time_column(kinds, item, user)
    visit = next((name for name in columns if names.joined(name) in names.VISIT), None)
    if item and (user or visit) and (time or group.date_format):
        return _interactions(group, kinds, item, user or visit or "", time, is_visit=user is None), ""
    if item and not user and kinds[item].is_unique:
        return [_items(group, kinds, item)], ""
    if user and not item and kinds[user].is_unique:
        return [_users(group, kinds, user)], ""
    return [], _why_not(columns, item, user, time)


def _why_not(columns: list[str], item: str | None, user: str | None, time: str | None) -> str:
    has = [what for what, column in (("an item", item), ("a user", user), ("a time", time)) if column]
    lacks = [what for what, column in (("an item", item), ("a user", user), ("a time or a date in the name", time)) if not column]
    if item and user:
        return f"events need {lacks[0]}; its columns are {', '.join(columns[:12])}"
    if len(columns) == 1:
        return "it has one column only"
    seen = f"it has {' and '.join(has)}" if has else "nothing in it is known by name"
    advice = f"join it to another file first, or map it by hand. Columns: {', '.join(columns[:12])}"
    return f"{seen}, but lacks {', '.join(lacks)}; {advice}"


def _named(group: Group, kinds: dict[str, Kind]) -> dict[str, Kind]:
    """Columns without a header, called by what they look like."""
    lists = list(kinds.values())
    times = [number for number, kind in enumerate(lists) if kind.is_time and (kind.name == "time" or number > 1)]
    found: dict[int, str] = {times[0]: "time"} if times else {}
    ids = [n for n, kind in enumerate(lists) if n not in found and (kind.name in ("integer", "epoch", "flag") or kind.length > 0)]
    is_buying = _file_type(group) == "purchase"
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
    columns = [found.get(number, f"column_{number + 1}") for number in range(len(lists))]
    for sample in {id(group.first): group.first, id(group.last): group.last}.values():
        sample.columns = dict(zip(columns, sample.columns.values(), strict=True))
    return dict(zip(columns, lists, strict=True))


def _names_the(found: dict[int, str], number: int, group: Group) -> bool:
    """Whether a column without a name has one value for each item, and they differ: the items' titles."""
    columns = list(group.first.columns.values())
    item = next(at for at, name in found.items() if name == "item")
    pairs = {pair for pair in zip(columns[item], columns[number], strict=True) if None not in pair}
    items, titles = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return len(pairs) == len(items) and len(titles) > 0.8 * len(items) > 1


def _looks_like_items(group: Group, kinds: dict[str, Kind]) -> bool:
    words = re.search(r"item|product|article|catalog|book|movie|sku", group.glob.lower())
    return bool(words) and any(names.joined(name) == "id" for name in kinds)


def _time_column(kinds: dict[str, Kind], item: str | None, user: str | None) -> str | None:
    timed = [name for name, kind in kinds.items() if kind.is_time and name not in (item, user)]
    by_name = names.find(names.TIME, timed)
    return by_name or next((name for name in timed if kinds[name].name == "time"), None)


def _clock_column(kinds: dict[str, Kind], group: Group) -> str | None:
    """A column of times of day, beside one of dates."""
    for name in kinds:
        values = [value for value in group.first.columns[name][:50] if value]
        if values and all(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", value) for value in values):
            return name
    return None


def _interactions(group: Group, kinds: dict[str, Kind], item: str, user: str, time: str | None, is_visit: bool) -> list[Draft]:
    draft = Draft(group.label, "interactions", group, doubts=list(group.first.doubts))
    columns, taken = list(kinds), {item, user}
    draft.fields["event_id"] = _event_id(kinds)
    taken |= {draft.fields["event_id"][0]}
    draft.fields["user_id"] = _id(
        user, kinds[user], "this is a visit, not a user: nobody is known beyond one visit" if is_visit else None
    )
    draft.fields["item_id"] = _id(item, kinds[item], None)
    if kinds[user].empty:
        share = kinds[user].empty / (kinds[user].empty + kinds[user].values)
        draft.where.append(
            (f"{_column(user)} is not None", f"{share:.0%} of the sample's rows have no {user}; they are left out")
        )
    _event_time(draft, kinds, time)
    taken |= {time or ""}
    event_type = _event_type(draft, kinds, taken)
    taken |= {event_type or ""}
    _amounts(draft, kinds, taken)
    session = names.find(names.SESSION, columns, taken - {user if is_visit else ""})
    if session:
        draft.fields["session_id"] = (_plain(session), None)
        taken.add(session)
    for name, wanted in (("region", names.REGION), ("device", names.DEVICE), ("surface", names.SURFACE)):
        column = names.find(wanted, columns, taken)
        if column and kinds[column].name != "empty":
            draft.fields[name] = (_plain(column), None)
            taken.add(column)
    catalogue = _items_of_events(draft, kinds, item, time)
    taken |= _columns_of(catalogue)
    draft.left_out = [column for column in columns if names.is_personal(column) and column not in taken]
    rest = [column for column in columns if column not in taken and column not in draft.left_out and kinds[column].length < 100]
    if rest:
        draft.fields["context"] = (f"{{columns: [{', '.join(map(_quoted, rest[:20]))}]}}", None)
    return [draft, *([catalogue] if catalogue else [])]


def _event_id(kinds: dict[str, Kind]) -> tuple[str, str | None]:
    column = names.find(names.EVENT_ID, [name for name, kind in kinds.items() if kind.is_unique and not kind.empty])
    if column and "." not in column:
        return _plain(column), None
    return '"{file}:{line}"', "each row is an event of its own; the same rows delivered in a second file would count twice"


def _id(column: str, kind: Kind, doubt: str | None) -> tuple[str, str | None]:
    if kind.name == "number" and kind.low == int(kind.low) and kind.high == int(kind.high):
        return f'= remove_suffix({_column(column)}, ".0")', doubt or "the numbers end in .0, which is cut off"
    return _plain(column), doubt


def _event_time(draft: Draft, kinds: dict[str, Kind], time: str | None) -> None:
    group = draft.group
    if time is None:
        draft.fields["event_ts"] = ('"{file_date}"', "the rows have no time: the date in the file's name, at midnight")
        draft.first = group.first_date
        return
    kind = kinds[time]
    last = kind_of(group.last.columns[time]) if group.last is not group.first else kind
    clock = None if kind.has_clock else _clock_column(kinds, group)
    doubt = "; ".join(kind.doubts) or None
    if clock:
        spelled = f"{'%Y-%m-%d' if kind.format == 'iso' else kind.format} %H:%M"
        seconds = (group.first.columns[clock][0] or "").count(":") == 2
        joined = f'concat({_column(time)}, " ", {_column(clock)})'
        text = f"{{expression: {_quoted(joined)}, format: {_quoted(spelled + (':%S' if seconds else ''))}}}"
        draft.fields["event_ts"] = (text, doubt)
    else:
        if not kind.has_clock:
            doubt = doubt or "only the day is known: midnight, and no order within a day"
        draft.fields["event_ts"] = (_timed(time, kind), doubt)
    draft.needs_zone = not kind.has_offset and (kind.has_clock or clock is not None)
    days = [day for day in (kind.first, kind.last, last.first, last.last) if day]
    draft.first, draft.first_is_sure = min(days, default=None), group.first.whole
    if group.date_format and group.first_date and kind.first and kind.last:
        draft.undated = kind.last > group.first_date or kind.first < group.first_date - timedelta(days=3)
        if draft.undated:
            draft.doubts.append("the date in the name is not the date of the rows; each row is dated by its time")


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
            pairs = ", ".join(f"{_quoted(value)}: view" for value in values)
            draft.fields["event_type"] = (
                f"{{column: {_quoted(column)}, map: {{{pairs}}}}}",
                "codes: say what each of them means",
            )
            return column
    rating = names.find(names.RATING, [name for name in columns if kinds[name].is_numeric], taken)
    by_file = _file_type(draft.group)
    if rating and by_file not in ("purchase",) and kinds[rating].high <= 100:
        draft.fields["event_type"], draft.fields["value"] = ("{value: rating}", None), (_plain(rating), None)
        return rating
    if by_file:
        draft.fields["event_type"] = (f"{{value: {by_file}}}", "guessed from the file's name")
    elif names.find(f"{names.QUANTITY} {names.PRICE} {names.TOTAL}", columns, taken):
        draft.fields["event_type"] = ("{value: purchase}", "guessed: there are prices or quantities")
    else:
        draft.fields["event_type"] = ("{value: view}", "nothing says what the users did: view, click, purchase …")
    return None


def _mapped_types(draft: Draft, column: str, known: dict[str, str | None]) -> None:
    pairs = ", ".join(f"{_quoted(value)}: {kind}" for value, kind in known.items() if kind)
    draft.fields["event_type"] = (f"{{column: {_quoted(column)}, map: {{{pairs}}}}}", None)
    unknown = [value for value, kind in known.items() if kind is None]
    if unknown:
        listed = ", ".join(json.dumps(value, ensure_ascii=False) for value in unknown)
        draft.where.append((f"{_column(column)} not in [{listed}]", "no event type is like these; they are left out"))


def _file_type(group: Group) -> str | None:
    name = group.glob.lower()
    return next((kind for kind, word in names.FILE_WORDS if word in name), None)


def _amounts(draft: Draft, kinds: dict[str, Kind], taken: set[str]) -> None:
    """Quantity, price and line total."""
    numeric = [name for name, kind in kinds.items() if kind.is_numeric and kind.name != "epoch"]
    quantity = names.find(names.QUANTITY, numeric, taken)
    if quantity and kinds[quantity].name == "number" and "price" not in names.joined("".join(numeric)):
        quantity = quantity if names.joined(quantity) not in ("amount",) else None
    if quantity:
        draft.fields["quantity"] = (_numbered(quantity, kinds[quantity]), None)
        taken.add(quantity)
        if kinds[quantity].low <= 0:
            draft.where.append(
                (f"{_column(quantity)} > 0", "quantities of zero or less are returns or corrections; they are left out")
            )
    money = [*numeric, *(name for name, kind in kinds.items() if kind.name == "text" and _currency(draft.group, name))]
    price = names.find(names.PRICE, money, taken)
    if price:
        draft.fields["price"] = _price(draft.group, price, kinds[price])
        taken.add(price)
    if "value" not in draft.fields:
        total = names.find(names.TOTAL, numeric, taken)
        if total:
            draft.fields["value"] = (_numbered(total, kinds[total]), f"taken as the line's total, not the price of one ({total})")
            taken.add(total)


def _currency(group: Group, column: str) -> str | None:
    """The currency sign before all amounts of a column."""
    values = [value for value in group.first.columns[column][:200] if value]
    signs = {value[0] for value in values}
    return signs.pop() if len(signs) == 1 and signs <= set("$€£") and all(re.search(r"\d", value) for value in values) else None


def _price(group: Group, column: str, kind: Kind) -> tuple[str, str | None]:
    sign = _currency(group, column)
    if sign:
        return f'= replace({_column(column)}, {json.dumps(sign, ensure_ascii=False)}, "")', None
    doubt = None
    if kind.name == "integer" and kind.high >= 1000:
        doubt = "whole numbers: if these are cents, add divide_by: 100"
    return _numbered(column, kind), doubt


def _items_of_events(events: Draft, kinds: dict[str, Kind], item: str, time: str | None) -> Draft | None:
    """A catalogue from the titles and categories that stand in the events."""
    draft = Draft(f"{events.name}_items", "items", events.group, undated=events.undated, needs_zone=events.needs_zone)
    used = {column for column, _ in events.fields.values()} | {item}
    _describe(draft, kinds, used, names.TITLE, with_price=False)
    if not draft.fields:
        return None
    draft.fields = {"item_id": events.fields["item_id"], **draft.fields}
    price = events.fields.get("price")
    if price:
        draft.fields["price"] = price
    if time and (draft.group.date_format is None or draft.undated):
        kind = kinds[time]
        spelled = "" if kind.format == "iso" else f", format: {_quoted(kind.format or '')}"
        draft.dated = (f"{{column: {_quoted(time)}{spelled}}}", None)
    draft.where = [pair for pair in events.where if "> 0" in pair[0]]
    draft.where = [(condition, "as of the events") for condition, _ in draft.where]
    title = next((column for column in kinds if draft.fields.get("title", ("",))[0] == _plain(column)), None)
    if title and kinds[title].empty:
        draft.where.append((f"{_column(title)} is not None", "rows without a title say nothing of an item"))
    draft.doubts = ["of an item's rows of one day the first counts; the others are reported as duplicates"]
    return draft


def _describe(draft: Draft, kinds: dict[str, Kind], taken: set[str], title: str, with_price: bool = True) -> None:
    """Title, hierarchy, brand and so on."""
    usable = [name for name, kind in kinds.items() if kind.name != "empty" and not kind.is_time]
    texts = [name for name in usable if kinds[name].name == "text"]
    wanted = [
        ("title", title, texts), ("department", names.DEPARTMENT, usable), ("category", names.CATEGORY, usable),
        ("subcategory", names.SUBCATEGORY, usable), ("brand", names.BRAND, usable),
        ("description", names.DESCRIPTION, texts), ("image_url", names.IMAGE, texts),
    ]  # fmt: skip
    for name, words, columns in wanted:
        column = names.find(words, columns, taken)
        if column:
            draft.fields[name] = _category(draft.group, column) if name in ("category", "department") else (_plain(column), None)
            taken.add(column)
    if with_price:
        money = [name for name in usable if kinds[name].is_numeric or _currency(draft.group, name)]
        price = names.find(names.LIST_PRICE, money, taken)
        if price:
            draft.fields["price"] = _price(draft.group, price, kinds[price])
            taken.add(price)
        available = names.find(names.AVAILABLE, [name for name in usable if kinds[name].name == "flag"], taken)
        if available:
            draft.fields["available"] = (_plain(available), "0 or false items are never recommended")
            taken.add(available)


def _category(group: Group, column: str) -> tuple[str, str | None]:
    """Of categories such as `a > b` or `Drama|Comedy` the first."""
    values = [value for value in group.first.columns[column][:2000] if value]
    for mark in (" > ", "|", " / ", ">", ";"):
        if sum(mark in value for value in values) > 0.2 * len(values):
            return (
                f"= trim(part({_column(column)}, {json.dumps(mark)}, 0))",
                f"the first of several that {mark.strip()!r} separates",
            )
    if sum(value.count(".") >= 1 and " " not in value for value in values) > 0.5 * len(values) and not _numeric(values):
        return f'= part({_column(column)}, ".", 0)', "the first of several that '.' separates"
    return _plain(column), None


def _numeric(values: list[str]) -> bool:
    return all(re.fullmatch(r"[\d.,]+", value) for value in values)


def _items(group: Group, kinds: dict[str, Kind], item: str) -> Draft:
    draft = Draft(group.label, "items", group, doubts=list(group.first.doubts))
    taken = {item}
    _describe(draft, kinds, taken, names.TITLE)
    _lists_of_categories(draft, kinds, taken)
    draft.fields = {"item_id": _id(item, kinds[item], None), **draft.fields}
    rest = [name for name, kind in kinds.items() if name not in taken and kind.name != "empty" and kind.length < 200]
    if rest:
        draft.fields["attributes"] = (f"{{columns: [{', '.join(map(_quoted, rest[:20]))}]}}", None)
    return draft


def _lists_of_categories(draft: Draft, kinds: dict[str, Kind], taken: set[str]) -> None:
    """Nested lists in JSON, `categories[0][1]`: the hierarchy from the top."""
    levels = [name for name in kinds if re.fullmatch(r"categor(y|ies)(\[0\])?\[\d\]", name)]
    if not levels:
        return
    for field_name in ("department", "category", "subcategory"):
        draft.fields.pop(field_name, None)
    taken |= set(levels)
    chosen = ["category"] if len(levels) == 1 else ["department", "category", "subcategory"]
    for name, level in zip(chosen, levels, strict=False):
        draft.fields[name] = (_plain(level), None)


def _users(group: Group, kinds: dict[str, Kind], user: str) -> Draft:
    draft = Draft(group.label, "users", group, doubts=list(group.first.doubts))
    draft.fields["user_id"] = _id(user, kinds[user], None)
    columns, taken = [name for name, kind in kinds.items() if kind.name != "empty"], {user}
    for name, words in (("gender", names.GENDER), ("region", names.USER_REGION), ("income_band", names.INCOME),
                        ("household_size", names.HOUSEHOLD), ("consent", names.CONSENT)):  # fmt: skip
        column = names.find(words, columns, taken)
        if column:
            draft.fields[name] = (_plain(column), None)
            taken.add(column)
    age = names.find(names.AGE, columns, taken)
    if age and kinds[age].is_numeric and kinds[age].high >= 15:
        decade = f"floor(number({_column(age)}) / 10) * 10"
        draft.fields["age_band"] = (f'= concat({decade}, "-", {decade} + 9)', "years of age, as bands of ten")
    elif age:
        draft.fields["age_band"] = (_plain(age), None)
    signup = names.find(names.SIGNUP, [name for name in columns if kinds[name].is_time], taken)
    if signup:
        draft.fields["signup_ts"] = (_timed(signup, kinds[signup]), "; ".join(kinds[signup].doubts) or None)
        draft.needs_zone = not kinds[signup].has_offset and kinds[signup].has_clock
    draft.left_out = [name for name in columns if names.is_personal(name)]
    return draft


def _promotions(group: Group, kinds: dict[str, Kind], item: str, start: str, end: str) -> Draft:
    draft = Draft(group.label, "item_context", group, doubts=list(group.first.doubts))
    draft.fields["item_id"] = _id(item, kinds[item], None)
    for name, column in (("starts_on", start), ("ends_on", end)):
        draft.fields[name] = (_timed(column, kinds[column]), "; ".join(kinds[column].doubts) or None)
    for name, words in (("mailer", names.MAILER), ("display", names.DISPLAY)):
        column = names.find(words, list(kinds), {item, start, end})
        if column:
            draft.fields[name] = (_plain(column), None)
    if group.date_format is None:
        spelled = "" if kinds[start].format == "iso" else f", format: {_quoted(kinds[start].format or '')}"
        draft.dated = (f"{{column: {_quoted(start)}{spelled}}}", "known from its first day on")
    return draft


def _long_form(group: Group, kinds: dict[str, Kind], item: str, key_column: str) -> Draft:
    """One row per item and property: the category's rows are picked."""
    value = next(name for name in kinds if names.joined(name) in ("value", "val"))
    values = {text for text in group.first.columns[key_column] if text}
    picked = names.find(names.CATEGORY, sorted(values)) or sorted(values)[0]
    draft = Draft(group.label, "items", group, doubts=list(group.first.doubts))
    draft.fields = {"item_id": _id(item, kinds[item], None), "category": (_plain(value), None)}
    others = ", ".join(sorted(values - {picked})[:8])
    draft.where.append(
        (f"{_column(key_column)} == {json.dumps(picked)}", f"one row per property: this one is picked; there are also {others}")
    )
    time = _time_column(kinds, item, None)
    if time and group.date_format is None:
        kind = kinds[time]
        spelled = "" if kind.format == "iso" else f", format: {_quoted(kind.format or '')}"
        draft.dated = (f"{{column: {_quoted(time)}{spelled}}}", "; ".join(kind.doubts) or None)
    return draft


def _drop_second_catalogues(drafts: list[Draft]) -> None:
    """With a catalogue of its own, the titles that stand in the events are not needed."""
    if any(draft.dataset == "items" and not draft.name.endswith("_items") for draft in drafts):
        drafts[:] = [draft for draft in drafts if not (draft.dataset == "items" and draft.name.endswith("_items"))]


def _date_catalogues(drafts: list[Draft]) -> None:
    """A catalogue without a date is known from the first event on."""
    firsts = [draft.first for draft in drafts if draft.dataset == "interactions" and draft.first]
    sure = all(draft.first_is_sure for draft in drafts if draft.dataset == "interactions")
    for draft in drafts:
        if draft.dataset != "interactions" and draft.dated is None and draft.group.date_format is None:
            if firsts:
                doubt = None if sure else "the first event of the sample; set it at or before the first of all"
                draft.dated = (min(firsts).isoformat(), doubt)
            else:
                draft.dated = (date.today().isoformat(), "no events were found; set it at or before the first event")


def _unique_names(drafts: list[Draft]) -> None:
    seen: dict[str, int] = {}
    for draft in drafts:
        seen[draft.name] = seen.get(draft.name, 0) + 1
        if seen[draft.name] > 1:
            draft.name = f"{draft.name}_{seen[draft.name]}"


def _write(drafts: list[Draft], unplaced: list[tuple[str, str]]) -> str:
    zone_doubt = (
        "  # doubt: times carry no offset; name the shop's zone, as Europe/Berlin" if any(d.needs_zone for d in drafts) else ""
    )
    lines = [
        "# How Cartwheel reads this shop's files, as `cartwheel init-shop` guessed. Read the doubts, then run `cartwheel check-shop`.",
        "# docs/your-shop.md says what can stand here.",
        "",
        f"timezone: UTC{zone_doubt}",
        "",
        "sources:",
    ]
    for draft in drafts:
        lines += [*_source(draft), ""]
    if unplaced:
        lines += ["# Files that no source reads:", *(f"#   {name}: {why}" for name, why in unplaced), ""]
    return "\n".join(lines)


def _source(draft: Draft) -> list[str]:
    group, sample = draft.group, draft.group.first
    lines = [f"  {draft.name}:"]
    lines += [f"    # doubt: {doubt}" for doubt in draft.doubts]
    lines.append(f"    dataset: {draft.dataset}")
    glob = re.sub(r"\{date[^}]*\}", "*", group.glob) if draft.undated else group.glob
    lines.append(f"    files: {_quoted(glob)}")
    how = []
    ending = [part for part in group.glob.lower().rsplit("/", 1)[-1].split(".") if part in TYPES]
    if not ending or TYPES[ending[-1]] != sample.type:
        how.append(f"type: {sample.type}")
    if sample.type == "csv" and sample.delimiter != ("\t" if ending[-1:] in (["tsv"], ["tab"]) else ","):
        how.append(f"delimiter: {'tab' if sample.delimiter == chr(9) else _quoted(sample.delimiter)}")
    if sample.encoding != "utf-8":
        how.append(f"encoding: {sample.encoding}")
    if not sample.header:
        how.append(f"header: false, columns: [{', '.join(map(_quoted, sample.columns))}]")
    if how:
        lines.append(f"    format: {{{', '.join(how)}}}")
    if draft.dated:
        lines.append(f"    date: {draft.dated[0]}" + _doubt(draft.dated[1]))
    if draft.where:
        condition = " and ".join(text if len(draft.where) == 1 else f"({text})" for text, _ in draft.where)
        lines += [f"    # doubt: {doubt}" for _, doubt in draft.where]
        lines.append(f"    where: {_quoted(condition)}")
    lines.append("    fields:")
    order = LANDING_CONTRACTS[draft.dataset].columns
    for name in sorted(draft.fields, key=order.index):
        text, doubt = draft.fields[name]
        lines.append(f"      {name}: {_safe(text)}{_doubt(doubt)}")
    if draft.left_out:
        lines.append(f"    # left out, as they name a person: {', '.join(draft.left_out)}")
    return lines


def _columns_of(draft: Draft | None) -> set[str]:
    """The columns that a catalogue uses as they are, or inside an expression."""
    if draft is None:
        return set()
    texts = [text for text, _ in draft.fields.values()]
    return {
        column for column in draft.group.first.columns if any(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", t) for t in texts)
    }


def _doubt(doubt: str | None) -> str:
    return f"  # doubt: {doubt}" if doubt else ""


def _timed(column: str, kind: Kind) -> str:
    return _plain(column) if kind.format == "iso" else f"{{column: {_quoted(column)}, format: {_quoted(kind.format or '')}}}"


def _numbered(column: str, kind: Kind) -> str:
    return f'{{column: {_quoted(column)}, decimal: ","}}' if kind.decimal == "," else _plain(column)


def _plain(column: str) -> str:
    """A column as a field's shorthand."""
    if column.startswith("=") or "{" in column:
        return f"{{column: {_quoted(column)}}}"
    return _quoted(column)


def _column(name: str) -> str:
    """A column in an expression."""
    plain = all(part.isidentifier() and part.isascii() and not keyword.iskeyword(part) for part in name.split("."))
    return name if plain and name not in ("None", "True", "False") else f"col({json.dumps(name, ensure_ascii=False)})"


def _quoted(text: str) -> str:
    """A text as a YAML scalar, also inside braces."""
    if re.fullmatch(r"[A-Za-z_][\w./-]*( [\w./-]+)*", text) and text not in ("null",):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _safe(text: str) -> str:
    """A field's YAML; an expression is quoted where YAML would cut it."""
    if text.startswith("=") and (": " in text or " #" in text):
        return _quoted(text)
    return text
