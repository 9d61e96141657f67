"""The number of partitions follows the bytes of the files that are read."""

from spark_jobs import partitions
from spark_jobs.partitions import partitions_of


def test_small_frames_take_a_partition_for_each_core(spark):
    assert partitions_of(spark.range(10)) == spark.sparkContext.defaultParallelism == 2


def test_larger_frames_take_one_for_each_share_of_their_files(spark, tmp_path, monkeypatch):
    path = str(tmp_path / "events")
    spark.range(0, 20_000, 1, 3).selectExpr("rand(1) as value", "id").write.parquet(path)
    size = sum(file.stat().st_size for file in tmp_path.glob("events/*.parquet"))
    monkeypatch.setattr(partitions, "BYTES_PER_PARTITION", 1000)
    few = spark.read.parquet(path).where("id < 10").join(spark.range(10), "id", "left_anti")
    assert partitions_of(few) == -(-size // 1000) > 100
