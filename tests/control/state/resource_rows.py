"""Resources as the API keeps them, and a catalog of them without its endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecache.config.functions import FunctionConfig
from edgecache.config.model import Config
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.functions import LIVE, declared_stage
from edgecache.control.state.log import ControlLog
from edgecache.control.state.resources import Resource, ResourceKind
from edgecache.control.state.sqlite import SqliteDatabase
from tests.control.cloudfront.desk import OPTIMIZED
from tests.rules.private.signers import RSA

NOW = 1_790_000_000.0
Document = dict[str, Any]


@dataclass(slots=True)
class Kept:
    """A control's state, and the catalog of it; another one can be opened on the same."""

    state: SqliteDatabase
    log: ControlLog
    file: Config
    catalog: Catalog

    def opened(self) -> Kept:
        """A control that begins with this state, and knows nothing else."""
        log = ControlLog(self.state, lambda: NOW)
        return Kept(self.state, log, self.file, _catalog(self.state, log, self.file))

    def restarted(self) -> Kept:
        """The same, having started."""
        other = self.opened()
        other.catalog.publish(self.file, starting=True)
        return other


def _catalog(state: SqliteDatabase, log: ControlLog, file: Config) -> Catalog:
    return Catalog(state, log, file, lambda: NOW, lambda count: bytes(count))


@contextmanager
def kept(folder: Path, file: Config) -> Iterator[Kept]:
    """A control that has started with `file`, in an empty state."""
    state = SqliteDatabase(folder)
    try:
        log = ControlLog(state, lambda: NOW)
        yield Kept(state, log, file, _catalog(state, log, file)).restarted()
    finally:
        state.close()


def row(kind: ResourceKind, id: str, config: Document, **more: Any) -> Resource:
    return Resource(kind, id, "E1", NOW, NOW, config, **more)


def behavior(pattern: str = "", policy: str = OPTIMIZED, **more: Any) -> Document:
    made = {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": policy}
    return made | ({"PathPattern": pattern} if pattern else {}) | more


def listing(items: Sequence[Any]) -> Document:
    return {"Quantity": len(items)} | ({"Items": list(items)} if items else {})


def distribution(
    id: str, aliases: Sequence[str] = (), behaviors: int = 0, host: str = "o.example.com",
    **default: Any,
) -> Resource:  # fmt: skip
    """A distribution with that many behaviors beside its default one."""
    origin = {
        "Id": "o", "DomainName": host, "OriginPath": "", "CustomHeaders": listing([]),
        "CustomOriginConfig": {
            "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
        },
    }  # fmt: skip
    config = {
        "CallerReference": id,
        "Comment": "",
        "Enabled": True,
        "Origins": listing([origin]),
        "DefaultCacheBehavior": behavior(**default),
        "CacheBehaviors": listing([behavior(f"/p{n}/*") for n in range(behaviors)]),
        "Aliases": listing(aliases),
    }
    return row(ResourceKind.DISTRIBUTION, id, config, reference=id)


def cache_policy(id: str, ttl_s_min: int) -> Resource:
    none = {"HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "none"},
            "EnableAcceptEncodingGzip": False}  # fmt: skip
    config = {"Name": id, "MinTTL": ttl_s_min, "MaxTTL": 100, "DefaultTTL": 50,
              "ParametersInCacheKeyAndForwardedToOrigin": none}  # fmt: skip
    return row(ResourceKind.CACHE_POLICY, id, config)


def public_key(id: str) -> Resource:
    config = {"Name": id, "CallerReference": id, "EncodedKey": RSA.public_pem, "Comment": ""}
    return row(ResourceKind.PUBLIC_KEY, id, config)


def key_group(id: str, keys: Sequence[str]) -> Resource:
    return row(ResourceKind.KEY_GROUP, id, {"Name": id, "Items": list(keys), "Comment": ""})


def function(name: str, code: str) -> Resource:
    stage = declared_stage(FunctionConfig(name=name, code=code), NOW)
    return row(ResourceKind.FUNCTION, name, {"Name": name, "Stages": {LIVE: stage}})


def runs(name: str) -> Document:
    """The member of a behavior that runs a function at each request."""
    arn = f"arn:aws:cloudfront::000000000000:function/{name}"
    one = {"FunctionARN": arn, "EventType": "viewer-request"}
    return {"FunctionAssociations": listing([one])}


def trusts(group: str) -> Document:
    return {"TrustedKeyGroups": {"Enabled": True} | listing([group])}
