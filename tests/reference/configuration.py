"""docs/reference/configuration.md: every field of a configuration file."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from edgecache.config.model import Model
from edgecache.config.reference import (
    FieldMeaning,
    choices,
    field_meanings,
    file_fields,
    inner_models,
    models,
)
from edgecache.config.settings import BY_FIELD
from edgecache.config.units import is_duration, shown_size
from tests.reference.aws_names import aws_name
from tests.reference.releases import since

HEADING = """# Configuration

Every table and field of a configuration file (TOML). `edgecache check FILE` tells every problem of
one at once; `edgecache check --schema > edgecache.schema.json` is a JSON schema for editors: with
taplo or Even Better TOML the first line `#:schema ./edgecache.schema.json` completes and checks.

- A **size** is bytes or text (`"256 MiB"`), a **time** is seconds or text (`"90s"`, `"1h30m"`).
- Paths of files and folders are relative to the file. `conf.d/*.toml` beside it is read along.
- `${NAME}` and `${NAME:-default}` in text are what the environment has.
- `--set PATH=VALUE` of a command stands in place of the file's value.
- Policies have a name or are tables in a behavior; named ones stand in `[[cache_policies]]`,
  `[[origin_request_policies]]` and `[[response_headers_policies]]`, and CloudFront's managed ones
  are known by their names.
- `file = "dist.json"` in a distribution, policy, public key, key group, origin access control or
  identity reads it as CloudFront prints it; what stands beside it counts before it.

**AWS** is the member of CloudFront's API that means the same. Every field is there since 0.1.0
where no version is told. This page is made of the model by `python -m tests.reference`;
a test compares.
"""
PLACES_MAX = 3


def page() -> str:
    meanings = field_meanings()
    parts = [HEADING]
    for model, places in models().items():
        parts.append(_section(model, places, meanings[model.__name__]))
    return "\n".join(parts)


def anchor(model: type[Model]) -> str:
    return model.__name__.lower()


def _section(model: type[Model], places: list[str], meanings: dict[str, FieldMeaning]) -> str:
    lines = [f"## {model.__name__}", "", (model.__doc__ or "").partition("\n")[0], ""]
    shown = [f"`{_heading(one)}`" for one in places[:PLACES_MAX] if one]
    if shown:
        more = ", ..." if len(places) > PLACES_MAX else ""
        lines += [f"In {', '.join(shown)}{more}.", ""]
    lines += ["| field | | type | default | example | AWS |", "|---|---|---|---|---|---|"]
    lines += [_row(model, field, meanings[field.name]) for field in file_fields(model)]
    return "\n".join((*lines, ""))


def _heading(place: str) -> str:
    plain = place.replace("[]", "")
    return f"[[{plain}]]" if place.endswith("[]") else f"[{plain}]"


def _row(model: type[Model], field: msgspec.structs.FieldInfo, said: FieldMeaning) -> str:
    meaning = said.meaning + _why(model, field.name)
    if (version := since(model.__name__, field.name)) != "0.1.0":
        meaning += f" Since {version}."
    cells = (
        f"`{field.encode_name}`",
        meaning,
        kind_of(model, field),
        _default(model, field),
        "" if next(inner_models(field.type), None) else f"`{toml(example_of(model, field, said))}`",
        aws_name(model, field.name),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _why(model: type[Model], name: str) -> str:
    """What `settings.py` says of a bound: its precedent."""
    setting = BY_FIELD.get((model, name))
    return f" ({setting.why})" if setting else ""


def kind_of(model: type[Model], field: msgspec.structs.FieldInfo) -> str:
    """The type in words, with unit and bounds."""
    setting = BY_FIELD.get((model, field.name))
    inner = next(inner_models(field.type), None)
    if inner:
        words = f"[{inner[0].__name__}](#{anchor(inner[0])})"
        return f"list of {words}" if inner[1] else words
    if setting:
        return f"{setting.bounds}"
    return ("time, " if is_duration(field.name) else "") + _words(field.type)


def _words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _words(next(one for one in get_args(kind) if one is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{json.dumps(one)}`" for one in get_args(kind))
    if origin is tuple:
        return f"list of {_words(get_args(kind)[0])}"
    if origin is dict:
        return f"table of {_words(get_args(kind)[1])}"
    plain = {str: "text", bool: "true or false", int: "whole number", float: "number"}
    return plain.get(kind, "any")


def _default(model: type[Model], field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**required**"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if value is None or value in ("", (), {}) or isinstance(value, Model):
        return ""
    setting = BY_FIELD.get((model, field.name))
    if setting and setting.unit == "bytes":
        return shown_size(int(value))
    return f"`{toml(value)}`"


def example_of(model: type[Model], field: msgspec.structs.FieldInfo, said: FieldMeaning) -> Any:
    """A value of the field that a file may have, and that is not its default if it can be."""
    if said.example is not None:
        return said.example
    inner = next(inner_models(field.type), None)
    if inner:
        return [{}] if inner[1] else {}
    words = choices(field.type)
    if words:
        return next((one for one in reversed(words) if one != field.default), words[0])
    if bool in (field.type, *get_args(field.type)):
        return field.default is not True
    setting = BY_FIELD.get((model, field.name))
    assert field.default is not msgspec.NODEFAULT, f"{model.__name__}.{field.name}: no example"
    if field.default is None and setting:
        return setting.low if setting.low >= 1 else setting.high
    if setting and setting.unit == "bytes" and field.default:
        return shown_size(int(field.default)).replace(" bytes", " B")
    return field.default or (setting.high if setting else 60)


def toml(value: Any) -> str:
    """A value as TOML has it, on one line."""
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {toml(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{ ... }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else f"{value:.0f}"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() else json.dumps(key)


def documented() -> Iterator[tuple[str, str]]:
    """Every model and field of a configuration, by name."""
    for model in models():
        for field in file_fields(model):
            yield model.__name__, field.name
