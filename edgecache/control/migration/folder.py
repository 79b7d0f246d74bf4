"""Resource documents as a folder: a configuration file, and the documents and code it names.

Law: the folder is there whole or as it was. What is in it follows from what is imported alone, so
that a second import changes nothing.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError
from edgecache.config.refused_distributions import refusal_problems
from edgecache.config.site_file import toml
from edgecache.control.cloudfront.resource_types import BY_KIND
from edgecache.control.migration.resource_documents import (
    Document,
    LambdaDocument,
    MigrationError,
    ResourceDocument,
    ResourceDocuments,
)
from edgecache.control.state.resources import ResourceKind

MAIN = "edgecache.toml"
_PLACES = {
    ResourceKind.CACHE_POLICY: "cache_policies",
    ResourceKind.ORIGIN_REQUEST_POLICY: "origin_request_policies",
    ResourceKind.RESPONSE_HEADERS_POLICY: "response_headers_policies",
    ResourceKind.PUBLIC_KEY: "public_keys",
    ResourceKind.KEY_GROUP: "key_groups",
    ResourceKind.ACCESS_CONTROL: "origin_access_controls",
    ResourceKind.ACCESS_IDENTITY: "origin_access_identities",
    ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY: "continuous_deployment_policies",
}
_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """What the file says beside what is imported. Addresses are HOST:PORT."""

    listen: str = "127.0.0.1:8080"
    control: str = "127.0.0.1:8090"
    geo_database: str = ""
    ignore_unsupported: bool = False


@dataclass(slots=True)
class FolderChange:
    """What an import made of a folder: files by how they changed; none: it changed nothing."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)


def write_folder(
    documents: ResourceDocuments, folder: Path, settings: FolderSettings, *, replace: bool
) -> FolderChange:
    """Write what is imported to `folder`, checked as `edgecache check` does. MigrationError.

    A folder that is there and differs is refused unless `replace`: then the files of the import
    are put in the place of those of their names, and others stay.
    """
    documents.raise_problems()
    files = {name: text.encode() for name, text in _files(documents, settings)}
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=parent) as made:
        staged = Path(made, "folder")
        for name, data in files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        config = _checked(staged / MAIN, documents.source, settings)
        change = FolderChange(to_do=[*_to_do(config)])
        change.new = [name for name in files if not (folder / name).exists()]
        change.changed = [
            name for name, data in files.items() if name not in change.new
            and (folder / name).read_bytes() != data
        ]  # fmt: skip
        if not folder.exists():
            staged.rename(folder)
        elif change.new or change.changed:
            _replace(documents.source, folder, staged, change, allowed=replace)
    return change


def _replace(
    source: str, folder: Path, staged: Path, change: FolderChange, *, allowed: bool
) -> None:
    """Put new files in their places, the one that names all others last. MigrationError."""
    names = [*change.new, *change.changed]
    if not allowed:
        differ = ", ".join(names[:10])
        told = f"{folder} is there and differs ({differ}): give another, or --replace"
        raise MigrationError(source, [told])
    for name in sorted(names, key=lambda one: one == MAIN):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged / name, folder / name)


def _checked(path: Path, source: str, settings: FolderSettings) -> Config:
    """The configuration that was written. MigrationError: what `check` has against it."""
    try:
        config = load(path)
    except ConfigError as error:
        raise MigrationError(source, [*map(str, error.problems)]) from None
    problems = [*map(str, refusal_problems(config))]
    if problems:
        hint = "with --ignore-unsupported it is served without these, and told"
        raise MigrationError(source, [*problems, hint])
    return config


def _to_do(config: Config) -> Iterator[str]:
    """What cannot be imported, as it is a secret."""
    for control in config.origin_access_controls:
        if control.signing_behavior != "never":
            name = control.name or control.id
            pair = "the key pair it signs with"
            yield f"origin access control {name}: edgecache keys store {name} ({pair})"
    for distribution in config.distributions:
        if distribution.viewer_certificate.acm_certificate_arn:
            yield f"distribution {distribution.id}: certificate_file and key_file of its aliases"


def _files(documents: ResourceDocuments, settings: FolderSettings) -> Iterator[tuple[str, str]]:
    lines = [*_head(documents, settings)]
    for one in documents.resources:
        table, files = _table(one)
        lines += ["", *table]
        yield from files
    for function in documents.lambda_functions.values():
        table, files = _lambda_function(function)
        lines += ["", *table]
        yield from files
    yield MAIN, "".join(f"{line}\n" for line in lines)


def _head(documents: ResourceDocuments, settings: FolderSettings) -> Iterator[str]:
    yield f"# Imported from {_commented(documents.source)}; what it names stands beside it."
    yield "#"
    yield f"#   edgecache check {MAIN}"
    yield "#   edgecache up"
    yield ""
    yield 'state_dir = "var"'
    if settings.ignore_unsupported:
        yield 'unsupported = "ignore" # what is not done is told, and served without'
    if settings.geo_database:
        yield f"geo_database = {toml(settings.geo_database)}"
    yield ""
    yield "[control]"
    yield f"listen = {toml(settings.control)}"
    yield ""
    yield "[[locations]]"
    yield 'name = "edgecache"'
    yield f"listen = {toml(settings.listen)}"
    buckets = sorted(_log_buckets(documents))
    for bucket in buckets:
        yield ""
        yield "[[log_delivery.buckets]]"
        yield f"bucket = {toml(bucket)}"
        yield f"folder = {toml(f'logs/{_file_name(bucket)}')} # or an endpoint: see log-delivery.md"


def _log_buckets(documents: ResourceDocuments) -> set[str]:
    logs = [one.config.get("Logging") or {} for one in documents.of(ResourceKind.DISTRIBUTION)]
    return {one["Bucket"] for one in logs if one.get("Enabled") and one.get("Bucket")}


def _table(one: ResourceDocument) -> tuple[list[str], list[tuple[str, str]]]:
    """The lines of a resource in the file, and the files it has."""
    if one.kind == ResourceKind.FUNCTION:
        return _function(one)
    if one.kind == ResourceKind.KEY_VALUE_STORE:
        return _store(one)
    if one.kind == ResourceKind.DISTRIBUTION:
        path = f"distributions/{_file_name(one.id)}.json"
        table = ["[[distributions]]", f"id = {toml(one.id)}", f"file = {toml(path)}"]
        return table, [(path, _json({"DistributionConfig": one.config}))]
    type = BY_KIND[one.kind]
    path = f"{_PLACES[one.kind]}/{_file_name(one.id)}.json"
    document = {type.name: {"Id": one.id, type.config: type.fill(one.config)}}
    return [f"[[{_PLACES[one.kind]}]]", f"file = {toml(path)}"], [(path, _json(document))]


def _function(one: ResourceDocument) -> tuple[list[str], list[tuple[str, str]]]:
    path = f"functions/{_file_name(one.name)}.js"
    config = one.config["FunctionConfig"]
    stores = (config.get("KeyValueStoreAssociations") or {}).get("Items") or []
    ids = [str(each["KeyValueStoreARN"]).rpartition("/")[2] for each in stores]
    table = [
        "[[functions]]",
        f"name = {toml(one.name)}",
        f"runtime = {toml(config['Runtime'])}",
        f"comment = {toml(config.get('Comment', ''))}",
        f"code_file = {toml(path)}",
        *([f"key_value_stores = [{', '.join(map(toml, ids))}]"] if ids else []),
    ]
    return table, [(path, one.config["FunctionCode"])]


def _lambda_function(one: LambdaDocument) -> tuple[list[str], list[tuple[str, str]]]:
    folder = one.folder or f"lambda_functions/{_file_name(one.name)}"
    suffix = "py" if one.runtime == "python" else "js"
    table = [
        "[[lambda_functions]]",
        f"name = {toml(one.name)}",
        f"runtime = {toml(one.runtime)}",
        f"folder = {toml(folder)}",
        f"handler = {toml(one.handler)}",
        f"timeout_s = {one.timeout_s}",
        f"memory_mb = {one.memory_mb}",
    ]
    return table, [] if one.folder else [(f"{folder}/index.{suffix}", one.code)]


def _store(one: ResourceDocument) -> tuple[list[str], list[tuple[str, str]]]:
    path = f"key_value_stores/{_file_name(one.name)}.json"
    items = [{"key": key, "value": value} for key, value in sorted(one.config["Items"].items())]
    table = [
        "[[key_value_stores]]",
        f"name = {toml(one.name)}",
        f"id = {toml(one.id)}",
        f"comment = {toml(one.config['Comment'])}",
        f"data_file = {toml(path)}",
    ]
    return table, [(path, _json({"data": items}))]


def _file_name(text: str) -> str:
    """A name of a file that no text leads out of the folder by."""
    name = _NOT_OF_A_NAME.sub("_", text)[:100]
    return name if name.strip(".") else "_"


def _commented(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _json(value: Document | Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
