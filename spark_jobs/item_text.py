"""What an item's title and description say, in numbers. A part of features/item.

`text_1` … `text_8` are a projection of the words by their hashes (feature hashing with signs: Weinberger et al. 2009): each
word has eight signs, fixed by its hash, and an item has their sums, scaled to length 1. They need no vocabulary, so that
they mean the same on every date and in every model.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DIMENSIONS = 8
PROJECTION = [f"text_{place}" for place in range(1, DIMENSIONS + 1)]
TEXT = ["title_words", "title_characters", "title_number", "description_words", *PROJECTION]


def text_features(items: DataFrame) -> DataFrame:
    """One row per item of a frame with item_id, title and description, step by step so that Spark repeats none."""
    number = F.regexp_extract("title", r"(\d{1,9}(?:\.\d{1,6})?)", 1)  # such as 13.5 of "13.5 OZ"
    hashes = F.transform(words(F.concat_ws(" ", "title", "description")), lambda word: F.xxhash64(word))
    length = F.sqrt(sum((F.col(text) * F.col(text) for text in PROJECTION), F.lit(0)))
    return (
        items.select("item_id", "title", "description", hashes.alias("hashes"))
        .select("*", *(sum_of_signs(F.col("hashes"), bit).alias(text) for bit, text in enumerate(PROJECTION)))
        .withColumn("length", length)
        .select(
            "item_id",
            F.size(words(F.col("title"))).alias("title_words"),
            F.length("title").alias("title_characters"),
            F.when(number != "", number.cast("double")).alias("title_number"),
            F.size(words(F.coalesce("description", F.lit("")))).alias("description_words"),
            *(F.try_divide(text, "length").alias(text) for text in PROJECTION),
        )
    )


def words(text: Column) -> Column:
    """The different words and numbers of a text, in lower case."""
    return F.array_distinct(F.regexp_extract_all(F.lower(text), F.lit(r"([\p{L}\p{N}]+)")))


def sum_of_signs(hashes: Column, bit: int) -> Column:
    """For each hash 1 or -1, by one of its bits, added up."""

    def add(total: Column, hashed: Column) -> Column:
        return total + (F.shiftright(hashed, bit).bitwiseAND(F.lit(1)) * 2 - 1).cast("int")

    return F.aggregate(hashes, F.lit(0), add)
