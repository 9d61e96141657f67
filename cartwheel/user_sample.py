"""A bounded number of users, for what can be learned from some of them and must not grow with all of them."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from cartwheel import lake


def user_sample(day: date, most: int) -> pa.Array:
    """At most so many users of features/user: those with the lowest `user_key`, which is a keyed hash and so draws them.

    Raises:
        cartwheel.lake.MissingPartitionError: features/user of that date is missing.
    """
    lowest = pa.array([], pa.string())
    for table in lake.batches("features/user", day, ["user_key"]):
        lowest = pc.unique(pa.chunked_array([lowest, *table["user_key"].chunks])).sort()[:most]
    return lowest
