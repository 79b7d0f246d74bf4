"""Decoder of TOML and JSON tables into the model. Law: each value is judged by itself.

A wrong value is reported and replaced by the model's default (or a blank where it has none), so
that reading and the checks go on; the result is good only where no problem was reported.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from edgecache.config.model import Config, Model
from edgecache.config.problems import Problems, joined, listed, quoted
from edgecache.config.setting import Setting
from edgecache.config.settings import BY_FIELD
from edgecache.config.sources import EnvironmentText
from edgecache.config.units import is_duration, parse_duration, parse_size
from edgecache.config.unknown_key import unknown_key

T = TypeVar("T", bound=Model)
Shorthand = Callable[[object, str, Problems], object]

_WRONG: Final = object()  # stands for a value that was reported
_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(slots=True)
class Decoder:
    """Reads TOML or JSON values into the model, and collects what is wrong.

    `shorthand` maps a class to what rewrites its value first: a table, or a finished instance
    where the file named one.
    """

    problems: Problems
    shorthand: Mapping[type[Model], Shorthand] = field(default_factory=dict)
    _known: dict[type[Model], dict[str, msgspec.structs.FieldInfo]] = field(default_factory=dict)

    def read(self, model: type[T], value: object, where: str) -> T:
        """`value` as `model`; a blank one when it is no table."""
        piece = self._read(model, value, where)
        result: T = _blank(model) if piece is _WRONG else piece
        return result

    def _read(self, kind: Any, value: object, where: str) -> Any:
        if kind is Any:
            return _plain(value)
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            return self._read(next(k for k in get_args(kind) if k is not type(None)), value, where)
        if origin is Literal:
            return self._choice(get_args(kind), value, where)
        if origin is tuple:
            return self._list(get_args(kind)[0], value, where)
        if origin is dict:
            return self._named(get_args(kind)[1], value, where)
        if issubclass(kind, Model):
            return self._model(kind, value, where)
        return self._scalar(kind, value, where)

    def _model(self, model: type[Model], value: object, where: str) -> Any:
        if model in self.shorthand:
            value = self.shorthand[model](value, where, self.problems)
        if isinstance(value, model):
            return value
        if not isinstance(value, dict):
            return self._wrong(where, "a table", value)
        return model(**self._complete_fields(model, value, where))

    def overlay(self, base: T, table: object, where: str) -> T:
        """`base` with the fields that `table` gives; what is wrong stays as it was."""
        if not isinstance(table, dict):
            self._wrong(where, "a table", table)
            return base
        return msgspec.structs.replace(base, **self._read_fields(type(base), table, where))

    def _complete_fields(
        self, model: type[Model], table: dict[str, Any], where: str
    ) -> dict[str, Any]:
        values = self._read_fields(model, table, where)
        for wanted in self._fields(model).values():
            if wanted.required and wanted.name not in values:
                self.problems.add(joined(where, wanted.encode_name), "missing")
                values[wanted.name] = _blank(wanted.type)
        return values

    def _read_fields(self, model: type[Model], table: dict[str, Any], where: str) -> dict[str, Any]:
        fields = self._fields(model)
        values: dict[str, Any] = {}
        for key, value in table.items():
            place = joined(where, key)
            if key not in fields:
                self.problems.add(place, unknown_key(key, fields, Config))
                continue
            field_value = self._field(model, fields[key], value, place)
            if field_value is not _WRONG:
                values[fields[key].name] = field_value
        return values

    def _fields(self, model: type[Model]) -> dict[str, msgspec.structs.FieldInfo]:
        """The fields of a model by their names in a file: finding them compiles its annotations."""
        if model not in self._known:
            found = msgspec.structs.fields(model)
            self._known[model] = {field.encode_name: field for field in found}
        return self._known[model]

    def _field(
        self, model: type[Model], field: msgspec.structs.FieldInfo, value: object, where: str
    ) -> Any:
        setting = BY_FIELD.get((model, field.name))
        if isinstance(value, str) and is_duration(field.name):
            value = self._seconds(value, where)
            if value is _WRONG:
                return _WRONG
        if setting is None:
            return self._read(field.type, value, where)
        if setting.unit == "bytes" and isinstance(value, str):
            value = self._size(value, where)
        field_value: Any = value if value is _WRONG else self._read(field.type, value, where)
        return field_value if field_value is _WRONG else self._bounded(setting, field_value, where)

    def _size(self, text: str, where: str) -> object:
        if isinstance(text, EnvironmentText) and not isinstance(text.scalar(), str):
            return text.scalar()
        try:
            return parse_size(text)
        except ValueError:
            self.problems.add(where, f'{quoted(text)} is not a size (like "256 MiB")')
            return _WRONG

    def _seconds(self, text: str, where: str) -> object:
        if isinstance(text, EnvironmentText) and not isinstance(text.scalar(), str):
            return text.scalar()
        try:
            return parse_duration(text)
        except ValueError:
            self.problems.add(where, f'{quoted(text)} is not a time (like "90s", "5m", "1h30m")')
            return _WRONG

    def _bounded(self, setting: Setting, value: float, where: str) -> object:
        if setting.low <= value <= setting.high:
            return value
        self.problems.add(where, f"{value} is outside {setting.bounds}")
        return _WRONG

    def _choice(self, choices: tuple[str, ...], value: object, where: str) -> object:
        if value in choices:
            return choices[choices.index(str(value))]
        self.problems.add(where, f"{shown(value)} is not one of {listed(choices)}")
        return _WRONG

    def _list(self, kind: Any, value: object, where: str) -> Any:
        if not isinstance(value, list):
            return self._wrong(where, "a list", value)
        items = [self._read(kind, item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(_blank(kind) if item is _WRONG else item for item in items)

    def _named(self, kind: Any, value: object, where: str) -> Any:
        if not isinstance(value, dict):
            return self._wrong(where, "a table", value)
        values = {key: self._read(kind, item, joined(where, key)) for key, item in value.items()}
        return {key: item for key, item in values.items() if item is not _WRONG}

    def _scalar(self, kind: type[object], value: object, where: str) -> object:
        if isinstance(value, EnvironmentText):
            value = str(value) if kind is str else value.scalar()
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError:
            wanted = _KINDS.get(kind, kind.__name__)
            if isinstance(value, str) and EnvironmentText(value).scalar() != value:
                wanted += " without quotes"
            return self._wrong(where, wanted, value)

    def _wrong(self, where: str, wanted: str, value: object) -> object:
        self.problems.add(where, f"expected {wanted}, got {shown(value)}")
        return _WRONG


def shown(value: object) -> str:
    """A value as a problem names it: short, on one line."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return quoted(value)
    return json.dumps(value, default=str)


def _plain(value: Any) -> Any:
    """A value that is kept as it is, without what only this reading knows of it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, EnvironmentText) else value


def _blank(kind: Any) -> Any:
    """The least value of a kind, for places already reported."""
    if get_origin(kind) is tuple:
        return ()
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Model):
        return Decoder(Problems()).read(kind, {}, "")
    return kind()
