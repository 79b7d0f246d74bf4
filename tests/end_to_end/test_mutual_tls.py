"""Mutual TLS between machines: who is let in by a certificate, and how one is come by and lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from edgecache.cluster.credentials import CONTROL, REGIONAL
from edgecache.cluster.enrollment import JoinToken, read_join_token
from tests.end_to_end.enrolled import Machines, refused_nodes, start_machines
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

DUE_S = 2_700.0  # of an hour: past two thirds


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    found = start_machines(tmp_path_factory.mktemp("machines"))
    yield found
    assert found.up.process.stop() == 0, found.up.process.stderr


def serial(path: Path) -> str:
    return f"{x509.load_pem_x509_certificate(path.read_bytes()).serial_number:x}"


def test_what_is_on_one_machine_needs_no_token(machines: Machines) -> None:
    answer = curl(f"{machines.up.lhr}/index.html")
    assert answer.status == 200
    status = answer.fields["cache-status"]
    assert "regional" in status, status  # by TLS, as other machines
    places = {node.partition("/")[0] for node in machines.certificates()}
    assert places >= {"control", "regional", "edge-LHR50"}
    explained = machines.up.installation.run("explain", f"{machines.up.lhr}/index.html")
    assert explained[0] == 0, explained
    assert "not answer" not in explained[1]


def test_a_purge_opens_control_by_its_token_alone(machines: Machines) -> None:
    """The edge's certificate is no operator's."""
    url = f"{machines.up.lhr}/about.html"
    _, token, _ = machines.up.installation.run("token")
    for shown, status in (("a.b.c", 401), (token.strip(), 200)):
        field = f"Authorization: Bearer {shown}"
        assert curl(url, "--request", "PURGE", "--header", field).status == status


def test_a_strange_and_an_ended_certificate_open_nothing(
    machines: Machines, tmp_path: Path
) -> None:
    strange = machines.certified("strange", authority=tmp_path)
    ended = machines.certified("ended", age_s=7_200)
    good = machines.certified("good")
    for place in (CONTROL, REGIONAL):
        assert machines.answered(place, strange) == (0, "")
        assert machines.answered(place, ended) == (0, "")
    assert machines.answered(REGIONAL, None) == (0, "")
    # A certificate alone is no node's word, and is no operator's.
    assert machines.answered(REGIONAL, good)[0] == 403
    for line in ("GET /log HTTP/1.1", "POST /reload HTTP/1.1", "GET /distributions HTTP/1.1"):
        assert machines.answered(CONTROL, good, line)[0] == 401
        assert machines.answered(CONTROL, None, line)[0] == 401


def test_a_machine_is_enrolled_from_an_empty_folder(machines: Machines) -> None:
    other = machines.other
    code, _, error = other.run("edge", "--location", "LHR50")
    assert (code, "edgecache nodes enroll TOKEN" in error) == (2, True), error

    token = machines.token()
    parts = read_join_token(token)
    false = JoinToken(parts.control, "0" * 64, parts.place, parts.secret).spelled()
    code, _, error = other.run("nodes", "enroll", false)
    assert (code, "nothing was sent" in error) == (1, True), error
    assert not other.certificate.exists()

    code, _, error = other.run("nodes", "enroll", token, "--name", "edge7.test")
    assert code == 0, error  # the token was not used up by the false one
    code, _, error = other.run("nodes", "enroll", token)
    assert (code, "used already" in error) == (1, True), error
    (node,) = [
        one for one in machines.certificates() if one.startswith("edge-") and "/local" not in one
    ]
    assert machines.certificates()[node]["names"] == ["edge7.test"]

    # It is due: the node renews it as soon as it runs, over its own connection.
    due = machines.certified(node.partition("/")[2], age_s=DUE_S)
    due.replace(other.certificate)
    former = serial(other.certificate)
    edge = other.start()
    try:
        edge.until("it renews its certificate", lambda: serial(other.certificate) != former)
        wait_for(
            "control lists the new one",
            lambda: machines.certificates()[node]["serial"] == serial(other.certificate),
        )
        url = f"http://127.0.0.1:{other.port}/about.html"
        edge.until("viewers are served", lambda: curl(url).status == 200)
        fresh = curl(url.replace("about.html", "data/prices.json"))
        assert "regional" in fresh.fields["cache-status"], fresh
        _revoke(machines, node)
    finally:
        assert edge.stop() == 0, edge.stderr


def _revoke(machines: Machines, node: str) -> None:
    """Revoke a machine whose edge runs: it is refused, and every connection of its ends."""
    certificate = machines.other.certificate
    held = [machines.connected(place, certificate) for place in (CONTROL, REGIONAL)]
    code, said, error = machines.up.installation.run("nodes", "revoke", node)
    assert code == 0, error
    assert said == f"revoked: {node}\n"
    for connection in held:
        with closing(connection):
            assert connection.recv(1) == b""  # or the timeout of 30 s fails it
    wait_for(
        "control says whom it refuses",
        lambda: any("revoked" in why for why in refused_nodes(machines.up)),
    )
    # Refused, or closed by who looks for such connections once a second.
    assert machines.answered(CONTROL, certificate, "POST /certificate HTTP/1.1")[0] in (0, 403)
    wait_for(
        "the regional cache knows", lambda: machines.answered(REGIONAL, certificate) == (0, "")
    )
    assert machines.certificates()[node]["state"] == "revoked"
    assert machines.answered(REGIONAL, machines.certified("another"))[0] == 403  # others go on
