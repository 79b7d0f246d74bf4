"""Origins that functions choose or change: what is inherited, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.model import Behavior, Config, Distribution, Origin, OriginGroup
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.origin_change import OriginRoutes, changed_route, note_of
from edgecache.rules.routing import Route, compile_routes

WEB = Origin(id="web", domain_name="web.test", path="/w", custom_headers={"x-a": "b"})
API = Origin(id="api", domain_name="api.test", read_timeout_s=7)
PRIVATE = Origin(id="private", domain_name="p.test", access_control_id="oac", kind="s3")
VPC = Origin(id="vpc", domain_name="v.test", kind="vpc")


def route(origin: str = "web") -> Route:
    site = Distribution(
        id="E1",
        origins=(WEB, API, PRIVATE, VPC),
        origin_groups=(OriginGroup(id="g", members=("web", "api"), status_codes=(500,)),),
        default_behavior=Behavior(origin=origin),
    )
    return compile_routes(Config(distributions=(site,))).by_id["E1"].behaviors[-1][1]


def updated(origin: str = "web", **properties: Any) -> Origin:
    return changed_route(route(origin), ["update", properties]).origin


def test_what_is_not_said_is_inherited() -> None:
    assert updated() == WEB
    assert updated(domainName="new.test") == replace(WEB, domain_name="new.test")
    assert updated(customHeaders={}, originPath="").custom_headers == {}
    timeouts = {"readTimeout": 5, "keepAliveTimeout": 2, "connectionTimeout": 1.0}
    changed = updated(timeouts=timeouts, connectionAttempts=1)
    assert changed == replace(
        WEB, read_timeout_s=5, keepalive_timeout_s=2, connection_timeout_s=1, connection_attempts=1
    )
    tls = {"port": 8443, "protocol": "https", "sslProtocols": ["TLSv1.2"]}
    changed = updated(customOriginConfig=tls, sni="sni.test")
    assert (changed.https_port, changed.protocol_policy) == (8443, "https-only")
    assert changed.server_name == "sni.test"


def test_of_a_group_the_first_origin_is_updated() -> None:
    changed = changed_route(route("g"), ["update", {"domainName": "new.test"}])
    assert [one.domain_name for one in changed.origins] == ["new.test", "api.test"]
    assert changed.group is not None
    assert changed.origin is changed.origins[0]


def test_another_origin_of_the_distribution_is_as_it_is() -> None:
    changed = changed_route(route("g"), ["select", "private", {}])
    assert (changed.origin, changed.origins, changed.group) == (PRIVATE, (PRIVATE,), None)


def test_a_group_is_made_of_two_origins() -> None:
    asked = {"originIds": ["api", {"originId": "web"}], "failoverCriteria": {"statusCodes": [403]}}
    changed = changed_route(route(), ["group", asked])
    assert [one.id for one in changed.origins] == ["api", "web"]
    assert changed.origin is changed.origins[0]
    assert changed.group is not None
    assert changed.group.status_codes == (403,)


HTTPS: dict[str, Any] = {
    "customOriginConfig": {"port": 443, "protocol": "https", "sslProtocols": ["TLSv1.2"]}
}


def test_an_origin_is_called_by_another_name() -> None:
    names = ["*.example.com", "a.test"]
    changed = updated(
        domainName="new.test", hostHeader="host.test", allowedCertificateNames=names, **HTTPS
    )
    assert (changed.domain_name, changed.host_header) == ("new.test", "host.test")
    assert (changed.server_name, changed.certificate_names) == ("", tuple(names))
    selected = changed_route(route(), ["select", "api", {"hostHeader": "host.test"}]).origin
    assert selected == replace(API, host_header="host.test")


def test_signing_is_turned_off_for_a_request() -> None:
    for control in ({"enabled": False}, {"enabled": True, "signingBehavior": "never"}):
        changed = updated("private", domainName="new.test", originAccessControlConfig=control)
        assert (changed.domain_name, changed.access_control_id) == ("new.test", "")


REFUSED = [
    (["update", 1], "not an object"),
    (["update", {"domainName": "1.2.3.4"}], "domainName"),
    (["update", {"domainName": "a:80"}], "domainName"),
    (["update", {"domainName": "a" * 254}], "domainName"),
    (["update", {"domainName": "unix:/x"}], "domainName"),
    (["update", {"originPath": "x/"}], "path"),
    (["update", {"originPath": 1}], "path"),
    (["update", {"connectionAttempts": 4}], "connectionAttempts"),
    (["update", {"timeouts": {"readTimeout": 0}}], "readTimeout"),
    (["update", {"timeouts": {"other": 1}}], "other of timeouts"),
    (["update", {"customHeaders": {"X-A": "b"}}], "customHeaders"),
    (["update", {"customHeaders": {"host": "b"}}], "not allowed"),
    (["update", {"customHeaders": {"x-a": "b\r\n"}}], "value"),
    (["update", {"customOriginConfig": {"port": 80}}], "protocol"),
    (["update", {"customOriginConfig": {"port": 0, "protocol": "http"}}], "port"),
    (["update", {"hostHeader": "other.test:80"}], "hostHeader is not a host name"),
    (["update", {"hostHeader": "192.0.2.1"}], "hostHeader is not a host name"),
    (["update", {"allowedCertificateNames": ["x"]}], "http-only"),
    (["update", {"allowedCertificateNames": "x", **HTTPS}], "certificate_names"),
    (["update", {"allowedCertificateNames": ["a" * 65], **HTTPS}], "64 characters"),
    (["update", {"allowedCertificateNames": ["*"], **HTTPS}], "not a host name"),
    (["update", {"allowedCertificateNames": ["a.test"] * 21, **HTTPS}], "more than 20"),
    (["select", "private", {"hostHeader": "x.test"}], "signed for the origin's own name"),
    (["update", {"originAccessControlConfig": {"enabled": True}}], "is not supported here"),
    (["update", {"responseCompletionTimeout": 1}], "of the origin"),
    (["select", "none", {}], "no origin 'none'"),
    (["select", "web", {"domainName": "x.test"}], "domainName of the overrides"),
    (["select", "web", []], "not an object"),
    (["group", {"originIds": ["web"]}], "two origins"),
    (["group", {"originIds": ["web", "web"]}], "different"),
    (["group", {"originIds": ["web", "api"]}], "failoverCriteria"),
    (["group", {"originIds": ["web", "api"], "failoverCriteria": {}}], "statusCodes"),
    (["group", {"selectionCriteria": "media-quality-score"}], "selectionCriteria"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "problem"), REFUSED)
def test_what_may_not_be_asked_for_is_refused(call: list[Any], problem: str) -> None:
    with pytest.raises(ValidationProblem, match=problem):
        changed_route(route(), call)


def test_origins_that_are_proved_to_keep_their_names() -> None:
    with pytest.raises(ValidationProblem, match="keeps its domainName"):
        updated("private", domainName="evil.test")
    with pytest.raises(ValidationProblem, match="VPC"):
        updated("vpc", originPath="/x")


def test_a_route_is_made_once_for_all_who_ask_alike() -> None:
    routes, ours = OriginRoutes(), route()
    note = note_of(["update", {"domainName": "new.test"}])
    assert routes.of(ours, note) is routes.of(ours, note_of(["update", {"domainName": "new.test"}]))
    assert routes.of(ours, note) is not routes.of(route(), note)


def test_a_note_is_short_and_in_ascii() -> None:
    assert note_of(["select", "caf\u00e9", {}]).isascii()
    with pytest.raises(ValidationProblem, match="larger"):
        note_of(["update", {"originPath": "x" * 9_000}])
