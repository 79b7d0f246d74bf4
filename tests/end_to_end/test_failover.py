"""An origin group and viewer headers through two real tiers, up to an origin that records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from edgecache.cache.environment import via_pseudonym
from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.processes import free_ports
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl
from tests.node.mmdb import database

CONFIG = """
state_dir = "state"
geo_database = "places.mmdb"

[control]
listen = "127.0.0.1:{control}"

[regional]

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"

[[distributions]]
id = "EGROUP"
aliases = ["group.test"]
origin_groups = [
  {{ id = "pair", members = ["first", "second"], status_codes = [404, 503] }},
  {{ id = "half", members = ["gone", "second"], status_codes = [503] }},
]
[[distributions.origins]]
id = "first"
domain_name = "127.0.0.1"
http_port = {first}
custom_headers = {{ X-Member = "first" }}
[[distributions.origins]]
id = "second"
domain_name = "127.0.0.1"
http_port = {second}
path = "/other"
[[distributions.origins]]
id = "gone"
domain_name = "127.0.0.1"
http_port = {gone}
connection_timeout_s = 1
[distributions.default_behavior]
origin = "pair"
[[distributions.behaviors]]
path_pattern = "/half/*"
origin = "half"
[[distributions.behaviors]]
path_pattern = "/viewer/*"
origin = "first"
[distributions.behaviors.cache_policy]
headers = {{ behavior = "whitelist", items = ["CloudFront-Viewer-Country"] }}
[distributions.behaviors.origin_request_policy.headers]
behavior = "whitelist"
items = ["CloudFront-Viewer-Address", "CloudFront-Is-Mobile-Viewer"]
"""


class Scene(NamedTuple):
    """What runs, and the two origins it asks."""

    up: Up
    first: PlayedOrigin
    second: PlayedOrigin

    def ask(self, path: str, *options: str) -> Answer:
        return curl(f"{self.up.lhr}{path}", "-H", "Host: group.test", *options)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("failover")
    country = {"country": {"iso_code": "CH"}}
    (folder / "places.mmdb").write_bytes(database({"127.0.0.0/8": country}))
    control, lhr, first, second, gone = free_ports(5)
    origins = PlayedOrigin(first), PlayedOrigin(second)
    installation = Installation(folder, Ports(control, 1, lhr, 1), workers=1)
    installation.config.write_text(
        CONFIG.format(control=control, lhr=lhr, first=first, second=second, gone=gone)
    )
    for origin in origins:
        origin.start()
    running = start_up(installation)
    yield Scene(running, *origins)
    assert running.process.stop() == 0, running.process.stderr
    assert not running.installation.left_running()
    for origin in origins:
        origin.stop()


def says(origin: PlayedOrigin, path: str, status: int, body: str) -> list[dict[str, str]]:
    """`origin` answers `path` so from now on; what it is asked with goes into the list."""
    heard: list[dict[str, str]] = []

    async def answer(exchange: Exchange) -> None:
        heard.append(exchange.fields)
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nCache-Control: max-age=600"
        await exchange.send(f"{head}\r\n\r\n{body}".encode())

    origin.plays(path, answer)
    return heard


@pytest.mark.parametrize("status", [404, 503])
def test_a_listed_status_goes_to_the_second_and_its_answer_is_kept(
    scene: Scene, status: int
) -> None:
    path = f"/listed/{status}"
    heard = says(scene.first, path, status, "no")
    second = says(scene.second, f"/other{path}", 200, "yes")
    for x_cache in ("Miss", "Hit"):
        got = scene.ask(path)
        assert (got.status, got.body, got.x_cache) == (200, b"yes", x_cache)
    assert len(heard) == len(second) == 1
    assert heard[0]["x-member"] == "first"
    assert "x-member" not in second[0]
    assert second[0]["host"] == f"127.0.0.1:{scene.second.port}"
    assert heard[0]["x-amz-cf-id"] == second[0]["x-amz-cf-id"]


def test_an_origin_that_is_not_there_counts_as_503(scene: Scene) -> None:
    second = says(scene.second, "/other/half/a", 200, "yes")
    got = scene.ask("/half/a")
    assert (got.status, got.body) == (200, b"yes")
    assert len(second) == 1


def test_a_status_that_is_not_listed_stays(scene: Scene) -> None:
    says(scene.first, "/stays", 500, "broken")
    second = says(scene.second, "/other/stays", 200, "yes")
    assert (scene.ask("/stays").status, second) == (500, [])


def test_what_an_origin_is_sent_through_two_tiers(scene: Scene) -> None:
    heard = says(scene.first, "/viewer/a", 200, "one")
    options = (
        *("-H", "CloudFront-Viewer-Country: XX", "-H", "CloudFront-Viewer-City: Nowhere"),
        *("-H", "X-Forwarded-For: 192.0.2.9", "-H", "Authorization: Basic eDp5"),
        *("-H", "X-Amz-Cf-Id: forged", "-H", "Via: 1.1 viewers", "-H", "X-Private: yes"),
        *("-A", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1) Mobile/15E148"),
    )
    got = scene.ask("/viewer/a?q", *options)
    assert (got.status, got.x_cache) == (200, "Miss")
    sent = dict(heard[0])
    address = sent.pop("cloudfront-viewer-address")
    assert address.startswith("127.0.0.1:")
    assert 0 < int(address.rpartition(":")[2]) < 65_536  # the viewer's port: a peer has none
    assert len(sent["x-amz-cf-id"]) == 56
    assert sent.pop("x-amz-cf-id") == got.fields["x-amz-cf-id"]
    sent.pop("cdn-loop", None)
    assert sent == {
        "host": f"127.0.0.1:{scene.first.port}",
        "cloudfront-viewer-country": "CH",
        "cloudfront-is-mobile-viewer": "true",
        "user-agent": "Amazon CloudFront",
        "x-forwarded-for": "192.0.2.9, 127.0.0.1",
        "via": f"1.1 {via_pseudonym('regional', 'cloudfront').decode()}",
        "connection": "keep-alive",
        "x-member": "first",
    }
