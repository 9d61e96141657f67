"""One list of a user in two releases: what entered, what left, what moved."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# As in the marts (`reason_kind`): what a reason begins with.
REASON_KINDS = ("Buy again", "Because you bought", "Popular", "Shoppers like you")


@dataclass(frozen=True)
class Recommendation:
    rank: int
    item_id: str
    score: float
    reason: str


@dataclass(frozen=True)
class Listed:
    """A recommendation beside its earlier rank: None if it was not listed."""

    now: Recommendation
    earlier_rank: int | None

    @property
    def moved(self) -> int:
        """Places up (negative: down); 0 for what was not listed before."""
        return 0 if self.earlier_rank is None else self.earlier_rank - self.now.rank


@dataclass(frozen=True)
class ComparedList:
    """A list, best first, and what left it since the earlier release. `compared` is False if there is no earlier one."""

    listed: list[Listed]
    left: list[Recommendation]
    compared: bool

    @property
    def entered(self) -> int:
        return sum(each.earlier_rank is None for each in self.listed) if self.compared else 0

    @property
    def moved(self) -> int:
        return sum(each.moved != 0 for each in self.listed)

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """How many recommendations have a reason of each kind, most first."""
        return Counter(reason_kind(each.now.reason) for each in self.listed).most_common()


def compare(now: Sequence[Recommendation], earlier: Sequence[Recommendation] | None) -> ComparedList:
    """A list as it is, against what it was in the earlier release; None without an earlier one. Both best first."""
    ranks = {each.item_id: each.rank for each in earlier or ()}
    current = {each.item_id for each in now}
    return ComparedList(
        listed=[Listed(each, ranks.get(each.item_id)) for each in now],
        left=[each for each in earlier or () if each.item_id not in current],
        compared=earlier is not None,
    )


def reason_kind(reason: str) -> str:
    """What a reason says, without the item or department it names."""
    return next((kind for kind in REASON_KINDS if reason.startswith(kind)), "Other")
