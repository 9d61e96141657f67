"""The pieces that expressions are compiled to: a value, its kind, and whether computing it fails."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import polars as pl

Kind = Literal["text", "number", "boolean", "list", "none"]


class ExpressionError(ValueError):
    """An expression that is not possible; the message says where and what is."""


@dataclass(frozen=True)
class Node:
    value: pl.Expr
    kind: Kind
    failed: pl.Expr | None = None
    literal: str | float | None = None
    is_column: bool = False  # as it stands in the file: text that may mean a number


def number_text(value: pl.Expr) -> pl.Expr:
    """Numbers as text: whole ones without a fraction, others to 15 digits, as 19.99 and not 19.990000000000002."""
    value = value.round_sig_figs(15)
    whole = (value == value.floor()) & (value.abs() < 1e15)
    return pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))


def any_failed(*parts: pl.Expr | None) -> pl.Expr | None:
    """Whether any of them failed."""
    real = [part for part in parts if part is not None]
    return reduce(lambda a, b: a | b, real) if real else None


def both(left: Node, right: Node) -> Node:
    failed = None if right.failed is None else left.value & right.failed
    return Node(left.value & right.value, "boolean", any_failed(left.failed, failed))


def either(left: Node, right: Node) -> Node:
    failed = None if right.failed is None else ~left.value & right.failed
    return Node(left.value | right.value, "boolean", any_failed(left.failed, failed))


def as_text(node: Node) -> Node:
    if node.kind == "number":
        return replace(node, value=number_text(node.value), kind="text")
    if node.kind == "boolean":
        return replace(node, value=pl.when(node.value).then(pl.lit("true")).otherwise(pl.lit("false")), kind="text")
    if node.kind == "none":
        return replace(node, value=pl.lit(None, pl.String), kind="text")
    return node


def as_number(node: Node) -> Node:
    if node.kind == "text":
        value = node.value.str.strip_chars().cast(pl.Float64, strict=False)
        usable = value.is_finite().fill_null(False)
        return Node(pl.when(usable).then(value), "number", any_failed(node.failed, node.value.is_not_null() & ~usable))
    if node.kind == "none":
        return replace(node, value=pl.lit(None, pl.Float64), kind="number")
    return node
