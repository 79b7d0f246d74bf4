"""Routes of the REST API. Law: a route is declared here, once; server and description follow it.

A handler is found by the name of its operation, so that modules can bring theirs with what they
need (`starlette_routes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.control.nodes.health_checks import OPINIONS
from edgecache.control.nodes.log_readers import LogLines
from edgecache.control.nodes.staleness_probe import FOLDER, PATH
from edgecache.control.rest.access_keys import (
    AccessKeyBody,
    AccessKeyReport,
    AccessKeyReports,
    Admission,
)
from edgecache.control.rest.call import RouteHandler, refuse_nul
from edgecache.control.rest.changes import (
    ChangeDifferences,
    ChangeReports,
    PublishedConfiguration,
)
from edgecache.control.rest.distributions import DistributionSummaries, DistributionSummary
from edgecache.control.rest.drain import DrainReport
from edgecache.control.rest.health_checks import HealthCheckReport, HealthCheckReports
from edgecache.control.rest.invalidations import (
    InvalidationBody,
    InvalidationReport,
    InvalidationReports,
)
from edgecache.control.rest.log_readers import LogReaderBody, LogReaderReport
from edgecache.control.rest.releases import ReleaseBody, ReleaseReports

Schema = type[msgspec.Struct]


@dataclass(frozen=True, slots=True)
class RestRoute:
    """One operation: where it is asked for, and what the description says of it.

    `takes` and `gives` are its bodies; None: nothing, or any JSON. `query` maps a parameter to what
    it means; a required one has `*` before its meaning. `faults` are statuses of refusals beside
    those of every route. Routes of the nodes' own, and the like, are not `described`.
    """

    operation: str
    method: str
    path: str
    summary: str
    gives: Schema | None = None
    takes: Schema | None = None
    status: int = 200
    query: tuple[tuple[str, str], ...] = ()
    type: str = "application/json"
    faults: tuple[int, ...] = ()
    described: bool = True


_PAGE = (("marker", "the `next` of the page before"), ("max_items", "1 to 100"))

ROUTES = (
    RestRoute("health", "GET", "/health", "Whether all is well, and what is not."),
    RestRoute("list_nodes", "GET", "/nodes", "Every process, and the configuration it runs on."),
    RestRoute(
        "report_status", "POST", "/nodes/{name}", "A node's status and counters.", described=False
    ),
    RestRoute(
        "drain_node",
        "POST",
        "/nodes/{name}/drain",
        "Send viewers of a node elsewhere.",
        DrainReport,
        faults=(404,),
    ),
    RestRoute(
        "undrain_node",
        "DELETE",
        "/nodes/{name}/drain",
        "Let a node take viewers again.",
        DrainReport,
        faults=(404,),
    ),
    RestRoute(
        "remove_node", "DELETE", "/nodes/{name}", "Wait for a node no more.", described=False
    ),
    RestRoute(
        "leave_node", "POST", "/nodes/{name}/leave", "A node that serves no more.", described=False
    ),
    RestRoute(
        "deliver_log",
        "POST",
        "/nodes/{name}/log-lines",
        "What a node sends to readers of its log.",
        described=False,
    ),
    RestRoute(
        "create_log_reader",
        "POST",
        "/log-readers",
        "Begin to read requests as they come.",
        LogReaderReport,
        LogReaderBody,
        201,
        faults=(400, 413, 429),
    ),
    RestRoute(
        "read_log",
        "GET",
        "/log-readers/{id}",
        "What has come for a reader since it asked last.",
        LogLines,
        query=(("wait_s", "wait so long for the first, at most 5"),),
        faults=(400, 404),
    ),
    RestRoute(
        "delete_log_reader",
        "DELETE",
        "/log-readers/{id}",
        "End a reader.",
        faults=(404,),
    ),
    RestRoute("follow_log", "GET", "/log", "What is new in the log, and a lease.", described=False),
    RestRoute(
        "follow_acme",
        "GET",
        "/acme",
        "Challenges of ACME and certificates, for edges.",
        described=False,
    ),
    RestRoute(
        "key_value_content",
        "GET",
        "/key-value-contents/{id}",
        "All of a key value store, for edges.",
        described=False,
    ),
    RestRoute(
        "list_zones", "GET", "/dns-zones", "Zones of the API, for name servers.", described=False
    ),
    RestRoute(
        "zone_content",
        "GET",
        "/dns-zones/{id}",
        "All of a zone, for name servers.",
        described=False,
    ),
    RestRoute(
        "metrics",
        "GET",
        "/metrics",
        "Counters of all processes, for Prometheus.",
        type="text/plain",
    ),
    RestRoute(
        "list_health_checks",
        "GET",
        "/health-checks",
        "Every health check, and whether it is healthy.",
        HealthCheckReports,
    ),
    RestRoute(
        "list_checker_opinions",
        "GET",
        OPINIONS,
        "What checkers report here.",
        described=False,
    ),
    RestRoute(
        "get_health_check",
        "GET",
        "/health-checks/{id}",
        "One health check: what each location says, and how its status has changed.",
        HealthCheckReport,
        faults=(404,),
    ),
    RestRoute(
        "list_distributions",
        "GET",
        "/distributions",
        "All distributions.",
        DistributionSummaries,
        query=_PAGE,
        faults=(400,),
    ),
    RestRoute(
        "get_distribution",
        "GET",
        "/distributions/{id}",
        "One distribution.",
        DistributionSummary,
        faults=(404,),
    ),
    RestRoute(
        "adopt_distribution",
        "POST",
        "/distributions/{id}/adoption",
        "Let the API take over a distribution of the file.",
        DistributionSummary,
        faults=(409,),
    ),
    RestRoute(
        "give_back_distribution",
        "DELETE",
        "/distributions/{id}/adoption",
        "Let the file say again what it is.",
        DistributionSummary,
        faults=(404, 409),
    ),
    RestRoute(
        "create_invalidation",
        "POST",
        "/invalidations",
        "Invalidate paths of a distribution.",
        InvalidationReport,
        InvalidationBody,
        201,
        faults=(400, 404, 413),
    ),
    RestRoute(
        "dry_run_invalidation",
        "POST",
        "/invalidations/dry-run",
        "What every node would remove.",
        None,
        InvalidationBody,
        faults=(400, 404, 413),
    ),
    RestRoute(
        "list_invalidations",
        "GET",
        "/invalidations/{distribution}",
        "Invalidations, the newest first.",
        InvalidationReports,
        query=_PAGE[:1],
        faults=(404,),
    ),
    RestRoute(
        "get_invalidation",
        "GET",
        "/invalidations/{distribution}/{id}",
        "How far an invalidation is.",
        InvalidationReport,
        query=(("wait_s", "wait so long for Completed, at most 30"),),
        faults=(400, 404),
    ),
    RestRoute(
        "list_releases",
        "GET",
        "/distributions/{id}/releases",
        "The releases of a distribution.",
        ReleaseReports,
        faults=(404,),
    ),
    RestRoute(
        "cut_release",
        "POST",
        "/distributions/{id}/releases",
        "Cut the next release: all misses at once.",
        ReleaseReports,
        ReleaseBody,
        201,
        faults=(400, 404, 409),
    ),
    RestRoute(
        "activate_release",
        "POST",
        "/distributions/{id}/releases/active",
        "Make a kept release the current one.",
        ReleaseReports,
        ReleaseBody,
        faults=(400, 404),
    ),
    RestRoute(
        "delete_release",
        "DELETE",
        "/distributions/{id}/releases/{number}",
        "Let a release's objects go.",
        ReleaseReports,
        query=(("path", "of which path pattern; `*` unless said otherwise"),),
        faults=(400, 404, 409),
    ),
    RestRoute(
        "get_configuration",
        "GET",
        "/configuration",
        "The whole configuration that nodes are told, for keys without limits.",
        PublishedConfiguration,
    ),
    RestRoute(
        "list_changes",
        "GET",
        "/changes",
        "Who changed what and when, the newest first.",
        ChangeReports,
        query=(*_PAGE, ("author", "of this one alone")),
        faults=(400,),
    ),
    RestRoute(
        "get_change",
        "GET",
        "/changes/{number}",
        "A change, and what differs from the configuration before.",
        ChangeDifferences,
        faults=(400, 404),
    ),
    RestRoute(
        "explain_request",
        "GET",
        "/explain",
        "What would happen to a viewer's request, and why.",
        query=(
            ("url", "*as a viewer would ask for it"),
            ("method", "GET unless said otherwise"),
            ("header", "`Name: value`, several times"),
            ("http_version", "1.1, 2 or 3, by which it would come; 1.1 unless said otherwise"),
        ),
        faults=(400, 503),
    ),
    RestRoute("store_stats", "GET", "/stats", "Figures of every store.", described=False),
    RestRoute("list_objects", "GET", "/objects", "What every store holds.", described=False),
    RestRoute(
        "list_function_logs", "GET", "/function-logs", "What functions log.", described=False
    ),
    RestRoute(
        "list_access_keys", "GET", "/access-keys", "Access keys, without secrets.", AccessKeyReports
    ),
    RestRoute(
        "create_access_key",
        "POST",
        "/access-keys",
        "Make an access key; its secret is told once.",
        AccessKeyReport,
        AccessKeyBody,
        201,
        faults=(400, 413),
    ),
    RestRoute(
        "delete_access_key",
        "DELETE",
        "/access-keys/{key}",
        "Delete an access key, by name or id: it admits nobody from now on.",
        AccessKeyReport,
        faults=(404,),
    ),
    RestRoute("get_authority", "GET", "/authority", "Who certifies machines.", described=False),
    RestRoute(
        "create_join_token", "POST", "/join-tokens", "A token for a machine.", described=False
    ),
    RestRoute("enroll_node", "POST", "/enroll", "A machine's first certificate.", described=False),
    RestRoute(
        "renew_certificate", "POST", "/certificate", "A machine's next one.", described=False
    ),
    RestRoute(
        "list_certificates", "GET", "/certificates", "Those of all machines.", described=False
    ),
    RestRoute(
        "revoke_certificates",
        "DELETE",
        "/certificates/{node:path}",
        "Take a machine's no more.",
        described=False,
    ),
    RestRoute("reload_file", "POST", "/reload", "Read the configuration file anew.", faults=(400,)),
    RestRoute(
        "serve_probe",
        "GET",
        f"{FOLDER}{PATH}",
        "The object of the staleness probe.",
        type="text/plain",
        described=False,
    ),
    RestRoute("dev_ready", "GET", "/_edgecache/ready", "Whether all is ready.", described=False),
    RestRoute("dev_reset", "POST", "/_edgecache/reset", "Begin anew.", described=False),
    RestRoute("dev_clock", "GET", "/_edgecache/clock", "What the clock shows.", described=False),
    RestRoute("dev_advance_clock", "POST", "/_edgecache/clock", "Move the clock.", described=False),
    RestRoute(
        "dev_origin_map", "GET", "/_edgecache/origin-map", "Where origins are.", described=False
    ),
    RestRoute("dev_map_origins", "PUT", "/_edgecache/origin-map", "Map origins.", described=False),
    RestRoute("dashboard_page", "GET", "/", "The dashboard.", type="text/html", described=False),
    RestRoute(
        "dashboard_asset",
        "GET",
        "/dashboard/assets/{name:path}",
        "A file of the dashboard.",
        type="text/plain",
        described=False,
    ),
    RestRoute("create_session", "POST", "/session", "Log in to the dashboard.", described=False),
    RestRoute("get_session", "GET", "/session", "Who has logged in.", described=False),
    RestRoute("delete_session", "DELETE", "/session", "Log out.", described=False),
    RestRoute(
        "dashboard_live",
        "GET",
        "/dashboard/live",
        "The installation's state, once a second.",
        type="text/event-stream",
        described=False,
    ),
    RestRoute(
        "dashboard_series",
        "GET",
        "/dashboard/series",
        "What was counted over time.",
        query=(
            ("range", "5m, 1h, 6h, 1d or 7d; 1h unless said otherwise"),
            ("by", "total, distribution, behavior, location or node"),
            ("name", "of this one alone"),
        ),
        described=False,
    ),
    RestRoute(
        "dashboard_ranks",
        "GET",
        "/dashboard/ranks",
        "What is asked most, and by whom.",
        query=(("seconds", "60, 300, 900 or 3600; 300 unless said otherwise"),),
        described=False,
    ),
    RestRoute(
        "dashboard_part", "GET", "/dashboard/part", "Another control's state.", described=False
    ),
    RestRoute(
        "dashboard_steps", "GET", "/dashboard/steps", "Another control's series.", described=False
    ),
    RestRoute(
        "dashboard_ranked",
        "GET",
        "/dashboard/ranked",
        "Another control's rankings.",
        described=False,
    ),
    RestRoute("openapi", "GET", "/openapi.json", "This description.", described=False),
    RestRoute(
        "docs", "GET", "/docs", "This description, to read.", type="text/html", described=False
    ),
)
DESCRIBED = tuple(route for route in ROUTES if route.described)


def starlette_routes(
    handlers: Mapping[str, RouteHandler], admission: Admission | None = None
) -> list[Route]:
    """The routes of these operations, in the order of the table; `admission` is asked first."""
    unknown = handlers.keys() - {route.operation for route in ROUTES}
    assert not unknown, f"no routes: {unknown}"
    return [
        Route(
            route.path,
            _admitted(route.operation, handlers[route.operation], admission),
            methods=[route.method],
        )
        for route in ROUTES
        if route.operation in handlers
    ]


def _admitted(operation: str, handler: RouteHandler, admission: Admission | None) -> RouteHandler:
    if admission is None:
        return handler

    async def handle(request: Request) -> Response:
        await admission(request, operation)
        refuse_nul(request)
        return await handler(request)

    return handle
