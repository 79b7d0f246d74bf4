"""Commands of the bucket: put an object, list and restore its versions, make a policy."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_json,
    print_result,
    refuse,
)

if TYPE_CHECKING:
    from edgecache.config.model import Bucket, Config
    from edgecache.origin.versions import Versions

app = typer.Typer(no_args_is_help=True, help="The bucket: objects, their versions, its policy.")

TIME = "%Y-%m-%dT%H:%M:%SZ"
Key = Annotated[str, typer.Argument(help="The object's name, as in its path without the first /.")]


@app.command(epilog="Example: edgecache bucket put index.html pages/index.html")
def put(
    file: Annotated[str, typer.Argument(help="A file, or - for standard input.")],
    key: Key,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put a file into the bucket's folder, whole; tell the version it is."""
    from edgecache.origin.folder import put_object

    settings = load_config(config)
    folder = Path(_bucket(settings).folder)
    versions = _versions(settings)
    try:
        if file == "-":
            made = put_object(folder, key, sys.stdin.buffer, versions)
        else:
            with open(file, "rb") as content:
                made = put_object(folder, key, content, versions)
    except (OSError, ValueError) as error:
        fail(str(error))
    version = "" if made is None else made.id
    print_result({"key": key, "version": version}, version, as_json=as_json)


@app.command("versions", epilog="Example: edgecache bucket versions pages/index.html")
def list_versions(
    key: Annotated[
        str, typer.Argument(help="An object's name; without it all that are kept.")
    ] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the versions that are kept, the newest first: id, time, bytes, ETag, name."""
    versions = _all_versions(load_config(config))
    found = [
        {
            "version": one.id,
            "modified_at": datetime.fromtimestamp(one.modified_at, UTC).strftime(TIME),
            "bytes": one.size,
            "etag": one.etag,
            "key": name,
        }
        for name in ([key] if key else versions.keys())
        for one in versions.of(name)
    ]
    if as_json:
        print_json(found)
        return
    for row in found:
        version, at, size, etag, name = row.values()
        typer.echo(f"{version}  {at}  {size:>12}  {etag}  {name}")


@app.command(epilog="Example: edgecache bucket restore pages/index.html VERSION")
def restore(
    key: Key,
    version_id: Annotated[str, typer.Argument(help="As `bucket versions` lists it.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Give an object the content of an earlier version; tell the new version's id.

    Caches hold what they have until it expires: `edgecache invalidate` takes it away.
    """
    from edgecache.origin.folder import put_object

    settings = load_config(config)
    versions = _all_versions(settings)
    former = versions.find(key, version_id)
    if former is None:
        fail(f'"{key}" has no version {version_id} (see: edgecache bucket versions {key})')
    try:
        with former.path.open("rb") as content:  # open: keeping the present one may remove it
            made = put_object(Path(_bucket(settings).folder), key, content, versions)
    except (OSError, ValueError) as error:
        fail(str(error))
    version = "" if made is None else made.id
    print_result({"key": key, "version": version}, version, as_json=as_json)


@app.command(epilog="Example: edgecache bucket policy E2QWRUHAPOMQZL > policy.json")
def policy(
    identity: Annotated[str, typer.Argument(help="An origin access identity's id.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print the bucket policy that lets one origin access identity read, and nobody else."""
    from edgecache.origin.demo import canonical_ids
    from edgecache.origin.policy import policy_for

    settings = load_config(config)
    made = policy_for(identity, _bucket(settings).name, canonical_ids(settings)(identity))
    typer.echo(json.dumps(made, indent=2))


def _bucket(config: Config) -> Bucket:
    if config.bucket is None:
        refuse(["the configuration has no [bucket]"])
    return config.bucket


def _versions(config: Config) -> Versions | None:
    from edgecache.origin.demo import versions_of

    _bucket(config)
    return versions_of(config)


def _all_versions(config: Config) -> Versions:
    versions = _versions(config)
    if versions is None:
        refuse(["bucket.versions_max is 0: no versions are kept"])
    return versions
