"""Health checks of a location on real sockets: where they may lead, TLS, and who is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
import uvloop
from msgspec.structs import replace

from edgecache.config.dns import DnsSettings
from edgecache.config.health_checks import HealthCheck, HealthCheckType
from edgecache.config.listen import tcp_address
from edgecache.config.model import Config
from edgecache.health.checker import CheckerWorld, HealthChecker
from edgecache.health.probe import ProbeAnswer, ProbeOutcome, probe
from edgecache.node.health_checks import HealthCheckConnections, LocationHealthChecks
from edgecache.rules.origin_addresses import Listeners
from edgecache.runtime.environment import pause
from edgecache.upstream.endpoint import Network
from edgecache.upstream.resolver import NameResolver
from tests.upstream.loopback import Origin, answers
from tests.upstream.test_endpoint import certificate as certificate
from tests.upstream.test_endpoint import greets, listening, secure_origin

WEB = HealthCheck(id="web", type="HTTPS", address="127.0.0.1", host="nobody.test")


def asked(check: HealthCheck, *addresses: str, own_port: int = 0) -> ProbeAnswer:
    """What a location finds that looks every name up as `addresses`."""

    async def look_up(host: str) -> tuple[str, ...]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses

    async def ask() -> ProbeAnswer:
        names = NameResolver(look_up, lambda: 0.0)
        own = Listeners([tcp_address(f"127.0.0.1:{own_port}")] if own_port else [])
        return await probe(check, HealthCheckConnections(Network(names, own), names))

    return asyncio.run(ask())


@pytest.mark.parametrize(("sni", "names"), [(True, ["nobody.test"]), (False, [None])])
def test_a_certificate_may_be_anybody_s(
    certificate: Path, sni: bool, names: list[str | None]
) -> None:
    found: list[str | None] = []

    async def main() -> ProbeAnswer:
        async with secure_origin(certificate, found) as port:
            network = Network(NameResolver(_nowhere, lambda: 0.0))
            check = replace(WEB, port=port, sni=sni)
            return await probe(check, HealthCheckConnections(network, network._names))

    assert asyncio.run(main()).outcome is ProbeOutcome.HEALTHY
    assert found == names


async def _nowhere(host: str) -> tuple[str, ...]:
    raise AssertionError(host)


@pytest.mark.parametrize("type", ["HTTP", "HTTP_STR_MATCH", "HTTPS", "HTTPS_STR_MATCH", "TCP"])
def test_each_kind_is_asked_by_the_loop_of_processes(certificate: Path, type: str) -> None:
    """uvloop's transports are of no class of asyncio's."""

    async def main() -> ProbeAnswer:
        plain = listening(Origin(answers).serve)
        async with secure_origin(certificate) if "HTTPS" in type else plain as port:
            network = Network(NameResolver(_nowhere, lambda: 0.0))
            check = HealthCheck(
                id="a", type=cast(HealthCheckType, type), address="127.0.0.1", port=port,
                search_string="1.1",
            )  # fmt: skip
            return await probe(check, HealthCheckConnections(network, network._names))

    assert uvloop.run(main()).outcome is ProbeOutcome.HEALTHY


def test_who_speaks_no_tls_is_not_healthy() -> None:
    async def main() -> ProbeAnswer:
        async with listening(greets) as port:
            network = Network(NameResolver(_nowhere, lambda: 0.0))
            names = network._names
            return await probe(replace(WEB, port=port), HealthCheckConnections(network, names))

    assert asyncio.run(main()).outcome is ProbeOutcome.TLS


@pytest.mark.parametrize(
    ("changes", "addresses", "outcome"),
    [
        ({"address": "", "host": "a.test"}, ("2001:db8::1",), "name"),
        ({"address": "", "host": "a.test"}, (), "name"),
        ({"address": "", "host": "a.test", "reach": "public"}, ("127.0.0.1",), "forbidden"),
        ({"address": "", "host": "a.test"}, ("169.254.169.254",), "forbidden"),
        ({"address": "169.254.169.254"}, (), "forbidden"),
        ({"address": "::ffff:169.254.169.254"}, (), "forbidden"),
        ({"address": "fd00:ec2::254"}, (), "forbidden"),
        ({"address": "10.0.0.1", "reach": "public"}, (), "forbidden"),
        ({"address": "127.0.0.1", "port": 9}, (), "forbidden"),  # our own
        ({"address": "0.0.0.0", "port": 9}, (), "forbidden"),
    ],
)
def test_addresses_that_no_origin_may_have_are_not_asked(
    changes: dict[str, object], addresses: tuple[str, ...], outcome: str
) -> None:
    check = replace(HealthCheck(id="a", type="TCP", port=1), **changes)
    assert asked(check, *addresses, own_port=9).outcome == outcome


def test_a_name_leads_to_its_ipv4_address() -> None:
    async def main() -> ProbeAnswer:
        async with listening(greets) as port:

            async def look_up(host: str) -> tuple[str, ...]:
                return ("2001:db8::1", "127.0.0.1")

            names = NameResolver(look_up, lambda: 0.0)
            check = HealthCheck(id="a", type="TCP", host="a.test", port=port)
            return await probe(check, HealthCheckConnections(Network(names), names))

    assert asyncio.run(main()).said == "Success: connected"


def test_control_is_told_once_of_what_changes_together() -> None:
    told: list[int] = []

    async def ask(check: HealthCheck) -> ProbeAnswer:
        return ProbeAnswer(ProbeOutcome.HEALTHY, "Success: connected")

    async def main() -> None:
        checks = LocationHealthChecks(
            HealthChecker(CheckerWorld(ask, lambda: 0.0, lambda: 0.0)), _tell(told, lambda: checks)
        )
        settings = DnsSettings(
            listen=(),
            health_checks=tuple(
                HealthCheck(id=id, type="TCP", address="::1", port=1, failure_threshold=1)
                for id in "abc"
            ),
        )
        checks.use(Config(dns=settings))
        running = asyncio.get_running_loop().create_task(checks.run())
        async with asyncio.timeout(20):
            while not told:
                await pause(0)
            for _ in range(20):
                await pause(0)
        assert told == [3]
        assert (checks.asked, checks.size_bytes > 0) == (0, True)
        checks.use(Config())
        assert checks.opinions() == {}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def _tell(
    told: list[int], checks: Callable[[], LocationHealthChecks]
) -> Callable[[], Awaitable[None]]:
    async def tell() -> None:
        told.append(sum(one.healthy is True for one in checks().opinions().values()))

    return tell
