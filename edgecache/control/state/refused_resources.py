"""What the API has made and a later check refuses. Law: it stops those who use it, and no other.

A policy, key or access control that is left out takes with it what names it, in the end
distributions, which answer 503 and say what the cause is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from edgecache.config.unavailable_site import UnavailableSite
from edgecache.control.state.resources import Resource, ResourceKind, domain_name_of


@dataclass(frozen=True, slots=True)
class RefusedResource:
    """A resource that is left out of the configuration, and why."""

    kind: ResourceKind
    id: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} (made over the API): {'; '.join(self.reasons)}"


def causes(one: Resource, refused: Iterable[RefusedResource]) -> list[str]:
    """A line for each refused resource that the configuration of `one` names."""
    return [str(cause) for cause in refused if _names(one.config, cause.id)]


def unread_site(one: Resource, reasons: Sequence[str]) -> UnavailableSite:
    """What remains of a distribution whose document says what cannot be read."""
    aliases = one.config.get("Aliases", {}).get("Items", ())
    return UnavailableSite(
        id=one.id,
        names=(one.domain_name or domain_name_of(one.id), *aliases),
        reasons=tuple(reasons),
        enabled=bool(one.config.get("Enabled", True)),
    )


def _names(value: Any, id: str) -> bool:
    """Whether a document has this id as a value; ids are drawn at random, and as good as unique.

    An identity stands in it as `origin-access-identity/cloudfront/ID`.
    """
    if isinstance(value, dict):
        return any(_names(one, id) for one in value.values())
    if isinstance(value, list):
        return any(_names(one, id) for one in value)
    return isinstance(value, str) and value.rpartition("/")[2] == id
