"""What a shop's YAML may say. Unknown keys are errors: a typing mistake must not load half a shop.

Every model here is one level of the file; docs/your-shop.md is tested against them.
"""

import datetime
import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.shop.expressions import ExpressionError, compile_expression
from cartwheel.shop.keys import compile_glob
from cartwheel.shop.times import check_format

WAYS = ("column", "template", "expression", "value", "hash_of", "columns")
OF_THE_FILE = ("file", "file_date", "line")  # placeholders of templates that are no columns
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_one_or_more), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FormatSpec(_Strict):
    """How a source's files are written. What is not said is guessed from the file's name."""

    type: Literal["csv", "jsonl", "parquet"] | None = Field(
        None, description="By default from the name: .csv .tsv .txt .dat, .jsonl .ndjson .json, .parquet; then .gz .bz2 .xz .zst."
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=8, description="Between columns: `,` by default, a tab for .tsv; may be longer, as `::`."
    )
    quote: str = Field('"', max_length=1, description="Around values; empty when quotes mean nothing.")
    encoding: str = Field("utf-8", description="For example latin-1 or cp1252.")
    header: bool = Field(True, description="Whether the first line holds the columns' names.")
    columns: tuple[str, ...] | None = Field(None, description="The columns' names, in order, when there is no header.")

    @field_validator("delimiter")
    @classmethod
    def _named_delimiter(cls, value: str | None) -> str | None:
        return {"tab": "\t", "\\t": "\t"}.get(value or "", value)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"no encoding is called {value!r}; for example utf-8, latin-1, cp1252") from None
        return value

    @model_validator(mode="after")
    def _names(self) -> "FormatSpec":
        if self.type in (None, "csv") and not self.header and not self.columns:
            raise ValueError("without a header, `columns` must name the columns")
        if self.columns and len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names a column twice")
        return self


class FieldMapping(_Strict):
    """Where one contract field comes from, and how its text is read. Exactly one of the first six."""

    column: str | None = Field(None, description="A column of the file; `user.id` or `tags[0]` reaches into nested JSON.")
    template: str | None = Field(
        None,
        description="A text with columns in braces, `{InvoiceNo}-{StockCode}`; {file}, {file_date} and {line} are the row's.",
    )
    expression: str | None = Field(None, description="A small expression over the columns; see below.")
    value: str | None = Field(None, description="The same for every row.")
    hash_of: Texts | None = Field(None, description="A hash of these columns: equal rows get equal ids.")
    columns: Texts | None = Field(None, description="These columns as one JSON object, without the empty ones.")
    map: dict[str, str] | None = Field(None, description="Replaces values, `{transaction: purchase}`; others stay as they are.")
    default: str | None = Field(None, description="Takes the place of an empty value.")
    format: Texts | None = Field(
        None,
        description="How a time is written: iso (default), unix_s, unix_ms, unix_us or as `%d/%m/%Y %H:%M`; "
        "of several, the first that fits.",
    )
    decimal: Literal[".", ","] = Field(".", description="The decimal mark of a number.")
    thousands: Literal[".", ",", " ", "'"] | None = Field(None, description="The mark between thousands, if there is one.")
    divide_by: float | None = Field(None, gt=0, description="Divides a number: 100 for prices in cents.")
    optional: bool = Field(False, description="The field stays empty, without an error, in files that lack its columns.")

    @model_validator(mode="after")
    def _one_way(self) -> "FieldMapping":
        ways = [way for way in WAYS if getattr(self, way) is not None]
        if len(ways) != 1:
            raise ValueError(f"needs exactly one of {', '.join(WAYS)}; it has {', '.join(ways) or 'none'}")
        if self.expression is not None:
            try:
                compile_expression(self.expression)
            except ExpressionError as error:
                raise ValueError(str(error)) from None
        for spelling in self.format or ():
            check_format(spelling)
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands are the same mark")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it reads."""
        if self.column is not None:
            return (self.column,)
        if self.template is not None:
            return tuple(name for name in PLACEHOLDER.findall(self.template) if name not in OF_THE_FILE)
        if self.expression is not None:
            return compile_expression(self.expression).columns
        return tuple(self.hash_of or self.columns or ())


def _field_shorthand(value: Any) -> Any:
    """A bare text is a column, with braces a template, after `=` an expression."""
    if isinstance(value, str) and value.startswith("="):
        return {"expression": value[1:].strip()}
    if isinstance(value, str):
        return {"template": value} if PLACEHOLDER.search(value) else {"column": value}
    return value


class DateColumn(_Strict):
    """The business date of each row, for datasets without a time of their own."""

    column: str = Field(description="The column with the row's date or time.")
    format: Texts = Field(["iso"], description="As a field's `format`.")

    @field_validator("format")
    @classmethod
    def _formats(cls, value: list[str]) -> list[str]:
        for spelling in value:
            check_format(spelling)
        return value


def _date_shorthand(value: Any) -> Any:
    return None if value == "rows" else value


class SourceSpec(_Strict):
    """Some files, and how their rows become rows of one contract."""

    dataset: Literal["interactions", "items", "users", "item_context"] = Field(description="The contract.")
    files: Texts = Field(description="Names below the landing bucket, as globs: `*`, `**/`, `{csv,csv.gz}`, `{date:%Y%m%d}`.")
    format: FormatSpec = Field(FormatSpec(), description="How the files are written.")  # type: ignore[call-arg]
    timezone: str | None = Field(None, description="Of times without an offset; by default the shop's.")
    date: Annotated[datetime.date | DateColumn | None, BeforeValidator(_date_shorthand)] = Field(
        None,
        description="By default the date in the name; without one there, the time of each event. "
        "For items, users and promotions without a date in the name: a fixed date, or `{column, format}`.",
    )
    empty: tuple[str, ...] = Field((), description="Texts that stand for an empty value, as NULL or \\N.")
    where: str | None = Field(None, description="An expression: rows for which it is false are left out, and counted.")
    fields: dict[str, Annotated[FieldMapping, BeforeValidator(_field_shorthand)]] | None = Field(
        None, description="Contract field: column, template or the settings below. By default columns named as the contract's."
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return known_zone(value)

    @field_validator("files")
    @classmethod
    def _globs(cls, value: list[str]) -> list[str]:
        dated = {compile_glob(glob).date_format is not None for glob in value}
        if len(dated) > 1:
            raise ValueError("either all of the globs hold a {date} or none does")
        return value

    @field_validator("where")
    @classmethod
    def _condition(cls, value: str | None) -> str | None:
        try:
            if value is not None and compile_expression(value).kind != "boolean":
                raise ValueError(f"{value!r} is no condition; for example Quantity > 0")
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _fits_the_contract(self) -> "SourceSpec":
        contract = LANDING_CONTRACTS[self.dataset]
        if self.fields is not None:
            unknown = [name for name in self.fields if name not in contract.columns]
            if unknown:
                raise ValueError(f"{self.dataset} has no field {unknown[0]!r}; possible are {', '.join(contract.columns)}")
            missing = [field.name for field in contract.fields if field.required and field.name not in self.fields]
            if missing:
                raise ValueError(f"{self.dataset} needs {', '.join(missing)}; say where from under `fields`")
        in_name = compile_glob(self.files[0]).date_format is not None
        if in_name and self.date is not None:
            raise ValueError("the date is in the name already: leave out `date`, or {date} in `files`")
        if self.dataset == "interactions" and self.date is not None:
            raise ValueError("interactions are dated by {date} in `files` or by event_ts: leave out `date`")
        if self.dataset != "interactions" and not in_name and self.date is None:
            raise ValueError("needs a date: {date} in `files`, or `date` with the day from which the rows are known, or a column")
        return self


class ShopFile(_Strict):
    """The whole file."""

    timezone: str = Field("UTC", description="IANA name of the zone of times without an offset, as Europe/Berlin.")
    sources: dict[str, SourceSpec] = Field(min_length=1, description="Name: what the source is.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return known_zone(value) or "UTC"


def known_zone(name: str | None) -> str | None:
    """The name, if it is a time zone's.

    Raises:
        ValueError: it is not.
    """
    try:
        if name is not None:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}; IANA names are meant, for example Europe/Berlin") from None
    return name
