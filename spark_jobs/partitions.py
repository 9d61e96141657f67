"""How many partitions a frame is cut into: by the bytes behind it, so that one task's share fits in memory at any size."""

from pyspark.sql import DataFrame

BYTES_PER_PARTITION = 8 * 2**20  # of Parquet: 450,000 purchases, which a task holds and sorts in 200 MB


def partitions_of(frame: DataFrame) -> int:
    """One for each 8 MiB of the files that the frame is read from; at least one for each core."""
    size = int(frame._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())
    return max(frame.sparkSession.sparkContext.defaultParallelism, -(-size // BYTES_PER_PARTITION))
