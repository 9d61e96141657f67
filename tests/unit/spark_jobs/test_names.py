"""spark-submit puts the folder of a program first on Python's path, so its modules must not hide Python's own."""

import sys
from pathlib import Path

import spark_jobs


def test_no_module_is_named_like_one_of_the_standard_library():
    names = {path.stem for path in Path(spark_jobs.__file__).parent.glob("*.py")}
    assert {"session", "als"} <= names
    assert names & sys.stdlib_module_names == set()
