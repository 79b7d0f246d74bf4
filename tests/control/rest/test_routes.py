"""The table of routes: each has a handler, and each that is described is in the description."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from edgecache.cluster.credentials import CredentialVerdict
from edgecache.config.model import Config
from edgecache.control.acme.issuance import CertificateServices
from edgecache.control.acme.orders import Challenges
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.rest.dev import DevHandlers
from edgecache.control.rest.drain import drain_handlers
from edgecache.control.rest.dry_run import dry_run_handlers
from edgecache.control.rest.enrollment import Enrollment
from edgecache.control.rest.explain import ExplainServices, explain_handlers
from edgecache.control.rest.function_logs import function_log_handlers
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.health_checks import health_check_handlers
from edgecache.control.rest.inventory import inventory_handlers
from edgecache.control.rest.log_readers import log_reader_handlers
from edgecache.control.rest.openapi import openapi_document
from edgecache.control.rest.routes import DESCRIBED, ROUTES, starlette_routes
from tests.control.cloudfront.desk import open_desk
from tests.control.dashboard.browser import Browsed
from tests.control.rest.test_app import Place
from tests.control.rest.test_dns_zones import zone_contents
from tests.control.rest.test_key_values import key_value_contents
from tests.world.credentials import signs


def test_every_route_has_a_handler_and_every_handler_a_route(tmp_path: Path) -> None:
    place: Any = Place(tmp_path / "control")
    folder = tmp_path / "desk"
    folder.mkdir()
    browsed = Browsed(tmp_path / "browsed")
    with closing(place.state), closing(browsed.state), open_desk(folder) as desk:
        admission = NodeAdmission(lambda *_: (CredentialVerdict.MALFORMED, ""), place.clock)
        nodes = ConfiguredNodes(_nobody, signs)
        handlers = {
            **RestApi(desk.world, desk.tokens).handlers(),
            **explain_handlers(desk.log.live, desk.tokens, ExplainServices(place.clock, nodes)),
            **inventory_handlers(desk.log.live, desk.tokens, nodes),
            **function_log_handlers(desk.log.live, desk.tokens, nodes),
            **dry_run_handlers(desk.world, desk.tokens, nodes),
            **desk.key_handlers(),
            **_enrollment(desk).handlers(),
            **drain_handlers(place.control),
            **log_reader_handlers(place.control),
            **health_check_handlers(
                HealthCheckStatuses(place.control.nodes, tuple, place.clock), desk.tokens
            ),
            **key_value_contents(place).handlers(),
            **zone_contents(place).handlers(),
            **DevHandlers(*[cast(Any, None)] * 8).handlers(),
            **browsed.dashboard.handlers(),
            **CertificateServices(Config, Challenges(), dict, admission, dict).handlers(),
        }
        served = {(route.path, name) for route in place.app.routes for name in route.methods}
        served |= {
            (one.path, name) for one in starlette_routes(handlers) for name in one.methods or ()
        }
    assert {(path, method) for path, method in served if method != "HEAD"} == {
        (route.path, route.method) for route in ROUTES
    }


def test_every_described_route_is_in_the_description_and_no_other() -> None:
    described = {
        (method.upper(), path)
        for path, operations in openapi_document()["paths"].items()
        for method in operations
    }
    assert described == {(route.method, route.path) for route in DESCRIBED}


def test_operations_and_places_are_named_once() -> None:
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_a_handler_without_a_route_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="no routes"):
        starlette_routes({"fly": lambda request: _nobody(request, b"")})


def _enrollment(desk: Any) -> Enrollment:
    return Enrollment(None, *[desk] * 7)


async def _nobody(*_: object) -> Any:
    raise OSError
