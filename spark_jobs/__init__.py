"""Features and candidates, built by Spark: one job per file, each from the lake to the lake for one date."""
