"""JSON schema (draft 7) of a configuration file, for editors and taplo.

Law: what the loader takes the schema takes; types, words, bounds, and what must be there are the
model's and those of `settings.py`. What one field asks of another is said by `edgecache check`
alone. Text with `${NAME}` may stand for any word or number.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from edgecache.config.base import Model
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    KeyGroup,
    Origin,
    OriginAccessControl,
    OriginAccessIdentity,
    OriginRequestPolicy,
    PublicKey,
    ResponseHeadersPolicy,
)
from edgecache.config.reference import FieldMeaning, field_meanings, file_fields, models
from edgecache.config.setting import Setting
from edgecache.config.settings import BY_FIELD
from edgecache.config.units import DURATION_PATTERN, SIZE_PATTERN, is_duration

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
_POLICIES: dict[type[Model], str] = {
    CachePolicy: "cache_policies",
    OriginRequestPolicy: "origin_request_policies",
    ResponseHeadersPolicy: "response_headers_policies",
}
"""What a file defines once and names, each with its list."""
_OF_FILES: set[type[Model]] = {*_POLICIES, Distribution, PublicKey, KeyGroup, OriginAccessControl}
_OF_FILES |= {OriginAccessIdentity}  # what `file = "..."` may read from JSON of CloudFront's
_NOT_BESIDE_A_FILE = ("behaviors", "default_behavior", "origin_groups")
_ENVIRONMENT: Schema = {"type": "string", "pattern": r"\$\{"}
_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
_FILE: Schema = {
    "type": "string",
    "description": "JSON file as CloudFront's API or command line prints it; what stands beside"
    " it counts before it.",
}


def configuration_schema() -> Schema:
    """The schema of a whole file."""
    meanings = field_meanings()
    definitions = {
        one.__name__: _definition(one, meanings[one.__name__])
        for one in models()
        if one is not Config
    }
    # A table that gives some fields of an origin that a document has, by its id.
    definitions["OriginOfFile"] = {**definitions["Origin"], "required": ["id"]}
    whole = _definition(Config, meanings["Config"])
    whole["properties"] |= {
        place: {
            "type": "array",
            "items": _reference(model),
            "description": f"Policies that behaviors name: {place}.",
        }
        for model, place in _POLICIES.items()
    }
    return {"$schema": DRAFT, "title": "edgecache", **whole, "definitions": definitions}


def _definition(model: type[Model], meanings: Mapping[str, FieldMeaning]) -> Schema:
    fields = file_fields(model)
    schema: Schema = {
        "type": "object",
        "description": (model.__doc__ or "").partition("\n")[0],
        "properties": {
            one.encode_name: _field(model, one, meanings[one.name].meaning) for one in fields
        },
        "additionalProperties": False,
    }
    required = [one.encode_name for one in fields if one.required]
    if model in _OF_FILES:
        schema["properties"]["file"] = _FILE
        schema |= _with_file(model, required)
    elif required:
        schema["required"] = required
    return schema


def _with_file(model: type[Model], required: list[str]) -> Schema:
    """What must be there where `file` is not, and what may not be beside it."""
    if model is not Distribution:
        return {"anyOf": [{"required": ["file"]}, {"required": required}]}
    origins = {"type": "array", "items": {"$ref": "#/definitions/OriginOfFile"}}
    beside = dict.fromkeys(_NOT_BESIDE_A_FILE, False)
    whole = {"type": "array", "items": _reference(Origin)}
    return {
        "if": {"required": ["file"]},
        "then": {"properties": {"origins": origins, **beside}},
        "else": {"properties": {"origins": whole}, "required": required},
    }


def _reference(model: type[Model]) -> Schema:
    return {"$ref": f"#/definitions/{model.__name__}"}


def _field(model: type[Model], field: msgspec.structs.FieldInfo, meaning: str) -> Schema:
    setting = BY_FIELD.get((model, field.name))
    described: Schema = {"description": meaning}
    if field.default not in (msgspec.NODEFAULT, None) and isinstance(
        field.default, str | int | float
    ):
        described["default"] = field.default
    if model is Distribution and field.name == "origins":
        return {**described, "type": "array"}  # of what: with or without `file`
    inner = _named(field.type) if model is Behavior else None
    kind = inner or _kind(field.type, field.name, setting)
    return {**described, "allOf": [kind]} if "$ref" in kind else {**described, **kind}


def _named(kind: Any) -> Schema | None:
    """A policy of a behavior: a table, or the name of one."""
    for model in (kind, *get_args(kind)):
        if model in _POLICIES:
            return {"anyOf": [{"type": "string"}, _reference(model)]}
    return None


def _kind(kind: Any, name: str = "", setting: Setting | None = None) -> Schema:
    origin = get_origin(kind)
    if kind is Any:
        return {}
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in get_args(kind) if one is not type(None)), name, setting)
    if origin is Literal:
        return {"anyOf": [{"enum": [*get_args(kind)]}, _ENVIRONMENT]}
    if origin is tuple:
        return {"type": "array", "items": _kind(get_args(kind)[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _kind(get_args(kind)[1])}
    if issubclass(kind, Model):
        return _reference(kind)
    return _scalar(kind, name, setting)


def _scalar(kind: type[object], name: str, setting: Setting | None) -> Schema:
    plain: Schema = {"type": _SCALARS[kind]}
    if kind is str:
        return plain
    if setting is not None:
        plain |= {"minimum": setting.low, "maximum": setting.high}
    spelled: list[Schema] = []
    if kind is not bool and is_duration(name):
        spelled.append({"type": "string", "pattern": DURATION_PATTERN})
    elif setting is not None and setting.unit == "bytes":
        spelled.append({"type": "string", "pattern": SIZE_PATTERN})
    return {"anyOf": [plain, *spelled, _ENVIRONMENT]}
