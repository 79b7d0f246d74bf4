"""A real nginx that demands a secret header and a client certificate: the CDN has both."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.nginx import Nginx, start_nginx
from tests.end_to_end.processes import free_ports, wait_for
from tests.end_to_end.viewers import Answer, curl

VARIABLE = "EDGECACHE_TEST_VERIFY"
FIRST, SECOND = "the-first-secret", "the-second-secret"
_GUARD = """
    ssl_certificate {server};
    ssl_certificate_key {server};
    ssl_client_certificate {client};
    ssl_verify_client on;
    keepalive_requests 1;
    listen 127.0.0.1:{http2} ssl http2;
    add_header X-Client $ssl_client_s_dn;
    add_header X-Protocol $server_protocol;
    if ($http_x_verify !~ "^({first}|{second})$") {{ return 403; }}
"""
_SITE = """
[[distributions]]
id = "E{name}"
aliases = ["{name}.test"]
default_behavior = {{ origin = "guarded" }}
custom_error_responses = [{{ error_code = 400, error_caching_ttl_s_min = 0 }},
  {{ error_code = 403, error_caching_ttl_s_min = 0 }},
  {{ error_code = 502, error_caching_ttl_s_min = 0 }}]

[[distributions.origins]]
id = "guarded"
domain_name = "127.0.0.1"
https_port = {port}
protocol_policy = "https-only"
ca_file = "{ca}"
protocol = "{protocol}"
{proofs}
"""
_CERTIFICATE = 'client_certificate_file = "client.pem"\nclient_key_file = "client.key"\n'


def written_client(folder: Path, name: str) -> None:
    """A certificate that has signed itself, for a client, with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "client.key").write_bytes(pem)
    (folder / "client.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


@dataclass(frozen=True, slots=True)
class Guarded:
    """nginx that lets nobody in, and an installation that it lets in."""

    nginx: Nginx
    up: Up
    folder: Path

    def ask(self, name: str, path: str = "/a.txt", edge: str = "") -> Answer:
        return curl(f"{edge or self.up.lhr}{path}", "-H", f"Host: {name}.test")

    def direct(self, *options: str) -> Answer:
        return curl(f"https://127.0.0.1:{self.nginx.port}/a.txt", "-k", *options)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    root = tmp_path_factory.mktemp("guarded_root")
    (root / "a.txt").write_text("guarded")
    server = development_certificate(
        folder / "ca", ["127.0.0.1"], datetime.datetime.now(datetime.UTC)
    )
    written_client(folder, "edgecache")
    (http2,) = free_ports(1)
    guard = _GUARD.format(
        server=server, client=folder / "client.pem", first=FIRST, second=SECOND, http2=http2
    )
    nginx = start_nginx(tmp_path_factory.mktemp("guarded_nginx"), root, tls=True, more=guard)
    (folder / "verify").write_text(f"{FIRST}\n")
    installation = make_installation(folder, workers=1)
    text = installation.config.read_text()
    from_file, from_env = "file:verify", f"env:{VARIABLE}"
    both = f'{_CERTIFICATE}secret_headers = {{ X-Verify = "{from_env}" }}'
    old, new = (nginx.port, "http1.1"), (http2, "h2")
    for name, (port, protocol), proofs in (
        ("file", old, f'{_CERTIFICATE}secret_headers = {{ X-Verify = "{from_file}" }}'),
        ("env", old, both),
        ("bare", old, f'secret_headers = {{ X-Verify = "{from_file}" }}'),
        ("silent", old, _CERTIFICATE),
        ("h2", new, both),
        ("bare-h2", new, f'secret_headers = {{ X-Verify = "{from_file}" }}'),
        ("silent-h2", new, _CERTIFICATE),
        ("either", (http2, "http2"), both),
        ("older", (nginx.port, "http2"), both),
    ):
        text += _SITE.format(
            name=name, port=port, protocol=protocol, ca=ca_file(folder / "ca"), proofs=proofs
        )
    installation.config.write_text(text)
    os.environ[VARIABLE] = SECOND
    try:
        up = start_up(installation)
    finally:
        del os.environ[VARIABLE]
    yield Guarded(nginx, up, folder)
    assert up.process.stop() == 0, up.process.stderr
    assert nginx.process.stop() == 0


def test_only_who_has_both_is_served(guarded: Guarded) -> None:
    certificate = ["--cert", str(guarded.folder / "client.pem")]
    certificate += ["--key", str(guarded.folder / "client.key")]
    secret = ["-H", f"X-Verify: {FIRST}"]
    assert guarded.direct().status == 400
    assert guarded.direct(*secret).status == 400
    assert guarded.direct(*certificate).status == 403
    assert guarded.direct(*certificate, *secret).status == 200
    for name in ("file", "env"):
        answer = guarded.ask(name)
        assert (answer.status, answer.body, answer.x_cache) == (200, b"guarded", "Miss")
        assert answer.fields["x-client"] == "CN=edgecache"
        assert guarded.ask(name, edge=guarded.up.nrt).body == b"guarded"
    assert guarded.ask("bare").status == 400
    assert guarded.ask("silent").status == 403


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("env", "HTTP/1.1"), ("h2", "HTTP/2.0"), ("either", "HTTP/2.0"), ("older", "HTTP/1.1")],
)
def test_both_are_given_by_either_version_of_http(
    guarded: Guarded, name: str, protocol: str
) -> None:
    """And CloudFront's OriginHttpVersion `http2` takes what the origin has chosen by ALPN."""
    answer = guarded.ask(name, "/a.txt?version")
    assert (answer.status, answer.body) == (200, b"guarded")
    assert answer.fields["x-client"] == "CN=edgecache"
    assert answer.fields["x-protocol"] == protocol


def test_by_http2_too_only_who_has_both_is_served(guarded: Guarded) -> None:
    assert guarded.ask("bare-h2").status == 400
    assert guarded.ask("silent-h2").status == 403


def test_a_viewer_cannot_say_the_secret_in_our_place(guarded: Guarded) -> None:
    forged = ("-H", "Host: silent.test", "-H", f"X-Verify: {FIRST}")
    assert curl(f"{guarded.up.lhr}/a.txt?forged", *forged).status == 403


def test_a_secret_is_changed_while_it_runs(guarded: Guarded) -> None:
    numbers = iter(range(10_000))

    def is_answered(status: int) -> bool:
        return guarded.ask("file", f"/a.txt/{next(numbers)}").status == status

    assert is_answered(404)  # let in, and not found
    for value, status in (("wrong", 403), (SECOND, 404)):
        (guarded.folder / "verify.new").write_text(value)
        (guarded.folder / "verify.new").replace(guarded.folder / "verify")
        answered = partial(is_answered, status)
        wait_for(f"the secret is {value}", answered, deadline_s=10)
    said = guarded.up.process.stderr
    assert FIRST not in said
    assert SECOND not in said


def test_a_certificate_is_changed_while_it_runs(guarded: Guarded) -> None:
    numbers = iter(range(10_000))

    def status() -> int:
        return guarded.ask("env", f"/a.txt/{next(numbers)}").status

    kept = {name: (guarded.folder / name).read_bytes() for name in ("client.pem", "client.key")}
    assert status() == 404
    written_client(guarded.folder, "stranger")
    wait_for("the stranger is refused", lambda: status() == 400, deadline_s=10)
    for name, content in kept.items():
        (guarded.folder / name).write_bytes(content)
    wait_for("we are known again", lambda: status() == 404, deadline_s=10)
