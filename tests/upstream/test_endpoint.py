"""How connections are opened: names, certificates, sockets, and what a failure is called."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from edgecache.upstream.endpoint import (
    Endpoint,
    Network,
    Timeouts,
    TlsName,
    WireRequest,
    connect_fault,
)
from edgecache.upstream.faults import Fault
from edgecache.upstream.pool import Pool
from edgecache.upstream.resolver import NameResolver
from tests.upstream.loopback import (
    GET,
    Origin,
    Run,
    answers,
    everything,
    failure,
    network,
    open_connections,
    shut,
)

EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate it has signed itself, for `origin.test`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "origin.test")])
    names: list[x509.GeneralName] = [
        x509.DNSName("origin.test"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(EPOCH)
        .not_valid_after(EPOCH.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "origin.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def secure_origin(
    certificate: Path,
    asked: list[str | None] | None = None,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.maximum_version = newest
    if asked is not None:
        context.sni_callback = lambda _, name, __: asked.append(name)
    async with listening(Origin(answers).serve, context) as port:
        yield port


async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that speaks first, and no TLS."""
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await reader.read()
    writer.close()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        async with asyncio.timeout(20):
            yield server.sockets[0].getsockname()[1]
    finally:
        await shut(server)


def pool() -> Pool:
    return Pool(network(), lambda: 0.0)


def test_a_certificate_that_names_the_origin_is_accepted(certificate: Path, run: Run) -> None:
    async def main() -> None:
        async with secure_origin(certificate) as port:
            tls = TlsName("origin.test", str(certificate))
            asked = pool()
            for number in (1, 2):
                reply = await asked.send(Endpoint("127.0.0.1", port, tls=tls), GET)
                assert await everything(reply) == b"1.%d" % number
            asked.close()

    run(main())


@pytest.mark.parametrize(
    ("host", "name", "accepted"),
    [
        ("www.test", "origin.test", True),  # the certificate has the origin's own name
        ("origin.test", "elsewhere.test", True),  # the certificate has the Host's
        ("www.test", "elsewhere.test", False),
        ("www.test", "127.0.0.1", True),  # an address among its names
    ],
)
def test_a_certificate_for_either_name_is_accepted_where_the_host_is_forwarded(
    host: str, name: str, accepted: bool, certificate: Path, run: Run
) -> None:
    """Developer Guide, "Require HTTPS for communication between CloudFront and your custom origin":
    it must include the domain name of the origin or that in the Host header.
    """

    async def main() -> None:
        asked: list[str | None] = []
        async with secure_origin(certificate, asked) as port:
            endpoint = Endpoint("127.0.0.1", port, tls=TlsName(name, str(certificate)))
            sending = pool().send(endpoint, replace(GET, server_name=host))
            if accepted:
                assert await everything(await sending) == b"1.1"
            else:
                error = await failure(sending)
                assert (error.fault, error.sent, error.status) == (Fault.TLS, False, 502)
            assert asked == [host]

    run(main())


def test_either_name_needs_an_authority_all_the_same(certificate: Path, run: Run) -> None:
    async def main() -> None:
        async with secure_origin(certificate) as port:
            endpoint = Endpoint("127.0.0.1", port, tls=TlsName("origin.test"))
            sending = pool().send(endpoint, replace(GET, server_name="www.test"))
            assert (await failure(sending)).fault is Fault.TLS

    run(main())


def test_a_connection_is_used_again_for_the_same_name_alone(certificate: Path, run: Run) -> None:
    """Apache answers 421 to a Host that is not what TLS asked for."""

    async def main() -> None:
        asked: list[str | None] = []
        async with secure_origin(certificate, asked) as port:
            endpoint = Endpoint(
                "127.0.0.1", port, tls=TlsName("origin.test", str(certificate)), connections_max=2
            )
            told, pooled = [], pool()
            for name in ("a.test", "", "a.test", "", "b.test", "a.test"):
                reply = await pooled.send(endpoint, replace(GET, server_name=name))
                told.append(await everything(reply))
            assert told == [b"1.1", b"2.2", b"1.3", b"2.4", b"3.5", b"4.6"]
            assert asked == ["a.test", "origin.test", "b.test", "a.test"]
            assert open_connections(pooled) == 2, "all names count together"
            pooled.close()

    run(main())


def test_who_waits_with_another_name_gets_the_place_of_what_comes_free(
    certificate: Path, run: Run
) -> None:
    async def main() -> None:
        asked: list[str | None] = []
        async with secure_origin(certificate, asked) as port:
            endpoint = Endpoint(
                "127.0.0.1", port, tls=TlsName("origin.test", str(certificate)), connections_max=1
            )
            pooled = pool()
            names = ("a.test", "b.test", "b.test", "a.test")
            replies = await asyncio.gather(
                *[pooled.send(endpoint, replace(GET, server_name=name)) for name in names]
            )
            told = [await everything(reply) for reply in replies]
            assert told == [b"1.1", b"2.2", b"2.3", b"3.4"]
            pooled.close()

    run(main())


@pytest.mark.parametrize(("minimum", "accepted"), [("TLSv1.2", True), ("TLSv1.3", False)])
def test_nothing_older_than_the_minimum_is_spoken(
    minimum: Any, accepted: bool, certificate: Path, run: Run
) -> None:
    async def main() -> None:
        async with secure_origin(certificate, newest=ssl.TLSVersion.TLSv1_2) as port:
            tls = TlsName("origin.test", str(certificate), minimum=minimum)
            sending = pool().send(Endpoint("127.0.0.1", port, tls=tls), GET)
            if accepted:
                assert await everything(await sending) == b"1.1"
            else:
                error = await failure(
                    sending
                )  # asyncio's server breaks off before its alert is out
                assert (error.fault in (Fault.TLS, Fault.REFUSED), error.sent) == (True, False)

    run(main())


@pytest.mark.parametrize("case", ["other-name", "unknown-authority", "not-tls"])
def test_o26_a_connection_that_is_not_proved_is_not_used(
    case: str, certificate: Path, run: Run
) -> None:
    async def main() -> None:
        server = listening(greets) if case == "not-tls" else secure_origin(certificate)
        async with server as port:
            tls = TlsName(
                "evil.test" if case == "other-name" else "origin.test",
                "" if case == "unknown-authority" else str(certificate),
            )
            error = await failure(pool().send(Endpoint("127.0.0.1", port, tls=tls), GET))
            assert (error.fault, error.sent, error.status) == (Fault.TLS, False, 502)

    run(main())


@pytest.mark.parametrize("name", ["origin.test", "evil.test"])
def test_of_several_addresses_the_one_that_answers_has_to_prove_itself(
    name: str, certificate: Path, run: Run
) -> None:
    async def both(host: str) -> tuple[str, ...]:
        return "127.0.0.2", "127.0.0.1"  # nobody listens at the first

    async def main() -> None:
        async with secure_origin(certificate) as port:
            tls = TlsName(name, str(certificate))
            asked = Pool(Network(NameResolver(both, lambda: 0.0)), lambda: 0.0)
            asking = asked.send(Endpoint(name, port, tls=tls), GET)
            if name == "evil.test":
                assert (await failure(asking)).fault is Fault.TLS
            else:
                assert await everything(await asking) == b"1.1"
            asked.close()

    run(main())


def test_a_unix_socket(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        path = str(tmp_path / "origin.sock")
        server = await asyncio.start_unix_server(Origin(answers).serve, path)
        asked = pool()
        try:
            reply = await asked.send(Endpoint("", 0, path), GET)
            assert await everything(reply) == b"1.1"
            error = await failure(asked.send(Endpoint("", 0, path + "x"), GET))
            assert (error.fault, error.where) == (Fault.REFUSED, f"unix:{path}x")
        finally:
            asked.close()
            await shut(server)

    run(main())


def test_o13_a_refused_connection(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            error = await failure(pool().send(Endpoint("127.0.0.1", bound.getsockname()[1]), GET))
        assert (error.fault, error.sent) == (Fault.REFUSED, False)

    run(main())


def test_a_connection_that_does_not_open_in_time(run: Run) -> None:
    async def never(*_: object) -> asyncio.BaseTransport:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def main() -> None:
        hurried = WireRequest(GET.method, GET.head, timeouts=Timeouts(connect_s=0.001))
        error = await failure(Pool(never, lambda: 0.0).send(Endpoint("a.test", 80), hurried))
        assert (error.fault, error.sent, error.status) == (Fault.CONNECT_TIMEOUT, False, 504)

    run(main())


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (socket.gaierror(-2, "unknown"), Fault.NAME),
        (UnicodeError("label too long"), Fault.NAME),
        (ConnectionRefusedError(), Fault.REFUSED),
        (ConnectionResetError(), Fault.REFUSED),
        (OSError("unreachable"), Fault.REFUSED),
        (TimeoutError(), Fault.CONNECT_TIMEOUT),
        (ssl.SSLError(), Fault.TLS),
        (ssl.SSLCertVerificationError(), Fault.TLS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_a_failure_to_connect_is_called(error: Exception, fault: Fault, run: Run) -> None:
    async def fails(*_: object) -> asyncio.BaseTransport:
        raise error

    async def main() -> None:
        failed = await failure(Pool(fails, lambda: 0.0).send(Endpoint("a.test", 80), GET))
        assert failed.fault is fault

    assert connect_fault(error) is fault
    run(main())


@pytest.mark.parametrize(
    ("method", "again"),
    [(b"GET", True), (b"HEAD", True), (b"DELETE", True), (b"POST", False), (b"PATCH", False)],
)
def test_what_may_be_sent_again(method: bytes, again: bool) -> None:
    assert WireRequest(method, GET.head).replayable is again
