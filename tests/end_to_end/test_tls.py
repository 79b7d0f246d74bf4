"""TLS as viewers meet it: certificates by SNI, misdirected requests, versions, the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import wait_for
from tests.end_to_end.secure import OWN, Secure, start_secure
from tests.end_to_end.viewers import curl

CURL_RECEIVE = (35, 52, 56)  # curl's words for a handshake or a connection that ended at once


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    running = start_secure(tmp_path_factory.mktemp("secure"))
    yield running
    assert running.up.process.stop() == 0, running.up.process.stderr


def test_what_up_tells_is_enough_to_be_trusted(secure: Secure) -> None:
    told = secure.up.told
    assert told["ca_file"] == str(secure.ca)
    url = told["secure_locations"]["LHR50"]
    assert url == f"https://localhost:{secure.port}"
    answer = curl(f"{url}/index.html", "--cacert", told["ca_file"])
    assert (answer.exit_code, answer.status) == (0, 200)
    assert curl(url, "--cacert", str(secure.own_ca)).exit_code == 60  # CURLE_PEER_FAILED


def test_each_site_has_its_certificate(secure: Secure) -> None:
    trusted = (*secure.resolve(OWN), "--cacert", str(secure.own_ca))
    answer = curl(secure.url(OWN), *trusted)
    assert (answer.exit_code, answer.status) == (0, 200)
    assert curl(secure.url(OWN), *secure.resolve(OWN), "--cacert", str(secure.ca)).exit_code == 60
    shared = curl(secure.url("tree.test"), *secure.resolve("tree.test"), "--cacert", str(secure.ca))
    assert shared.exit_code == 0  # its origin is not there, but its certificate is


def test_plain_http_is_sent_to_https_and_arrives(secure: Secure) -> None:
    plain = secure.up.installation.ports.lhr
    url = f"http://{OWN}:{plain}/assets/site.css"
    names = (*secure.resolve(OWN), "--resolve", f"{OWN}:{plain}:127.0.0.1")
    moved = curl(f"{url}?a=1", *names)
    assert (moved.status, moved.x_cache) == (301, "Redirect")
    assert moved.fields["location"] == secure.url(OWN, "/assets/site.css?a=1")
    post = curl(url, *names, "--request", "POST", "--data", "x")
    assert post.status == 307
    arrived = curl(url, *names, "--location", "--cacert", str(secure.own_ca))
    assert (arrived.exit_code, arrived.status) == (0, 200)
    assert curl(f"http://{OWN}:{plain}/data/prices.json", *names).status == 403


def test_without_a_known_name_the_default_certificate_is_shown(secure: Secure) -> None:
    answer = curl(secure.url("127.0.0.1", "/about.html"), "--cacert", str(secure.ca))
    assert (answer.exit_code, answer.status) == (0, 200)


@pytest.mark.parametrize("connected", [OWN, "localhost"])
def test_another_sites_host_is_misdirected(secure: Secure, connected: str) -> None:
    other = "tree.test" if connected == OWN else OWN
    ca = secure.own_ca if connected == OWN else secure.ca
    options = (*secure.resolve(connected), "--cacert", str(ca))
    answer = curl(secure.url(connected), *options, "-H", f"Host: {other}")
    assert (answer.status, answer.x_cache) == (421, "Error")


def test_a_certificate_for_both_serves_both(secure: Secure) -> None:
    answer = curl(secure.url("localhost"), "--cacert", str(secure.ca), "-H", "Host: 127.0.0.1")
    assert answer.status == 200


def test_the_oldest_version_is_the_sites_own(secure: Secure) -> None:
    old = ("--tls-max", "1.2")
    assert curl(secure.url("localhost"), "--cacert", str(secure.ca), *old).status == 200
    refused = curl(secure.url(OWN), *secure.resolve(OWN), "--cacert", str(secure.own_ca), *old)
    assert refused.status == 0
    assert refused.exit_code in CURL_RECEIVE


def test_http_2_is_offered_as_the_distribution_says(secure: Secure) -> None:
    answer = curl(secure.url("localhost"), "--cacert", str(secure.ca))
    assert (answer.exit_code, answer.status, answer.version) == (0, 200, "2")
    own = ("--http2", *secure.resolve(OWN), "--cacert", str(secure.own_ca))
    answer = curl(secure.url(OWN), *own)
    assert (answer.exit_code, answer.status, answer.version) == (0, 200, "1.1")
    answer = curl(secure.url("localhost"), "--cacert", str(secure.ca), "--http1.1")
    assert (answer.exit_code, answer.status, answer.version) == (0, 200, "1.1")


def test_plain_http_goes_on_beside_it(secure: Secure) -> None:
    assert curl(f"{secure.up.lhr}/index.html").status == 200


def test_the_log_says_how_it_was_carried(secure: Secure) -> None:
    target = "/assets/site.css?carried"
    curl(secure.url("localhost", target), "--cacert", str(secure.ca), "--tls-max", "1.2")
    curl(secure.url("localhost", target), "--cacert", str(secure.ca))
    curl(f"{secure.up.lhr}{target}", "-H", f"Host: localhost:{secure.port}")

    def records() -> list[list[str]]:
        lines = log_records(secure.up.installation.state / "logs", "edge-LHR50")
        found = [line for line in lines if "carried" in line]
        return found if len(found) == 3 else []

    carried = {(record[16], record[20]) for record in wait_for("three records", records)}
    assert carried == {("https", "TLSv1.2"), ("https", "TLSv1.3"), ("http", "-")}
