"""Certificates renewed under load: `python -m tests.end_to_end.certificates [RENEWALS]`.

Four viewers shake hands, one connection after the other, while certificate and key are replaced one
after the other: at each moment one of the two is of the former pair.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import free_ports, wait_for

NAME = "renewed.test"
VIEWERS = 4
REQUEST = f"GET /about.html HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode()
COUNTS_S_MAX = 2.0  # a renewed certificate counts within a second; twice that on a busy machine

_SITE = """
[[distributions]]
id = "ERENEWED"
aliases = ["renewed.test"]
default_behavior = {{ origin = "bucket" }}
viewer_certificate = {{ certificate_file = "site.pem", key_file = "site.key" }}

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"
"""


@dataclass(frozen=True, slots=True)
class Renewed:
    """An installation whose site has a certificate in two files; two workers show it."""

    up: Up
    port: int
    folder: Path

    def write(self, issuer: str, *, between_s: float = 0.0) -> int:
        """Replace the certificate, then the key, by a pair of `issuer`'s; the serial number."""
        certificate, key = new_pair(self.folder / issuer)
        replace_file(self.folder / "site.pem", certificate)
        threading.Event().wait(between_s)
        replace_file(self.folder / "site.key", key)
        return x509.load_pem_x509_certificate(certificate).serial_number

    def shown(self) -> int:
        """The serial number of the certificate that one more handshake gets."""
        return serial_shown(self.port)

    def await_shown(self, serial: int) -> None:
        """Wait until eight handshakes in a row, at any worker, get it."""
        wait_for("the certificate is shown", lambda: {self.shown() for _ in range(8)} == {serial})


def new_pair(folder: Path) -> tuple[bytes, bytes]:
    """A certificate and its key; the key is the folder's, the certificate a new one."""
    pem = development_certificate(folder, [NAME], datetime.now(UTC)).read_bytes()
    at = pem.index(b"-----BEGIN CERTIFICATE")
    return pem[at:], pem[:at]


def replace_file(path: Path, content: bytes) -> None:
    """The file holds `content`, whole for whoever reads it."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def serial_shown(port: int, name: str = NAME) -> int:
    """The serial number that a viewer who trusts anybody is shown."""
    with closing(_connection(port, name)) as viewer:
        shown = viewer.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number


def _connection(port: int, name: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def start_renewed(folder: Path, more: str = "") -> Renewed:
    """`up` with two workers that show the pair; `more` is TOML at the file's root."""
    installation = make_installation(folder, workers=2)
    (port,) = free_ports(1)
    lhr = f'listen = "127.0.0.1:{installation.ports.lhr}"'
    text = installation.config.read_text().replace(lhr, f'{lhr}\nlisten_tls = "127.0.0.1:{port}"')
    text = more + text + _SITE.format(bucket=installation.ports.bucket)
    installation.config.write_text(text)
    certificate, key = new_pair(folder / "first")
    (folder / "site.pem").write_bytes(certificate)
    (folder / "site.key").write_bytes(key)
    return Renewed(start_up(installation), port, folder)


@dataclass(slots=True)
class Handshakes:
    """Viewers that connect, shake hands and ask once, again and again, until this is left."""

    port: int
    serials: Counter[int] = field(default_factory=Counter)
    last_begun: dict[int, float] = field(default_factory=dict)  # by serial, of those that got it
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Handshakes:
        self._threads = [threading.Thread(target=self._go_on) for _ in range(VIEWERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait for so many more."""
        aim = self.serials.total() + count
        wait_for("more handshakes", lambda: self.failures or self.serials.total() >= aim)

    def _go_on(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                with closing(_connection(self.port, NAME)) as viewer:
                    shown = viewer.getpeercert(binary_form=True)
                    viewer.sendall(REQUEST)
                    answer = b"".join(iter(lambda: viewer.recv(65_536), b""))
                assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]
                assert shown is not None
                serial = x509.load_der_x509_certificate(shown).serial_number
                self.serials[serial] += 1
                self.last_begun[serial] = max(began, self.last_begun.get(serial, 0.0))
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))


def renew(renewed: Renewed, load: Handshakes, count: int) -> list[float]:
    """Renew so often, by two issuers in turn.

    Gives the seconds after each in which a handshake that got the former one still began.
    """
    taken, former = [], renewed.shown()
    for number in range(count):
        # Longer than a look, so that the pair is read while it does not go together.
        serial = renewed.write(f"issuer{number % 2}", between_s=0.4 if number % 2 else 0.0)
        written = time.monotonic()
        renewed.await_shown(serial)
        taken.append(max(0.0, load.last_begun.get(former, 0.0) - written))
        assert not load.failures, (number, load.failures[:3])
        former = serial
    return taken


def main(count: int) -> None:
    """Do it and print how it went."""
    with TemporaryDirectory() as folder:
        renewed = start_renewed(Path(folder))
        try:
            with Handshakes(renewed.port) as load:
                load.more(100)
                taken = sorted(renew(renewed, load, count))
                load.more(100)
            assert not load.failures, load.failures[:3]
            middle, last = taken[len(taken) // 2], taken[-1]
            print(
                f"{count} renewals, {load.serials.total()} handshakes, none failed; counted after "
                f"{middle:.2f} s (median), {last:.2f} s (longest)"
            )
            assert not renewed.up.process.stderr.count("stays as it was"), "told too early"
        finally:
            code = renewed.up.process.stop()
        assert code == 0, renewed.up.process.stderr


def authority(renewed: Renewed, issuer: str) -> Path:
    """The authority of an issuer's certificates."""
    return ca_file(renewed.folder / issuer)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
