"""What `check-shop` finds: each file, each reason, the shop as a whole."""

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any


@dataclass
class FileCheck:
    """One file read by one source. rows_read = accepted + rejected + duplicates; the file's rows are these and filtered."""

    file: str
    source: str
    dataset: str
    rows_read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    filtered: int = 0
    error: str | None = None
    first_date: date | None = None
    last_date: date | None = None


@dataclass
class Reason:
    """Why rows of a source were rejected, with the first examples: file, line and original text."""

    source: str
    reason: str
    rows: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class ShopCheck:
    """The whole trial. `failures` would stop the gate on `raw`; `warnings` are worth a look."""

    mapping: str
    files: list[FileCheck] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    events_by_type: dict[str, int] = field(default_factory=dict)
    first_date: date | None = None
    last_date: date | None = None
    dates: int = 0
    users: int = 0
    items: int = 0
    catalogue_items: int = 0
    share_in_catalogue: float | None = None
    known_users: int = 0
    items_bought_enough: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
