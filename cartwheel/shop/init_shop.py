"""A first mapping, from a look at a shop's files: what is guessed is written down, with the doubts beside it.

cartwheel init-shop DIR --out shop.yaml
"""

import re
from datetime import date
from pathlib import Path

from cartwheel.shop import names
from cartwheel.shop.draft_catalogue import items, long_form, promotions, users
from cartwheel.shop.draft_events import interactions
from cartwheel.shop.drafts import Draft, time_column
from cartwheel.shop.groups import Group, find_groups
from cartwheel.shop.headerless import named
from cartwheel.shop.kinds import Kind, kind_of
from cartwheel.shop.mapping import parse_mapping
from cartwheel.shop.write_shop import write


class NothingToMapError(ValueError):
    """A folder without a file that could be interactions, items, users or promotions."""


def propose(directory: Path) -> str:
    """The YAML of a first mapping for a folder's files. It loads as it is.

    Raises:
        NothingToMapError: no file could be placed; the message says why for each.
    """
    groups, unplaced = find_groups(directory)
    drafts: list[Draft] = []
    for group in groups:
        found, why = place(group)
        drafts += found
        if not found:
            unplaced += [(name, why) for name in group.names]
    if not drafts:
        reasons = "; ".join(f"{name}: {why}" for name, why in unplaced[:20])
        raise NothingToMapError(f"{directory}: no file could be placed. {reasons or 'It holds no files.'}")
    _drop_second_catalogues(drafts)
    _date_catalogues(drafts)
    _unique_names(drafts)
    text = write(drafts, sorted(unplaced))
    parse_mapping(text, "the proposed mapping")
    return text


def place(group: Group) -> tuple[list[Draft], str]:
    """The sources that a group of files gives, or why it gives none."""
    sample = group.first
    kinds = {name: kind_of(values) for name, values in sample.columns.items()}
    if not sample.header:
        kinds = named(group, kinds)
    columns = list(kinds)
    item, user = names.find(names.ITEM, columns), names.find(names.USER, columns)
    if item is None and user is None and _looks_like_items(group, kinds):
        item = next((name for name in columns if names.joined(name) == "id" and kinds[name].is_unique), None)
    start = names.find(names.STARTS, [name for name in columns if kinds[name].is_time])
    end = names.find(names.ENDS, [name for name in columns if kinds[name].is_time])
    if item and start and end and not user:
        return [promotions(group, kinds, item, start, end)], ""
    key_column = next((name for name in columns if names.joined(name) in ("property", "attribute", "feature")), None)
    if item and key_column and any(names.joined(name) in ("value", "val") for name in columns) and not user:
        return [long_form(group, kinds, item, key_column)], ""
    time = time_column(kinds, item, user)
    visit = next((name for name in columns if names.joined(name) in names.VISIT), None)
    if item and (user or visit) and (time or group.date_format):
        return interactions(group, kinds, item, user or visit or "", time, is_visit=user is None), ""
    if item and not user and kinds[item].is_unique:
        return [items(group, kinds, item)], ""
    if user and not item and kinds[user].is_unique:
        draft = users(group, kinds, user)
        return ([draft], "") if len(draft.fields) > 1 or not group.first.header else ([], "it has users, but nothing about them")
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


def _looks_like_items(group: Group, kinds: dict[str, Kind]) -> bool:
    words = re.search(r"item|product|article|catalog|book|movie|sku", group.glob.lower())
    return bool(words) and any(names.joined(name) == "id" for name in kinds)


def _drop_second_catalogues(drafts: list[Draft]) -> None:
    """With a catalogue of its own, the titles that stand in the events are not needed."""
    own = [draft for draft in drafts if draft.dataset == "items" and not draft.of_events]
    if own:
        drafts[:] = [draft for draft in drafts if not draft.of_events]
    for draft in own[1:]:
        draft.doubts.append(f"a second catalogue beside {own[0].name}: of an item's rows of one date only one counts; join them")


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
