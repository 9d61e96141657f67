"""Drafts of items, users and promotions."""

import json
import re

from cartwheel.shop import names
from cartwheel.shop.drafts import Draft, currency, id_field, price_field, time_column
from cartwheel.shop.groups import Group
from cartwheel.shop.kinds import Kind
from cartwheel.shop.yaml_text import column_text, plain, quoted, timed


def items(group: Group, kinds: dict[str, Kind], item: str) -> Draft:
    draft = Draft(group.label, "items", group, doubts=list(group.first.doubts))
    taken = {item}
    describe(draft, kinds, taken, names.TITLE)
    _lists_of_categories(draft, kinds, taken)
    draft.fields = {"item_id": id_field(item, kinds[item], None), **draft.fields}
    rest = [name for name, kind in kinds.items() if name not in taken and kind.name != "empty" and kind.length < 200]
    if rest:
        draft.fields["attributes"] = (f"{{columns: [{', '.join(map(quoted, rest[:20]))}]}}", None)
    return draft


def describe(draft: Draft, kinds: dict[str, Kind], taken: set[str], title: str, with_price: bool = True) -> None:
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
        if column and name == "category" and _is_hierarchy(draft.group, column):
            draft.fields |= _levels(column)
            taken.add(column)
        elif column and name not in draft.fields:
            draft.fields[name] = (
                category_field(draft.group, column) if name in ("category", "department") else (plain(column), None)
            )
            taken.add(column)
    if with_price:
        money = [name for name in usable if kinds[name].is_numeric or currency(draft.group, name)]
        price = names.find(names.LIST_PRICE, money, taken)
        if price:
            draft.fields["price"] = price_field(draft.group, price, kinds[price])
            taken.add(price)
        available = names.find(names.AVAILABLE, [name for name in usable if kinds[name].name == "flag"], taken)
        if available:
            draft.fields["available"] = (plain(available), "0 or false items are never recommended")
            taken.add(available)


def _is_hierarchy(group: Group, column: str) -> bool:
    """Codes such as `electronics.audio.headphone`."""
    values = [value for value in group.first.columns[column][:2000] if value]
    dotted = sum(re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", value) is not None for value in values)
    return dotted > 0.5 * len(values) > 0


def _levels(column: str) -> dict[str, tuple[str, str | None]]:
    name = column_text(column)
    return {
        "department": (f'= part({name}, ".", 0)', "the levels that '.' separates"),
        "category": (f'= coalesce(part({name}, ".", 1), {name})', None),
        "subcategory": (plain(column), None),
    }


def category_field(group: Group, column: str) -> tuple[str, str | None]:
    """Of categories such as `a > b` or `Drama|Comedy` the first."""
    values = [value for value in group.first.columns[column][:2000] if value]
    for mark in (" > ", "|", " / ", ">", ";"):
        if sum(mark in value for value in values) > 0.2 * len(values):
            return (
                f"= trim(part({column_text(column)}, {json.dumps(mark)}, 0))",
                f"the first of several that {mark.strip()!r} separates",
            )
    return plain(column), None


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
        draft.fields[name] = (plain(level), None)


def users(group: Group, kinds: dict[str, Kind], user: str) -> Draft:
    draft = Draft(group.label, "users", group, doubts=list(group.first.doubts))
    draft.fields["user_id"] = id_field(user, kinds[user], None)
    columns, taken = [name for name, kind in kinds.items() if kind.name != "empty"], {user}
    for name, words in (("gender", names.GENDER), ("region", names.USER_REGION), ("income_band", names.INCOME),
                        ("household_size", names.HOUSEHOLD), ("consent", names.CONSENT)):  # fmt: skip
        column = names.find(words, columns, taken)
        if column:
            draft.fields[name] = (plain(column), None)
            taken.add(column)
    age = names.find(names.AGE, columns, taken)
    if age and kinds[age].is_numeric and kinds[age].high >= 15:
        decade = f"floor(number({column_text(age)}) / 10) * 10"
        draft.fields["age_band"] = (f'= concat({decade}, "-", {decade} + 9)', "years of age, as bands of ten")
    elif age:
        draft.fields["age_band"] = (plain(age), None)
    signup = names.find(names.SIGNUP, [name for name in columns if kinds[name].is_time], taken)
    if signup:
        draft.fields["signup_ts"] = (timed(signup, kinds[signup]), "; ".join(kinds[signup].doubts) or None)
        draft.needs_zone = not kinds[signup].has_offset and kinds[signup].has_clock
    draft.left_out = [name for name in columns if names.is_personal(name)]
    return draft


def promotions(group: Group, kinds: dict[str, Kind], item: str, start: str, end: str) -> Draft:
    draft = Draft(group.label, "item_context", group, doubts=list(group.first.doubts))
    draft.fields["item_id"] = id_field(item, kinds[item], None)
    for name, column in (("starts_on", start), ("ends_on", end)):
        draft.fields[name] = (timed(column, kinds[column]), "; ".join(kinds[column].doubts) or None)
    for name, words in (("mailer", names.MAILER), ("display", names.DISPLAY)):
        placement = names.find(words, list(kinds), {item, start, end})
        if placement:
            draft.fields[name] = (plain(placement), None)
    if group.date_format is None:
        spelled = "" if kinds[start].format == "iso" else f", format: {quoted(kinds[start].format or '')}"
        draft.dated = (f"{{column: {quoted(start)}{spelled}}}", "known from its first day on")
    return draft


def long_form(group: Group, kinds: dict[str, Kind], item: str, key_column: str) -> Draft:
    """One row per item and property: the category's rows are picked."""
    value = next(name for name in kinds if names.joined(name) in ("value", "val"))
    values = {text for text in group.first.columns[key_column] if text}
    picked = names.find(names.CATEGORY, sorted(values)) or sorted(values)[0]
    draft = Draft(group.label, "items", group, doubts=list(group.first.doubts))
    draft.fields = {"item_id": id_field(item, kinds[item], None), "category": (plain(value), None)}
    others = ", ".join(sorted(values - {picked})[:8])
    draft.where.append(
        (
            f"{column_text(key_column)} == {json.dumps(picked)}",
            f"one row per property: this one is picked; there are also {others}",
        )
    )
    time = time_column(kinds, item, None)
    if time and group.date_format is None:
        kind = kinds[time]
        spelled = "" if kind.format == "iso" else f", format: {quoted(kind.format or '')}"
        draft.dated = (f"{{column: {quoted(time)}{spelled}}}", "; ".join(kind.doubts) or None)
    return draft
