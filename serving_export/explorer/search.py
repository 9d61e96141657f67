"""Finding users and items by what a person types."""

from dataclasses import dataclass

import psycopg

from serving_export.explorer.rows import rows

FOUND_AT_MOST = 8
LONGEST = 200  # characters of what is typed
ITEMS = """
    select item_id, title, department
    from marts.dim_items
    where is_current and (starts_with(item_id, %(text)s) or strpos(lower(title), lower(%(text)s)) > 0)
    order by item_id = %(text)s desc, starts_with(lower(title), lower(%(text)s)) desc, length(title), title, item_id
    limit %(wanted)s
"""


@dataclass(frozen=True)
class User:
    """The shop's id of a user, and the key that stands for the user in the marts."""

    user_id: str
    user_key: str


@dataclass(frozen=True)
class FoundItem:
    item_id: str
    title: str | None
    department: str | None


@dataclass(frozen=True)
class Found:
    """Users whose id begins with a text; items whose id does, or whose title holds it. Those of exactly that id are first."""

    users: list[User]
    items: list[FoundItem]

    def only_page(self, text: str) -> tuple[str, str] | None:
        """`user` or `item`, and the id, if there is no doubt what the text means."""
        exact = [("user", user.user_id) for user in self.users[:1] if user.user_id == text]
        exact += [("item", item.item_id) for item in self.items[:1] if item.item_id == text]
        every = [("user", user.user_id) for user in self.users] + [("item", item.item_id) for item in self.items]
        return next((pages[0] for pages in (exact, every) if len(pages) == 1), None)


def find(connection: psycopg.Connection, text: str, wanted: int = FOUND_AT_MOST) -> Found:
    """Up to `wanted` users and as many items for a text; none for a blank one."""
    text = readable(text)
    if not text:
        return Found([], [])
    return Found(_users(connection, text, wanted), rows(connection, FoundItem, ITEMS, {"text": text, "wanted": wanted}))


def find_user(connection: psycopg.Connection, user_id: str) -> User | None:
    """The user of exactly that id, if the warehouse knows one."""
    found = _users(connection, readable(user_id), 1)
    return found[0] if found and found[0].user_id == user_id else None


def readable(text: str) -> str:
    """A text that PostgreSQL can compare: it knows no NUL."""
    return text.replace("\0", "").strip()[:LONGEST]


def _users(connection: psycopg.Connection, prefix: str, wanted: int) -> list[User]:
    return rows(connection, User, "select user_id, user_key from ops.find_users(%s, %s)", (prefix, wanted))
