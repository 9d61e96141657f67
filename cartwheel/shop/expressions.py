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
from dataclasses import dataclass, replace
from functools import lru_cache, reduce

import polars as pl

from cartwheel.shop.functions import FUNCTIONS
from cartwheel.shop.nodes import ExpressionError, Kind, Node, any_failed, as_number, as_text, both, either, number_text

__all__ = ["FUNCTIONS", "Expression", "ExpressionError", "compile_expression", "number_text"]

MAX_LENGTH = 2000


@dataclass(frozen=True)
class Expression:
    """A compiled expression: its value, and whether computing it failed (two-valued)."""

    value: pl.Expr
    failed: pl.Expr
    kind: Kind
    columns: tuple[str, ...]


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
    compiler = Compiler(text.strip())
    node = compiler.node(tree.body)
    if node.kind == "list":
        raise compiler.error(tree.body, "a list of parts: take one of them, as split(category, '|')[0]")
    failed = pl.lit(False) if node.failed is None else node.failed.fill_null(False)
    return Expression(node.value, failed, node.kind, tuple(dict.fromkeys(compiler.columns)))


class Compiler:
    """Translates one tree; collects the columns it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: list[str] = []

    def error(self, node: ast.AST, message: str) -> ExpressionError:
        return ExpressionError(f"{self.text!r}, character {getattr(node, 'col_offset', 0) + 1}: {message}")

    def node(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant(value=bool() as value):
                return Node(pl.lit(value), "boolean")
            case ast.Constant(value=None):
                return Node(pl.lit(None, pl.String), "none")
            case ast.Constant(value=str() as value):
                return Node(pl.lit(value), "text", literal=value)
            case ast.Constant(value=int() | float() as value):
                return Node(pl.lit(float(value)), "number", literal=value)
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

    def column(self, node: ast.expr) -> Node:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self.error(node, "a dot stands between the names of nested JSON only, as user.id")
        return self.named(".".join([inner.id, *parts]))

    def named(self, name: str) -> Node:
        self.columns.append(name)
        return Node(pl.col(name), "text", is_column=True)

    def number(self, node: ast.expr) -> Node:
        inner = self.node(node)
        if inner.kind in ("boolean", "list") or isinstance(inner.literal, str):
            hint = "; texts are joined by concat(a, b)" if isinstance(inner.literal, str) else ""
            raise self.error(node, f"a number is needed here, not a {inner.kind}{hint}")
        return as_number(inner)

    def boolean(self, node: ast.expr) -> Node:
        inner = self.node(node)
        if inner.kind != "boolean":
            raise self.error(node, "a condition is needed here, as Quantity > 0")
        return inner

    def as_text(self, node: ast.expr) -> Node:
        inner = self.node(node)
        if inner.kind == "list":
            raise self.error(node, "a text is needed here, not a list: take one part, as split(category, '|')[0]")
        return replace(as_text(inner), is_column=False)

    def arithmetic(self, node: ast.BinOp) -> Node:
        left, right = self.number(node.left), self.number(node.right)
        failed = any_failed(left.failed, right.failed)
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
                failed = any_failed(failed, zero & left.value.is_not_null())
                if isinstance(node.op, ast.Div):
                    value = left.value / divisor
                elif isinstance(node.op, ast.FloorDiv):
                    value = left.value // divisor
                else:
                    value = left.value % divisor
            case _:
                raise self.error(node, "possible are + - * / // %")
        finite = value.is_finite().fill_null(False)
        return Node(pl.when(finite).then(value), "number", any_failed(failed, value.is_not_null() & ~finite))

    def logic(self, node: ast.BoolOp) -> Node:
        """`and` and `or` look at what stands to the right only where it matters, as in Python."""
        return reduce(both if isinstance(node.op, ast.And) else either, map(self.boolean, node.values))

    def comparison(self, node: ast.Compare) -> Node:
        operands = [node.left, *node.comparators]
        steps = [self.compare(node, *step) for step in zip(operands, node.ops, operands[1:], strict=False)]
        return reduce(both, steps)

    def compare(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node:
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
            return Node(~is_none if isinstance(op, ast.IsNot | ast.NotEq) else is_none, "boolean", other.failed)
        if "number" in (a.kind, b.kind):
            for side, item in ((left, a), (right, b)):
                if isinstance(item.literal, str):
                    raise self.error(side, f"the text {item.literal!r} is compared with a number: quote both or none")
            a, b = as_number(a), as_number(b)
        else:
            if a.is_column and b.is_column and not isinstance(op, ast.Eq | ast.NotEq):
                raise self.error(node, "which order is meant? Write number(…) around one side for numbers, text(…) for texts")
            a, b = (as_text(a), as_text(b)) if a.kind != "boolean" else (a, b)
        failed = any_failed(a.failed, b.failed)
        match op:
            case ast.Eq():
                return Node(a.value.eq_missing(b.value), "boolean", failed)
            case ast.NotEq():
                return Node(a.value.ne_missing(b.value), "boolean", failed)
            case ast.Lt():
                value = a.value < b.value
            case ast.LtE():
                value = a.value <= b.value
            case ast.Gt():
                value = a.value > b.value
            case _:
                value = a.value >= b.value
        return Node(value.fill_null(False), "boolean", failed)

    def membership(self, node: ast.Compare, left: ast.expr, right: ast.expr, negated: bool) -> Node:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise self.error(right, 'after `in` stands a list of values, as ("a", "b"); for a part of a text see contains()')
        literals = [self.node(element).literal for element in right.elts]
        if any(literal is None for literal in literals) or len({isinstance(literal, str) for literal in literals}) != 1:
            raise self.error(right, "the list after `in` holds texts only or numbers only")
        is_text = isinstance(literals[0], str)
        a = as_text(self.node(left)) if is_text else self.number(left)
        values = literals if is_text else [float(literal) for literal in literals]  # type: ignore[arg-type]
        found = a.value.is_in(values).fill_null(False)
        return Node(~found if negated else found, "boolean", a.failed)

    def choice(self, node: ast.IfExp) -> Node:
        test, yes, no = self.boolean(node.test), self.node(node.body), self.node(node.orelse)
        if "list" in (yes.kind, no.kind):
            raise self.error(node, "a list of parts: take one of them")
        kinds = {yes.kind, no.kind} - {"none"}
        if kinds == {"number"}:
            yes, no, kind = as_number(yes), as_number(no), "number"
        elif kinds == {"boolean"} and "none" not in (yes.kind, no.kind):
            kind = "boolean"
        else:
            yes, no, kind = as_text(yes), as_text(no), "text"
        branch = None
        if yes.failed is not None or no.failed is not None:
            nothing = pl.lit(False)
            branch = pl.when(test.value).then(_failed_or(yes.failed, nothing)).otherwise(_failed_or(no.failed, nothing))
        value = pl.when(test.value).then(yes.value).otherwise(no.value)
        is_column = kind == "text" and (yes.is_column or no.is_column)
        return Node(value, kind, any_failed(test.failed, branch), is_column=is_column)  # type: ignore[arg-type]

    def subscript(self, node: ast.Subscript) -> Node:
        inner = self.node(node.value)
        if inner.kind == "list":
            index = self.whole(node.slice)
            return Node(inner.value.list.get(index, null_on_oob=True), "text", inner.failed)
        inner = as_text(inner)
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

    def call(self, node: ast.Call) -> Node:
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


def _failed_or(failed: pl.Expr | None, nothing: pl.Expr) -> pl.Expr:
    return nothing if failed is None else failed
