"""The reference of a mapping's YAML, from the models themselves.

python -m cartwheel.shop.reference      prints what docs/your-shop.md holds between its markers
"""

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cartwheel.shop.functions import FUNCTIONS
from cartwheel.shop.models import DateColumn, FieldMapping, FormatSpec, ShopFile, SourceSpec

LEVELS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", ShopFile),
    ("A source", SourceSpec),
    ("`format` of a source", FormatSpec),
    ("`date` of a source, where rows are dated by a column", DateColumn),
    ("A field", FieldMapping),
)


def reference() -> str:
    """Tables of every key and every function, as Markdown."""
    parts = []
    for title, model in LEVELS:
        rows = [
            f"| `{name}` | {_default(field.default)} | {_cell(field.description)} |" for name, field in model.model_fields.items()
        ]
        parts.append("\n".join([f"### {title}", "", "| key | default | meaning |", "|---|---|---|", *rows]))
    rows = [f"| `{_cell(function.usage)}` | {function.says} |" for function in FUNCTIONS.values()]
    parts.append("\n".join(["### Functions of expressions", "", "| write | it is |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or value == () or isinstance(value, BaseModel):
        return ""
    shown = (
        ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)
    )
    return f"`{_cell(shown)}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
