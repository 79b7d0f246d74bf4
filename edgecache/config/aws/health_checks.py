"""JSON of health checks, read and written. API reference (Route 53): HealthCheckConfig."""

from __future__ import annotations

from typing import Any, get_args

from edgecache.config.aws.document import DocumentNode, raise_problems
from edgecache.config.health_checks import CALCULATED, HealthCheck, HealthCheckType
from edgecache.config.problems import Problems, listed, quoted

TYPES: tuple[HealthCheckType, ...] = get_args(HealthCheckType)
INTERVAL_S, THRESHOLD = 30, 3  # API reference: where a request says none
_UNSUPPORTED = {
    "AlarmIdentifier": "there are no alarms of CloudWatch here",
    "InsufficientDataHealthStatus": "there are no alarms of CloudWatch here",
    "RoutingControlArn": "there are no routing controls here",
    "HealthCheckSourceId": "there are no sources here: edge locations ask",
    "Regions": "there are none here: every edge location asks",
}


def read_health_check(document: dict[str, Any], id: str) -> HealthCheck:
    """A HealthCheckConfig as the model's. DocumentError, with what is not done here."""
    problems = Problems()
    node = DocumentNode(document, "", problems)
    type = node.text("Type")
    if type not in TYPES:
        node.wrong("Type", f"{quoted(type)} is not supported (known: {listed(TYPES)})")
    for member, why in _UNSUPPORTED.items():
        if document.get(member):
            node.wrong(member, why)
    if document.get("MeasureLatency"):
        node.wrong("MeasureLatency", "latencies of health checks are not recorded")
    if document.get("EndpointType", "PUBLIC") != "PUBLIC":
        node.wrong("EndpointType", "is not PUBLIC")
    raise_problems(problems)
    path = _text(node, "ResourcePath")
    check = HealthCheck(
        id=id,
        type=next(one for one in TYPES if one == type),
        address=_text(node, "IPAddress"),
        host=_text(node, "FullyQualifiedDomainName"),
        port=_number(node, "Port"),
        path=path if path.startswith("/") else f"/{path}",
        search_string=_text(node, "SearchString"),
        interval_s=_number(node, "RequestInterval") or INTERVAL_S,
        failure_threshold=_number(node, "FailureThreshold") or THRESHOLD,
        sni=node.flag("EnableSNI") if node.has("EnableSNI") else True,
        children=tuple(map(str, document.get("ChildHealthChecks") or ())),
        health_threshold=_number(node, "HealthThreshold"),
        inverted=node.has("Inverted") and node.flag("Inverted"),
        disabled=node.has("Disabled") and node.flag("Disabled"),
    )
    raise_problems(problems)
    return check


def health_check_config(check: HealthCheck) -> dict[str, Any]:
    """The HealthCheckConfig of a health check, with its defaults."""
    written: dict[str, Any] = {"Type": check.type, "Inverted": check.inverted,
                               "Disabled": check.disabled}  # fmt: skip
    if check.type == CALCULATED:
        written["ChildHealthChecks"] = [*check.children]
        written["HealthThreshold"] = check.healthy_children_min
        return written
    given = {
        "IPAddress": check.address,
        "FullyQualifiedDomainName": check.host,
        "SearchString": check.search_string,
    }
    written |= {name: value for name, value in given.items() if value}
    if check.is_http:
        written["ResourcePath"] = check.path
    return written | {
        "Port": check.asked_port,
        "RequestInterval": check.interval_s,
        "FailureThreshold": check.failure_threshold,
        "MeasureLatency": False,
        "EnableSNI": check.is_tls and check.sni,
    }


def _text(node: DocumentNode, name: str) -> str:
    return node.text(name) if node.has(name) else ""


def _number(node: DocumentNode, name: str) -> int | None:
    return node.number(name) if node.has(name) else None
