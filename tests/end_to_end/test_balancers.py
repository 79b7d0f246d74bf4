"""HAProxy and nginx really in front: who the viewer is at the origin, in the log and the rules."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from edgecache.http.proxy_protocol import LOCAL_HEADER
from tests.end_to_end.balancers import Balanced, start_balanced
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

ADDRESS, PROTOCOL, STEM = 4, 16, 7  # fields of a line of the log
VIEWERS, REQUESTS = 12, 20


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    running = start_balanced(tmp_path_factory.mktemp("balanced"))
    yield running
    running.stop()


def asks(balanced: Balanced, front: str, path: str, *options: str) -> tuple[int, dict[str, str]]:
    """Status and what the origin was sent, asked from 127.0.0.7 through a balancer."""
    scheme = "https" if front in ("https", "passes_tls") else "http"
    url = f"{scheme}://localhost:{balanced.ports[front]}{path}"
    trust = ("--cacert", str(balanced.ca), "--interface", "127.0.0.7", "-4")
    answer = curl(url, *trust, *options)
    assert answer.exit_code == 0, answer
    return answer.status, json.loads(answer.body) if answer.status == 200 else {}


@pytest.mark.parametrize(
    ("front", "place"),
    [
        ("version1", "LHR50"), ("version2", "LHR50"), ("passes_tls", "LHR50"),
        ("http", "NRT57"), ("https", "NRT57"), ("nginx", "NRT57"),
    ],
)  # fmt: skip
def test_the_viewer_behind_a_balancer_is_known(balanced: Balanced, front: str, place: str) -> None:
    path = f"/who-{front}"
    status, told = asks(balanced, front, path)
    assert (status, told["x-forwarded-for"]) == (200, "127.0.0.7")
    claim = ("-H", "X-Forwarded-For: 203.0.113.9")
    _, told = asks(balanced, front, path, *claim)
    assert told["x-forwarded-for"] == "203.0.113.9, 127.0.0.7"

    def logged() -> set[tuple[str, str]]:
        lines = [line for line in balanced.lines(place) if line[STEM] == path]
        return {(line[ADDRESS], line[PROTOCOL]) for line in lines}

    scheme = "https" if front in ("https", "passes_tls") else "http"
    wait_for("its line of the log", logged)
    assert logged() == {("127.0.0.7", scheme)}


def test_a_trusted_word_makes_http_https_and_no_others(balanced: Balanced) -> None:
    claim = ("-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-For: 127.0.0.9")
    for _ in range(3):
        assert asks(balanced, "https", "/secure/a")[0] == 200
        assert asks(balanced, "http", "/secure/a", *claim)[0] == 301
        direct = f"http://localhost:{balanced.ports['nrt']}/secure/a"
        for address, status in (("127.0.0.7", 301), ("127.0.0.1", 200)):
            assert curl(direct, "-4", "--interface", address, *claim).status == status


def test_many_viewers_share_connections_and_are_told_apart(balanced: Balanced) -> None:
    """From as many addresses, each over its connection to HAProxy, which has fewer to the edge."""
    failures: list[str] = []

    def view(address: str) -> None:
        link = http.client.HTTPConnection(
            "127.0.0.1", balanced.ports["http"], timeout=60, source_address=(address, 0)
        )
        for number in range(REQUESTS):
            kept = number % 2
            link.request("GET", "/stored/many" if kept else "/many", headers={"Host": "localhost"})
            answer = link.getresponse()
            told = json.loads(answer.read())
            if answer.status != 200 or not (kept or told["x-forwarded-for"] == address):
                failures.append(f"{address}: {answer.status} {told}")
        link.close()

    addresses = [f"127.0.0.{number}" for number in range(20, 20 + VIEWERS)]
    threads = [threading.Thread(target=view, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]

    def counted() -> Counter[str]:
        return Counter(line[ADDRESS] for line in balanced.lines("NRT57") if "many" in line[STEM])

    wait_for("every line of the log", lambda: sum(counted().values()) >= VIEWERS * REQUESTS)
    assert counted() == dict.fromkeys(addresses, REQUESTS)


def closed(port: int, data: bytes, source: str = "127.0.0.1") -> bool:
    """Whether a location closes a connection that begins so, without a byte of answer."""
    with socket.create_connection(("127.0.0.1", port), 60, (source, 0)) as link:
        link.sendall(data)
        try:
            return link.recv(1) == b""
        except ConnectionResetError:
            return True


def test_who_comes_without_a_right_header_is_closed_and_counted(balanced: Balanced) -> None:
    marked = b"GET /marked-by-a-stranger HTTP/1.1\r\nHost: localhost\r\n\r\n"
    line = b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n"
    for port in (balanced.ports["lhr"], balanced.ports["lhr_tls"]):
        assert closed(port, marked)
        assert closed(port, b"PROXY marked-by-a-stranger\r\n")
        assert closed(port, b"PROXY UNKNOWN " + b"marked-by-a-stranger" * 9)
        assert closed(port, line + marked, source="127.0.0.8")
    assert not closed(balanced.ports["lhr"], LOCAL_HEADER + marked, source="127.0.0.8")
    counts = {"missing": 2, "broken": 2, "oversized": 2, "untrusted": 2}

    def told() -> bool:
        text = curl(f"{balanced.up.installation.control}/metrics").body.decode()
        lines = [one for one in text.splitlines() if "refused_proxy_headers_total" in one]
        return all(
            any(f'reason="{fault}"' in one and 'location="LHR50"' in one
                and float(one.split()[-1]) == count for one in lines)
            for fault, count in counts.items()
        )  # fmt: skip

    wait_for("the counts at control", told)
    stems = [line[STEM] for line in balanced.lines("LHR50") if "marked" in "\t".join(line)]
    assert stems in ([], ["/marked-by-a-stranger"])  # what came behind a right header
    assert "marked" not in balanced.up.process.stderr


def test_our_own_questions_reach_who_wants_a_header(balanced: Balanced) -> None:
    installation = balanced.up.installation
    url = f"http://localhost:{balanced.ports['lhr']}/stored/many"
    code, out, err = installation.run("explain", url, "--json")
    assert code == 0, err
    told = {place["name"]: place for place in json.loads(out)["places"]}
    assert [place["problem"] for place in told.values()] == [""] * len(told)
    assert len(told["LHR50"]["nodes"]) == 2
    code, _, err = installation.run("health", f"127.0.0.1:{balanced.ports['lhr']}")
    assert code == 0, err
