"""The tiny shop the tests of the jobs share: two users, four items, seven purchases."""

from datetime import UTC, date, datetime

DAY = date(2017, 3, 31)


def at(text: str) -> datetime:
    """A moment in UTC: "03-31" is the noon of that day of 2017, "03-31 23:59" that minute."""
    return datetime.fromisoformat(f"2017-{text}" if ":" in text else f"2017-{text} 12:00").replace(tzinfo=UTC)


def purchase(user: str, item: str, when: str, session: str | None = None, quantity: float = 1, value: float = 1, **more) -> dict:
    """One purchase event; without a session named, the day is the session."""
    moment = at(when)
    row = {"event_type": "purchase", "user_key": user, "item_id": item, "event_ts": moment, "quantity": quantity, "value": value}
    return row | {"session_id": session or f"{user}-{moment:%m-%d}", "event_id": f"{user}-{item}-{moment:%m-%d-%H-%M}"} | more


# Ann buys milk in her visits 1, 2 and 4, tea in 2, jam in 3; Bob buys milk and jam at once, and nothing else.
TINY_SHOP = [
    purchase("ann", "milk", "01-10", value=2),
    purchase("ann", "milk", "03-01", quantity=2, value=4),
    purchase("ann", "tea", "03-01", value=3),
    purchase("ann", "jam", "03-11", value=5),
    purchase("ann", "milk", "03-21", value=2),
    purchase("bob", "milk", "03-30", value=2),
    purchase("bob", "jam", "03-30", value=4),
]
ITEMS = [
    {"item_id": "milk", "subcategory": "dairy", "price": 2.5, "available": True},
    {"item_id": "tea", "subcategory": "drinks", "available": None},
    {"item_id": "jam", "subcategory": "drinks", "available": True},
    {"item_id": "gone", "subcategory": "dairy", "available": False},
]
