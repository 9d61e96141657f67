"""Small expressions over a file's columns, as polars expressions.

    lower(trim(brand))                      part(genres, "|", 0)
    "purchase" if Quantity > 0 else "view"  price * quantity / 100
    coalesce(nick, name, "unknown")         CustomerID is not None and not starts_with(InvoiceNo, "C")

The text is parsed by Python's own grammar and never run: each kind of node that is allowed is translated here, and
anything else is an error that says where. Columns are text; arithmetic and comparisons with numbers read them as numbers.
A row for which that fails, or that divides by zero, is marked by `failed`. An empty value is None: it equals only None,
is neither smaller nor larger than anything, and what is computed from it is empty.
"""

import ast
import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Literal

import polars as pl

Kind = Literal["text", "number", "boolean", "list", "none"]
MAX_LENGTH = 2000


class ExpressionError(ValueError):
    """An expression that is not possible; the message says where and what is."""


@dataclass(frozen=True)
class Expression:
    """A compiled expression: its value, and whether computing it failed (two-valued)."""

    value: pl.Expr
    failed: pl.Expr
    kind: Kind
    columns: tuple[str, ...]


@dataclass(frozen=True)
class _Node:
    value: pl.Expr
    kind: Kind
    failed: pl.Expr | None = None
    literal: str | float | None = None
    is_column: bool = False  # as it stands in the file: text that may mean a number


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Expression:
    """The expression a text says.

    Raises:
        ExpressionError: it is not one.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression of {len(text)} characters; {MAX_LENGTH} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"{text!r}, character {error.offset or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{text!r} cannot be read: {error}") from None
    compiler = _Compiler(text.strip())
    node = compiler.node(tree.body)
    if node.kind == "list":
        raise compiler.error(tree.body, "a list of parts: take one of them, as split(category, '|')[0]")
    failed = pl.lit(False) if node.failed is None else node.failed.fill_null(False)
    return Expression(node.value, failed, node.kind, tuple(dict.fromkeys(compiler.columns)))


def number_text(value: pl.Expr) -> pl.Expr:
    """Numbers as text; whole ones without a fraction."""
    whole = (value == value.floor()) & (value.abs() < 1e15)
    return pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))


def _any(*parts: pl.Expr | None) -> pl.Expr | None:
    """Whether any of them failed."""
    real = [part for part in parts if part is not None]
    return reduce(lambda a, b: a | b, real) if real else None


def _both(left: _Node, right: _Node) -> _Node:
    failed = None if right.failed is None else left.value & right.failed
    return _Node(left.value & right.value, "boolean", _any(left.failed, failed))


def _either(left: _Node, right: _Node) -> _Node:
    failed = None if right.failed is None else ~left.value & right.failed
    return _Node(left.value | right.value, "boolean", _any(left.failed, failed))


def _as_text(node: _Node) -> _Node:
    if node.kind == "number":
        return replace(node, value=number_text(node.value), kind="text")
    if node.kind == "boolean":
        return replace(node, value=pl.when(node.value).then(pl.lit("true")).otherwise(pl.lit("false")), kind="text")
    if node.kind == "none":
        return replace(node, value=pl.lit(None, pl.String), kind="text")
    return node


def _as_number(node: _Node) -> _Node:
    if node.kind == "text":
        value = node.value.str.strip_chars().cast(pl.Float64, strict=False)
        usable = value.is_finite().fill_null(False)
        return _Node(pl.when(usable).then(value), "number", _any(node.failed, node.value.is_not_null() & ~usable))
    if node.kind == "none":
        return replace(node, value=pl.lit(None, pl.Float64), kind="number")
    return node


class _Compiler:
    """Translates one tree; collects the columns it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: list[str] = []

    def error(self, node: ast.AST, message: str) -> ExpressionError:
        return ExpressionError(f"{self.text!r}, character {getattr(node, 'col_offset', 0) + 1}: {message}")

    def node(self, node: ast.expr) -> _Node:
        match node:
            case ast.Constant(value=bool() as value):
                return _Node(pl.lit(value), "boolean")
            case ast.Constant(value=None):
                return _Node(pl.lit(None, pl.String), "none")
            case ast.Constant(value=str() as value):
                return _Node(pl.lit(value), "text", literal=value)
            case ast.Constant(value=int() | float() as value):
                return _Node(pl.lit(float(value)), "number", literal=value)
            case ast.Name() | ast.Attribute():
                return self.column(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.boolean(operand)
                return replace(inner, value=~inner.value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.number(operand)
                literal = -inner.literal if isinstance(inner.literal, int | float) else None
                return replace(inner, value=-inner.value, literal=literal)
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.BoolOp():
                return self.logic(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp():
                return self.choice(node)
            case ast.Subscript():
                return self.subscript(node)
            case ast.Call():
                return self.call(node)
            case _:
                raise self.error(node, f"{type(node).__name__} is not possible here")

    def column(self, node: ast.expr) -> _Node:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self.error(node, "a dot stands between the names of nested JSON only, as user.id")
        return self.named(".".join([inner.id, *parts]))

    def named(self, name: str) -> _Node:
        self.columns.append(name)
        return _Node(pl.col(name), "text", is_column=True)

    def number(self, node: ast.expr) -> _Node:
        inner = self.node(node)
        if inner.kind in ("boolean", "list") or isinstance(inner.literal, str):
            hint = "; texts are joined by concat(a, b)" if isinstance(inner.literal, str) else ""
            raise self.error(node, f"a number is needed here, not a {inner.kind}{hint}")
        return _as_number(inner)

    def boolean(self, node: ast.expr) -> _Node:
        inner = self.node(node)
        if inner.kind != "boolean":
            raise self.error(node, "a condition is needed here, as Quantity > 0")
        return inner

    def as_text(self, node: ast.expr) -> _Node:
        inner = self.node(node)
        if inner.kind == "list":
            raise self.error(node, "a text is needed here, not a list: take one part, as split(category, '|')[0]")
        return replace(_as_text(inner), is_column=False)

    def arithmetic(self, node: ast.BinOp) -> _Node:
        left, right = self.number(node.left), self.number(node.right)
        failed = _any(left.failed, right.failed)
        match node.op:
            case ast.Add():
                value = left.value + right.value
            case ast.Sub():
                value = left.value - right.value
            case ast.Mult():
                value = left.value * right.value
            case ast.Div() | ast.FloorDiv() | ast.Mod():
                zero = right.value == 0
                divisor = pl.when(~zero).then(right.value)
                failed = _any(failed, zero & left.value.is_not_null())
                if isinstance(node.op, ast.Div):
                    value = left.value / divisor
                elif isinstance(node.op, ast.FloorDiv):
                    value = left.value // divisor
                else:
                    value = left.value % divisor
            case _:
                raise self.error(node, "possible are + - * / // %")
        finite = value.is_finite().fill_null(False)
        return _Node(pl.when(finite).then(value), "number", _any(failed, value.is_not_null() & ~finite))

    def logic(self, node: ast.BoolOp) -> _Node:
        """`and` and `or` look at what stands to the right only where it matters, as in Python."""
        return reduce(_both if isinstance(node.op, ast.And) else _either, map(self.boolean, node.values))

    def comparison(self, node: ast.Compare) -> _Node:
        operands = [node.left, *node.comparators]
        steps = [self.compare(node, *step) for step in zip(operands, node.ops, operands[1:], strict=False)]
        return reduce(_both, steps)

    def compare(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Node:
        if isinstance(op, ast.In | ast.NotIn):
            return self.membership(node, left, right, isinstance(op, ast.NotIn))
        a, b = self.node(left), self.node(right)
        if "list" in (a.kind, b.kind) or (("boolean" in (a.kind, b.kind)) and a.kind != b.kind):
            raise self.error(node, f"a {a.kind} cannot be compared with a {b.kind}")
        if isinstance(op, ast.Is | ast.IsNot) and "none" not in (a.kind, b.kind):
            raise self.error(node, "`is` goes with None only; write == or !=")
        if "none" in (a.kind, b.kind) and isinstance(op, ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
            other = a if b.kind == "none" else b
            is_none = other.value.is_null()
            return _Node(~is_none if isinstance(op, ast.IsNot | ast.NotEq) else is_none, "boolean", other.failed)
        if "number" in (a.kind, b.kind):
            for side, item in ((left, a), (right, b)):
                if isinstance(item.literal, str):
                    raise self.error(side, f"the text {item.literal!r} is compared with a number: quote both or none")
            a, b = _as_number(a), _as_number(b)
        else:
            if a.is_column and b.is_column and not isinstance(op, ast.Eq | ast.NotEq):
                raise self.error(node, "which order is meant? Write number(…) around one side for numbers, text(…) for texts")
            a, b = (_as_text(a), _as_text(b)) if a.kind != "boolean" else (a, b)
        failed = _any(a.failed, b.failed)
        match op:
            case ast.Eq():
                return _Node(a.value.eq_missing(b.value), "boolean", failed)
            case ast.NotEq():
                return _Node(a.value.ne_missing(b.value), "boolean", failed)
            case ast.Lt():
                value = a.value < b.value
            case ast.LtE():
                value = a.value <= b.value
            case ast.Gt():
                value = a.value > b.value
            case _:
                value = a.value >= b.value
        return _Node(value.fill_null(False), "boolean", failed)

    def membership(self, node: ast.Compare, left: ast.expr, right: ast.expr, negated: bool) -> _Node:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise self.error(right, 'after `in` stands a list of values, as ("a", "b"); for a part of a text see contains()')
        literals = [self.node(element).literal for element in right.elts]
        if any(literal is None for literal in literals) or len({isinstance(literal, str) for literal in literals}) != 1:
            raise self.error(right, "the list after `in` holds texts only or numbers only")
        is_text = isinstance(literals[0], str)
        a = _as_text(self.node(left)) if is_text else self.number(left)
        values = literals if is_text else [float(literal) for literal in literals]  # type: ignore[arg-type]
        found = a.value.is_in(values).fill_null(False)
        return _Node(~found if negated else found, "boolean", a.failed)

    def choice(self, node: ast.IfExp) -> _Node:
        test, yes, no = self.boolean(node.test), self.node(node.body), self.node(node.orelse)
        if "list" in (yes.kind, no.kind):
            raise self.error(node, "a list of parts: take one of them")
        kinds = {yes.kind, no.kind} - {"none"}
        if kinds == {"number"}:
            yes, no, kind = _as_number(yes), _as_number(no), "number"
        elif kinds == {"boolean"} and "none" not in (yes.kind, no.kind):
            kind = "boolean"
        else:
            yes, no, kind = _as_text(yes), _as_text(no), "text"
        branch = None
        if yes.failed is not None or no.failed is not None:
            nothing = pl.lit(False)
            branch = pl.when(test.value).then(_or(yes.failed, nothing)).otherwise(_or(no.failed, nothing))
        value = pl.when(test.value).then(yes.value).otherwise(no.value)
        is_column = kind == "text" and (yes.is_column or no.is_column)
        return _Node(value, kind, _any(test.failed, branch), is_column=is_column)  # type: ignore[arg-type]

    def subscript(self, node: ast.Subscript) -> _Node:
        inner = self.node(node.value)
        if inner.kind == "list":
            index = self.whole(node.slice)
            return _Node(inner.value.list.get(index, null_on_oob=True), "text", inner.failed)
        inner = _as_text(inner)
        if not isinstance(node.slice, ast.Slice) or node.slice.step is not None:
            raise self.error(node.slice, "of a text a part can be taken: x[:4], x[4:], x[2:4], x[-2:], x[:-2]")
        start = self.whole(node.slice.lower) if node.slice.lower else None
        stop = self.whole(node.slice.upper) if node.slice.upper else None
        if start is not None and stop is not None and min(start, stop) < 0:
            raise self.error(node.slice, "with both ends, neither may be negative")
        value = inner.value
        if stop is not None:
            value = value.str.head(stop)
        if start is not None:
            value = value.str.tail(-start) if start < 0 else value.str.slice(start)
        return replace(inner, value=value, literal=None)

    def whole(self, node: ast.expr) -> int:
        literal = self.node(node).literal
        if not isinstance(literal, int) or abs(literal) > 1_000_000:
            raise self.error(node, "a whole number is needed here")
        return literal

    def constant(self, node: ast.expr) -> str:
        literal = self.node(node).literal
        if not isinstance(literal, str) or not literal:
            raise self.error(node, "a text in quotes is needed here")
        return literal

    def call(self, node: ast.Call) -> _Node:
        if not isinstance(node.func, ast.Name):
            raise self.error(node, "only functions by their name can be called: lower(x), not x.lower()")
        name = node.func.id
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise self.error(node, f"there is no function {name}; {hint}possible are {', '.join(FUNCTIONS)}")
        function = FUNCTIONS[name]
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.error(node, f"write {function.usage}")
        low, high = function.arguments
        if not low <= len(node.args) <= high:
            raise self.error(node, f"{name} has {len(node.args)} arguments; write {function.usage}")
        return function.build(self, node.args)


def _or(failed: pl.Expr | None, nothing: pl.Expr) -> pl.Expr:
    return nothing if failed is None else failed


Builder = Callable[[_Compiler, list[ast.expr]], _Node]


@dataclass(frozen=True)
class Function:
    """A function of the language; `usage` and `says` are its documentation."""

    usage: str
    says: str
    arguments: tuple[int, int]
    build: Builder


def _text(change: Callable[[pl.Expr], pl.Expr]) -> Builder:
    def build(c: _Compiler, args: list[ast.expr]) -> _Node:
        inner = c.as_text(args[0])
        return replace(inner, value=change(inner.value), literal=None)

    return build


def _text_with(change: Callable[..., pl.Expr], kind: Kind = "text") -> Builder:
    """A function of a text and constants."""

    def build(c: _Compiler, args: list[ast.expr]) -> _Node:
        inner = c.as_text(args[0])
        value = change(inner.value, *(c.constant(argument) for argument in args[1:]))
        return _Node(value.fill_null(False) if kind == "boolean" else value, kind, inner.failed)

    return build


def _number(change: Callable[[pl.Expr], pl.Expr]) -> Builder:
    def build(c: _Compiler, args: list[ast.expr]) -> _Node:
        inner = c.number(args[0])
        return replace(inner, value=change(inner.value), literal=None)

    return build


def _replace(c: _Compiler, args: list[ast.expr]) -> _Node:
    inner, old, new = c.as_text(args[0]), c.constant(args[1]), c.node(args[2]).literal
    if not isinstance(new, str):
        raise c.error(args[2], "a text in quotes is needed here; it may be empty")
    return replace(inner, value=inner.value.str.replace_all(old, new, literal=True), literal=None)


def _concat(c: _Compiler, args: list[ast.expr]) -> _Node:
    """An empty value counts as no text; all empty is empty."""
    parts = [c.as_text(argument) for argument in args]
    joined = pl.concat_str([part.value for part in parts], ignore_nulls=True)
    columns = [part.value.is_null() for part in parts if part.literal is None]
    empty = pl.all_horizontal(columns) if columns else pl.lit(False)
    return _Node(pl.when(~empty).then(joined), "text", _any(*(part.failed for part in parts)))


def _coalesce(c: _Compiler, args: list[ast.expr]) -> _Node:
    parts = [c.node(argument) for argument in args]
    if any(part.kind in ("list", "boolean") for part in parts):
        raise c.error(args[0], "coalesce takes texts and numbers")
    is_number = all(part.kind in ("number", "none") for part in parts)
    parts = [_as_number(part) if is_number else _as_text(part) for part in parts]
    failed: pl.Expr | None = None
    still_empty: pl.Expr = pl.lit(True)
    for part in parts:
        failed = _any(failed, None if part.failed is None else still_empty & part.failed)
        still_empty = still_empty & part.value.is_null()
    value = pl.coalesce([part.value for part in parts])
    return _Node(value, "number" if is_number else "text", failed, is_column=any(part.is_column for part in parts))


def _split(c: _Compiler, args: list[ast.expr]) -> _Node:
    inner = c.as_text(args[0])
    return _Node(inner.value.str.split(c.constant(args[1])), "list", inner.failed)


def _part(c: _Compiler, args: list[ast.expr]) -> _Node:
    parts = _split(c, args[:2])
    return _Node(parts.value.list.get(c.whole(args[2]), null_on_oob=True), "text", parts.failed)


def _matches(c: _Compiler, args: list[ast.expr]) -> _Node:
    inner, pattern = c.as_text(args[0]), c.constant(args[1])
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError:
        raise c.error(args[1], f"{pattern!r} is no regular expression") from None
    return _Node(inner.value.str.contains(pattern).fill_null(False), "boolean", inner.failed)


def _is_number(c: _Compiler, args: list[ast.expr]) -> _Node:
    inner = _as_number(c.node(args[0]))
    return _Node(inner.value.is_not_null(), "boolean")


def _round(c: _Compiler, args: list[ast.expr]) -> _Node:
    inner = c.number(args[0])
    digits = c.whole(args[1]) if len(args) == 2 else 0
    if not 0 <= digits <= 12:
        raise c.error(args[1], "digits from 0 to 12")
    return replace(inner, value=inner.value.round(digits), literal=None)


def _length(c: _Compiler, args: list[ast.expr]) -> _Node:
    inner = c.as_text(args[0])
    return _Node(inner.value.str.len_chars().cast(pl.Float64), "number", inner.failed)


def _col(c: _Compiler, args: list[ast.expr]) -> _Node:
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
