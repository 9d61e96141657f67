"""What a layer holds: the new lists of the users who have just bought something, and those of the layer before it.

So there are never more than two layers to look through, a release and what has changed since. All lists wait in a file on the
local disk, from where both stores are loaded and checked. Titles are of all items that the lists show.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from serving_export.releases.content import SCHEMAS, Content, Part, items_shown, lists_of_users, titles_of


@dataclass(frozen=True)
class Layer:
    """Content (`content.Content`) of a layer over the release of a date; `file` is what `write_lists` has written."""

    day: date
    file: Path

    def __iter__(self) -> Iterator[Part]:
        shown: set[str] = set()
        with pa.memory_map(str(self.file)) as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                lists = pa.Table.from_batches([reader.get_batch(number)])
                shown.update(items_shown(lists))
                yield Part(lists)
        yield Part(titles=titles_of(shown, self.day))


def write_lists(file: Path, rows: Iterable[pa.Table], ids: pl.DataFrame, day: date, earlier: Content = ()) -> pa.Array:
    """Write rows of a release, whole users at a time, as lists under the users' own ids; the ids of the users.

    Args:
        ids: user_key and user_id of all these users.
        earlier: the layer before, whose lists of all other users are written too, if there are any new ones.
    """
    users = pa.array([], pa.string())
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, SCHEMAS["lists"]) as writer:
        for some in rows:
            _, lists = lists_of_users(some, ids, day)
            users = pa.concat_arrays([users, pc.unique(lists["user_id"])])
            writer.write_table(lists.cast(SCHEMAS["lists"]).combine_chunks())
        for part in earlier if len(users) else ():
            writer.write_table(part.lists.filter(pc.invert(pc.is_in(part.lists["user_id"], users))).combine_chunks())
    return users
