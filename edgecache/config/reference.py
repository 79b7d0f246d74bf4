"""Meaning of every field of a configuration, and an example, as `reference.toml` has them.

Law: a field of the model has one line there, and no line is without a field. Types and defaults are
the model's, units and bounds those of `settings.py`.
"""

from __future__ import annotations

import tomllib
import types
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from edgecache.config.model import Config, ContinuousDeploymentPolicy, Distribution, Model

OF_CONTROL = {
    Config: frozenset({"unavailable", "revoked_nodes"}),
    Distribution: frozenset({"releases", "kept"}),
    ContinuousDeploymentPolicy: frozenset({"sessions_since"}),
}
"""Fields that control says and no file does."""


class FieldMeaning(NamedTuple):
    """What a field means, in one sentence or two; `example` is a value of it, None: any other."""

    meaning: str
    example: Any = None


def field_meanings() -> dict[str, dict[str, FieldMeaning]]:
    """By the names of model and field."""
    table = tomllib.loads((files(__package__) / "reference.toml").read_text("utf-8"))
    return {
        model: {
            name: FieldMeaning(said) if isinstance(said, str) else FieldMeaning(*said)
            for name, said in fields.items()
        }
        for model, fields in table.items()
    }


def file_fields(model: type[Model]) -> list[msgspec.structs.FieldInfo]:
    """The fields of a model that a file may have."""
    hidden = OF_CONTROL.get(model, ())
    return [one for one in msgspec.structs.fields(model) if one.name not in hidden]


def models(whole: type[Model] = Config) -> dict[type[Model], list[str]]:
    """Every model of a configuration, with the places it stands in as a file spells them.

    `distributions[].origins[]` is a list's; the configuration itself stands at "".
    """
    found: dict[type[Model], list[str]] = {}

    def walk(model: type[Model], place: str) -> None:
        places = found.setdefault(model, [])
        places.append(place)
        for field in file_fields(model):
            for inner, suffix in inner_models(field.type):
                walk(inner, f"{place}.{field.encode_name}{suffix}".lstrip("."))

    walk(whole, "")
    return found


def inner_models(kind: Any, suffix: str = "") -> Iterator[tuple[type[Model], str]]:
    """The model that a type is, holds a list of, or may be; with what follows a field's name."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        for one in get_args(kind):
            yield from inner_models(one, suffix)
    elif origin is tuple:
        yield from inner_models(get_args(kind)[0], suffix + "[]")
    elif isinstance(kind, type) and issubclass(kind, Model):
        yield kind, suffix


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a field may have; empty where it may have others."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return next((found for found in map(choices, get_args(kind)) if found), ())
    return get_args(kind) if origin is Literal else ()
