"""Expressions against Python's own evaluation of the same text, and the errors they give."""

import math

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartwheel.shop.expressions import FUNCTIONS, ExpressionError, compile_expression, number_text

PYTHON = {
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
    "concat": lambda *parts: "".join(parts),
    "replace": str.replace,
    "remove_prefix": str.removeprefix,
    "remove_suffix": str.removesuffix,
    "split": str.split,
    "length": len,
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "abs": abs,
    "floor": math.floor,
    "number": float,
    "text": str,
}


def evaluate(text: str, **row: str | None) -> tuple[object, bool]:
    """The value for one row, and whether computing it failed."""
    expression = compile_expression(text)
    frame = pl.DataFrame({name: [row.get(name)] for name in expression.columns or ("x",)}, schema_overrides=None)
    frame = frame.cast(pl.String)
    value, failed = frame.select(value=expression.value, failed=expression.failed).row(0)
    return value, failed


letters = st.text("abAB |.xé", max_size=6)
words = st.text("ab|.", min_size=1, max_size=2)


def numbers(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["number(n)", "number(m)", "(n + m)", "(n * 2)", "0", "2", "7.5", "100"])
    if depth == 0:
        return leaf
    inner = numbers(depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner),
        st.builds("-({})".format, inner),
        st.builds("abs({})".format, inner),
        st.builds("floor({})".format, inner),
        st.builds("length({})".format, texts(depth - 1)),
        st.builds("({} if {} else {})".format, inner, conditions(depth - 1), inner),
    )


def texts(depth: int) -> st.SearchStrategy[str]:
    leaf = st.one_of(st.sampled_from(["s", "t"]), letters.map(repr))
    if depth == 0:
        return leaf
    inner = texts(depth - 1)
    return st.one_of(
        leaf,
        st.builds("{}({})".format, st.sampled_from(["lower", "upper", "trim"]), inner),
        st.builds("concat({}, {})".format, inner, inner),
        st.builds("replace({}, {!r}, {!r})".format, inner, words, letters),
        st.builds("remove_prefix({}, {!r})".format, inner, words),
        st.builds("remove_suffix({}, {!r})".format, inner, words),
        st.builds("split({}, {!r})[{}]".format, inner, words, st.sampled_from([0, -1])),
        st.builds("concat({})[{}]".format, inner, st.sampled_from([":2", "1:", "1:3", "-2:", ":-1", "3:1"])),
        st.builds("({} if {} else {})".format, inner, conditions(depth - 1), inner),
    )


def conditions(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(
        ["number(n) > m", "n == 2", "s == t", "text(s) < t", "not n != 2", "s in ('a', 'b|')", "n not in (2, 7.5)"]
    )
    if depth == 0:
        return leaf
    number, text, inner = numbers(depth - 1), texts(depth - 1), conditions(depth - 1)
    order = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    return st.one_of(
        leaf,
        st.builds("({} {} {} {} {})".format, number, order, number, order, number),
        st.builds("(concat({}) {} concat({}))".format, text, order, text),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("(not {})".format, inner),
        st.builds("{}({}, {!r})".format, st.sampled_from(["contains", "starts_with", "ends_with"]), text, words),
    )


amounts = st.one_of(st.integers(-1000, 1000).map(float), st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)))


@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(numbers(3), texts(3), conditions(3)), n=amounts, m=amounts, s=letters, t=letters)
def test_an_expression_has_the_value_that_python_gives_it(text: str, n: float, m: float, s: str, t: str):
    value, failed = evaluate(text, n=repr(n), m=repr(m), s=s, t=t)
    try:
        expected = eval(text, {"__builtins__": {}} | PYTHON, {"n": n, "m": m, "s": s, "t": t})
    except ZeroDivisionError:
        assert failed, text
        return
    assert not failed, text
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        assert value == pytest.approx(float(expected), rel=1e-12, abs=1e-9), text
    else:
        assert value == expected, text


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("price * quantity / 100", {"price": "250", "quantity": "2"}, 5.0),
        ("part(genres, '|', 0)", {"genres": "Adventure|Children"}, "Adventure"),
        ("part(genres, '|', 5)", {"genres": "Adventure|Children"}, None),
        ("part(genres, '|', -1)", {"genres": None}, None),
        ("coalesce(nick, name, 'unknown')", {"nick": None, "name": None}, "unknown"),
        ("coalesce(a, 3)", {"a": None}, "3"),
        ("concat(a, '-', b)", {"a": "x", "b": None}, "x-"),
        ("concat(a, b)", {"a": None, "b": None}, None),
        ("concat(n * 2, ' pcs')", {"n": "3"}, "6 pcs"),
        ('col("Customer ID")', {"Customer ID": "7"}, "7"),
        ("user.id", {"user.id": "9"}, "9"),
        ("a is None", {"a": None}, True),
        ("a == None", {"a": "x"}, False),
        ("a == 'x'", {"a": None}, False),
        ("a != 'x'", {"a": None}, True),
        ("a > 3", {"a": None}, False),
        ("not a > 3", {"a": None}, True),
        ("a + 1", {"a": None}, None),
        ("a in ('x', 'y')", {"a": None}, False),
        ("matches(a, '^C[0-9]+$')", {"a": "C123"}, True),
        ("is_number(a)", {"a": "12x"}, False),
        ("is_number(a) and number(a) > 3", {"a": "12x"}, False),
        ("round(a, 2)", {"a": "2.555001"}, 2.56),
        ("'buy' if a == '1' else None", {"a": "2"}, None),
        ("replace(a, '$', '€')", {"a": "$5$"}, "€5€"),
    ],
)
def test_values_worked_out_by_hand(text: str, row: dict, expected: object):
    assert evaluate(text, **row) == (expected, False)


@pytest.mark.parametrize(
    ("text", "row"),
    [("a + 1", {"a": "x"}), ("a > 3", {"a": "three"}), ("a / b", {"a": "1", "b": "0"}), ("number(a)", {"a": "inf"}),
     ("a * a", {"a": "1e200"})],
)  # fmt: skip
def test_what_cannot_be_computed_is_marked_and_has_no_value(text: str, row: dict):
    value, failed = evaluate(text, **row)
    assert failed and not value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("price > cost", "which order is meant"),
        ("lowr(a)", r"character 1: there is no function lowr; did you mean lower\? possible are col, lower"),
        ("1 + lower(a", "character"),
        ("__import__('os')", "there is no function __import__"),
        ("a.lower()", r"only functions by their name can be called: lower\(x\)"),
        ("(lambda: 1)()", "only functions by their name"),
        ("[x for x in a]", "ListComp is not possible here"),
        ("a + 'x'", r"character 5: a number is needed here, not a text; texts are joined by concat"),
        ("a == 3 and '4'", "a condition is needed here"),
        ("a > '3' > 2", "is compared with a number"),
        ("split(a, '|')", "take one of them"),
        ("a ** 2", r"possible are \+ - \* / // %"),
        ("a in 'abc'", "stands a list of values"),
        ("matches(a, '(')", "is no regular expression"),
        ("replace(a, b, 'x')", "a text in quotes is needed"),
        ("part(a, '|', 1.5)", "a whole number is needed"),
        ("lower(a, b)", r"lower has 2 arguments; write lower\(x\)"),
        ("a[::2]", "of a text a part can be taken"),
        ("a" * 3000, "2000 are allowed"),
    ],
)
def test_errors_say_where_and_what_is_possible(text: str, message: str):
    with pytest.raises(ExpressionError, match=message):
        compile_expression(text)


@settings(max_examples=200)
@given(text=st.text(max_size=30))
def test_any_text_is_an_expression_or_an_error_that_says_so(text: str):
    try:
        compile_expression(text)
    except ExpressionError as error:
        assert str(error)


def test_the_columns_it_reads_are_known():
    assert compile_expression("concat(a, user.id, col('b c')) if a > 3 else 'x'").columns == ("a", "user.id", "b c")


def test_every_function_is_documented_by_a_use_that_compiles():
    for name, function in FUNCTIONS.items():
        assert compile_expression(function.usage.replace(", …", "")), name


def test_whole_numbers_are_written_without_a_fraction():
    frame = pl.DataFrame({"x": [3.0, -0.0, 2.5, 1e20, None]})
    assert frame.select(number_text(pl.col("x")))["x"].to_list() == ["3", "0", "2.5", "1e+20", None]
