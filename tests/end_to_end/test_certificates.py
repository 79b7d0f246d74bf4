"""Certificates live: what is written counts, what is spoilt is told once, what ends is measured."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.certificates import (
    COUNTS_S_MAX,
    NAME,
    Handshakes,
    Renewed,
    authority,
    new_pair,
    renew,
    replace_file,
    start_renewed,
)
from tests.end_to_end.processes import DEADLINE_S, wait_for
from tests.end_to_end.viewers import curl


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renewed]:
    running = start_renewed(tmp_path_factory.mktemp("renewed"))
    yield running
    assert running.up.process.stop() == 0, running.up.process.stderr


def s_client(port: int, *options: str) -> str:
    """What openssl's client says of one connection."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME]
    request = f"GET /about.html HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
    done = subprocess.run(
        [*command, "-ign_eof", *options],
        input=request,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert "HTTP/1.1 200" in done.stdout, done.stderr
    return done.stdout


def test_renewals_under_load_count_and_no_handshake_fails(renewed: Renewed) -> None:
    with Handshakes(renewed.port) as load:
        load.more(20)
        taken = renew(renewed, load, 4)
        load.more(20)
    assert not load.failures, load.failures[:3]
    assert max(taken) < COUNTS_S_MAX, taken
    ca = str(authority(renewed, "issuer1"))
    trusted = ("--resolve", f"{NAME}:{renewed.port}:127.0.0.1", "--cacert", ca)
    assert curl(f"https://{NAME}:{renewed.port}/about.html", *trusted).status == 200
    assert "stays as it was" not in renewed.up.process.stderr


def test_a_certificate_without_its_key_leaves_the_old_one_and_is_told_once(
    renewed: Renewed,
) -> None:
    before = renewed.shown()
    replace_file(renewed.folder / "site.pem", new_pair(renewed.folder / "stranger")[0])
    words = f"a certificate stays as it was: {renewed.folder}/site.key: is not the key of "
    renewed.up.process.await_said(words)
    assert renewed.shown() == before
    code, out, _ = renewed.up.installation.run("reload")
    assert (code, "unchanged" in out) == (0, True)
    assert renewed.shown() == before
    renewed.await_shown(renewed.write("issuer0"))
    assert renewed.up.process.stderr.count(words) == 1


def test_its_end_is_a_metric(renewed: Renewed) -> None:
    def left() -> float:
        text = curl(f"{renewed.up.installation.control}/metrics").body.decode()
        label = re.escape(f'edgecache_certificate_expiry_seconds{{name="{NAME}"}}')
        found = re.search(rf"^{label} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    days = wait_for("the metric", left) / 86_400
    assert 390 < days < 398


def test_a_ticket_opens_at_its_own_worker_and_costs_a_full_handshake_elsewhere(
    renewed: Renewed,
) -> None:
    """Tickets outlive a renewal: their key is the port's, not the certificate's."""
    kept = str(renewed.folder / "session.pem")
    s_client(renewed.port, "-sess_out", kept)
    renewed.await_shown(renewed.write("issuer1"))
    words = {"Reused, TLSv1.3": 0, "New, TLSv1.3": 0}
    began = time.monotonic()
    while not all(words.values()) and time.monotonic() - began < DEADLINE_S:
        said = s_client(renewed.port, "-sess_in", kept)
        (found,) = [word for word in words if word in said]
        words[found] += 1
    assert all(words.values()), words
