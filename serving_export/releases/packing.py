"""One list as bytes, as Redis holds it. All numbers are little-endian.

offset      type        what
0           uint8       version of this layout: 1
1           uint16      n, the number of items
3           float32[n]  scores, best item first: the position is the rank
3 + 4n      uint16[n]   length in bytes of each item id
3 + 6n      uint16[n]   length in bytes of each reason
3 + 8n      bytes       the item ids, one after another, then the reasons, in UTF-8
"""

import struct
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from serving_export.releases.binary_columns import fixed, joined, lengths, within_lists

VERSION = 1
MAX_TEXT_BYTES = 65_535
_HEADER = struct.Struct("<BH")


class Item(NamedTuple):
    """One recommended item; its rank is its position in the list."""

    item_id: str
    score: float
    reason: str


def pack_all(item_ids: pa.ListArray, scores: pa.ListArray, reasons: pa.ListArray) -> pa.BinaryArray:
    """Many lists in the layout above, one for each row of the three columns.

    Raises:
        ValueError: a list has more than 65,535 items, or an id or reason is longer than that many bytes.
    """
    ids, texts = item_ids.flatten(), reasons.flatten()
    sizes, id_bytes, text_bytes = lengths(item_ids), lengths(ids), lengths(texts)
    if max(each.max(initial=0) for each in (sizes, id_bytes, text_bytes)) > MAX_TEXT_BYTES:
        raise ValueError(f"a list, an item id or a reason is longer than {MAX_TEXT_BYTES}")
    head: np.ndarray = np.empty(len(sizes), [("version", "u1"), ("items", "<u2")])
    head["version"], head["items"] = VERSION, sizes
    return joined(
        fixed(head),
        within_lists(scores, scores.flatten()),
        within_lists(item_ids, pa.array(id_bytes.astype("<u2"))),
        within_lists(reasons, pa.array(text_bytes.astype("<u2"))),
        within_lists(item_ids, ids),
        within_lists(reasons, texts),
    )


def unpack(payload: bytes, first: int | None = None) -> list[Item]:
    """The items of a packed list, best first; with `first`, so many of them at most.

    Raises:
        ValueError: the bytes are not a list in a layout this version knows.
    """
    try:
        version, n = _HEADER.unpack_from(payload)
        if version != VERSION:
            raise ValueError(f"packed list of version {version}; this program reads version {VERSION}")
        sizes = struct.unpack_from(f"<{2 * n}H", payload, _HEADER.size + 4 * n)
    except struct.error as error:
        raise ValueError(f"packed list is cut short: {error}") from None
    shown = n if first is None else min(first, n)
    scores = struct.unpack_from(f"<{shown}f", payload, _HEADER.size)
    of_ids, of_reasons = sizes[:n], sizes[n:]
    ids_at = _HEADER.size + 8 * n
    reasons_at = ids_at + sum(of_ids)
    end = reasons_at + sum(of_reasons)
    if end != len(payload):
        raise ValueError(f"packed list has {len(payload)} bytes, not {end}")
    ids, reasons = _texts(payload, of_ids[:shown], ids_at), _texts(payload, of_reasons[:shown], reasons_at)
    return list(map(Item._make, zip(ids, scores, reasons, strict=True)))


def _texts(payload: bytes, sizes: tuple[int, ...], start: int) -> list[str]:
    texts = []
    for size in sizes:
        end = start + size
        texts.append(payload[start:end].decode())
        start = end
    return texts
