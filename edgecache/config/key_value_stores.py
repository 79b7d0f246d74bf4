"""Model of key value stores that functions read, the file they are imported from, their quotas.

Developer Guide, "Amazon CloudFront KeyValueStore"; "Quotas", of April 2026. What a store holds is
not published with the configuration: nodes that run a function which reads it ask control for it.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgecache.config.base import KIB, MIB, Model
from edgecache.config.functions import FunctionConfig
from edgecache.config.problems import Problems, quoted

KEY_BYTES_MAX = 512  # CloudFront's quota
VALUE_BYTES_MAX = KIB  # CloudFront's quota
STORE_BYTES_MAX = 5 * MIB  # CloudFront's quota: keys and values of one store
FILE_BYTES_MAX = 2 * STORE_BYTES_MAX  # as JSON: its quotes and words
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # API reference, CreateKeyValueStore
ID = re.compile(r"[0-9a-fA-F-]{36}")
_IDS = uuid.UUID("3f0e0b36-0f4f-4c6a-9a0c-1b8b7ad9f6a1")  # ours, for ids made of names


class KeyValueStoreConfig(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key value store. In a file `data_file` names what it holds, JSON as CloudFront imports it.

    `id` is a UUID, as functions name it; left out it is made of the name, always the same.
    """

    name: str
    id: str = ""
    comment: str = ""
    data_file: str = ""
    items: dict[str, str] = {}


class _ImportedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    value: str


class _ImportFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Developer Guide, "File format for key-value pairs"."""

    data: list[_ImportedItem]


def store_id(name: str) -> str:
    """The id of a store of a file that says none."""
    return str(uuid.uuid5(_IDS, name))


def read_import(content: bytes) -> dict[str, str]:
    """What an import file holds. ValueError says what is wrong with it."""
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"more than {FILE_BYTES_MAX} bytes")
    try:
        imported = msgspec.json.decode(content, type=_ImportFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'not {{"data": [{{"key": "...", "value": "..."}}]}}: {error}') from None
    items: dict[str, str] = {}
    for one in imported.data:
        if one.key in items:
            raise ValueError(f"the key {quoted(one.key)} is there twice")
        items[one.key] = one.value
    return items


def item_problem(key: str, value: str) -> str:
    """Why a store cannot hold an item; empty when it can."""
    if not key:
        return "a key is empty"
    if "\0" in key or "\0" in value:  # PostgreSQL's text has none
        return f"the key {quoted(key[:64])} or its value holds a NUL character"
    try:
        if len(key.encode()) > KEY_BYTES_MAX:
            return f"the key {quoted(key[:64])}... is longer than {KEY_BYTES_MAX} bytes"
        if len(value.encode()) > VALUE_BYTES_MAX:
            return f"the value of {quoted(key[:64])} is longer than {VALUE_BYTES_MAX} bytes"
    except UnicodeEncodeError:
        return f"the key {quoted(key[:64])} or its value has half of a surrogate pair"
    return ""


def items_bytes(items: dict[str, str]) -> int:
    """Bytes of keys and values (UTF-8): what the quota of a store counts."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in items.items())


def items_problem(items: dict[str, str]) -> str:
    """The first thing that is wrong with what a store is to hold; empty: nothing."""
    for key, value in items.items():
        if problem := item_problem(key, value):
            return problem
    size = items_bytes(items)
    return f"{size} bytes are more than {STORE_BYTES_MAX}" if size > STORE_BYTES_MAX else ""


def read_data_files(
    stores: tuple[KeyValueStoreConfig, ...], folder: Path, problems: Problems
) -> tuple[KeyValueStoreConfig, ...]:
    """The stores with ids and with what their `data_file` holds; paths are relative to `folder`."""
    return tuple(
        _with_items(one, folder, f"key_value_stores[{index}]", problems)
        for index, one in enumerate(stores)
    )


def with_store_ids(
    functions: tuple[FunctionConfig, ...], stores: tuple[KeyValueStoreConfig, ...]
) -> tuple[FunctionConfig, ...]:
    """The functions, whose stores a file may call by their names, with the ids of these."""
    ids = {one.name: one.id for one in stores}
    return tuple(
        replace(one, key_value_stores=tuple(ids.get(name, name) for name in one.key_value_stores))
        if one.key_value_stores
        else one
        for one in functions
    )


def _with_items(
    store: KeyValueStoreConfig, folder: Path, where: str, problems: Problems
) -> KeyValueStoreConfig:
    named = replace(store, id=store.id or store_id(store.name))
    if not store.data_file:
        return named
    place = f"{where}.data_file"
    if store.items:
        problems.add(place, "not used with items")
        return named
    items: dict[str, str] = {}
    try:
        with (folder / store.data_file).open("rb") as opened:
            items = read_import(opened.read(FILE_BYTES_MAX + 1))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problems.add(place, f"{quoted(store.data_file)}: {reason}")
    except ValueError as error:
        problems.add(place, f"{quoted(store.data_file)}: {error}")
    return replace(named, items=items, data_file="")
