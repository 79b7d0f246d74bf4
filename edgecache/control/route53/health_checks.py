"""Operations on health checks: made, changed, listed; what edge locations say of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from edgecache.config.health_checks import CALCULATED, HealthCheck
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.route53.call import Document, Route53Call, Run, page_size, plain_id
from edgecache.control.route53.model import PREFIX, Route53Error
from edgecache.control.state import health_checks as state
from edgecache.control.state.resources import Resource, ResourceKind
from edgecache.health.verdict import CheckerOpinion

ON_LOOP = frozenset({"GetHealthCheckLastFailureReason", "GetHealthCheckStatus"})
"""Operations that ask what is reported, which is known on the loop; none reads the state."""
_NOT_CHANGES = frozenset({"HealthCheckId", "ResetElements"})


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "CreateHealthCheck": create,
        "DeleteHealthCheck": delete,
        "GetHealthCheck": get,
        "GetHealthCheckLastFailureReason": last_failure_reason,
        "GetHealthCheckStatus": status,
        "ListHealthChecks": list_all,
        "UpdateHealthCheck": update,
    }


@contextlib.contextmanager
def _as_api_errors() -> Iterator[None]:
    try:
        yield
    except state.HealthCheckRefusedError as error:
        raise Route53Error(error.code, error.message) from None


def create(call: Route53Call) -> Document:
    given = call.input
    with _as_api_errors():
        made, _ = state.create(
            call.catalog, given["CallerReference"], given["HealthCheckConfig"],
            call.by(given["CallerReference"]),
        )  # fmt: skip
    location = f"{call.base}{PREFIX}/healthcheck/{made.id}"
    return {"HealthCheck": health_check_document(made), "Location": location}


def get(call: Route53Call) -> Document:
    with _as_api_errors():
        return {"HealthCheck": health_check_document(state.get(call.catalog, _id(call)))}


def update(call: Route53Call) -> Document:
    """Change members, and take those off that are named to be reset."""
    changes = {name: value for name, value in call.input.items() if name not in _NOT_CHANGES}
    with _as_api_errors():
        changed = state.update(
            call.catalog, _id(call), changes, call.input.get("ResetElements", ()),
            call.by(_id(call)),
        )  # fmt: skip
    return {"HealthCheck": health_check_document(changed)}


def delete(call: Route53Call) -> Document:
    id = _id(call)
    for zone in call.zones.users_of_health_check(id):
        raise Route53Error(
            "HealthCheckInUse", f"The health check is that of a record of the hosted zone {zone}."
        )
    with _as_api_errors():
        state.delete(call.catalog, id, call.by(id))
    return {}


def list_all(call: Route53Call) -> Document:
    """By id, those of the file too."""
    marker, most = str(call.input.get("Marker") or ""), page_size(call.input.get("MaxItems"))
    rest = [one for one in call.catalog.of(ResourceKind.HEALTH_CHECK) if one.id >= marker]
    listed: Document = {
        "HealthChecks": [health_check_document(one) for one in rest[:most]],
        "Marker": marker,
        "IsTruncated": len(rest) > most,
        "MaxItems": str(most),
    }
    return listed | ({"NextMarker": rest[most].id} if len(rest) > most else {})


def status(call: Route53Call) -> Document:
    """What each edge location says of it."""
    return _observations(call, lambda said: (said.said, said.at))


def last_failure_reason(call: Route53Call) -> Document:
    """Why each edge location found it to fail the last time, where one has."""
    return _observations(call, lambda said: (said.failure, said.failed_at))


def _observations(
    call: Route53Call, told: Callable[[CheckerOpinion], tuple[str, float]]
) -> Document:
    statuses, check = _known(call)
    reports = [told(said) for said in statuses.of(check).values()]
    return {
        "HealthCheckObservations": [
            {"StatusReport": {"Status": text, "CheckedTime": at}} for text, at in reports if text
        ]
    }


def _known(call: Route53Call) -> tuple[HealthCheckStatuses, HealthCheck]:
    """What is reported, and the check. NoSuchHealthCheck, InvalidInput."""
    id, statuses = _id(call), call.services.api.health_checks
    checks = () if statuses is None else statuses.checks()
    check = next((one for one in checks if one.id == id), None)
    if statuses is None or check is None:
        raise Route53Error("NoSuchHealthCheck", f"There is no health check {id}.")
    if check.type == CALCULATED:
        raise Route53Error("InvalidInput", f"{id} is calculated: nobody asks for it.")
    return statuses, check


def _id(call: Route53Call) -> str:
    return plain_id(call.input["HealthCheckId"])


def health_check_document(one: Resource) -> Document:
    """A HealthCheck as the API has it."""
    return {
        "Id": one.id,
        "CallerReference": one.reference or f"file:{one.id}",
        "HealthCheckConfig": state.document(one),
        "HealthCheckVersion": state.version(one),
    }
