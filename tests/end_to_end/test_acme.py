"""ACME against Debian's pebble: certbot's webroot flow, and certificates got by control."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.end_to_end.certificates import serial_shown
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.pebble import Pebble, start_pebble
from tests.end_to_end.processes import DEADLINE_S, free_ports, wait_for
from tests.end_to_end.viewers import curl

NAMES = ("shop.test", "www.shop.test")
_SITES = """
[[distributions]]
id = "ESHOP"
aliases = ["shop.test", "www.shop.test"]
default_behavior = {{ origin = "bucket", viewer_protocol_policy = "redirect-to-https" }}

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"
"""


def start_issued(folder: Path) -> tuple[Up, Pebble, int]:
    """`up` with `certificates = "acme"`, a folder of challenges, and pebble; and its TLS port."""
    installation = make_installation(folder, workers=2)
    (tls,) = free_ports(1)
    pebble = start_pebble(folder / "pebble", installation.ports.lhr)
    lhr = f'listen = "127.0.0.1:{installation.ports.lhr}"'
    control = "allow_private_origins = true"
    acme = f'directory_url = "{pebble.directory_url}", ca_file = "{pebble.ca}"'
    more = f'acme_challenges = "webroot"\nacme = {{ email = "me@shop.test", {acme} }}'
    text = installation.config.read_text()
    text = text.replace(lhr, f'{lhr}\nlisten_tls = "127.0.0.1:{tls}"')
    text = text.replace(control, f"{control}\n{more}")
    text = f'certificates = "acme"\n{text}' + _SITES.format(bucket=installation.ports.bucket)
    installation.config.write_text(text)
    return start_up(installation), pebble, tls


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, Pebble, int]]:
    """The tests of this file are its life: the last one ends it."""
    running = start_issued(tmp_path_factory.mktemp("issued"))
    yield running
    running[1].stop()
    running[0].process.stop()


def kept(state: Path) -> x509.Certificate | None:
    path = state / "certificates" / "ESHOP.pem"
    return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None


@pytest.mark.long
def test_certbot_proves_a_name_by_its_webroot(issued: tuple[Up, Pebble, int]) -> None:
    if shutil.which("certbot") is None:
        pytest.skip("certbot is not installed")
    up, pebble, _ = issued
    folder = up.installation.folder
    own = folder / "certbot"
    (folder / "webroot").mkdir(exist_ok=True)
    command = [
        *("certbot", "certonly", "--webroot", "--webroot-path", str(folder / "webroot")),
        *("--server", pebble.directory_url, "--domain", NAMES[0], "--agree-tos"),
        *("--email", "me@shop.test", "--non-interactive"),
        *(
            word
            for name in ("config", "work", "logs")
            for word in (f"--{name}-dir", str(own / name))
        ),
    ]
    environment = {"REQUESTS_CA_BUNDLE": str(pebble.ca), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (own / "config" / "live" / NAMES[0] / "fullchain.pem").exists()
    missing = curl(
        f"http://{NAMES[0]}:{up.installation.ports.lhr}/.well-known/acme-challenge/unknown",
        "--resolve", f"{NAMES[0]}:{up.installation.ports.lhr}:127.0.0.1",
    )  # fmt: skip
    assert missing.status == 301  # its ordinary way: to https


def test_control_gets_a_certificate_and_keeps_it_over_a_restart(
    issued: tuple[Up, Pebble, int],
) -> None:
    up, pebble, tls = issued
    state = up.installation.state
    found = up.process.until("a certificate is issued", lambda: kept(state))
    assert found is not None
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {*NAMES}
    serial = found.serial_number
    wait_for("it is shown", lambda: {serial_shown(tls, NAMES[1]) for _ in range(8)} == {serial})
    for file in (*(state / "certificates").iterdir(), *(state / "acme").iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert up.process.stop() == 0, up.process.stderr
    pebble.stop()  # nobody is asked again
    again = start_up(up.installation)
    assert serial_shown(tls, NAMES[0]) == serial
    assert again.process.stop() == 0, again.process.stderr
