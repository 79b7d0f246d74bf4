"""Health checks that the API makes: made, changed and deleted in the catalog.

Law: what is kept can be asked by nodes at once. A check that records or other checks name stays.
Codes of refusals are those of Route 53's API; API reference, CreateHealthCheck, UpdateHealthCheck,
DeleteHealthCheck.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.health_checks import health_check_config, read_health_check
from edgecache.config.checks.configuration import check_bounds
from edgecache.config.checks.health_checks import health_check_troubles
from edgecache.config.health_checks import CALCULATED, CHECKS_MAX, HealthCheck
from edgecache.config.model import Config
from edgecache.config.problems import Problems
from edgecache.control.cloudfront.origin_reach import endpoint_trouble
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.compose import health_check_of
from edgecache.control.state.database import UNASKED, Authorship
from edgecache.control.state.resources import Resource, ResourceKind, ResourceSource, content_etag

KIND = ResourceKind.HEALTH_CHECK
RESET = {  # API reference, ResettableElementName
    "FullyQualifiedDomainName", "ResourcePath", "ChildHealthChecks", "Regions",
}  # fmt: skip
_FIXED = ("Type", "RequestInterval", "MeasureLatency")  # UpdateHealthCheck has no such members


class HealthCheckRefusedError(Exception):
    """A change that is not made: Route 53's error code, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def version(one: Resource) -> int:
    """How often it was changed, from 1."""
    return int(one.config.get("HealthCheckVersion", 1))


def document(one: Resource) -> dict[str, Any]:
    """Its HealthCheckConfig."""
    return dict(one.config["HealthCheckConfig"])


def get(catalog: Catalog, id: str) -> Resource:
    """The health check of the file or the API. HealthCheckRefusedError: NoSuchHealthCheck."""
    found = catalog.get(KIND, id)
    if found is None:
        raise HealthCheckRefusedError("NoSuchHealthCheck", f"There is no health check {id}.")
    return found


def create(
    catalog: Catalog, reference: str, config: Mapping[str, Any], by: Authorship = UNASKED
) -> tuple[Resource, bool]:
    """A new health check; the one that a caller reference has made with these settings before,
    and False.
    """
    known = catalog.of(KIND)
    id = str(uuid.UUID(bytes=catalog.random(16), version=4))
    check = _read(config, id)
    kept = health_check_config(check)
    for one in known:
        if one.source is ResourceSource.API and one.reference == reference:
            if document(one) == kept:
                return one, False
            why = f"The caller reference {reference} has made another health check: {one.id}."
            raise HealthCheckRefusedError("HealthCheckAlreadyExists", why)
    if len(known) >= CHECKS_MAX:
        raise HealthCheckRefusedError("TooManyHealthChecks", f"There are {CHECKS_MAX} already.")
    _write(catalog, check, _resource(catalog, id, kept, reference), by)
    return get(catalog, id), True


def update(
    catalog: Catalog,
    id: str,
    changes: Mapping[str, Any],
    resets: Sequence[str] = (),
    by: Authorship = UNASKED,
) -> Resource:
    """Change members of its HealthCheckConfig, or take them off; `HealthCheckVersion` among
    `changes` must be the current one where it is said.
    """
    one = _changeable(catalog, id)
    given = dict(changes)
    if given.pop("HealthCheckVersion", version(one)) != version(one):
        raise HealthCheckRefusedError(
            "HealthCheckVersionMismatch", f"The version of {id} is {version(one)}."
        )
    for member in _FIXED:
        if given.get(member, document(one).get(member)) != document(one).get(member):
            raise HealthCheckRefusedError("InvalidInput", f"{member} cannot be changed.")
    config = {k: v for k, v in document(one).items() if k not in {*resets} & RESET} | given
    check = _read(config, id)
    changed = replace(
        _resource(catalog, id, health_check_config(check), one.reference, version(one) + 1),
        created_at=one.created_at, tags=one.tags,
    )  # fmt: skip
    _write(catalog, check, changed, by)
    return get(catalog, id)


def delete(catalog: Catalog, id: str, by: Authorship = UNASKED) -> None:
    """Remove one that nothing names."""
    one = _changeable(catalog, id)
    for user in users(catalog.published, one.id):
        raise HealthCheckRefusedError("HealthCheckInUse", f"The health check is that of {user}.")
    with catalog.changing(by):
        catalog.remove(KIND, id)


def users(config: Config, id: str) -> Iterator[str]:
    """What names a health check: origins, records of the file, calculated health checks."""
    for site in config.distributions:
        for origin in site.origins:
            if origin.health_check == id:
                yield f"the origin {origin.id} of the distribution {site.id}"
    settings = config.dns
    for check in () if settings is None else settings.health_checks:
        if id in check.children:
            yield f"the calculated health check {check.id}"
    for zone in () if settings is None else settings.zones:
        for record in zone.records:
            if record.health_check == id:
                yield f"the record {record.name} {record.type} of the zone {zone.name}"


def _changeable(catalog: Catalog, id: str) -> Resource:
    one = get(catalog, id)
    if one.source is not ResourceSource.API:
        why = f"{id} is declared in the configuration file: change it there."
        raise HealthCheckRefusedError("InvalidInput", why)
    return one


def _read(config: Mapping[str, Any], id: str) -> HealthCheck:
    """A HealthCheckConfig as it was given."""
    try:
        return read_health_check(dict(config), id)
    except DocumentError as error:
        raise HealthCheckRefusedError("InvalidInput", str(error)) from error


def _resource(
    catalog: Catalog, id: str, config: dict[str, Any], reference: str, number: int = 1
) -> Resource:
    now = catalog.clock()
    kept = {"HealthCheckConfig": config, "HealthCheckVersion": number}
    return Resource(
        kind=KIND, id=id, etag=content_etag(kept), created_at=now, modified_at=now, config=kept,
        reference=reference,
    )  # fmt: skip


def _write(catalog: Catalog, check: HealthCheck, one: Resource, by: Authorship) -> None:
    if catalog.file.dns is None:
        why = "There is no [dns] in the configuration: health checks are those of its records."
        raise HealthCheckRefusedError("InvalidInput", why)
    others = [
        health_check_of(other, private=False) for other in catalog.of(KIND) if other.id != check.id
    ]
    if troubles := [*_troubles(check, others, catalog.file)]:
        raise HealthCheckRefusedError("InvalidInput", "; ".join(troubles))
    with catalog.changing(by):
        catalog.put(one)


def _troubles(check: HealthCheck, others: Sequence[HealthCheck], file: Config) -> Iterator[str]:
    problems = Problems()
    check_bounds(check, "", problems)
    for member, trouble in health_check_troubles(check, [*others, check]):
        problems.add(member, trouble)
    yield from map(str, problems.found)
    if check.type == CALCULATED and any(check.id in other.children for other in others):
        yield "it is a child of a calculated health check, and is calculated itself"
    host = check.address or check.host
    if host and (trouble := endpoint_trouble(host, {check.asked_port}, file)):
        yield f"{host} {trouble}"
