"""What a layer holds: the new lists of the users who have just bought something, and those of the layer before it.

So there are never more than two layers to look through, a release and what has changed since. The new lists wait in a file on
the local disk; those before are read from PostgreSQL, some at a time. Titles are of all items that the lists show.
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
    """Content (`content.Content`) of a layer over the release of a date.

    `file` is what `write_lists` has written, and `users` the users in it; of `earlier` only the others' lists are taken.
    """

    day: date
    file: Path
    users: pa.Array
    earlier: Content = ()

    def __iter__(self) -> Iterator[Part]:
        shown: set[str] = set()
        for part in self.earlier:
            others = part.lists.filter(pc.invert(pc.is_in(part.lists["user_id"], self.users)))
            shown.update(items_shown(others))
            yield Part(others)
        with pa.memory_map(str(self.file)) as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                lists = pa.Table.from_batches([reader.get_batch(number)])
                shown.update(items_shown(lists))
                yield Part(lists)
        yield Part(titles=titles_of(shown, self.day))


def write_lists(file: Path, rows: Iterable[pa.Table], ids: pl.DataFrame, day: date) -> pa.Array:
    """Write rows of a release, whole users at a time, as lists under the users' own ids; the ids of the users.

    Args:
        ids: user_key and user_id of all these users.
    """
    users: list[pa.Array] = []
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, SCHEMAS["lists"]) as writer:
        for some in rows:
            _, lists = lists_of_users(some, ids, day)
            users.append(pc.unique(lists["user_id"]))
            writer.write_table(lists.cast(SCHEMAS["lists"]).combine_chunks())
    return pa.concat_arrays(users) if users else pa.array([], pa.string())
