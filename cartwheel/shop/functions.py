"""The functions of expressions. `FUNCTIONS` is the list that the documentation shows."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from cartwheel.shop.nodes import Kind, Node, any_failed, as_number, as_text

if TYPE_CHECKING:
    from cartwheel.shop.expressions import Compiler

Builder = Callable[["Compiler", list[ast.expr]], Node]


@dataclass(frozen=True)
class Function:
    """A function of the language; `usage` and `says` are its documentation."""

    usage: str
    says: str
    arguments: tuple[int, int]
    build: Builder


def _text(change: Callable[[pl.Expr], pl.Expr]) -> Builder:
    def build(c: "Compiler", args: list[ast.expr]) -> Node:
        inner = c.as_text(args[0])
        return replace(inner, value=change(inner.value), literal=None)

    return build


def _text_with(change: Callable[..., pl.Expr], kind: Kind = "text") -> Builder:
    """A function of a text and constants."""

    def build(c: "Compiler", args: list[ast.expr]) -> Node:
        inner = c.as_text(args[0])
        value = change(inner.value, *(c.constant(argument) for argument in args[1:]))
        return Node(value.fill_null(False) if kind == "boolean" else value, kind, inner.failed)

    return build


def _number(change: Callable[[pl.Expr], pl.Expr]) -> Builder:
    def build(c: "Compiler", args: list[ast.expr]) -> Node:
        inner = c.number(args[0])
        return replace(inner, value=change(inner.value), literal=None)

    return build


def _replace(c: "Compiler", args: list[ast.expr]) -> Node:
    inner, old, new = c.as_text(args[0]), c.constant(args[1]), c.node(args[2]).literal
    if not isinstance(new, str):
        raise c.error(args[2], "a text in quotes is needed here; it may be empty")
    return replace(inner, value=inner.value.str.replace_all(old, new, literal=True), literal=None)


def _concat(c: "Compiler", args: list[ast.expr]) -> Node:
    """An empty value counts as no text; all empty is empty."""
    parts = [c.as_text(argument) for argument in args]
    joined = pl.concat_str([part.value for part in parts], ignore_nulls=True)
    columns = [part.value.is_null() for part in parts if part.literal is None]
    empty = pl.all_horizontal(columns) if columns else pl.lit(False)
    return Node(pl.when(~empty).then(joined), "text", any_failed(*(part.failed for part in parts)))


def _coalesce(c: "Compiler", args: list[ast.expr]) -> Node:
    parts = [c.node(argument) for argument in args]
    if any(part.kind in ("list", "boolean") for part in parts):
        raise c.error(args[0], "coalesce takes texts and numbers")
    is_number = all(part.kind in ("number", "none") for part in parts)
    parts = [as_number(part) if is_number else as_text(part) for part in parts]
    failed: pl.Expr | None = None
    still_empty: pl.Expr = pl.lit(True)
    for part in parts:
        failed = any_failed(failed, None if part.failed is None else still_empty & part.failed)
        still_empty = still_empty & part.value.is_null()
    value = pl.coalesce([part.value for part in parts])
    return Node(value, "number" if is_number else "text", failed, is_column=any(part.is_column for part in parts))


def _split(c: "Compiler", args: list[ast.expr]) -> Node:
    inner = c.as_text(args[0])
    return Node(inner.value.str.split(c.constant(args[1])), "list", inner.failed)


def _part(c: "Compiler", args: list[ast.expr]) -> Node:
    parts = _split(c, args[:2])
    return Node(parts.value.list.get(c.whole(args[2]), null_on_oob=True), "text", parts.failed)


def _matches(c: "Compiler", args: list[ast.expr]) -> Node:
    inner, pattern = c.as_text(args[0]), c.constant(args[1])
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError:
        raise c.error(args[1], f"{pattern!r} is no regular expression") from None
    return Node(inner.value.str.contains(pattern).fill_null(False), "boolean", inner.failed)


def _is_number(c: "Compiler", args: list[ast.expr]) -> Node:
    inner = as_number(c.node(args[0]))
    return Node(inner.value.is_not_null(), "boolean")


def _round(c: "Compiler", args: list[ast.expr]) -> Node:
    inner = c.number(args[0])
    digits = c.whole(args[1]) if len(args) == 2 else 0
    if not 0 <= digits <= 12:
        raise c.error(args[1], "digits from 0 to 12")
    return replace(inner, value=inner.value.round(digits), literal=None)


def _length(c: "Compiler", args: list[ast.expr]) -> Node:
    inner = c.as_text(args[0])
    return Node(inner.value.str.len_chars().cast(pl.Float64), "number", inner.failed)


def _col(c: "Compiler", args: list[ast.expr]) -> Node:
    return c.named(c.constant(args[0]))


FUNCTIONS: dict[str, Function] = {
    "col": Function('col("Customer ID")', "a column whose name is no plain word", (1, 1), _col),
    "lower": Function("lower(x)", "in small letters", (1, 1), _text(lambda x: x.str.to_lowercase())),
    "upper": Function("upper(x)", "in capital letters", (1, 1), _text(lambda x: x.str.to_uppercase())),
    "trim": Function("trim(x)", "without white space at the ends", (1, 1), _text(lambda x: x.str.strip_chars())),
    "concat": Function("concat(a, b, …)", "joined; empty values are left out", (1, 20), _concat),
    "replace": Function('replace(x, "old", "new")', "with every `old` replaced", (3, 3), _replace),
    "remove_prefix": Function(
        'remove_prefix(x, "SKU-")', "without this start", (2, 2), _text_with(lambda x, end: x.str.strip_prefix(end))
    ),
    "remove_suffix": Function(
        'remove_suffix(x, ".0")', "without this end", (2, 2), _text_with(lambda x, end: x.str.strip_suffix(end))
    ),
    "split": Function('split(x, "|")[0]', "a part, counted from 0 or with -1 from the end", (2, 2), _split),
    "part": Function('part(x, "|", 0)', "the same", (3, 3), _part),
    "length": Function("length(x)", "number of characters", (1, 1), _length),
    "contains": Function(
        'contains(x, "y")', "whether it holds y", (2, 2), _text_with(lambda x, y: x.str.contains(y, literal=True), "boolean")
    ),
    "starts_with": Function(
        'starts_with(x, "y")', "whether it starts so", (2, 2), _text_with(lambda x, y: x.str.starts_with(y), "boolean")
    ),
    "ends_with": Function(
        'ends_with(x, "y")', "whether it ends so", (2, 2), _text_with(lambda x, y: x.str.ends_with(y), "boolean")
    ),
    "matches": Function('matches(x, "^[0-9]+$")', "whether a regular expression finds something", (2, 2), _matches),
    "coalesce": Function("coalesce(a, b, …)", "the first that is not empty", (1, 20), _coalesce),
    "number": Function("number(x)", "read as a number", (1, 1), _number(lambda x: x)),
    "text": Function("text(x)", "taken as text, for comparisons", (1, 1), _text(lambda x: x)),
    "is_number": Function("is_number(x)", "whether it can be read as a number", (1, 1), _is_number),
    "round": Function("round(x, 2)", "rounded", (1, 2), _round),
    "floor": Function("floor(x)", "rounded down", (1, 1), _number(lambda x: x.floor())),
    "abs": Function("abs(x)", "without its sign", (1, 1), _number(lambda x: x.abs())),
}
