"""The landing zone: which files the shop has dropped, and reading them in bounded memory, a chunk of rows at a time.

`files.py` lists and fetches, `text.py` undoes compression and encoding, `readers.py` chooses among `csv_reader.py`,
`json_reader.py` and `parquet_reader.py`, and `checks.py` sorts rows that a source of the shop's mapping has brought into
the contract's form: accepted, or rejected with the first reason. See docs/landing.md for what is decided about odd input.
"""

from cartwheel.landing.checks import Outcome, check
from cartwheel.landing.chunks import BadFileError, Chunk
from cartwheel.landing.files import LandedFile, fetched, list_landed_files
from cartwheel.landing.outcomes import read_outcomes
from cartwheel.landing.readers import read_chunks

__all__ = [
    "BadFileError",
    "Chunk",
    "LandedFile",
    "Outcome",
    "check",
    "fetched",
    "list_landed_files",
    "read_chunks",
    "read_outcomes",
]
