"""A source: which landing files it reads, how, and how their rows become rows of a contract.

Everything here is text to text: types and limits are checked afterwards, for every shop alike, by
`cartwheel/landing/checks.py`. A value that cannot be brought into the contract's form leaves its row with a reason.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

import polars as pl

from cartwheel.contracts import LANDING_CONTRACTS, Contract
from cartwheel.shop import fields
from cartwheel.shop.expressions import compile_expression
from cartwheel.shop.keys import compile_glob
from cartwheel.shop.models import DateColumn, FieldMapping, SourceSpec

COMPRESSIONS = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "zst": "zstd"}
TYPES: dict[str, Literal["csv", "jsonl", "parquet"]] = {
    "csv": "csv", "tsv": "csv", "tab": "csv", "txt": "csv", "dat": "csv", "data": "csv",
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl",
    "parquet": "parquet", "pq": "parquet",
}  # fmt: skip


@dataclass(frozen=True)
class FileFormat:
    """How one file is written. `columns` are the names when there is no header."""

    type: Literal["csv", "jsonl", "parquet"]
    compression: str | None
    delimiter: str
    quote: str
    encoding: str
    header: bool
    columns: tuple[str, ...] | None


@dataclass(frozen=True)
class Source:
    """One source of a mapping."""

    name: str
    spec: SourceSpec
    timezone: str

    @property
    def contract(self) -> Contract:
        return LANDING_CONTRACTS[self.spec.dataset]

    @cached_property
    def _patterns(self) -> list:
        return [compile_glob(glob) for glob in self.spec.files]

    def matches(self, key: str) -> bool:
        """Whether the source reads the file."""
        return any(pattern.matches(key) for pattern in self._patterns)

    def file_date(self, key: str) -> date | None:
        """The date in the file's name, else the mapping's fixed date; None when each row has its own."""
        dates = (pattern.file_date(key) for pattern in self._patterns)
        in_name = next((day for day in dates if day is not None), None)
        return in_name or (self.spec.date if isinstance(self.spec.date, date) else None)

    @property
    def row_date(self) -> bool:
        """Whether `to_contract` gives a column `row_date`: rows dated by a column that is no field."""
        return isinstance(self.spec.date, DateColumn)

    def format_of(self, key: str) -> FileFormat:
        """How the file is written: as the mapping says, else as its name says.

        Raises:
            ValueError: neither says.
        """
        spec = self.spec.format
        *_, last = parts = key.rsplit("/", 1)[-1].lower().split(".")
        compression = COMPRESSIONS.get(last)
        ending = parts[-2] if compression and len(parts) > 1 else last
        kind = spec.type or TYPES.get(ending)
        if kind is None:
            raise ValueError(f"{key}: source {self.name}: the name does not say the format: set `format: {{type: csv}}`")
        delimiter = spec.delimiter or ("\t" if ending in ("tsv", "tab") else ",")
        return FileFormat(kind, compression, delimiter, spec.quote, spec.encoding, spec.header, spec.columns)

    def missing_columns(self, columns: Collection[str]) -> list[str]:
        """The columns it needs and a file with these `columns` lacks."""
        if self.spec.fields is None:
            needed = [field.name for field in self.contract.fields if field.required]
        else:
            needed = [name for field in self.spec.fields.values() if not field.optional for name in field.names]
        if self.spec.where is not None:
            needed += compile_expression(self.spec.where).columns
        if isinstance(self.spec.date, DateColumn):
            needed.append(self.spec.date.column)
        return [name for name in dict.fromkeys(needed) if name not in columns and fields.path_root(name) not in columns]

    def to_contract(self, frame: pl.DataFrame, key: str = "") -> pl.DataFrame:
        """One chunk of a file's text columns as contract columns, in the same order.

        `frame` has text columns and `line`. The result has `line`, `kept` (false: left out by `where`), `mapping_reason`
        (null, or `code: field`), `row_date` if `self.row_date`, and the contract fields that the source gives, as text.
        What `missing_columns` names is empty: of a CSV or Parquet file that is an error, of JSON lines it is usual.
        """
        if self.spec.fields is None and self.spec.where is None and not self.row_date and not self.spec.empty:
            return self._in_contract_form(frame)
        frame = fields.with_columns_read(frame, self._columns_read(frame), self.spec.empty)
        day = self.file_date(key)
        file = {"file": key, "file_date": day.isoformat() if day else None}
        results = {
            name: fields.convert(self.contract, name, field, self.timezone, file) for name, field in self._fields(frame).items()
        }
        kept: pl.Expr = pl.lit(True)
        reasons = [problem for result in results.values() for problem in result.problems]
        if self.spec.where is not None:
            condition = compile_expression(self.spec.where)
            kept = condition.value | condition.failed
            reasons.insert(0, (condition.failed, "not_computed: where"))
        columns = {name: result.value for name, result in results.items()}
        if isinstance(self.spec.date, DateColumn):
            dated = fields.row_date(self.spec.date, self.timezone)
            columns["row_date"] = dated.value
            reasons += dated.problems
        reason = pl.lit(None, pl.String)
        for problem, code in reversed(reasons):
            reason = pl.when(problem).then(pl.lit(code)).otherwise(reason)
        # Lazy, so that what several columns share, as a parsed time, is computed once.
        selected = frame.lazy().select("line", kept=kept, mapping_reason=pl.when(kept).then(reason), **columns)
        return selected.collect()

    def _in_contract_form(self, frame: pl.DataFrame) -> pl.DataFrame:
        names = [name for name in self.contract.columns if name in frame.columns]
        return frame.select("line", pl.lit(True).alias("kept"), pl.lit(None, pl.String).alias("mapping_reason"), *names)

    def _fields(self, frame: pl.DataFrame) -> dict[str, FieldMapping]:
        """The fields to fill, in the contract's order."""
        if self.spec.fields is None:
            return {name: FieldMapping(column=name) for name in self.contract.columns if name in frame.columns}  # type: ignore[call-arg]
        return {name: self.spec.fields[name] for name in self.contract.columns if name in self.spec.fields}

    def _columns_read(self, frame: pl.DataFrame) -> list[str]:
        names = [name for field in self._fields(frame).values() for name in field.names]
        if self.spec.where is not None:
            names += compile_expression(self.spec.where).columns
        if isinstance(self.spec.date, DateColumn):
            names.append(self.spec.date.column)
        return list(dict.fromkeys(names))
