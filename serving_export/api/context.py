"""A list in the order of the moment: what a request says of its context moves what was computed once a day.

An item at rank r is worth 1 / (10 + r), times a factor for each thing the request says:

    page_item   2 if the item is among the page item's similar ones, else 1.5 if it is of the same category
    hour, device, region   how much more the item is bought there than usual: the lift of `features/context_item`

Their product is kept between 1/2 and 2, and the best come first; equals keep their order. So what the ranker says of the
user weighs most: the factor 2 moves an item from rank 30 to about rank 10. The page item and `exclude` are left out. What
the release knows nothing of has no effect, and the answer's `context_used` names what had one.
"""

import math
from collections.abc import Sequence

import msgspec

from serving_export.api.models import Context
from serving_export.releases.lookup import Found, Reader
from serving_export.releases.packing import Item

RANK_OFFSET = 10
SIMILAR, SAME_CATEGORY = 2.0, 1.5
LEAST, MOST = 0.5, 2.0
HOURS = 3  # a part of the day, as in features/context_item


class ItemContext(msgspec.Struct):
    """What the release holds of an item under `context:<item_id>`; lifts are logarithms, by `<context>=<value>`."""

    category: str | None = None
    lifts: dict[str, float] = {}


async def reordered(reader: Reader, found: Found, context: Context) -> tuple[list[Item], list[str]]:
    """The list for this context, and the names of the parts of the context that had an effect."""
    left_out = {*context.exclude, context.page_item}
    items = [item for item in found.items if item.item_id not in left_out]
    used = ["exclude"] if set(context.exclude) & {item.item_id for item in found.items} else []
    places = _places(context)
    if not places and context.page_item is None:
        return items, used
    ids = [item.item_id for item in items]
    known = await reader.facts(found.build, "context", [*ids, *([context.page_item] if context.page_item else [])])
    facts = {name: msgspec.json.decode(value, type=ItemContext) for name, value in known.items()}
    factors = dict.fromkeys(ids, 1.0)
    for name, place in places.items():
        lifts = {item_id: facts[item_id].lifts.get(place, 0.0) for item_id in ids if item_id in facts}
        _multiply(factors, {item_id: math.exp(lift) for item_id, lift in lifts.items()}, name, used)
    if context.page_item is not None:
        near = await _near(reader, found.build, context.page_item, ids, facts)
        _multiply(factors, near, "page_item", used)
    return by_worth(items, factors), used


def by_worth(items: Sequence[Item], factors: dict[str, float]) -> list[Item]:
    """The items by worth, best first; equals keep their order."""

    def worth(ranked: tuple[int, Item]) -> float:
        rank, item = ranked
        return -min(max(factors[item.item_id], LEAST), MOST) / (RANK_OFFSET + rank)

    return [item for _, item in sorted(enumerate(items, start=1), key=worth)]


def _places(context: Context) -> dict[str, str]:
    """The parts of the context that lifts are kept for, as these are named."""
    places = {}
    if context.hour is not None:
        start = context.hour // HOURS * HOURS
        places["hour"] = f"part_of_day={start:02d}-{start + HOURS:02d}"
    if context.device:
        places["device"] = f"device={context.device}"
    if context.region:
        places["region"] = f"region={context.region}"
    return places


async def _near(reader: Reader, build: str, page_item: str, ids: list[str], facts: dict[str, ItemContext]) -> dict[str, float]:
    similar = (await reader.facts(build, "similar", [page_item])).get(page_item, [])
    category = facts[page_item].category if page_item in facts else None
    same = {item_id for item_id in ids if category and item_id in facts and facts[item_id].category == category}
    return dict.fromkeys(same, SAME_CATEGORY) | {item.item_id: SIMILAR for item in similar}


def _multiply(factors: dict[str, float], by: dict[str, float], name: str, used: list[str]) -> None:
    for item_id, factor in by.items():
        if item_id in factors and factor != 1:
            factors[item_id] *= factor
            if name not in used:
                used.append(name)
