"""A shop's mapping: its YAML file read and checked, or the built-in one for files in contract form.

The setting `shop_file` names the file; empty means the built-in mapping.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError

from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.settings import PROJECT_ROOT, get_settings
from cartwheel.shop.models import DateColumn, FieldMapping, FormatSpec, ShopFile, SourceSpec
from cartwheel.shop.source import FileFormat, Source

__all__ = ["FileFormat", "Mapping", "MappingError", "Source", "built_in_mapping", "load_mapping", "read_mapping"]

API_SOURCE = "api"
API_FILES = "interactions/{date}/api-*.jsonl"  # what the API's journal uploads, in contract form whatever the shop's files are
ENDINGS = "{csv,csv.gz,csv.bz2,csv.xz,csv.zst,parquet,jsonl,jsonl.gz,jsonl.bz2,jsonl.xz,jsonl.zst}"


class MappingError(ValueError):
    """A shop file with mistakes; the message has a line for each, with the place and what is possible."""


@dataclass(frozen=True)
class Mapping:
    """All sources of a shop, in the file's order."""

    name: str
    timezone: str
    sources: list[Source]

    def sources_of(self, key: str) -> list[Source]:
        """The sources that read a landing file; several may. The API's files are read as the API writes them."""
        return [_api_source()] if _api_source().matches(key) else [source for source in self.sources if source.matches(key)]


def load_mapping() -> Mapping:
    """The mapping that the settings name.

    Raises:
        MappingError: the file is missing or has mistakes.
    """
    shop_file = get_settings().shop_file
    return read_mapping(PROJECT_ROOT / shop_file) if shop_file else built_in_mapping()


@lru_cache
def _api_source() -> Source:
    return Source(API_SOURCE, SourceSpec.model_validate({"dataset": "interactions", "files": API_FILES}), "UTC")


@lru_cache
def built_in_mapping() -> Mapping:
    """Files in contract form: `<dataset>/<date>….csv.gz` or `<dataset>/date=<date>/<any>.parquet`."""
    shop = ShopFile.model_validate(
        {
            "sources": {
                name: {
                    "dataset": name,
                    "files": [f"{name}/{{date}}*.{ENDINGS}", f"{name}/{{date=,}}{{date}}/*.{ENDINGS}"],
                }
                for name in LANDING_CONTRACTS
            }
        }
    )
    return _mapping("built-in", shop)


def read_mapping(path: Path) -> Mapping:
    """The mapping of a file.

    Raises:
        MappingError: the file is missing or has mistakes.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: cannot be read: {error}") from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str) -> Mapping:
    """The mapping that a YAML text says; `name` stands in messages. See `read_mapping`."""
    try:
        root = yaml.compose(text, Loader=_TextLoader)
    except yaml.YAMLError as error:
        raise MappingError(f"{name}: is no YAML: {' '.join(str(error).split())}") from None
    lines: dict[tuple[str, ...], int] = {}
    try:
        value = _plain(root, (), lines)
    except ValueError as error:
        raise MappingError(f"{name}: {error}") from None
    if not isinstance(value, dict):
        raise MappingError(f"{name}: holds no keys; it needs `sources`")
    try:
        shop = ShopFile.model_validate(value)
    except ValidationError as error:
        raise MappingError("\n".join(_problems(error, name, lines, value))) from None
    return _mapping(name, shop)


def _mapping(name: str, shop: ShopFile) -> Mapping:
    sources = [Source(source, spec, spec.timezone or shop.timezone) for source, spec in shop.sources.items()]
    return Mapping(name, shop.timezone, sources)


class _TextLoader(yaml.SafeLoader):
    """Every scalar stays the text that was written: `no` is a value of some shop, not false."""


def _plain(node: yaml.Node | None, at: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> Any:
    """A node as dicts, lists and texts; notes the line of each key."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {key.start_mark.line + 1}: a key must be a text")
            if key.value in result:
                raise ValueError(f"line {key.start_mark.line + 1}: {key.value!r} stands there twice")
            lines[(*at, key.value)] = key.start_mark.line + 1
            result[key.value] = _plain(value, (*at, key.value), lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, (*at, str(number)), lines) for number, value in enumerate(node.value)]
    if node is None or (node.value in ("", "~", "null") and node.style is None):
        return None
    return node.value


def _problems(error: ValidationError, name: str, lines: dict[tuple[str, ...], int], value: dict) -> Iterator[str]:
    """One line for each mistake: file, line, place, what is wrong, what is possible."""
    for problem in error.errors():
        place = tuple(str(part) for part in problem["loc"])
        at = place
        while at and at not in lines:
            at = at[:-1]
        where = f"{name}: line {lines[at]}" if at else name
        labels = _labels(at)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            possible = sorted(_model_at(place).model_fields)
            near = difflib.get_close_matches(place[-1], possible, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            message = f"is unknown; {hint}possible are {', '.join(possible)}"
        elif problem["type"] == "missing":
            message, labels = f"{place[-1]} is missing", _labels(place[:-1])
        elif problem["type"] == "literal_error":
            message = f"{problem['input']!r} is not possible; {message.lower()}"
        elif problem["type"] in ("dict_type", "model_type", "list_type", "model_attributes_type"):
            message = f"{problem['input']!r} is not possible here; {message[0].lower()}{message[1:]}"
        yield ": ".join([where, *labels, message])


def _labels(place: tuple[str, ...]) -> list[str]:
    """The place in words."""
    words = []
    if len(place) >= 2 and place[0] == "sources":
        words.append(f"source {place[1]}")
        rest = place[2:]
        if len(rest) >= 2 and rest[0] == "fields":
            words.append(f"field {rest[1]}")
            rest = rest[2:]
        words += [".".join(rest)] if rest else []
    elif place:
        words.append(".".join(place))
    return words


def _model_at(place: tuple[str, ...]) -> type[BaseModel]:
    """The model whose key is unknown."""
    if len(place) == 1:
        return ShopFile
    rest = place[2:]
    if len(rest) > 1 and rest[0] == "format":
        return FormatSpec
    if len(rest) > 1 and rest[0] == "date":
        return DateColumn
    return FieldMapping if len(rest) > 2 else SourceSpec
