"""Fragments of a configuration, put where they belong in a small whole one."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

from edgecache.config.load import load
from edgecache.config.problems import ConfigError
from tests.documents.blocks import Block
from tests.reference.configuration import toml

WHOLE = """
[control]
listen = "127.0.0.1:8090"
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
listen_tls = "127.0.0.1:8443"
protocols = ["http1.1", "h2", "h3"]
[[locations]]
name = "FRA50"
listen = "127.0.0.1:8081"
[[locations]]
name = "NRT57"
listen = "127.0.0.1:8082"
[dns]
listen = ["127.0.0.1:5300"]
zone = "cdn.example.com"
name_servers = ["ns1.example.com"]
[bucket]
listen = "127.0.0.1:8070"
folder = "bucket"
[[public_keys]]
id = "K1ZWX0ERVS1830"
pem_file = "team.public.pem"
[[ip_sets]]
name = "office"
addresses = ["192.0.2.0/24"]
[[ip_sets]]
name = "blocked"
addresses = ["198.51.100.9"]
[[distributions]]
id = "ESITE"
aliases = ["www.example.com", "example.com"]
[[distributions.origins]]
id = "web"
domain_name = "origin.example"
[[distributions.origins]]
id = "bucket"
domain_name = "bucket.example"
[distributions.default_behavior]
origin = "web"
"""
PLACES = (
    "",
    "distributions",
    "distributions.default_behavior",
    "distributions.origins",
    "locations",
)
FILES = ("no such file", "not a directory", "no such folder", "is not set in the environment")


def problems_of(block: Block, folder: Path) -> list[str]:
    """What `check` says of a fragment where it stands, or could; files are not looked for."""
    table = tomllib.loads(block.text)
    if "in" in block.said:
        return _problems(table, block.said["in"], folder)
    found: list[str] = []
    for place in PLACES:
        tried = _problems(table, place, folder)
        if not tried:
            return []
        found = found or tried
    return found


def _problems(table: dict[str, Any], place: str, folder: Path) -> list[str]:
    whole = tomllib.loads(WHOLE)
    for name in reversed(place.split(".")) if place else ():
        table = {name: table if name == "default_behavior" else [table]}
        if name == "distributions":
            table = {"distributions": table["distributions"]}
    merged = _merged(whole, _listed(table))
    path = folder / "edgecache.toml"
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in merged.items()) + "\n")
    try:
        load(path)
    except ConfigError as error:
        lines = map(str, error.problems)
        return [line for line in lines if not any(word in line for word in FILES)]
    return []


def _listed(table: dict[str, Any]) -> dict[str, Any]:
    """`[distributions.x]` of a fragment is of the one distribution that is there."""
    if isinstance(table.get("distributions"), dict):
        return table | {"distributions": [table["distributions"]]}
    return table


def _merged(whole: Any, part: Any) -> Any:
    """`part` over `whole`; the first of a list's tables is merged, further ones follow."""
    if isinstance(whole, dict) and isinstance(part, dict):
        merged = copy.copy(whole)
        for key, value in part.items():
            merged[key] = _merged(whole[key], value) if key in whole else value
        return merged
    if isinstance(whole, list) and isinstance(part, list) and _tables(whole) and _tables(part):
        if "id" in part[0] or "name" in part[0]:
            names = {one.get("id", one.get("name")) for one in part}
            rest = [one for one in whole if one.get("id", one.get("name")) not in names]
            own = [_merged(_like(one, whole), one) for one in part]
            return own if "listen" in whole[0] or "default_behavior" in whole[0] else [*rest, *own]
        return [_merged(whole[0], part[0]), *part[1:]]
    return part


def _like(one: dict[str, Any], whole: list[Any]) -> dict[str, Any]:
    """What a table of a list leaves out: as the first one there has it."""
    first: dict[str, Any] = whole[0]
    if one.get("staging"):  # viewers ask for its primary's names
        return {key: value for key, value in first.items() if key != "aliases"}
    if "default_behavior" in first:
        return first
    return {}


def _tables(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(one, dict) for one in value)
