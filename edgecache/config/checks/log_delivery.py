"""Checks of logs: known fields, one format on the standard output; where logs are delivered.

Each bucket is one place, and no prefix leads out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Protocol
from urllib.parse import urlsplit

from edgecache.config.model import Config, LogBucket, Logging
from edgecache.config.problems import Problem, Problems, quoted
from edgecache.observe.log_record import JSON_FIELDS

BUCKETS_MAX = 64  # each may have a delivery on its way
PREFIX_CHARS_MAX = 256  # CloudFront's

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
STORE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # S3: "Bucket naming rules"
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]{0,64}")
OF_THIS_MACHINE = ("127.", "localhost", "::1")
_OF_A_STORE = ("name", "credential", "ca_file")


def check_log_delivery(config: Config, problems: Problems) -> None:
    """Every bucket, and the prefixes that distributions have in them."""
    buckets = config.log_delivery.buckets
    if len(buckets) > BUCKETS_MAX:
        problems.add("log_delivery.buckets", f"{len(buckets)} are more than {BUCKETS_MAX}")
    seen: set[str] = set()
    for index, bucket in enumerate(buckets):
        where = f"log_delivery.buckets[{index}]"
        if not _NAME.fullmatch(bucket.bucket):
            problems.add(f"{where}.bucket", f"{quoted(bucket.bucket)} is not the name of a bucket")
        elif bucket.bucket in seen:
            problems.add(f"{where}.bucket", f"{quoted(bucket.bucket)} is named twice")
        seen.add(bucket.bucket)
        _check_place(bucket, where, problems)
    for number, distribution in enumerate(config.distributions):
        logging = distribution.logging
        if logging.enabled and logging.bucket in seen:
            for problem in _prefix_problems(logging):
                problems.add(f"distributions[{number}].logging.prefix", problem)


def log_delivery_warnings(config: Config) -> Iterator[Problem]:
    """Logs on their way where others can read them."""
    for index, bucket in enumerate(config.log_delivery.buckets):
        url = urlsplit(bucket.endpoint)
        if url.scheme == "http" and not (url.hostname or "").startswith(OF_THIS_MACHINE):
            yield Problem(
                f"log_delivery.buckets[{index}].endpoint",
                "addresses of viewers and what they asked for go in clear: by HTTP",
            )


def check_access_log(config: Config, problems: Problems) -> None:
    """Formats and fields of the access log."""
    log = config.access_log
    if len({*log.formats}) != len(log.formats):
        problems.add("access_log.formats", "names a format twice")
    if log.target == "stdout" and len(log.formats) > 1:
        problems.add("access_log.formats", "the standard output takes one: who reads it expects it")
    if log.fields and "json" not in log.formats:
        problems.add("access_log.fields", 'are of JSON lines: put "json" into formats')
    seen: set[str] = set()
    for index, name in enumerate(log.fields):
        where = f"access_log.fields[{index}]"
        if name not in JSON_FIELDS:
            near = get_close_matches(name, JSON_FIELDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(JSON_FIELDS)}"
            problems.add(where, f"{quoted(name)} is not a field; {hint}")
        elif name in seen:
            problems.add(where, f"{quoted(name)} is named twice")
        seen.add(name)


def _check_place(bucket: LogBucket, where: str, problems: Problems) -> None:
    if bool(bucket.folder) == bool(bucket.endpoint):
        wrong = "with an endpoint" if bucket.folder else "missing, and there is no endpoint"
        problems.add(f"{where}.folder", f"{wrong}: a bucket is a folder or in a store")
    elif bucket.folder:
        if "\0" in bucket.folder:
            problems.add(f"{where}.folder", f"{quoted(bucket.folder)} is not a path")
        for name in _OF_A_STORE:
            if getattr(bucket, name):
                problems.add(f"{where}.{name}", "is a store's, and this is a folder")
    else:
        _check_store(bucket, where, problems)


def _check_store(bucket: LogBucket, where: str, problems: Problems) -> None:
    check_store_access(bucket, where, problems)
    if not STORE_NAME.fullmatch(bucket.store_name):
        problems.add(
            f"{where}.name", f"{quoted(bucket.store_name)} is not what S3 calls a bucket: name it"
        )


class StoreAccess(Protocol):
    """How an S3-compatible store is reached, of whatever piece of the configuration."""

    @property
    def endpoint(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def credential(self) -> str: ...


def check_store_access(store: StoreAccess, where: str, problems: Problems) -> None:
    """Its URL, region and the name of its key pair."""
    if wrong := _endpoint_problem(store.endpoint):
        problems.add(f"{where}.endpoint", wrong)
    if not _REGION.fullmatch(store.region):
        problems.add(f"{where}.region", f"{quoted(store.region)} is not a region")
    if not _CREDENTIAL.fullmatch(store.credential):
        why = "is not the name of a key pair (edgecache keys store NAME)"
        problems.add(f"{where}.credential", f"{quoted(store.credential)} {why}")


def _endpoint_problem(endpoint: str) -> str:
    """Why it is no URL of a store; never with what may be a secret in it."""
    try:
        url = urlsplit(endpoint)
        port_is_good = url.port is None or url.port > 0
    except ValueError:
        return "is not a URL (https://HOST)"
    if url.username is not None or url.password is not None:
        return "has a user in it: key pairs stand in secrets.json (edgecache keys store NAME)"
    if url.scheme not in ("http", "https") or not url.hostname or not port_is_good:
        return f"{quoted(endpoint)} is not a URL (https://HOST)"
    if url.query or url.fragment or not re.fullmatch(r"[\x21-\x7e]+", endpoint):
        return f"{quoted(endpoint)} is more than the URL of a store (https://HOST)"
    return ""


def _prefix_problems(logging: Logging) -> Iterator[str]:
    prefix = logging.prefix
    if len(prefix) > PREFIX_CHARS_MAX:
        yield f"{len(prefix)} characters are more than {PREFIX_CHARS_MAX}"
    elif re.search(r"[\x00-\x1f\x7f]", prefix):
        yield f"{quoted(prefix)} has control characters"
    elif any(step in ("", ".", "..") for step in prefix.removesuffix("/").split("/") if prefix):
        yield f'{quoted(prefix)} has a step "", "." or ".."'
