"""Operations on health checks: whether each is healthy, what locations say, what has changed."""

from __future__ import annotations

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.tokens import Tokens
from edgecache.config.health_checks import CALCULATED, HealthCheck
from edgecache.control.nodes.health_checks import (
    ControlOpinions,
    HealthCheckChange,
    HealthCheckStatuses,
)
from edgecache.control.rest.auth import require_reader
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.health.verdict import CheckerOpinion


class CheckerReport(msgspec.Struct, frozen=True):
    """What one checker says: `healthy` null while it has had too few answers. Epoch seconds."""

    checker: str
    healthy: bool | None
    said: str
    at: float
    failure: str
    failed_at: float


class HealthCheckSummary(msgspec.Struct, frozen=True):
    """A health check and its verdict. `endpoint`: what is asked; of a calculated one, children."""

    id: str
    type: str
    endpoint: str
    healthy: bool
    percent_healthy: float | None
    inverted: bool
    disabled: bool


class HealthCheckReports(msgspec.Struct, frozen=True):
    """All health checks, by id."""

    health_checks: list[HealthCheckSummary]


class HealthCheckReport(msgspec.Struct, frozen=True):
    """One, with what each checker says, and the last changes of its verdict, the newest first."""

    health_check: HealthCheckSummary
    checkers: list[CheckerReport]
    history: list[HealthCheckChange]


def health_check_handlers(statuses: HealthCheckStatuses, tokens: Tokens) -> dict[str, RouteHandler]:
    """The handlers, by operation."""

    async def list_health_checks(request: Request) -> Response:
        require_reader(request, tokens)
        checks = sorted(statuses.checks(), key=lambda one: one.id)
        return json_response(HealthCheckReports([_summary(one, statuses) for one in checks]))

    async def get_health_check(request: Request) -> Response:
        require_reader(request, tokens)
        id = request.path_params["id"]
        check = next((one for one in statuses.checks() if one.id == id), None)
        if check is None:
            raise HTTPException(404, f"there is no health check {id}")
        checkers = [_report(name, said) for name, said in statuses.of(check).items()]
        summary = _summary(check, statuses)
        return json_response(HealthCheckReport(summary, checkers, statuses.history(id)))

    async def list_checker_opinions(request: Request) -> Response:
        require_reader(request, tokens)
        return json_response(ControlOpinions(statuses.own_opinions()))

    return {
        "list_health_checks": list_health_checks,
        "get_health_check": get_health_check,
        "list_checker_opinions": list_checker_opinions,
    }


def _summary(check: HealthCheck, statuses: HealthCheckStatuses) -> HealthCheckSummary:
    return HealthCheckSummary(
        check.id,
        check.type,
        endpoint(check),
        statuses.is_healthy(check.id) is not False,
        statuses.percent_healthy(check),
        check.inverted,
        check.disabled,
    )


def _report(name: str, said: CheckerOpinion) -> CheckerReport:
    return CheckerReport(name, said.healthy, said.said, said.at, said.failure, said.failed_at)


def endpoint(check: HealthCheck) -> str:
    """What a health check asks, in a line."""
    if check.type == CALCULATED:
        return f"{check.healthy_children_min} of {', '.join(check.children)}"
    host = check.address or check.host
    place = f"[{host}]:{check.asked_port}" if ":" in host else f"{host}:{check.asked_port}"
    return f"{place}{check.path}" if check.is_http else place
