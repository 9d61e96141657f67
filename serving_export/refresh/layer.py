"""What a layer holds: the new lists of the users who have just bought something, and those of the layers it takes in.

It takes in layers of up to so many times its own users, the topmost first. So what a refresh copies is in proportion to its own
users, and readers have few layers to look through: the next one is begun only where the one below is that much larger. All lists
wait in a file on the local disk, from where both stores are loaded and checked. Titles are of all items that the lists show.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from serving_export.releases.catalog import Build
from serving_export.releases.content import SCHEMAS, Content, Part, items_shown, lists_of_users, titles_of

COPIED_PER_USER = 30  # users of layers that are taken in, for each new one: a third of what its own lists cost
COPIED_ANYHOW = 1000  # a second or two: a small shop has one layer


@dataclass(frozen=True)
class Layer:
    """Content (`content.Content`) of a layer over the release of a date; `file` is a `new_file`."""

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


def few_enough(layers: Sequence[Build], new_users: int) -> list[Build]:
    """Of the layers, topmost first, those at the top that a new one takes in: with few users for its number of new ones."""
    left, taken = COPIED_ANYHOW + COPIED_PER_USER * new_users, []
    for layer in layers:
        left -= layer.users or 0
        if left < 0:
            break
        taken.append(layer)
    return taken


@contextmanager
def new_file(file: Path) -> Iterator[pa.RecordBatchFileWriter]:
    """A file of lists, for `write_new` and then `copy_others`."""
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, SCHEMAS["lists"]) as writer:
        yield writer


def write_new(writer: pa.RecordBatchFileWriter, rows: Iterable[pa.Table], ids: pl.DataFrame, day: date) -> pa.Array:
    """Write rows of a release, whole users at a time, as lists under the users' own ids; the ids of the users.

    Args:
        ids: user_key and user_id of all these users.
    """
    users = pa.array([], pa.string())
    for some in rows:
        _, lists = lists_of_users(some, ids, day)
        users = pa.concat_arrays([users, pc.unique(lists["user_id"])])
        writer.write_table(lists.cast(SCHEMAS["lists"]).combine_chunks())
    return users


def copy_others(writer: pa.RecordBatchFileWriter, users: pa.Array, layers: Iterable[Content]) -> None:
    """Write what layers, topmost first, hold of all users but these: of each user what the first that knows the user holds."""
    written = users
    for layer in layers:
        known = written
        for part in layer:
            others = part.lists.filter(pc.invert(pc.is_in(part.lists["user_id"], known)))
            written = pa.concat_arrays([written, pc.unique(others["user_id"])])
            writer.write_table(others.combine_chunks())
