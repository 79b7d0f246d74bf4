"""Rows of the resources that the API has made. Law: a row holds what was asked, not what it means.

A resource's `config` is its configuration as CloudFront's API has it, its defaults filled in.

A resource that a later check refuses is left out: a policy, key or access control takes with it
what names it, in the end distributions, which answer 503 and say what the cause is; no other is
stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from edgecache.config.dns import ID_CHARS as ID_CHARS
from edgecache.config.dns import made_label
from edgecache.config.model import UnavailableSite
from edgecache.control.state.database import StateDatabase

_COLUMNS = (
    "kind, id, domain_name, etag, created_at, modified_at, generation, reference, config, tags"
)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[2:])

Random = Callable[[int], bytes]


class ResourceKind(StrEnum):
    """Kinds of resource, as written in rows and ARNs."""

    DISTRIBUTION = "distribution"
    CACHE_POLICY = "cache-policy"
    ORIGIN_REQUEST_POLICY = "origin-request-policy"
    RESPONSE_HEADERS_POLICY = "response-headers-policy"
    PUBLIC_KEY = "public-key"
    KEY_GROUP = "key-group"
    ACCESS_CONTROL = "origin-access-control"
    ACCESS_IDENTITY = "origin-access-identity"
    KEY_VALUE_STORE = "key-value-store"
    FUNCTION = "function"
    REALTIME_LOG = "realtime-log-config"  # its id is its name
    CONTINUOUS_DEPLOYMENT_POLICY = "continuous-deployment-policy"
    MONITORING_SUBSCRIPTION = "monitoring-subscription"  # its id is its distribution's
    HEALTH_CHECK = "healthcheck"  # Route 53's


class ResourceSource(StrEnum):
    """Where a resource was declared."""

    API = "api"  # it can be changed over the API
    FILE = "file"  # the configuration file
    MANAGED = "managed"  # CloudFront itself, for everybody


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. Times are epoch seconds; `generation` is the configuration that brought it.

    `reference` is the CallerReference it was made with, empty for kinds that have none.
    """

    kind: ResourceKind
    id: str
    etag: str
    created_at: float
    modified_at: float
    config: dict[str, Any]
    generation: int = 0
    reference: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    source: ResourceSource = ResourceSource.API
    domain_name: str = ""  # of a distribution; empty: the one made of its id

    @property
    def name(self) -> str:
        return str(self.config.get("Name", ""))


class Resources:
    """Table of resources. Changed inside `StateDatabase.writing`.

    While a row is what it was, its resource is the same object.
    """

    def __init__(self, state: StateDatabase) -> None:
        self._database = state
        self._known: dict[ResourceKind, dict[str, tuple[tuple[Any, ...], Resource]]] = {}

    def of(self, kind: ResourceKind) -> list[Resource]:
        """All of a kind, by id."""
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM resources WHERE kind = ? ORDER BY id", (kind,)
        )
        before, now = self._known.get(kind, {}), {}
        for row in rows:
            known = before.get(row[1])
            now[row[1]] = known if known and known[0] == row else (row, _resource(row))
        self._known[kind] = now
        return [one for _, one in now.values()]

    def get(self, kind: ResourceKind, id: str) -> Resource | None:
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM resources WHERE kind = ? AND id = ?", (kind, id)
        ).fetchone()
        return None if row is None else _resource(row)

    def count(self, kind: ResourceKind) -> int:
        """How many there are of a kind."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM resources WHERE kind = ?", (kind,)
        ).fetchone()
        return int(count)

    def made_with(self, kind: ResourceKind, reference: str) -> list[str]:
        """The ids of those that were made with this CallerReference."""
        rows = self._database.execute(
            "SELECT id FROM resources WHERE kind = ? AND reference = ?", (kind, reference)
        )
        return [str(id) for (id,) in rows]

    def put(self, resource: Resource) -> None:
        """Add it, or put it in the place of the one with its id."""
        row = (
            resource.kind,
            resource.id,
            resource.domain_name,
            resource.etag,
            resource.created_at,
            resource.modified_at,
            resource.generation,
            resource.reference,
            msgspec.json.encode(resource.config).decode(),
            msgspec.json.encode(resource.tags).decode(),
        )
        marks = ", ".join("?" * len(row))
        self._database.execute(
            f"INSERT INTO resources ({_COLUMNS}) VALUES ({marks})"
            f" ON CONFLICT (kind, id) DO UPDATE SET {_REPLACED}",
            row,
        )

    def remove(self, kind: ResourceKind, id: str) -> None:
        self._database.execute("DELETE FROM resources WHERE kind = ? AND id = ?", (kind, id))

    def adopted(self) -> frozenset[str]:
        """The distributions of the file that the API has taken over, those deleted since too."""
        return frozenset(id for (id,) in self._database.execute("SELECT id FROM adopted"))

    def adopt(self, id: str) -> None:
        self._database.execute("INSERT INTO adopted (id) VALUES (?) ON CONFLICT DO NOTHING", (id,))

    def give_back(self, id: str) -> None:
        self._database.execute("DELETE FROM adopted WHERE id = ?", (id,))


def _resource(row: tuple[Any, ...]) -> Resource:
    kind, id, domain, etag, created_at, modified_at, generation, reference, config, tags = row
    return Resource(
        kind=ResourceKind(kind),
        id=id,
        domain_name=domain,
        etag=etag,
        created_at=created_at,
        modified_at=modified_at,
        generation=generation,
        reference=reference,
        config=msgspec.json.decode(config, type=dict[str, Any]),
        tags=msgspec.json.decode(tags, type=dict[str, str]),
    )


def random_id(prefix: str, random: Random) -> str:
    """An id of CloudFront's form: the prefix and 13 letters and digits."""
    return prefix + "".join(ID_CHARS[byte % len(ID_CHARS)] for byte in random(13))


def content_etag(config: dict[str, Any]) -> str:
    """A version made of the contents, for resources that have no other."""
    digest = hashlib.sha256(msgspec.json.encode(config, order="deterministic")).digest()
    return random_id("E", lambda count: digest[:count])


def default_domain_name(id: str) -> str:
    """The `d….cloudfront.net` of a distribution, always the same for an id."""
    return f"{made_label(id)}.cloudfront.net"


@dataclass(frozen=True, slots=True)
class RefusedResource:
    """A resource that is left out of the configuration, and why."""

    kind: ResourceKind
    id: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} (made over the API): {'; '.join(self.reasons)}"


def refused_dependencies(one: Resource, refused: Iterable[RefusedResource]) -> list[str]:
    """A line for each refused resource that the configuration of `one` names."""
    return [str(cause) for cause in refused if _mentions(one.config, cause.id)]


def unreadable_site(one: Resource, reasons: Sequence[str]) -> UnavailableSite:
    """A distribution whose document cannot be read, as one that answers 503."""
    aliases = one.config.get("Aliases", {}).get("Items", ())
    return UnavailableSite(
        id=one.id,
        names=(one.domain_name or default_domain_name(one.id), *aliases),
        reasons=tuple(reasons),
        enabled=bool(one.config.get("Enabled", True)),
    )


def _mentions(value: Any, id: str) -> bool:
    """Whether a document has this id as a value; ids are drawn at random, and as good as unique.

    An identity stands in it as `origin-access-identity/cloudfront/ID`.
    """
    if isinstance(value, dict):
        return any(_mentions(one, id) for one in value.values())
    if isinstance(value, list):
        return any(_mentions(one, id) for one in value)
    return isinstance(value, str) and value.rpartition("/")[2] == id
