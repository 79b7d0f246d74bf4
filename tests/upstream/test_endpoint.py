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

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
from tests.upstream.loopback import GET, Origin, Run, answers, everything, failure, network, shut

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
async def secure_origin(certificate: Path) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
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
