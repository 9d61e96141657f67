"""Pieces of a mapping's YAML as text."""

import json
import keyword
import re

from cartwheel.shop.kinds import Kind


def quoted(text: str) -> str:
    """A text as a YAML scalar, also inside braces."""
    if re.fullmatch(r"[A-Za-z_][\w./-]*( [\w./-]+)*", text) and text not in ("null",):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def plain(column: str) -> str:
    """A column as a field's shorthand."""
    if column.startswith("=") or "{" in column:
        return f"{{column: {quoted(column)}}}"
    return quoted(column)


def column_text(name: str) -> str:
    """A column in an expression."""
    plain = all(part.isidentifier() and part.isascii() and not keyword.iskeyword(part) for part in name.split("."))
    return name if plain and name not in ("None", "True", "False") else f"col({json.dumps(name, ensure_ascii=False)})"


def timed(column: str, kind: Kind) -> str:
    return plain(column) if kind.format == "iso" else f"{{column: {quoted(column)}, format: {quoted(kind.format or '')}}}"


def numbered(column: str, kind: Kind) -> str:
    return f'{{column: {quoted(column)}, decimal: ","}}' if kind.decimal == "," else plain(column)


def doubt_text(doubt: str | None) -> str:
    return f"  # doubt: {doubt}" if doubt else ""


def safe(text: str) -> str:
    """A field's YAML; an expression is quoted where YAML would cut it."""
    if text.startswith("=") and (": " in text or " #" in text):
        return quoted(text)
    return text
